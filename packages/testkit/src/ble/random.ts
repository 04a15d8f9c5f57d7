/** Numbers from 0 up to but without 1, as `Math.random` gives them. */
export type Random = () => number

/**
 * A small generator (xorshift, 32 bits) that gives the same numbers for the same seed.
 * @example
 * const air = new VirtualAir({ clock, random: seededRandom(7) })
 */
export function seededRandom(seed = 1): Random {
  let state = Math.imul(seed | 0, 0x9e3779b1) ^ 0x6a09e667
  if (state === 0) state = 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 0x1_0000_0000
  }
}
