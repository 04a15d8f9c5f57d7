import type { Advertisement } from '../backend/contracts.ts'
import type { PeripheralLike } from '../library/noble-like.ts'

/** The company id that stands for none in particular (Core Specification Supplement, part A, §1.4). */
const NO_COMPANY = 0xffff
const TAG_BYTES = 6
/** Longer than any name that fits into an advertisement. */
const MAX_NAME_CHARACTERS = 248
const UNKNOWN_RSSI = 127

/** What a peripheral of the library has advertised. Nothing of it can be trusted. */
export function toAdvertisement({ id, advertisement, rssi, connectable }: PeripheralLike): Advertisement {
  return {
    id: id.toLowerCase(),
    displayName: nameOf(advertisement.localName),
    rssi: Number.isInteger(rssi) && rssi >= -127 && rssi <= 20 ? rssi : UNKNOWN_RSSI,
    // Undefined where the platform does not tell.
    connectable: connectable !== false,
    tag: tagOf(advertisement.manufacturerData)
  }
}

function nameOf(name: string | undefined): string | undefined {
  const printable = name?.replace(/\p{Cc}/gu, '').slice(0, MAX_NAME_CHARACTERS)
  return printable === '' ? undefined : printable
}

function tagOf(data: Buffer | undefined): number | undefined {
  return data?.length === TAG_BYTES && data.readUInt16LE(0) === NO_COMPANY ? data.readUInt32LE(2) : undefined
}
