import type { AddressBits, AddressRange } from '../address-range.ts'
import { inRange } from '../address-range.ts'

const WIDTH = { 4: 32, 6: 128 } as const

/**
 * Finds the entries whose range has an address, without looking at every one: they are kept by the bits that count, and a look-up asks once
 * for each length of prefix that occurs. `net.BlockList` answers yes or no only, cannot take anything back and takes time that grows with
 * the number of ranges; it is the witness in the tests.
 */
export class RangeIndex<T extends { readonly range: AddressRange }> {
  readonly #families = { 4: new Map<number, Map<bigint, Set<T>>>(), 6: new Map<number, Map<bigint, Set<T>>>() }

  add(entry: T): void {
    const { family, prefix, head } = entry.range
    const lengths = this.#families[family]
    const heads = lengths.get(prefix) ?? new Map<bigint, Set<T>>()
    lengths.set(prefix, heads)
    const entries = heads.get(head) ?? new Set<T>()
    heads.set(head, entries)
    entries.add(entry)
  }

  delete(entry: T): void {
    const { family, prefix, head } = entry.range
    const heads = this.#families[family].get(prefix)
    const entries = heads?.get(head)
    if (heads === undefined || entries === undefined) return
    entries.delete(entry)
    if (entries.size === 0) heads.delete(head)
    if (heads.size === 0) this.#families[family].delete(prefix)
  }

  /** Those with an address in their range, in no particular order. */
  *matching(address: AddressBits): Generator<T> {
    for (const [prefix, heads] of this.#families[address.family]) {
      const entries = heads.get(address.bits >> BigInt(WIDTH[address.family] - prefix))
      if (entries === undefined) continue
      for (const entry of entries) if (inRange(address, entry.range)) yield entry
    }
  }
}
