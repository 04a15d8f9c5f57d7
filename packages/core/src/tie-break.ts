import { isPeerId } from './peer-id.ts'

/**
 * Whether we, rather than the remote device, should open the link between the two. Pure and anti-symmetric: for two different
 * ids exactly one side says yes, without exchanging a message.
 *
 * The "clockwise" rule (discovery-api.md §A9): think of the ids on a circle; we dial whoever lies less than half a turn ahead
 * of us. The bits below the top one are compared, and the result is inverted when the top bits differ. So every peer dials about
 * half of the others; a plain comparison would let the lowest id dial everyone and the highest nobody.
 * Exactly opposite ids (the same but for the top bit): the one without the top bit dials.
 * @param localId a peer id, 64 lowercase hex digits.
 * @param remoteId another peer id; false when it equals ours, nobody dials itself.
 * @throws TypeError when one of them is no peer id.
 */
export function dials(localId: string, remoteId: string): boolean {
  const local = split(localId)
  const remote = split(remoteId)
  if (local.rest === remote.rest) return local.top < remote.top
  return local.rest < remote.rest === (local.top === remote.top)
}

/** What {@link keepWhich} needs to know of a link, from this side. */
export interface LinkEnd {
  /** `outgoing`: we dialled. */
  readonly direction: 'outgoing' | 'incoming'
}

/**
 * Which of two links between the same two devices stays; the other is closed. Both sides come to the same answer:
 * of links in opposite directions the one dialled by the side that {@link dials}; of two in the same direction the newer,
 * because its dialler would not have opened it if the older were of use.
 * @throws TypeError when an id is no peer id.
 */
export function keepWhich<Link extends LinkEnd>(localId: string, remoteId: string, older: Link, newer: Link): Link {
  if (older.direction === newer.direction) return newer
  const kept = dials(localId, remoteId) ? 'outgoing' : 'incoming'
  return older.direction === kept ? older : newer
}

function split(id: string): { readonly top: number; readonly rest: string } {
  if (!isPeerId(id)) throw new TypeError('A peer id is 64 lowercase hex digits')
  const first = Number.parseInt(id.slice(0, 1), 16)
  return { top: first >> 3, rest: (first & 7).toString(16) + id.slice(1) }
}
