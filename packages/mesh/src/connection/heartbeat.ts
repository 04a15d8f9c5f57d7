import type { RouteQuality } from '@kithmesh/core'

/**
 * Silence after which a connection is probed, in milliseconds. A peer that vanished without a word is noticed within seven seconds, so that
 * the mesh can heal within ten; radios, which cost more and answer late, take up to 40.
 */
export function heartbeatMs(quality: RouteQuality): number {
  return quality === 'last-resort' ? 20_000 : 4_000
}
