import type { Database } from '@kithmesh/database'
import { meshErrors } from './error-catalogue.ts'

export interface CollectionPath {
  readonly scope: string
  readonly name: string
}

/**
 * Reads `scope.name` or `name`.
 * @throws TypeError for anything else, for names given twice, and for an empty list.
 */
export function parseCollectionPaths(paths: readonly string[]): readonly CollectionPath[] {
  if (paths.length === 0) throw new TypeError('At least one collection is needed')
  const parsed = paths.map((path) => {
    const parts = path.split('.')
    if (parts.length > 2 || parts.includes(''))
      throw new TypeError(`A collection is written "name" or "scope.name", not ${JSON.stringify(path)}`)
    const [first = '', second] = parts
    return second === undefined ? { scope: '_default', name: first } : { scope: first, name: second }
  })
  if (new Set(parsed.map(({ scope, name }) => `${scope}.${name}`)).size !== parsed.length)
    throw new TypeError('A collection is given twice')
  return parsed
}

/**
 * The collections to replicate from now on: those named, or all there are; the default one always is.
 * @throws ERR_MESH_COLLECTION when one does not exist.
 */
export function existingCollections(database: Database, wanted: readonly CollectionPath[] | undefined): readonly CollectionPath[] {
  const others = database.collections().filter(({ scope, name }) => scope !== '_default' || name !== '_default')
  const existing = [{ scope: '_default', name: '_default' }, ...others.map(({ scope, name }) => ({ scope, name }))]
  if (wanted === undefined) return existing
  const known = new Set(existing.map(({ scope, name }) => `${scope}.${name}`))
  for (const { scope, name } of wanted) {
    if (!known.has(`${scope}.${name}`))
      throw meshErrors.create('ERR_MESH_COLLECTION', `There is no collection ${scope}.${name} in the database`)
  }
  return wanted
}
