import type { Clock } from '@kithmesh/core/plugin'
import { bleErrors } from '../errors.ts'
import type { HciLink } from './acl-link.ts'
import { STATUS } from './opcodes.ts'

/** Longer than the longest supervision time-out (Core Specification, vol. 6, part B, §4.5.2), after which a link to nobody has ended. */
const STALLED_MS = 33_000

/**
 * Ends links of which the controller holds packets and gets rid of none: the peer's host takes nothing, or an event with their number was lost,
 * as a shared adapter's are when this program is too slow to read them. Nothing would be sent on them ever again, and nobody told.
 */
export class StalledLinks {
  readonly #clock: Clock
  readonly #timers = new Map<HciLink, () => void>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The controller was given a packet. One timer for each link looks whether any was completed since it began. */
  sent(link: HciLink): void {
    if (!this.#timers.has(link)) this.#look(link)
  }

  /** The link has ended. */
  forget(link: HciLink): void {
    this.#timers.get(link)?.()
    this.#timers.delete(link)
  }

  #look(link: HciLink): void {
    const { completed } = link.packets
    const cancel = this.#clock.after(STALLED_MS, () => {
      this.#timers.delete(link)
      if (link.closed || link.packets.held === 0) return
      if (link.packets.completed !== completed) {
        this.#look(link)
        return
      }
      const error = bleErrors.create(
        'ERR_BLE_LINK_LOST',
        `The connection to ${link.peer.id} was ended here, as nothing could be sent for ${STALLED_MS / 1000} seconds`
      )
      link.cut(STATUS.remoteUserTerminated, error)
    })
    this.#timers.set(link, cancel)
  }
}
