import type { Clock } from '../contracts/clock.ts'
import { TokenBucket } from '../token-bucket.ts'
import type { Rate } from '../token-bucket.ts'
import { addressBits } from '../address-range.ts'

const MAX_SOURCES = 4_096

export interface RateLimiterOptions {
  readonly clock: Pick<Clock, 'monotonic'>
  /** What one source may. */
  readonly perAddress: Rate
  /** What all of those may together that there was no room to remember. @default as much as 16 sources */
  readonly others?: Rate
  /** Sources that are remembered at a time. @default 4096 */
  readonly capacity?: number
}

/**
 * Who an address is for rates: itself, in one spelling; of IPv6 the network of 64 bits, as whoever has one address of it has all (RFC 4291
 * §2.5.1); and any other text as it is, shortened.
 */
export function addressSource(address: string): string {
  const found = addressBits(address)
  if (found === undefined) return address.slice(0, 64)
  const { family, bits, zone } = found
  return family === 4 ? `4/${bits.toString(16)}` : `6/${(bits >> 64n).toString(16)}${zone === undefined ? '' : `%${zone}`}`
}

/**
 * How often each address may do something. Bounded in memory: a source that has not come for as long as its rate takes to recover is
 * forgotten, which changes nothing for it. When more sources come than there is room for, those without a place share one rate, so that
 * a flood of addresses takes nothing from those that were there before.
 */
export class RateLimiter {
  readonly #options: RateLimiterOptions
  readonly #capacity: number
  /** In the order of their last use: what is full again is at the front. */
  readonly #sources = new Map<string, TokenBucket>()
  readonly #others: TokenBucket

  /** @throws TypeError for a rate that lets nothing through */
  constructor(options: RateLimiterOptions) {
    const { perAddress, clock, capacity = MAX_SOURCES } = options
    const { others = { burst: 16 * perAddress.burst, perMinute: 16 * perAddress.perMinute } } = options
    for (const rate of [perAddress, others])
      if (!(rate.burst >= 1 && rate.perMinute > 0)) throw new TypeError('A rate has a burst of at least 1, and some per minute')
    if (!Number.isSafeInteger(capacity) || capacity < 1) throw new TypeError('A rate limiter remembers at least one source')
    this.#options = options
    this.#capacity = capacity
    this.#others = new TokenBucket(others, clock)
  }

  /** Sources that are remembered. */
  get size(): number {
    return this.#sources.size
  }

  /** Counts one; false when the address comes too often, which counts nothing: once it comes less often it is let through again. */
  take(address: string): boolean {
    const source = addressSource(address)
    const known = this.#sources.get(source)
    if (known !== undefined) {
      this.#sources.delete(source)
      this.#sources.set(source, known)
      return known.take()
    }
    this.#forgetRecovered()
    if (this.#sources.size >= this.#capacity) return this.#others.take()
    const bucket = new TokenBucket(this.#options.perAddress, this.#options.clock)
    this.#sources.set(source, bucket)
    return bucket.take()
  }

  /** Makes up for one that was taken and should not count: with it, only what fails has a rate, however much of it is under way at a time. */
  giveBack(address: string): void {
    ;(this.#sources.get(addressSource(address)) ?? this.#others).giveBack()
  }

  #forgetRecovered(): void {
    for (const [source, bucket] of this.#sources) {
      if (!bucket.full) return
      this.#sources.delete(source)
    }
  }
}
