import type { Metadata } from './contracts/metadata.ts'
import { isPeerId } from './peer-id.ts'
import { formatUuid, uuidDigits } from './uuid5.ts'

/** Metadata key under which a device claims its peer id. */
export const PEER_ID_KEY = '_PID'

/** Metadata key under which Couchbase's peers claim a device UUID (discovery-api.md §A4, §A7). */
export const DEVICE_UUID_KEY = '_DID'

/**
 * The metadata item by which a device says who it is, to be spread into what it publishes: `{ _PID: '<43 characters base64url>' }`.
 * `PeerDiscovery.startPublishing` adds it by itself.
 * @throws TypeError when `peerId` is not 64 lowercase hex digits.
 */
export function peerIdMetadata(peerId: string): { readonly _PID: string } {
  if (!isPeerId(peerId)) throw new TypeError('A peer id is 64 lowercase hex digits')
  return { _PID: Buffer.from(peerId, 'hex').toString('base64url') }
}

/**
 * The device id that metadata claims; unproven until TLS has verified the certificate.
 *
 * 1. `_PID`: 32 raw bytes, 43 characters of base64url, or 64 hex digits → the peer id in lowercase hex.
 * 2. Otherwise `_DID`: 16 raw bytes, or UUID text with or without dashes → `did:<uuid>`. Both forms occur (discovery-api.md §A7).
 * 3. Otherwise undefined. Malformed claims count as none.
 */
export function deviceIdFromMetadata(metadata: Metadata): string | undefined {
  return peerIdFrom(metadata.get(PEER_ID_KEY)) ?? deviceUuidFrom(metadata.get(DEVICE_UUID_KEY))
}

function peerIdFrom(value: Uint8Array | undefined): string | undefined {
  if (value === undefined) return undefined
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length)
  if (bytes.length === 32) return bytes.toString('hex')
  const text = bytes.toString('latin1')
  if (/^[A-Za-z0-9_-]{43}$/.test(text)) return Buffer.from(text, 'base64url').toString('hex')
  const lower = text.toLowerCase()
  return isPeerId(lower) ? lower : undefined
}

function deviceUuidFrom(value: Uint8Array | undefined): string | undefined {
  if (value === undefined) return undefined
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length)
  const digits = bytes.length === 16 ? bytes.toString('hex') : uuidDigits(bytes.toString('latin1'))
  return digits === undefined ? undefined : `did:${formatUuid(digits)}`
}
