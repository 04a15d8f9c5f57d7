import type { Clock, Logger } from '@kithmesh/core/plugin'
import { attResult } from '../library/bleno-like.ts'
import type { OpenStreamLine, StreamLine } from './stream-lines.ts'

/** What can be read at the moment. */
export interface PublishedValues {
  /** PSM of the L2CAP channel; 0 without one. */
  readonly psm: number
  readonly metadata: Uint8Array
}

export interface ReadResult {
  /** See {@link attResult}. */
  readonly result: number
  readonly data: Buffer
}

/**
 * Notifications to one central that wait in the library; with as many no more are given to it. Fewer than the packets that a library has under
 * way at a time, over all its centrals.
 */
const MOST_WAITING = 8
/** How long a central may take none of what waits. */
const STUCK_MS = 5_000

export interface CentralSessionOptions {
  /** The central's device id, where the platform tells. */
  readonly id: string | undefined
  /** Undefined while nothing is published. */
  readonly values: () => PublishedValues | undefined
  readonly openLine: OpenStreamLine
  readonly clock: Clock
  /** Whether {@link CentralSession.notified} is called. */
  readonly paced: boolean
  /** Ends the link, where the platform can. */
  readonly disconnect: () => void
  readonly logger: Logger
}

/** Sends a notification; the library cuts it off at the ATT MTU. */
export type Notify = (data: Buffer) => void

/**
 * What one connected central reads, subscribes to and sends. Everything here is called with what a peer wrote, of any length and in any
 * order.
 */
export class CentralSession {
  readonly id: string | undefined
  readonly #options: CentralSessionOptions
  /** The metadata as it was when the reading of it began: parts read later belong to the same record. */
  #metadata: Buffer | undefined
  #notify: Notify | undefined
  #line: StreamLine | undefined
  #waiting = 0
  #full = false
  #cancelStuck = (): void => {}
  /** The metadata has changed while nothing more could be sent. */
  #stale = false

  constructor(options: CentralSessionOptions) {
    this.id = options.id
    this.#options = options
  }

  /** It waits for notifications, or has streams. */
  get inUse(): boolean {
    return this.#notify !== undefined || this.#line !== undefined
  }

  readPort(offset: number): ReadResult {
    const values = this.#options.values()
    if (values === undefined) return failed(attResult.unlikelyError)
    return part(Buffer.of(values.psm & 0xff, values.psm >> 8), offset)
  }

  readMetadata(offset: number): ReadResult {
    const values = this.#options.values()
    if (values === undefined) return failed(attResult.unlikelyError)
    if (offset === 0 || this.#metadata === undefined) this.#metadata = Buffer.from(values.metadata)
    return part(this.#metadata, offset)
  }

  metadataSubscribed(notify: Notify): void {
    this.#notify = notify
  }

  metadataUnsubscribed(): void {
    this.#notify = undefined
  }

  /** Tells a subscriber. What does not fit is cut off: whoever gets a full notification reads again (ble.md §6.9). */
  metadataChanged(): void {
    const values = this.#options.values()
    if (this.#notify === undefined || values === undefined) return
    this.#stale = this.#full
    if (!this.#stale) this.#send(this.#notify, Buffer.from(values.metadata))
  }

  /** A notification that waited in the library is on its way. */
  notified(): void {
    if (this.#waiting > 0) this.#waiting--
    if (!this.#full) return
    if (this.#waiting > MOST_WAITING / 2) {
      this.#watch()
      return
    }
    this.#full = false
    this.#cancelStuck()
    if (this.#stale) this.metadataChanged()
    this.#line?.ready()
  }

  /**
   * Subscribing again changes nothing.
   * @param maxBytes of a notification
   */
  streamSubscribed(maxBytes: number, notify: Notify): void {
    if (this.#line !== undefined) return
    this.#line = this.#options.openLine({
      id: this.id,
      maxBytes,
      send: (value) => this.#send(notify, value),
      fail: () => {
        this.#line = undefined
        this.#options.disconnect()
      }
    })
  }

  streamUnsubscribed(): void {
    const line = this.#line
    this.#line = undefined
    line?.closed()
  }

  /** Ignored unless the central has subscribed, as it could not be answered. */
  streamWritten(data: Buffer): void {
    this.#line?.received(data)
  }

  /** The link is gone. */
  ended(): void {
    this.#notify = undefined
    this.#metadata = undefined
    this.#cancelStuck()
    this.streamUnsubscribed()
  }

  /** @returns false when it is the last one for now */
  #send(notify: Notify, value: Buffer): boolean {
    // It may be with the controller before the library returns.
    if (this.#options.paced) this.#waiting++
    try {
      notify(value)
    } catch (error) {
      this.#options.logger.debug('A notification could not be sent', { id: this.id, error })
      if (this.#waiting > 0) this.#waiting--
    }
    if (this.#waiting < MOST_WAITING) return true
    this.#full = true
    this.#watch()
    return false
  }

  /** Who takes nothing more holds up what a library has for all. */
  #watch(): void {
    this.#cancelStuck()
    this.#cancelStuck = this.#options.clock.after(STUCK_MS, () => {
      this.#options.logger.debug('A central takes nothing of what it is told, and is disconnected', { id: this.id })
      this.#options.disconnect()
    })
  }
}

function part(value: Buffer, offset: number): ReadResult {
  return offset > value.length ? failed(attResult.invalidOffset) : { result: attResult.success, data: value.subarray(offset) }
}

function failed(result: number): ReadResult {
  return { result, data: Buffer.alloc(0) }
}
