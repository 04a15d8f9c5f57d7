import { createHash } from 'node:crypto'

/** What stands for a broker in presence and messages: 16 hex digits of the SHA-256 of its id. */
export function brokerTag(id: string): string {
  return createHash('sha256').update(`broker ${id}`).digest('hex').slice(0, 16)
}

/**
 * Rendezvous hashing (highest random weight): the order in which a device uses brokers for its inbox. Whoever knows the device and the
 * brokers gets the same order, and a broker that goes or comes changes nothing between the others.
 */
export function brokerOrder(peerId: string, tags: readonly string[]): string[] {
  return [...new Set(tags)]
    .map((tag) => ({ tag, weight: createHash('sha256').update(`${peerId} ${tag}`).digest('hex') }))
    .sort((a, b) => (a.weight < b.weight ? 1 : a.weight > b.weight ? -1 : 0))
    .map(({ tag }) => tag)
}
