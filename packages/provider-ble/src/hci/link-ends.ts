import type { Clock } from '@kithmesh/core/plugin'
import type { HciLink } from './acl-link.ts'

/** A controller may go on trying to reach the peer until the longest supervision time-out (Core Specification, vol. 6, part B, §4.5.2). */
const ENDING_MS = 40_000

/** When links end that nobody uses, and when one whose end was asked for counts as ended. */
export class LinkEnds {
  readonly #clock: Clock
  readonly #idleMs: number
  readonly #timers = new Map<HciLink, () => void>()

  constructor(clock: Clock, idleMs: number) {
    this.#clock = clock
    this.#idleMs = idleMs
  }

  /** Ends a link that we made and that no library here uses, once its streams are closed and the other side asks no more. */
  whenIdle(link: HciLink): void {
    if (link.closed || link.role !== 'central' || link.libraries.client !== undefined) return
    this.#set(link, this.#idleMs, () => {
      if (link.libraries.client !== undefined) return
      if (link.streams > 0 || link.libraries.takeActivity()) this.whenIdle(link)
      else link.disconnect()
    })
  }

  /** The controller was told to end it. */
  ending(link: HciLink, late: () => void): void {
    this.#set(link, ENDING_MS, late)
  }

  /** It has ended, or is used again. */
  forget(link: HciLink): void {
    this.#timers.get(link)?.()
    this.#timers.delete(link)
  }

  #set(link: HciLink, ms: number, run: () => void): void {
    this.forget(link)
    this.#timers.set(
      link,
      this.#clock.after(ms, () => {
        this.#timers.delete(link)
        run()
      })
    )
  }
}
