import { bleErrors } from '../errors.ts'

/** The only scheme of the provider's URLs. */
export const scheme = 'l2cap'

/** PSMs of LE credit-based channels are 0x0001 to 0x00ff (Core Specification, vol. 3, part A, §4.22). */
export function isPsm(psm: number): boolean {
  return Number.isInteger(psm) && psm >= 1 && psm <= 0xff
}

/** `l2cap://c0ffee000001:128`; a PSM of 0 stands for the stream characteristic. */
export function deviceUrl(id: string, psm: number): string {
  return `${scheme}://${id}:${psm}`
}

/** Reads what {@link deviceUrl} wrote, with or without a path behind it. @throws ERR_BLE_URL */
export function parseDeviceUrl(url: string): { readonly id: string; readonly psm: number } {
  const match = /^l2cap:\/\/([0-9a-z][0-9a-z-]{0,63}):(\d{1,3})(?:\/[^?#]*)?$/i.exec(url)
  const psm = Number(match?.[2])
  if (match === null || (psm !== 0 && !isPsm(psm)))
    throw bleErrors.create('ERR_BLE_URL', `${JSON.stringify(url.slice(0, 200))} is not of the form l2cap://device:psm`)
  return { id: (match[1] as string).toLowerCase(), psm }
}
