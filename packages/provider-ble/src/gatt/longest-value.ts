import { bleErrors } from '../errors.ts'

/** Bytes of an attribute's value at most (Core Specification, vol. 3, part F, §3.2.9). */
export const LONGEST_VALUE = 512

/** What this side publishes of itself is one value. @throws ERR_BLE_METADATA */
export function checkMetadataLength(bytes: number): void {
  if (bytes <= LONGEST_VALUE) return
  throw bleErrors.create('ERR_BLE_METADATA', `The metadata takes ${bytes} bytes, ${LONGEST_VALUE} fit`, {
    details: { bytes, limit: LONGEST_VALUE }
  })
}
