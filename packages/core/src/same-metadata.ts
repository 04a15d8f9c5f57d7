import type { Metadata } from './contracts/metadata.ts'

/** Whether two maps hold the same keys with the same bytes; the order does not matter. */
export function sameMetadata(one: Metadata, other: Metadata): boolean {
  if (one.size !== other.size) return false
  for (const [key, value] of one) {
    const counterpart = other.get(key)
    if (counterpart === undefined || Buffer.compare(value, counterpart) !== 0) return false
  }
  return true
}
