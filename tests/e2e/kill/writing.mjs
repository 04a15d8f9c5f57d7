// What each of the two peers writes: a fixed sequence of operations, so that whoever knows how many were acknowledged knows what must be there.
import { createHash } from 'node:crypto'

/** Seeded numbers between 0 and 1 (xorshift32). */
export function seeded(seed) {
  let state = seed | 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

/** The bytes of a blob, the same for the same name. */
export function blobBytes(name, length) {
  const block = createHash('sha512').update(name).digest()
  return Buffer.alloc(length, block)
}

function blobLength(number) {
  if (number % 8 !== 0) return undefined
  if (number % 1000 === 0) return 1_500_000
  return number % 40 === 0 ? 200_000 : 300 + number
}

/**
 * Operation `index` of a peer: a new document, an update of one written shortly before or its deletion.
 * `{ id, version, deleted, blob }`, where `blob` is undefined or `{ name, length }`.
 */
export function operation(peer, index) {
  const at = (number, version, deleted = false) => {
    const length = deleted ? undefined : blobLength(number)
    return {
      id: `${peer}-${number}`,
      version,
      deleted,
      ...(length !== undefined && { blob: { name: `${peer}-${number} ${version}`, length } })
    }
  }
  if (index % 7 === 5) return at(index - 3, index)
  if (index % 11 === 7 && (index - 4) % 7 !== 5) return at(index - 4, index, true)
  return at(index, index)
}

export const bodyOf = ({ id, version }) => ({ id, version, text: `${id} in version ${version}. `.repeat(8) })

/** What the operations before `count` leave behind: the last one for each document. */
export function stateAfter(peer, count) {
  const state = new Map()
  for (let index = 0; index < count; index++) {
    const last = operation(peer, index)
    state.set(last.id, last)
  }
  return state
}

/** The digest that a document mentions its blob by. */
export const digestOf = (bytes) => `sha1-${createHash('sha1').update(bytes).digest('base64')}`
