import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { databaseErrors } from '../errors.ts'

const PATTERN = /^sha1-([A-Za-z0-9+/]{27}=)$/

export function blobHash(): Hash {
  return createHash('sha1')
}

/** `sha1-` and the base64 of the 20 bytes (cbmobile.md §9). Ends the hash. */
export function digestOf(hash: Hash): string {
  return `sha1-${hash.digest('base64')}`
}

/** The digest as 40 hex digits, or undefined when it is malformed. */
export function hexOf(digest: string): string | undefined {
  const base64 = PATTERN.exec(digest)?.[1]
  if (base64 === undefined) return undefined
  const bytes = Buffer.from(base64, 'base64')
  return bytes.toString('base64') === base64 ? bytes.toString('hex') : undefined
}

/** @throws ERR_DB_BLOB_DIGEST */
export function requireHex(digest: string): string {
  const hex = hexOf(digest)
  if (hex === undefined)
    throw databaseErrors.create('ERR_DB_BLOB_DIGEST', `${JSON.stringify(String(digest).slice(0, 80))} is not a blob digest`)
  return hex
}

/** @throws ERR_DB_BLOB_MISMATCH unless what arrived is what was announced. */
export function checkArrived(expected: { readonly digest: string; readonly length?: number }, digest: string, length: number): void {
  if (expected.length !== undefined && expected.length !== length) {
    throw databaseErrors.create('ERR_DB_BLOB_MISMATCH', `The blob ${expected.digest} has ${length} bytes instead of ${expected.length}`, {
      details: { length, expected: expected.length }
    })
  }
  if (digest !== expected.digest) {
    throw databaseErrors.create('ERR_DB_BLOB_MISMATCH', `The bytes have the digest ${digest} instead of ${expected.digest}`)
  }
}
