/** A collection's place: `scope.collection` on the wire, the default scope left out (cbmobile.md §2). */
export interface CollectionName {
  readonly scope: string
  readonly name: string
}

const DEFAULT = '_default'
const PART = /^[A-Za-z0-9-][A-Za-z0-9_%-]{0,250}$/

/** `{ scope: '_default', name: 'widgets' }` → `widgets`. */
export function formatCollectionPath(collection: CollectionName): string {
  return collection.scope === DEFAULT ? collection.name : `${collection.scope}.${collection.name}`
}

/** The inverse of {@link formatCollectionPath}; undefined for text that names no collection. */
export function parseCollectionPath(path: string): CollectionName | undefined {
  const dot = path.indexOf('.')
  const scope = dot < 0 ? DEFAULT : path.slice(0, dot)
  const name = dot < 0 ? path : path.slice(dot + 1)
  const valid = (part: string): boolean => part === DEFAULT || PART.test(part)
  return valid(scope) && valid(name) && (name !== DEFAULT || scope === DEFAULT) ? { scope, name } : undefined
}

/** Whether this is the collection that conversations without `getCollections` mean. */
export function isDefaultCollection(collection: CollectionName): boolean {
  return collection.scope === DEFAULT && collection.name === DEFAULT
}
