import type { Clock, Rate } from '@kithmesh/core'
import { RateLimiter, addressSource } from '@kithmesh/core/plugin'
import type { LoginOrigin, PasswordAuthenticator } from '@kithmesh/identity'

/** A person who does not remember, and a device with an old password, get along with it; whoever tries all passwords does not. */
export const LOGIN_TRIES: Rate = Object.freeze({ burst: 20, perMinute: 6 })

/** Logins of one address that are being looked at, and those that wait for one of them to end. */
interface Source {
  underWay: number
  readonly waiting: Set<() => void>
}

/**
 * How often an address may be wrong about a password. A try is spent before the authenticator is asked and given back when it was right, so that
 * many tries at once are no way round it. Many right logins at once, of an office behind one address, wait for each other. Whoever has
 * no try left is not asked about at all: there is nothing to learn.
 */
export class LoginTries {
  readonly #limiter: RateLimiter
  readonly #clock: Clock
  readonly #perMinute: number
  /** Those with something under way. */
  readonly #sources = new Map<string, Source>()

  /** @throws TypeError for a rate that lets nothing through */
  constructor(rate: Rate, clock: Clock) {
    this.#limiter = new RateLimiter({ clock, perAddress: rate })
    this.#clock = clock
    this.#perMinute = rate.perMinute
  }

  /** Seconds after which a try comes back. */
  get retryAfterSeconds(): number {
    return Math.ceil(60 / this.#perMinute)
  }

  /**
   * The user's name, undefined when it is not let in, or `later` when its address has been wrong too often.
   * @param withinMs how long to wait for other logins of its address at most
   */
  async check(
    authenticator: PasswordAuthenticator,
    authorization: string | undefined,
    origin: LoginOrigin,
    withinMs: number
  ): Promise<{ readonly user: string | undefined } | 'later'> {
    // Who names no login is asked for one, which tells nothing.
    if (authorization === undefined) return { user: await authenticator.check(authorization, origin) }
    const address = origin.address ?? ''
    const key = addressSource(address)
    const end = this.#clock.monotonic() + withinMs
    while (!this.#limiter.take(address)) {
      const source = this.#sources.get(key)
      const left = end - this.#clock.monotonic()
      if (source === undefined || source.underWay === 0 || left <= 0) return 'later'
      await this.#next(source, left)
    }
    const source = this.#sources.get(key) ?? { underWay: 0, waiting: new Set() }
    this.#sources.set(key, source)
    source.underWay++
    let user: string | undefined
    try {
      user = await authenticator.check(authorization, origin)
      return { user }
    } finally {
      source.underWay--
      if (user !== undefined) {
        this.#limiter.giveBack(address)
        const [longest] = source.waiting
        longest?.()
      }
      // Nothing is left under way that could give a try back: whoever waits takes the one that there is, waits for that, or has its answer.
      if (source.underWay === 0) {
        this.#sources.delete(key)
        for (const go of [...source.waiting]) go()
      }
    }
  }

  /** Resolves when it is worth looking again, or the time is over. */
  #next({ waiting }: Source, withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        waiting.delete(go)
        cancel()
        resolve()
      }
      const cancel = this.#clock.after(withinMs, go)
      waiting.add(go)
    })
  }
}
