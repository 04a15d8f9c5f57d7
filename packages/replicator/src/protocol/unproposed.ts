import type { ChangeEntry } from '@kithmesh/database/replication'

/** So many changes, of so few bytes each: what is lost when the peer has them after all is not worth a round trip. */
const MAX_CHANGES = 8
const MAX_BODY_BYTES = 4096

/**
 * Whether changes that were made after all others were announced may go to a peer that takes them without being asked first. They are single
 * edits made here, which nobody but us can have brought to it; the answer to a proposal would come one round trip later and be yes. A peer
 * that has something else instead refuses them, and then they are proposed.
 */
export function mayGoUnproposed(changes: readonly ChangeEntry[]): boolean {
  return changes.length <= MAX_CHANGES && changes.every(isSmallAndOurs)
}

/**
 * The same for all that changed since the last session, when it fits in one list: edits of documents that the peer has had from us or we from it.
 */
export function mayResumeUnproposed(changes: readonly ChangeEntry[]): boolean {
  return changes.every((change) => isSmallAndOurs(change) && change.remoteRevId !== '')
}

function isSmallAndOurs({ bodySize, elsewhere }: ChangeEntry): boolean {
  return bodySize <= MAX_BODY_BYTES && elsewhere === false
}
