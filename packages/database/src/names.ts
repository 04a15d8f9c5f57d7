import { databaseErrors } from './errors.ts'

/** Longest document id for documents written here, bytes of UTF-8 (cbmobile.md §14). */
const MAX_DOCUMENT_ID = 240

/** Longest document id accepted from peers (cbmobile.md §6). */
export const MAX_FOREIGN_DOCUMENT_ID = 255

/** @throws ERR_DB_DOCUMENT_ID */
export function checkDocumentId(id: string, limit = MAX_DOCUMENT_ID): void {
  if (typeof id !== 'string') throw new TypeError('A document id is a string')
  const problem =
    id.length === 0
      ? 'is empty'
      : id.charCodeAt(0) === 95
        ? 'starts with an underscore'
        : id.length > limit || (id.length * 3 > limit && Buffer.byteLength(id) > limit)
          ? `is longer than ${limit} bytes`
          : LONE_SURROGATE.test(id)
            ? 'is not valid Unicode'
            : undefined
  if (problem !== undefined)
    throw databaseErrors.create('ERR_DB_DOCUMENT_ID', `The document id ${JSON.stringify(id.slice(0, 80))} ${problem}`)
}

const LONE_SURROGATE = /\p{Surrogate}/u
const NAME = /^[A-Za-z0-9-][A-Za-z0-9_%-]{0,250}$/

/** @throws ERR_DB_COLLECTION_NAME for anything that Couchbase Lite would not take either. */
export function checkCollectionName(scope: string, name: string): void {
  for (const part of [scope, name]) {
    if (typeof part !== 'string') throw new TypeError('Scope and collection names are strings')
    if (part !== '_default' && !NAME.test(part))
      throw databaseErrors.create('ERR_DB_COLLECTION_NAME', `${JSON.stringify(part.slice(0, 80))} cannot name a scope or collection`)
  }
  if (scope === '_default' ? false : name === '_default') {
    throw databaseErrors.create(
      'ERR_DB_COLLECTION_NAME',
      `Only the default scope has a collection named _default, not ${JSON.stringify(scope)}`
    )
  }
}
