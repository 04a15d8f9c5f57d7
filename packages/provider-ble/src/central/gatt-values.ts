import { bleErrors } from '../errors.ts'
import { LONGEST_VALUE } from '../gatt/longest-value.ts'

/** MTU of the attribute protocol before it was exchanged (vol. 3, part G, §5.2.1). */
const DEFAULT_ATT_MTU = 23
/** What a notification takes of the MTU: opcode and handle (vol. 3, part F, §3.4.7.1). */
const NOTIFICATION_HEADER_BYTES = 3
/** PSMs that a device may assign by itself (vol. 3, part A, §4.22). */
const FIRST_DYNAMIC_PSM = 0x80
const LAST_DYNAMIC_PSM = 0xff

/** Whether a PSM is one that a device may listen on. */
export function isDynamicPsm(psm: number): boolean {
  return Number.isInteger(psm) && psm >= FIRST_DYNAMIC_PSM && psm <= LAST_DYNAMIC_PSM
}

/**
 * The value of the port characteristic.
 * @returns the PSM, 0 when the device has no L2CAP channel or one that cannot be
 * @throws ERR_BLE_GATT when it is not two bytes long
 */
export function decodePort(id: string, value: Uint8Array): number {
  if (value.length !== 2) throw bleErrors.create('ERR_BLE_GATT', `The port of ${id} has ${value.length} bytes, not 2`, { details: { id } })
  const psm = (value[0] ?? 0) | ((value[1] ?? 0) << 8)
  return isDynamicPsm(psm) ? psm : 0
}

/** The value of the metadata characteristic. @throws ERR_BLE_GATT when it is longer than an attribute may be */
export function checkMetadata(id: string, value: Uint8Array): Uint8Array {
  if (value.length > LONGEST_VALUE) {
    throw bleErrors.create('ERR_BLE_GATT', `The metadata of ${id} has ${value.length} bytes, more than ${LONGEST_VALUE}`, {
      details: { id }
    })
  }
  return value
}

/** Bytes of the longest notification, and the longest write without response, that arrives whole. */
export function wholeValueBytes(mtu: number | null | undefined): number {
  return Math.min(Math.max(mtu ?? 0, DEFAULT_ATT_MTU) - NOTIFICATION_HEADER_BYTES, LONGEST_VALUE)
}

/** Whether a notification has all of the value: longer ones are cut without a word (ble.md §6.9), and an empty one only says that there is news. */
export function isWhole(value: Uint8Array, mtu: number | null | undefined): boolean {
  return value.length > 0 && value.length < wholeValueBytes(mtu)
}
