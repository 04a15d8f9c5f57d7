// What is written in a combination of the matrix: new documents, tombstones and updates first, then edits to all of them.
import { randomBytes } from 'node:crypto'
import { isHidden } from './bench.mjs'

// Long enough that a delta is worthwhile.
const text = 'The quick brown fox jumps over the lazy dog. '.repeat(20)

async function bodyWithBlob(database, name, blobs, bytes = 700) {
  return { name, text, list: [1, 2, 3], ...(blobs && { photo: { ...(await database.blobs.saveBlob(randomBytes(bytes), 'image/png')) } }) }
}

/** The first documents of each writer. One blob is large enough to travel in several frames. */
export async function writeFirst({ names, writers }, { blobs, filtered }) {
  for (const { name, database } of writers)
    for (const [index, at] of names.entries()) {
      const collection = database.collection(at.name, at.scope)
      for (let n = 0; n < 3; n++)
        collection.put(`${name}-${n}`, await bodyWithBlob(database, `${name}-${n}`, blobs && n < 2, index === 0 && n === 0 ? 60_000 : 700))
      collection.put(`${name}-updated`, { version: 1, text })
      collection.put(`${name}-updated`, { version: 2, text })
      collection.put(`${name}-gone`, { text })
      collection.remove(`${name}-gone`)
      if (filtered) collection.put(`${name}-hidden`, await bodyWithBlob(database, 'hidden', blobs))
    }
}

/** Edits by each writer: of documents of its own and, where both write, of the other's. */
export async function writeAgain({ names, writers }, { blobs, filtered }) {
  for (const { name, other, database } of writers)
    for (const at of names) {
      const collection = database.collection(at.name, at.scope)
      const edit = (id, changes) => collection.put(id, { ...collection.get(id).body, ...changes })
      edit(`${name}-0`, { name: 'edited', ...(blobs && (await bodyWithBlob(database, 'edited', true))) })
      if (writers.length > 1) edit(`${other}-1`, { name: `edited by ${name}`, list: [1, 2, 3, 4] })
      collection.remove(`${name}-2`)
      collection.put(`${name}-gone`, { text, back: true })
      collection.put(`${name}-new`, { text })
      if (filtered) edit(`${name}-hidden`, { name: 'edited' })
    }
}

/** Hidden documents, and their blobs, that came to the other side. */
export async function leaked({ a, b, names }) {
  const found = []
  for (const { database, name, origin } of [
    { database: a, name: 'a', origin: b },
    { database: b, name: 'b', origin: a }
  ])
    for (const at of names)
      for (const { id } of origin.collection(at.name, at.scope).changes()) {
        if (!isHidden(id) || id.startsWith(`${name}-`)) continue
        const { photo } = origin.collection(at.name, at.scope).get(id).body
        if (database.collection(at.name, at.scope).get(id, { deleted: true }) !== undefined) found.push(id)
        if (photo !== undefined && database.blobs.has(photo.digest)) found.push(`the blob of ${id}`)
      }
  return found
}
