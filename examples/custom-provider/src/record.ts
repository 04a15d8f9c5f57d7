import { isIP } from 'node:net'
import { isPeerId, type Metadata } from '@kithmesh/core/plugin'

/** What a device writes about itself. */
export interface ServiceRecord {
  readonly peerGroupId: string
  readonly peerId: string
  readonly displayName: string
  readonly port: number
  /** Where the port can be reached; IP addresses. */
  readonly addresses: readonly string[]
  readonly metadata: Metadata
  /** Another number each time the record is written: that it changes is the sign of life, its value says nothing. */
  readonly beat: number
}

/** Longer files are not read. */
export const MAX_RECORD_BYTES = 65_536
const MAX_ADDRESSES = 16
const MAX_METADATA_ENTRIES = 64

/** One line of JSON, the bytes of metadata in base64. */
export function formatRecord({ metadata, ...rest }: ServiceRecord): string {
  const entries = [...metadata].map(([key, value]) => [key, Buffer.from(value).toString('base64')])
  return `${JSON.stringify({ version: 1, ...rest, metadata: Object.fromEntries(entries) })}\n`
}

/** Reads what anybody may have put into the store: undefined for whatever is not exactly a record. */
export function parseRecord(text: string): ServiceRecord | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isObject(value) || value['version'] !== 1) return undefined
  const { peerGroupId, peerId, displayName, port, addresses, beat } = value
  if (typeof peerGroupId !== 'string' || typeof displayName !== 'string' || displayName === '') return undefined
  if (!isPeerId(peerId) || typeof beat !== 'number') return undefined
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) return undefined
  if (!Array.isArray(addresses) || addresses.length > MAX_ADDRESSES) return undefined
  if (!addresses.every((address): address is string => typeof address === 'string' && isIP(address) !== 0)) return undefined
  const metadata = parseMetadata(value['metadata'])
  if (metadata === undefined) return undefined
  return { peerGroupId, peerId, displayName, port, addresses, metadata, beat }
}

function parseMetadata(value: unknown): Metadata | undefined {
  if (!isObject(value)) return undefined
  const entries = Object.entries(value)
  if (entries.length > MAX_METADATA_ENTRIES || !entries.every(([, text]) => typeof text === 'string')) return undefined
  return new Map(entries.map(([key, text]) => [key, Buffer.from(text as string, 'base64')]))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
