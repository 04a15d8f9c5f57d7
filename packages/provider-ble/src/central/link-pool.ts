import { type Clock, type Logger, waitFor } from '@kithmesh/core/plugin'
import type { PeripheralLike } from '../library/noble-like.ts'
import { lostAtOnce } from './connect-status.ts'
import { DeviceLink, type LinkUse } from './device-link.ts'

export interface LinkPoolOptions {
  /** Makes a connection. */
  readonly connect: (id: string, signal: AbortSignal) => Promise<PeripheralLike>
  readonly clock: Clock
  readonly logger: Logger
  readonly lingerMs: number
  readonly maxLinks: number
}

/** A connection that is being made, for all that wait for it. */
interface Making {
  readonly controller: AbortController
  readonly made: Promise<DeviceLink>
  waiting: number
}

/** The connections that this side made: one for each device, shared by all that need it, and no more than the adapter can serve. */
export class LinkPool {
  readonly #options: LinkPoolOptions
  readonly #links = new Map<string, DeviceLink>()
  readonly #making = new Map<string, Making>()
  readonly #changed = new Set<() => void>()
  /** Of those that are being made, the ones that have been given room. */
  #admitted = 0

  constructor(options: LinkPoolOptions) {
    this.#options = options
  }

  get(id: string): DeviceLink | undefined {
    return this.#links.get(id)
  }

  /** Whether a device is connected to, or about to be. */
  has(id: string): boolean {
    return this.#links.has(id) || this.#making.has(id)
  }

  /**
   * A link to a device: the one there is, or a new one.
   * @throws what `connect` throws, the signal's reason
   */
  async acquire(id: string, signal: AbortSignal): Promise<LinkUse> {
    for (;;) {
      signal.throwIfAborted()
      const link = this.#links.get(id)
      if (link?.usable === true) return link.use()
      const ending = this.#making.get(id)
      if (link === undefined && ending?.controller.signal.aborted === true) {
        // Given up by those before; the controller is done with it in a moment.
        await waitFor<unknown>(signal, (resolve) => {
          ending.made.then(resolve, resolve)
          return undefined
        })
      } else if (link === undefined) {
        const made = await this.#share(id, signal)
        if (made.usable) return made.use()
      } else {
        await link.whenClosed(signal)
      }
    }
  }

  /** Ends everything, with this error for those that use it. */
  end(error: Error): void {
    for (const { controller } of this.#making.values()) controller.abort(error)
    for (const link of [...this.#links.values()]) {
      link.end(error)
      link.close(error)
    }
  }

  #share(id: string, signal: AbortSignal): Promise<DeviceLink> {
    let making = this.#making.get(id)
    if (making === undefined) {
      const controller = new AbortController()
      making = { controller, made: this.#make(id, controller.signal), waiting: 0 }
      this.#making.set(id, making)
      // Those that wait are told; when none is left, nobody is.
      making.made.catch(() => undefined)
    }
    const shared = making
    shared.waiting++
    return waitFor<DeviceLink>(signal, (resolve, reject) => {
      shared.made.then(resolve, reject)
      return () => {
        shared.waiting--
        if (shared.waiting === 0) shared.controller.abort(new DOMException('Nobody needs the connection any more', 'AbortError'))
      }
    })
  }

  async #make(id: string, signal: AbortSignal): Promise<DeviceLink> {
    const { clock, logger, lingerMs } = this.#options
    let admitted = false
    try {
      await this.#room(signal)
      this.#admitted++
      admitted = true
      const peripheral = await this.#options.connect(id, signal)
      if (peripheral.state !== 'connected') throw lostAtOnce(id)
      const link = new DeviceLink(id, peripheral, {
        clock,
        logger,
        lingerMs,
        onChanged: () => {
          if (link.closed !== undefined && this.#links.get(id) === link) this.#links.delete(id)
          this.#tellChanged()
        }
      })
      this.#links.set(id, link)
      return link
    } finally {
      this.#making.delete(id)
      if (admitted) this.#admitted--
      this.#tellChanged()
    }
  }

  /** Waits until there may be one more, for which the one that has been idle the longest has to go. */
  async #room(signal: AbortSignal): Promise<void> {
    await Promise.resolve()
    while (this.#links.size + this.#admitted >= this.#options.maxLinks) {
      let oldest: DeviceLink | undefined
      for (const link of this.#links.values()) if (link.idle && !(oldest !== undefined && oldest.idleSince <= link.idleSince)) oldest = link
      oldest?.end()
      await waitFor<void>(signal, (resolve) => {
        const changed = (): void => {
          resolve()
        }
        this.#changed.add(changed)
        return () => {
          this.#changed.delete(changed)
        }
      })
    }
  }

  #tellChanged(): void {
    for (const tell of [...this.#changed]) tell()
  }
}
