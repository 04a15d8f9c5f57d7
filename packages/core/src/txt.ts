import type { Metadata, MetadataInput } from './contracts/metadata.ts'
import { coreErrors } from './errors.ts'

const utf8 = new TextEncoder()

/** Checks and copies metadata as applications write it. @throws ERR_PD_METADATA */
export function toMetadata(input: MetadataInput): Metadata {
  const entries: Iterable<[string, string | Uint8Array]> =
    input instanceof Map ? input : Object.entries(input as Record<string, string | Uint8Array>)
  const metadata = new Map<string, Uint8Array>()
  for (const [key, value] of entries) {
    const bytes = typeof value === 'string' ? utf8.encode(value) : Uint8Array.from(value)
    if (!/^[\x20-\x3c\x3e-\x7e]{1,63}$/.test(key))
      throw coreErrors.create(
        'ERR_PD_METADATA',
        `Metadata key ${JSON.stringify(key)} is not 1 to 63 printable ASCII characters without "="`
      )
    if (key.length + 1 + bytes.length > 255)
      throw coreErrors.create(
        'ERR_PD_METADATA',
        `Metadata item ${JSON.stringify(key)} takes ${key.length + 1 + bytes.length} bytes, 255 fit`
      )
    metadata.set(key, bytes)
  }
  return metadata
}

/** One `key=value` item per entry, as the strings of a DNS TXT record without their length bytes (RFC 6763 §6.3). */
export function txtItems(metadata: Metadata): Buffer[] {
  return [...metadata].map(([key, value]) => Buffer.concat([Buffer.from(key + '=', 'latin1'), value]))
}

/** TXT record data: each item behind its length byte; the empty map is a single zero byte (RFC 6763 §6.1). */
export function encodeTxt(metadata: Metadata): Buffer {
  const items = txtItems(metadata)
  if (items.length === 0) return Buffer.from([0])
  return Buffer.concat(
    items.flatMap((item) => {
      if (item.length > 255) throw coreErrors.create('ERR_PD_METADATA', `A metadata item takes ${item.length} bytes, 255 fit`)
      return [Buffer.from([item.length]), item]
    })
  )
}

/**
 * Reads TXT items. Both wire forms are understood: `key=value` items (RFC 6763 §6.4: an item without a key is ignored,
 * the first of duplicate keys wins, a key without `=` is present with an empty value) and the alternating key, value, key, value
 * form that seed 000 describes, taken when there is an even number of items and no key position holds an `=`.
 */
export function metadataFromItems(items: readonly Uint8Array[]): Metadata {
  const texts = items.map((item) => Buffer.from(item.buffer, item.byteOffset, item.length))
  const filled = texts.some((item, index) => index % 2 === 0 && item.length === 0) ? texts.filter((item) => item.length > 0) : texts
  const metadata = new Map<string, Uint8Array>()
  const alternating =
    filled.length >= 2 && filled.length % 2 === 0 && filled.every((item, index) => index % 2 === 1 || !item.includes(0x3d))
  if (alternating) {
    for (let index = 0; index < filled.length; index += 2) {
      const key = (filled[index] as Buffer).toString('latin1')
      if (/^[\x20-\x7e]{1,63}$/.test(key) && !metadata.has(key)) metadata.set(key, Uint8Array.from(filled[index + 1] as Buffer))
    }
    return metadata
  }
  for (const item of filled) {
    const equals = item.indexOf(0x3d)
    const key = item.subarray(0, equals === -1 ? item.length : equals).toString('latin1')
    if (!/^[\x20-\x7e]{1,255}$/.test(key) || metadata.has(key)) continue
    metadata.set(key, Uint8Array.from(equals === -1 ? [] : item.subarray(equals + 1)))
  }
  return metadata
}

/** Splits TXT record data into items and reads them; a truncated last item is ignored. Never throws. */
export function decodeTxt(data: Uint8Array): Metadata {
  const items: Uint8Array[] = []
  for (let offset = 0; offset < data.length; ) {
    const length = data[offset] as number
    if (offset + 1 + length > data.length) break
    items.push(data.subarray(offset + 1, offset + 1 + length))
    offset += 1 + length
  }
  return metadataFromItems(items)
}
