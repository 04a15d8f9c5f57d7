import { createHash } from 'node:crypto'

/**
 * A number that changes with what can be read from a device, so that others need not connect again and again to notice. It is advertised in
 * four bytes of manufacturer data under the company id 0xffff; devices that know only the seed ignore it.
 * @param metadata the TXT record
 * @returns 32 bits, unsigned
 */
export function metadataTag(psm: number, metadata: Uint8Array): number {
  return createHash('sha256')
    .update(Buffer.of(psm & 0xff, psm >> 8))
    .update(metadata)
    .digest()
    .readUInt32LE(0)
}
