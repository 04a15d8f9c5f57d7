import type { Database } from '@kithmesh/database'
import type { Conflict, DocumentFilter, Resolution, ServedCollection } from '@kithmesh/replicator'
import { meshErrors } from '../errors.ts'

/** A conflict, and from whom the rival revision came. */
export interface MeshConflict extends Conflict {
  /** Peer id of the neighbour, who need not have written it; the `uid` of a member's endpoint. */
  readonly peerId: string
}

/** Decides conflicts. It must come to the same result on every peer, so `peerId` is for logs and for asking people. */
export type MeshConflictResolver = (conflict: MeshConflict) => Resolution | Promise<Resolution>

/** A collection that is kept in sync, and what of it. */
export interface MeshCollection {
  readonly name: string
  /** @default '_default' */
  readonly scope?: string
  /** @default the mesh's */
  readonly conflictResolver?: MeshConflictResolver
  /** Documents that it refuses are not given to the peer. It is told the peer's id. */
  readonly pushFilter?: DocumentFilter
  /** Documents that it refuses are not taken from the peer. It is told the peer's id. */
  readonly pullFilter?: DocumentFilter
  /** Only these documents, both ways. */
  readonly documentIds?: readonly string[]
}

/** A collection as the links need it. */
export type LinkedCollection = MeshCollection & { readonly scope: string }

/**
 * Reads collections, or their names as `scope.name` or `name`.
 * @throws TypeError for anything else, for names given twice, and for an empty list.
 */
export function parseCollections(collections: readonly (string | MeshCollection)[]): readonly LinkedCollection[] {
  if (collections.length === 0) throw new TypeError('At least one collection is needed')
  const parsed = collections.map((given) => {
    if (typeof given !== 'string') return { ...given, scope: given.scope ?? '_default' }
    const parts = given.split('.')
    if (parts.length > 2 || parts.includes(''))
      throw new TypeError(`A collection is written "name" or "scope.name", not ${JSON.stringify(given)}`)
    const [first = '', second] = parts
    return second === undefined ? { scope: '_default', name: first } : { scope: first, name: second }
  })
  if (new Set(parsed.map(({ scope, name }) => `${scope}.${name}`)).size !== parsed.length)
    throw new TypeError('A collection is given twice')
  return parsed
}

/** The collection as those who are served may see it. */
export function servedCollection({ scope, name, pushFilter, pullFilter, documentIds }: LinkedCollection): ServedCollection {
  const only = documentIds === undefined ? undefined : new Set(documentIds)
  const narrowed = (filter: DocumentFilter | undefined): DocumentFilter | undefined =>
    only === undefined ? filter : (document) => only.has(document.id) && (filter?.(document) ?? true)
  const [push, pull] = [narrowed(pushFilter), narrowed(pullFilter)]
  return { scope, name, ...(push === undefined ? {} : { pushFilter: push }), ...(pull === undefined ? {} : { pullFilter: pull }) }
}

/**
 * The collections to replicate from now on: those named, or all there are; the default one always is.
 * @throws ERR_MESH_COLLECTION when one does not exist.
 */
export function existingCollections(database: Database, wanted: readonly LinkedCollection[] | undefined): readonly LinkedCollection[] {
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
