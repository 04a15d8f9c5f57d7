/**
 * Domain names as text. A label may hold any bytes, dots included (RFC 6763 §4.1.1), so in text a dot or backslash inside
 * a label is escaped with a backslash and every byte that is not printable UTF-8 is written as `\ddd` (RFC 1035 §5.1).
 * No trailing dot. The root is the empty string.
 */
import { Buffer, isUtf8 } from 'node:buffer'

/** Longest label and longest name on the wire, in bytes (RFC 1035 §2.3.4). */
export const maxLabelBytes = 63
export const maxNameBytes = 255

/** One label's bytes as escaped text. */
export function escapeLabel(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const decimal = (byte: number): string => '\\' + String(byte).padStart(3, '0')
  if (isUtf8(buffer)) {
    return buffer
      .toString('utf8')
      .replace(/[.\\]/g, '\\$&')
      .replace(/[\x00-\x1f\x7f]/g, (char) => decimal(char.charCodeAt(0)))
  }
  return [...buffer]
    .map((byte) => {
      if (byte === 0x2e || byte === 0x5c) return '\\' + String.fromCharCode(byte)
      return byte < 0x20 || byte > 0x7e ? decimal(byte) : String.fromCharCode(byte)
    })
    .join('')
}

/** Escaped text of a label that is given as plain text. */
function labelFromText(text: string): string {
  return escapeLabel(Buffer.from(text, 'utf8'))
}

/** Splits an escaped name into the bytes of its labels. Never throws: an unfinished escape is taken literally. */
export function splitName(name: string): Buffer[] {
  if (!name.includes('\\'))
    return name === ''
      ? []
      : name
          .split('.')
          .filter((label) => label !== '')
          .map((label) => Buffer.from(label, 'utf8'))
  const labels: Buffer[] = []
  let parts: Buffer[] = []
  let text = ''
  const endText = (): void => {
    if (text !== '') {
      parts.push(Buffer.from(text, 'utf8'))
      text = ''
    }
  }
  const endLabel = (): void => {
    endText()
    if (parts.length > 0) labels.push(Buffer.concat(parts))
    parts = []
  }
  for (let index = 0; index < name.length; index++) {
    const char = name[index] as string
    if (char === '.') {
      endLabel()
      continue
    }
    if (char !== '\\') {
      text += char
      continue
    }
    const digits = name.slice(index + 1, index + 4)
    if (/^\d{3}$/.test(digits) && Number(digits) < 256) {
      endText()
      parts.push(Buffer.from([Number(digits)]))
      index += 3
    } else {
      text += name[index + 1] ?? '\\'
      index++
    }
  }
  endLabel()
  return labels
}

/** Where the first label of an escaped name ends. */
function firstDot(name: string): number {
  for (let index = 0; index < name.length; index++) {
    if (name[index] === '\\') index++
    else if (name[index] === '.') return index
  }
  return -1
}

/** The first label, escaped, and the rest of the name. */
export function splitFirst(name: string): { readonly first: string; readonly rest: string } {
  const dot = firstDot(name)
  return dot === -1 ? { first: name, rest: '' } : { first: name.slice(0, dot), rest: name.slice(dot + 1) }
}

/** The first label as people read it. */
export function displayName(name: string): string {
  return (splitName(splitFirst(name).first)[0] ?? Buffer.alloc(0)).toString('utf8')
}

/** Names compare without regard to ASCII case (RFC 6762 §16): equal names have equal keys. */
export function nameKey(name: string): string {
  return name.replace(/[A-Z]+/g, (upper) => upper.toLowerCase())
}

/** `Shop._couchbaseP2P._tcp.local`: the full name of a service instance, from its label as plain text. */
export function instanceName(label: string, serviceType: string): string {
  return `${labelFromText(label)}.${serviceType}.local`
}

/** `_couchbaseP2P._tcp.local`: what is browsed for without a group. */
export function typeName(serviceType: string): string {
  return `${serviceType}.local`
}

/** `my-app._sub._couchbaseP2P._tcp.local`: the sub-type of a group, dots of the group inside its one label (RFC 6763 §7.1). */
export function groupName(group: string, serviceType: string): string {
  return `${labelFromText(group)}._sub.${serviceType}.local`
}

/** The name that lists all service types of a link (RFC 6763 §9). */
export const serviceTypesName = '_services._dns-sd._udp.local'

/** Cuts text to at most `bytes` bytes of UTF-8 without breaking a character. */
export function truncateText(text: string, bytes: number): string {
  let result = ''
  let size = 0
  for (const char of text) {
    size += Buffer.byteLength(char)
    if (size > bytes) break
    result += char
  }
  return result
}

/** The label to try when `label` is taken: `Shop`, `Shop 2`, `Shop 3` …, always within one label's bytes. */
export function numberedLabel(label: string, number: number, separator = ' '): string {
  if (number < 2) return truncateText(label, maxLabelBytes)
  const suffix = `${separator}${number}`
  return truncateText(label, maxLabelBytes - suffix.length) + suffix
}

/** A display name as an instance label: no control characters, at most 63 bytes, never empty (RFC 6763 §4.1.1). */
export function instanceLabel(text: string, fallback: string): string {
  const label = truncateText(
    Buffer.from(text, 'utf8')
      .toString('utf8')
      .replace(/[\x00-\x1f\x7f]+/g, ' ')
      .trim(),
    maxLabelBytes
  )
  return label === '' ? fallback : label
}

/** Letters, digits and hyphens only: what may stand in a host name. */
export function hostLabel(text: string): string {
  const label = text
    .normalize('NFKD')
    .replace(/[^A-Za-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '')
  return label === '' ? 'kithmesh' : label
}
