import { coreErrors } from './errors.ts'

/** Most bytes of a peer group id: it has to fit a DNS label (discovery-api.md §A2). */
const MAX_BYTES = 63

/**
 * Checks a peer group id: 1 to 63 bytes of UTF-8 without `,`, `\` and control characters. Dots are allowed, providers encode
 * them where their protocol cannot carry them.
 * @returns the id, for chaining.
 * @throws ERR_PD_GROUP_ID
 */
export function checkPeerGroupId(id: unknown): string {
  if (typeof id !== 'string')
    throw coreErrors.create('ERR_PD_GROUP_ID', `The peer group id is ${id === null ? 'null' : typeof id}, it has to be text`)
  if (id === '') throw coreErrors.create('ERR_PD_GROUP_ID', 'The peer group id is empty')
  if (/\p{Cs}/u.test(id))
    throw coreErrors.create(
      'ERR_PD_GROUP_ID',
      `The peer group id ${JSON.stringify(id)} holds half a surrogate pair and cannot be encoded as UTF-8`
    )
  const bytes = Buffer.byteLength(id)
  if (bytes > MAX_BYTES)
    throw coreErrors.create('ERR_PD_GROUP_ID', `The peer group id takes ${bytes} bytes, ${MAX_BYTES} fit`, { details: { bytes } })
  const forbidden = /[,\\\p{Cc}]/u.exec(id)
  if (forbidden !== null)
    throw coreErrors.create(
      'ERR_PD_GROUP_ID',
      `The peer group id ${JSON.stringify(id)} holds the forbidden character ${JSON.stringify(forbidden[0])}`
    )
  return id
}
