// Whether two databases hold the same, told by what differs: what the suites mean by "equal databases".
import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { eventually } from '../../support/eventually.mjs'

const digestOf = (bytes) => `sha1-${createHash('sha1').update(bytes).digest('base64')}`

/** Every blob that a JSON value mentions, at any depth. */
export function blobsIn(value, found = []) {
  if (typeof value !== 'object' || value === null) return found
  if (value['@type'] === 'blob' && typeof value.digest === 'string') found.push(value)
  for (const member of Object.values(value)) blobsIn(member, found)
  return found
}

/** All documents of a collection, tombstones included, by id. */
export function documentsOf(collection) {
  const documents = new Map()
  for (let since = 0; ; ) {
    const page = collection.changes({ since })
    if (page.length === 0) return documents
    for (const { id } of page) documents.set(id, collection.get(id, { deleted: true }))
    since = page.at(-1).sequence
  }
}

async function blobTrouble(name, database, { digest, length }) {
  const bytes = await database.blobs.readBlob(digest)
  if (bytes === undefined) return `${name} lacks the blob ${digest}`
  if (digestOf(bytes) !== digest || (length !== undefined && bytes.length !== length)) return `${name} has other bytes under ${digest}`
  return undefined
}

/**
 * What two databases differ in, one line each; empty when they are equal: collections, documents with their revision, tombstones, bodies,
 * and the blobs that live documents mention, which must be there and be what their digest says. No document may be in conflict.
 * @param ignore documents that are not compared.
 */
export async function databaseDifferences(a, b, { ignore = () => false } = {}) {
  const differences = []
  const note = (text) => text !== undefined && differences.push(text)
  const names = (database) => database.collections().map(({ scope, name }) => `${scope}.${name}`)
  for (const path of new Set([...names(a), ...names(b)])) {
    const [scope, name] = path.split('.')
    const [inA, inB] = [a, b].map((database) => (names(database).includes(path) ? database.collection(name, scope) : undefined))
    if (inA === undefined || inB === undefined) {
      note(`collection ${path} is only in ${inA === undefined ? 'the second' : 'the first'}`)
      continue
    }
    const [ofA, ofB] = [inA, inB].map(documentsOf)
    const digests = new Map()
    for (const id of new Set([...ofA.keys(), ...ofB.keys()])) {
      const [one, other] = [ofA.get(id), ofB.get(id)]
      if (ignore({ id, path })) continue
      const where = `${path}/${id}`
      if (one === undefined || other === undefined) note(`${where} is only in ${one === undefined ? 'the second' : 'the first'}`)
      else if (one.revId !== other.revId) note(`${where} has the revisions ${one.revId} and ${other.revId}`)
      else if (one.deleted !== other.deleted) note(`${where} is deleted in ${one.deleted ? 'the first' : 'the second'} only`)
      else if (one.conflicted || other.conflicted) note(`${where} is in conflict`)
      else if (!isDeepStrictEqual(one.body, other.body)) note(`${where} has different bodies`)
      for (const document of [one, other])
        if (document !== undefined && !document.deleted) for (const blob of blobsIn(document.body)) digests.set(blob.digest, blob)
    }
    for (const blob of digests.values()) {
      note(await blobTrouble('the first', a, blob))
      note(await blobTrouble('the second', b, blob))
    }
  }
  return differences
}

/** Waits until `look`, which resolves with differences, finds none; the failure says the first ones. */
export async function untilEqual(look) {
  await eventually('equal databases', async () => {
    const differences = await look()
    if (differences.length > 0) throw new Error(differences.slice(0, 10).join('\n'))
    return true
  })
}
