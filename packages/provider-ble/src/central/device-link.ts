import { type Clock, type Logger, waitFor } from '@kithmesh/core/plugin'
import { bleErrors } from '../errors.ts'
import type { PeripheralLike } from '../library/noble-like.ts'

/** How long the controller may take to end a link. */
const DISCONNECT_MS = 2000

/** Somebody who needs a link as long as they do not release it. */
export interface LinkUse {
  readonly link: DeviceLink
  release(): void
}

export interface DeviceLinkOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** How long it stays when nobody uses it. */
  readonly lingerMs: number
  /** Its use has begun or ended, or it has closed. */
  readonly onChanged: () => void
}

/** A connection that this side made to a device, for all that need one. It ends when it has been idle for a while. */
export class DeviceLink {
  readonly id: string
  readonly peripheral: PeripheralLike
  readonly #options: DeviceLinkOptions
  readonly #listeners = new Set<(error: Error) => void>()
  #uses = 0
  #idleSince: number
  #cancelTimer: (() => void) | undefined
  #ending = false
  #retired = false
  #closed: Error | undefined

  constructor(id: string, peripheral: PeripheralLike, options: DeviceLinkOptions) {
    this.id = id
    this.peripheral = peripheral
    this.#options = options
    this.#idleSince = options.clock.monotonic()
    peripheral.on('disconnect', this.#onDisconnect)
    this.#linger()
  }

  /** Why it is closed. */
  get closed(): Error | undefined {
    return this.#closed
  }

  /** It can be used: neither closed nor about to be. */
  get usable(): boolean {
    return this.#closed === undefined && !this.#ending
  }

  get idle(): boolean {
    return this.#uses === 0 && this.usable
  }

  /** On the monotonic clock; of those that are idle. */
  get idleSince(): number {
    return this.#idleSince
  }

  use(): LinkUse {
    this.#uses++
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    let released = false
    return {
      link: this,
      release: () => {
        if (released) return
        released = true
        this.#uses--
        if (this.#uses > 0) return
        this.#idleSince = this.#options.clock.monotonic()
        if (this.usable && this.#retired) this.end()
        else if (this.usable) this.#linger()
        this.#options.onChanged()
      }
    }
  }

  /** It is of no use to those that come: it does not linger. */
  retire(): void {
    this.#retired = true
    if (this.idle) this.end()
  }

  /** @returns ends the listening. Told at once when it is closed already. */
  onClosed(listener: (error: Error) => void): () => void {
    if (this.#closed === undefined) this.#listeners.add(listener)
    else listener(this.#closed)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** Resolves once it is closed. @throws the signal's reason */
  whenClosed(signal: AbortSignal): Promise<void> {
    return waitFor(signal, (resolve) =>
      this.onClosed(() => {
        resolve()
      })
    )
  }

  /** Disconnects. Idempotent. */
  end(error: Error = bleErrors.create('ERR_BLE_LINK_LOST', `The connection to ${this.id} was ended here`)): void {
    if (!this.usable) return
    this.#ending = true
    this.#cancelTimer?.()
    this.#cancelTimer = this.#options.clock.after(DISCONNECT_MS, () => {
      this.#options.logger.warn('A device is not disconnected from', { device: this.id })
      this.close(error)
    })
    try {
      this.peripheral.disconnect()
    } catch (cause) {
      this.#options.logger.debug('The library does not disconnect', { device: this.id, error: cause })
      this.close(error)
    }
  }

  /** It is gone, or nothing will be heard of it any more. Idempotent. */
  close(error: Error): void {
    if (this.#closed !== undefined) return
    this.#closed = error
    this.#cancelTimer?.()
    this.peripheral.removeListener('disconnect', this.#onDisconnect)
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    for (const listener of listeners) listener(error)
    this.#options.onChanged()
  }

  #linger(): void {
    this.#cancelTimer = this.#options.clock.after(this.#options.lingerMs, () => {
      this.end()
    })
  }

  readonly #onDisconnect = (reason?: unknown): void => {
    const status = typeof reason === 'number' ? reason : undefined
    const why = status === undefined ? '' : `, reason 0x${status.toString(16)}`
    this.close(
      bleErrors.create('ERR_BLE_LINK_LOST', `The connection to ${this.id} was lost${why}`, { details: { id: this.id, reason: status } })
    )
  }
}
