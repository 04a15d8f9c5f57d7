import { hkdfSync } from 'node:crypto'
import { CONNECTION_ID_BYTES } from './packet.ts'

export type Role = 'initiator' | 'responder'

/** The label also names the version of the protocol: another one never understands these packets. */
const LABEL = 'kithmesh datagram-stream 1'

/** The ids that packets of the two directions begin with (HKDF, RFC 5869): who does not know the secret can neither guess nor derive them. */
export function connectionIds(secret: Uint8Array, role: Role): { readonly ours: Buffer; readonly theirs: Buffer } {
  const both = Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), LABEL, 2 * CONNECTION_ID_BYTES))
  const initiator = both.subarray(0, CONNECTION_ID_BYTES)
  const responder = both.subarray(CONNECTION_ID_BYTES)
  return role === 'initiator' ? { ours: initiator, theirs: responder } : { ours: responder, theirs: initiator }
}
