import type { Clock } from '@kithmesh/core'
import { stunErrors } from '../errors.ts'
import { Renewal } from './renewal.ts'

/** Permissions last five minutes (RFC 8656 §9); channels ten, but their permission five as well. */
const RENEW_EVERY_MS = 240_000

/** Permissions or channels of an allocation, each asked for once and renewed until the allocation ends. */
export class Leases {
  readonly #clock: Clock
  readonly #limit: number
  readonly #what: string
  readonly #failed: (key: string, error: unknown) => void
  readonly #all = new Map<string, { readonly granted: Promise<void>; renewal?: Renewal }>()
  #stopped = false

  /**
   * @param what for the message of ERR_TURN_LIMIT: `permissions`.
   * @param failed is told of one that could not be renewed and is no more.
   */
  constructor(clock: Clock, limit: number, what: string, failed: (key: string, error: unknown) => void) {
    this.#clock = clock
    this.#limit = limit
    this.#what = what
    this.#failed = failed
  }

  has(key: string): boolean {
    return this.#all.has(key)
  }

  /**
   * Asks for it, unless it is there or being asked for.
   * @throws what `ask` throws, or ERR_TURN_LIMIT.
   */
  hold(key: string, ask: () => Promise<void>): Promise<void> {
    const known = this.#all.get(key)
    if (known !== undefined) return known.granted
    if (this.#all.size >= this.#limit)
      return Promise.reject(stunErrors.create('ERR_TURN_LIMIT', `An allocation has at most ${this.#limit} ${this.#what}`))
    const lease: { granted: Promise<void>; renewal?: Renewal } = {
      granted: ask().then(
        () => {
          if (!this.#stopped) lease.renewal = this.#renewal(key, ask)
        },
        (error: unknown) => {
          this.#all.delete(key)
          throw error
        }
      )
    }
    this.#all.set(key, lease)
    return lease.granted
  }

  stop(): void {
    this.#stopped = true
    for (const { renewal } of this.#all.values()) renewal?.stop()
  }

  #renewal(key: string, ask: () => Promise<void>): Renewal {
    return new Renewal({
      clock: this.#clock,
      intervalMs: () => RENEW_EVERY_MS,
      renew: ask,
      isFinal: () => false,
      attempts: 3,
      failed: (error) => {
        this.#all.delete(key)
        this.#failed(key, error)
      }
    })
  }
}
