import { addressBits, addressRange, inRange } from '@kithmesh/core/plugin'

/** Whether an address is in one of the ranges. */
export type Ranges = (address: string) => boolean

/** Reads `192.168.1.0/24`, `fd00::/8` and single addresses, without a zone. @throws TypeError for anything else */
export function addressRanges(texts: readonly string[]): Ranges {
  const ranges = texts.map((text) => {
    const range = text.includes('%') ? undefined : addressRange(text)
    if (range === undefined)
      throw new TypeError(`${JSON.stringify(text)} is no address range: write 192.168.1.0/24, fd00::/8 or one address`)
    return range
  })
  return (text) => {
    const address = addressBits(text)
    return address !== undefined && ranges.some((range) => inRange(address, range))
  }
}
