import type { StorageReader, StoredDocument } from './contracts/storage.ts'

/** A document somebody wants to read, with the sequence under which it was last seen. */
export interface Wanted {
  readonly id: string
  readonly sequence?: number
}

/**
 * Reads many documents, in the order given; undefined for those that are gone. Documents that are neighbours by sequence are read
 * as one range, which is several times faster than looking each up by its id: their rows lie on the same pages. A document that has
 * moved on to another sequence is looked up.
 */
export function readMany(reader: StorageReader, collection: number, wanted: readonly Wanted[]): (StoredDocument | undefined)[] {
  const range = rangeOf(wanted)
  const documents = range === undefined ? [] : reader.documentsSince(collection, range.first - 1, range.length)
  let next = 0
  return wanted.map(({ id, sequence }) => {
    if (sequence !== undefined && range !== undefined) {
      // Both lists ascend, as a rule: the next one is the one wanted.
      if (documents[next]?.sequence !== sequence) next = documents.findIndex((document) => document.sequence === sequence)
      const found = documents[next]
      next += 1
      if (found?.id === id) return found
    }
    return reader.get(collection, id)
  })
}

/** The range of sequences, when all are known and hardly anything unwanted lies between them. */
function rangeOf(wanted: readonly Wanted[]): { readonly first: number; readonly length: number } | undefined {
  let first = Infinity
  let last = 0
  for (const { sequence } of wanted) {
    if (sequence === undefined) return undefined
    first = Math.min(first, sequence)
    last = Math.max(last, sequence)
  }
  const length = last - first + 1
  return wanted.length > 0 && length <= wanted.length * 1.25 + 4 ? { first, length } : undefined
}
