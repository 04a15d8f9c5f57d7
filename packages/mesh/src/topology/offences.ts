/**
 * What a device can do to the others:
 * - `handshake`: it began connections and did not finish them
 * - `malformed`: messages that no proper peer sends
 * - `flood`: more than anybody needs to send
 * - `lie`: it says of the topology what is known to be false
 * - `poison`: documents that fail again and again
 */
export type OffenceKind = 'handshake' | 'malformed' | 'flood' | 'lie' | 'poison'

/** One offence. */
export interface Offence {
  /** Peer id of the offender. */
  readonly id: string
  readonly kind: OffenceKind
  /** For people, e.g. `denies its link with us`. */
  readonly detail: string
}
