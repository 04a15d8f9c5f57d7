import { formatUuid, uuidDigits } from '@kithmesh/core/plugin'

/** One element of an advertisement or scan response (Core Specification, vol. 3, part C, §11). */
export interface AdStructure {
  /** One of {@link AD_TYPE}, or another assigned number. */
  readonly type: number
  readonly data: Uint8Array
}

/** Assigned numbers, §2.3 (Supplement to the Core Specification, part A). */
export const AD_TYPE = {
  flags: 0x01,
  incompleteUuids128: 0x06,
  completeUuids128: 0x07,
  shortenedName: 0x08,
  completeName: 0x09,
  manufacturerData: 0xff
} as const

/** Bytes of a legacy advertisement, and of its scan response. */
const MAX_ADVERTISING_BYTES = 31

/** General discoverable, without BR/EDR. */
const FLAGS = 0x06
/** The company id that nobody has, for tests and such as the tag, see `metadataTag`. */
const TAG_COMPANY = 0xffff
const TAG_DATA_BYTES = 6

/** What of an advertisement concerns us. */
export interface AdvertisedFacts {
  /** 128-bit service UUIDs, lowercase with dashes. */
  readonly serviceUuids: readonly string[]
  readonly displayName: string | undefined
  /** See `metadataTag`. */
  readonly tag: number | undefined
}

/** @throws RangeError when they are longer than 31 bytes together, or one is longer than 254 */
export function encodeAdvertisingData(structures: readonly AdStructure[]): Buffer {
  const bytes = Buffer.concat(
    structures.map(({ type, data }) => {
      if (data.length > 254) throw new RangeError(`An AD structure has at most 254 bytes, not ${data.length}`)
      return Buffer.concat([Buffer.of(data.length + 1, type), data])
    })
  )
  if (bytes.length > MAX_ADVERTISING_BYTES) throw new RangeError(`An advertisement has at most 31 bytes, not ${bytes.length}`)
  return bytes
}

/**
 * Never throws: what comes from the air may be anything. Ends at a length of zero (padding) and at a structure that is cut off, and keeps
 * what came before.
 */
export function decodeAdvertisingData(bytes: Uint8Array): AdStructure[] {
  const structures: AdStructure[] = []
  for (let offset = 0; offset < bytes.length; ) {
    const length = bytes[offset]!
    if (length === 0 || offset + 1 + length > bytes.length) break
    structures.push({ type: bytes[offset + 1]!, data: bytes.subarray(offset + 2, offset + 1 + length) })
    offset += 1 + length
  }
  return structures
}

/**
 * The advertisement of a publication: flags, the service and the tag of its metadata, 29 of 31 bytes.
 * @param serviceUuid with or without dashes
 * @param tag 32 bits, unsigned
 * @throws TypeError when it is no UUID
 */
export function advertisementData(serviceUuid: string, tag: number): Buffer {
  return encodeAdvertisingData([
    { type: AD_TYPE.flags, data: Buffer.of(FLAGS) },
    { type: AD_TYPE.completeUuids128, data: littleEndianUuid(serviceUuid) },
    { type: AD_TYPE.manufacturerData, data: tagData(tag) }
  ])
}

/** The scan response of a publication: its name, as much as fits, 29 bytes of UTF-8. */
export function scanResponseData(displayName: string): Buffer {
  const whole = Buffer.from(displayName)
  if (whole.length === 0) return Buffer.alloc(0)
  const data = cutUtf8(whole, MAX_ADVERTISING_BYTES - 2)
  return encodeAdvertisingData([{ type: data.length === whole.length ? AD_TYPE.completeName : AD_TYPE.shortenedName, data }])
}

/** Reads an advertisement, its scan response, or both joined. Never throws. */
export function readAdvertisement(bytes: Uint8Array): AdvertisedFacts {
  const serviceUuids: string[] = []
  let displayName: string | undefined
  let tag: number | undefined
  for (const { type, data } of decodeAdvertisingData(bytes)) {
    if (type === AD_TYPE.completeUuids128 || type === AD_TYPE.incompleteUuids128) {
      for (let offset = 0; offset + 16 <= data.length; offset += 16) {
        serviceUuids.push(
          formatUuid(
            Buffer.from(data.subarray(offset, offset + 16))
              .reverse()
              .toString('hex')
          )
        )
      }
    } else if (type === AD_TYPE.completeName || type === AD_TYPE.shortenedName) {
      displayName ??= Buffer.from(data).toString('utf8')
    } else if (type === AD_TYPE.manufacturerData) {
      tag ??= tagOfManufacturerData(data)
    }
  }
  return { serviceUuids, displayName, tag }
}

/** @param data an AD structure's, with the company id in its first two bytes, as noble's `advertisement.manufacturerData` */
export function tagOfManufacturerData(data: Uint8Array): number | undefined {
  if (data.length !== TAG_DATA_BYTES) return undefined
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  return view.getUint16(0, true) === TAG_COMPANY ? view.getUint32(2, true) : undefined
}

function tagData(tag: number): Buffer {
  const data = Buffer.alloc(TAG_DATA_BYTES)
  data.writeUInt16LE(TAG_COMPANY, 0)
  data.writeUInt32LE(tag, 2)
  return data
}

function littleEndianUuid(uuid: string): Buffer {
  const digits = uuidDigits(uuid)
  if (digits === undefined) throw new TypeError(`Not a UUID: ${JSON.stringify(uuid)}`)
  return Buffer.from(digits, 'hex').reverse()
}

/** The longest beginning that has at most so many bytes and ends where a character ends. */
function cutUtf8(bytes: Buffer, max: number): Buffer {
  if (bytes.length <= max) return bytes
  let end = max
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}
