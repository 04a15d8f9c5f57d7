import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Clock } from '@kithmesh/core'
import { addressSource } from '@kithmesh/core/plugin'

/** How long a nonce may be used; a client gets another one with the 438 that follows. */
const LIFETIME_S = 3_600
/** The nonce cookie and the security feature "password algorithms" (RFC 8489 §9.2, §18.1): takes the algorithms out of nobody's answer unnoticed. */
const COOKIE = `obMatJos2${Buffer.from([0x80, 0, 0]).toString('base64')}`
const TIME_DIGITS = 9
const MAC_DIGITS = 24

/**
 * Nonces that need not be remembered: a time, and proof that it was this server that wrote it, for whoever comes from that address. A request that
 * somebody overheard is of no use elsewhere: there it makes no allocation in the name of the one who signed it.
 */
export class Nonces {
  readonly #secret = randomBytes(32)
  readonly #clock: Pick<Clock, 'monotonic'>

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
  }

  /** @param address of the client */
  issue(address: string): string {
    const time = this.#seconds().toString(36).padStart(TIME_DIGITS, '0')
    return COOKIE + time + this.#mac(time, address)
  }

  /** Whether it is one of this server's for that address that may still be used. */
  valid(nonce: string, address: string): boolean {
    if (nonce.length !== COOKIE.length + TIME_DIGITS + MAC_DIGITS || !nonce.startsWith(COOKIE)) return false
    const time = nonce.slice(COOKIE.length, -MAC_DIGITS)
    if (!timingSafeEqual(Buffer.from(this.#mac(time, address)), Buffer.from(nonce.slice(-MAC_DIGITS), 'latin1'))) return false
    const age = this.#seconds() - Number.parseInt(time, 36)
    return age >= 0 && age < LIFETIME_S
  }

  #seconds(): number {
    return Math.floor(this.#clock.monotonic() / 1_000)
  }

  #mac(time: string, address: string): string {
    return createHmac('sha256', this.#secret)
      .update(`${time} ${addressSource(address)}`)
      .digest('hex')
      .slice(0, MAC_DIGITS)
  }
}
