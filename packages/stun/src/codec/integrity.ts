import { createHash, createHmac, timingSafeEqual } from 'node:crypto'

/** The password algorithms of RFC 8489 §18.5 by their numbers. */
export const PASSWORD_ALGORITHMS = Object.freeze({ md5: 1, sha256: 2 })

/** A key and the attribute it signs: MESSAGE-INTEGRITY (`sha1`) or MESSAGE-INTEGRITY-SHA256. */
export interface IntegrityKey {
  readonly algorithm: 'sha1' | 'sha256'
  readonly key: Uint8Array
}

/** Prepares text for keys as OpaqueString does (RFC 8265 §4.2): spaces of any kind become the plain one, and the form is NFC. */
function opaqueString(text: string): string {
  return text.replace(/\p{Zs}/gu, ' ').normalize('NFC')
}

/** The key of short-term credentials (RFC 8489 §9.1.1). */
export function shortTermKey(password: string): Buffer {
  return Buffer.from(opaqueString(password))
}

/** The key of long-term credentials (RFC 8489 §9.2.2): the hash of `username:realm:password`. */
export function longTermKey(username: string, realm: string, password: string, hash: 'md5' | 'sha256' = 'md5'): Buffer {
  return createHash(hash)
    .update(`${username}:${opaqueString(realm)}:${opaqueString(password)}`)
    .digest()
}

/** USERHASH (RFC 8489 §14.4). */
export function userhash(username: string, realm: string): Buffer {
  return createHash('sha256')
    .update(`${username}:${opaqueString(realm)}`)
    .digest()
}

/** The HMAC over a message up to its integrity attribute, with the length field counting that attribute (RFC 8489 §14.5). */
export function integrityOf(before: Uint8Array, attributeLength: number, { algorithm, key }: IntegrityKey): Buffer {
  const header = Buffer.from(before.subarray(0, 4))
  header.writeUInt16BE(before.length - 20 + 4 + attributeLength, 2)
  return createHmac(algorithm, key).update(header).update(before.subarray(4)).digest()
}

/** Whether the HMAC found in a message is right; SHA-256 ones may be cut to a multiple of 4 of at least 16 bytes (RFC 8489 §14.6). */
export function isIntegrity(found: Uint8Array, before: Uint8Array, key: IntegrityKey): boolean {
  const expected = integrityOf(before, found.length, key)
  return found.length <= expected.length && timingSafeEqual(expected.subarray(0, found.length), found)
}
