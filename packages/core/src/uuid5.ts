import { createHash } from 'node:crypto'

/** Namespace of the UUIDs that stand for peer groups, e.g. as a BLE service id (seed 000; discovery-api.md §A8). */
export const PEER_GROUP_NAMESPACE = 'e0c3793a-0739-42a2-a800-8bed236d8815'

/**
 * Name-based UUID, version 5 (RFC 9562 §5.5).
 * @param namespace a UUID as text, with or without dashes.
 * @param name hashed as UTF-8 when it is a string.
 * @returns lowercase with dashes.
 * @throws TypeError when the namespace is no UUID.
 */
export function uuid5(namespace: string, name: string | Uint8Array): string {
  const digits = uuidDigits(namespace)
  if (digits === undefined) throw new TypeError(`Not a UUID: ${JSON.stringify(namespace)}`)
  const hash = createHash('sha1').update(Buffer.from(digits, 'hex')).update(name).digest()
  hash[6] = ((hash[6] as number) & 0x0f) | 0x50
  hash[8] = ((hash[8] as number) & 0x3f) | 0x80
  return formatUuid(hash.toString('hex', 0, 16))
}

/** The 32 lowercase hex digits of a UUID in text form, with or without its dashes; undefined for anything else. */
export function uuidDigits(text: string): string | undefined {
  if (!/^[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}$/i.test(text)) return undefined
  return text.replaceAll('-', '').toLowerCase()
}

/** 32 hex digits as `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`. */
export function formatUuid(digits: string): string {
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-${digits.slice(12, 16)}-${digits.slice(16, 20)}-${digits.slice(20)}`
}
