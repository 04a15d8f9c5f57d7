import { type Clock, type Logger, TokenBucket } from '@kithmesh/core/plugin'
import type { Group } from './group.ts'
import { wrapBytes } from './group.ts'
import type { KnownSignatories } from './identity-signature.ts'
import { PresenceTable } from './presence-table.ts'
import type { PresenceEvents, PresenceLimits } from './presence-table.ts'
import { claimedPeerId, decodeStatement, maxStatementBytes } from './presence-statement.ts'
import type { VerifiedStatement } from './presence-statement.ts'

/** Statements that are verified per second in the long run; at once, as many as there may be devices, and then some. */
const verifiedPerSecond = 200
const expiryMs = 1000
/** Devices with wrong clocks that the log names. */
const maxAhead = 100

/** Reads presence topics: verifies what arrives and keeps the table of who is there. */
export class PresenceWatch {
  readonly table: PresenceTable
  readonly #group: Group
  readonly #known: KnownSignatories
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #rate: TokenBucket
  #cancel: (() => void) | undefined
  #full = false
  readonly #ahead = new Set<string>()

  constructor(
    group: Group,
    known: KnownSignatories,
    { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
    limits: PresenceLimits,
    events: PresenceEvents
  ) {
    this.#group = group
    this.#known = known
    this.#clock = clock
    this.#logger = logger
    this.#rate = new TokenBucket({ burst: 2 * limits.maxPeers + 100, perMinute: 60 * verifiedPerSecond }, clock)
    this.table = new PresenceTable(limits, events)
  }

  start(): void {
    this.#cancel ??= this.#clock.every(expiryMs, () => {
      this.table.expire(this.#times())
    })
  }

  /** Forgets everybody without a word. */
  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.table.clear()
  }

  /** Undefined when it is not what belongs on this topic. */
  read(topic: string, payload: Buffer): VerifiedStatement | undefined {
    if (payload.length === 0 || payload.length > maxStatementBytes + wrapBytes) return undefined
    const bytes = this.#group.unwrap(topic, payload)
    const claimed = bytes && claimedPeerId(bytes)
    if (bytes === undefined || claimed === undefined) return undefined
    if (this.#group.presenceTopic(claimed) !== topic) {
      this.#logger.debug('A presence was dropped: it belongs on another topic', { peerId: claimed })
      return undefined
    }
    // Garbage costs nothing of what may be verified, so that a broker full of it hides nobody.
    if (!this.#rate.take()) return undefined
    try {
      const verified = decodeStatement(bytes, this.#group.id, this.#known)
      if (verified.signatory.peerId === claimed) return verified
    } catch (error) {
      this.#logger.debug('A presence was dropped', { error })
    }
    return undefined
  }

  /** Something of another device. */
  receive(topic: string, payload: Buffer, retained: boolean): void {
    const verified = this.read(topic, payload)
    if (verified === undefined) return
    const { peerId } = verified.signatory
    const verdict = this.table.take(peerId, verified.statement, retained, this.#times())
    if (verdict === 'full') {
      if (!this.#full) this.#logger.warn('There are more devices than are listed', { peerId })
      this.#full = true
    } else if (verdict === 'in the future' && this.#ahead.size < maxAhead && !this.#ahead.has(peerId)) {
      this.#ahead.add(peerId)
      this.#logger.warn('A device is not listed: its clock is ahead, or that of this device is behind', { peerId })
    } else if (verdict !== 'taken') this.#logger.debug('A presence was dropped', { peerId, reason: verdict })
  }

  #times(): { now: number; monotonic: number } {
    return { now: this.#clock.now(), monotonic: this.#clock.monotonic() }
  }
}
