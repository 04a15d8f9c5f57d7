import type { TransportAddress } from '../codec/transport-address.ts'

/** Whether a server may send this client to another one (ALTERNATE-SERVER, RFC 8489 §10). */
export type RedirectPolicy = (alternate: TransportAddress, from: TransportAddress) => boolean

/** Follows nobody. */
export const neverRedirect: RedirectPolicy = () => false
