import type { Clock, Logger } from '@kithmesh/core/plugin'
import { errorCode } from '@kithmesh/core/plugin'
import type { BleCentral } from '../backend/contracts.ts'
import { deadline } from './deadline.ts'

/** Links that subscriptions may keep at the same time: adapters have few, and streams need some. */
const maxSubscriptions = 3
const firstRetryMs = 1000
const maxRetryMs = 60_000

export interface MetadataWatchesOptions {
  readonly central: BleCentral
  readonly clock: Clock
  readonly logger: Logger
  /** Per try, milliseconds. */
  readonly timeoutMs: number
  /** The newest metadata of a device. */
  readonly metadata: (id: string, bytes: Uint8Array) => void
}

interface Watch {
  readonly abort: AbortController
  failures: number
  since: number
  /** Ends the subscription, or the wait for the next try. */
  cancel: (() => void) | undefined
  state: 'waiting' | 'pausing' | 'subscribing' | 'subscribed'
}

/**
 * Subscriptions to the metadata of devices that advertise no tag. Each keeps a link; the devices beyond the bound wait for their turn. A
 * subscription that breaks is made again, after pauses that grow.
 */
export class MetadataWatches {
  readonly #options: MetadataWatchesOptions
  readonly #watches = new Map<string, Watch>()

  constructor(options: MetadataWatchesOptions) {
    this.#options = options
  }

  has(id: string): boolean {
    return this.#watches.get(id)?.state === 'subscribed'
  }

  add(id: string): void {
    if (this.#watches.has(id)) return
    this.#watches.set(id, { abort: new AbortController(), failures: 0, since: 0, cancel: undefined, state: 'waiting' })
    this.#fill()
  }

  remove(id: string): void {
    const watch = this.#watches.get(id)
    if (watch === undefined) return
    this.#end(id, watch)
    this.#fill()
  }

  stop(): void {
    for (const [id, watch] of [...this.#watches]) this.#end(id, watch)
  }

  #end(id: string, watch: Watch): void {
    this.#watches.delete(id)
    watch.abort.abort(new DOMException('No longer watched', 'AbortError'))
    watch.cancel?.()
  }

  #fill(): void {
    let busy = 0
    for (const { state } of this.#watches.values()) if (state === 'subscribing' || state === 'subscribed') busy++
    for (const [id, watch] of this.#watches) {
      if (busy >= maxSubscriptions) return
      if (watch.state !== 'waiting') continue
      busy++
      watch.state = 'subscribing'
      this.#subscribe(id, watch).catch((error: unknown) => {
        this.#failed(id, watch, error)
      })
    }
  }

  async #subscribe(id: string, watch: Watch): Promise<void> {
    const { central, clock, timeoutMs, metadata } = this.#options
    const limit = deadline(clock, timeoutMs, `Subscribing to ${id}`, watch.abort.signal)
    const current = (): boolean => this.#watches.get(id) === watch
    const handlers = {
      metadata: (bytes: Uint8Array): void => {
        if (current()) metadata(id, bytes)
      },
      ended: (error: Error): void => {
        this.#failed(id, watch, error)
      }
    }
    const end = await central.watch(id, handlers, { signal: limit.signal }).finally(() => {
      limit.release()
    })
    if (!current()) {
      end()
      return
    }
    if (watch.state !== 'subscribing') return
    watch.state = 'subscribed'
    watch.since = clock.monotonic()
    watch.cancel = end
  }

  #failed(id: string, watch: Watch, error: unknown): void {
    if (this.#watches.get(id) !== watch || watch.state === 'pausing') return
    const { clock, logger } = this.#options
    if (watch.state === 'subscribed' && clock.monotonic() - watch.since >= maxRetryMs) watch.failures = 0
    const pause = Math.min(maxRetryMs, firstRetryMs * 2 ** watch.failures++)
    logger.debug('a subscription to metadata ended', { id, code: errorCode(error), error, nextTryMs: pause })
    watch.state = 'pausing'
    watch.cancel = clock.after(pause, () => {
      watch.cancel = undefined
      watch.state = 'waiting'
      this.#fill()
    })
    this.#fill()
  }
}
