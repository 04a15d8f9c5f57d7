import type { Clock, Logger, PeerDiscovery, ProviderMode, ProviderStatus } from '@kithmesh/core'
import { errorCode } from '@kithmesh/core/plugin'

const firstPauseMs = 1_000
const maxPauseMs = 30_000

export interface ProviderRevivalOptions {
  readonly discovery: PeerDiscovery
  readonly clock: Clock
  readonly logger: Logger
  /** Starts what has failed of a mode; what runs is left alone. */
  readonly start: (mode: ProviderMode) => Promise<void>
}

/**
 * Starts providers again that failed, for instance because the broker was not there yet, with growing pauses for as long as it takes.
 * Made for one run of a mesh.
 */
export class ProviderRevival {
  readonly #options: ProviderRevivalOptions
  readonly #pauses = new Map<ProviderMode, number>()
  readonly #waiting = new Map<ProviderMode, () => void>()
  readonly #unobserve: () => void
  #stopped = false

  constructor(options: ProviderRevivalOptions) {
    this.#options = options
    this.#unobserve = options.discovery.addObserver({
      statusChanged: (_provider: string, mode: ProviderMode, { state }: ProviderStatus) => {
        if (state === 'failed') this.#later(mode)
      }
    })
  }

  /** Nothing is started any more. Idempotent. */
  stop(): void {
    this.#stopped = true
    this.#unobserve()
    for (const cancel of this.#waiting.values()) cancel()
    this.#waiting.clear()
  }

  #later(mode: ProviderMode): void {
    if (this.#stopped || this.#waiting.has(mode)) return
    const pause = this.#pauses.get(mode) ?? firstPauseMs
    this.#pauses.set(mode, Math.min(2 * pause, maxPauseMs))
    this.#waiting.set(
      mode,
      this.#options.clock.after(pause, () => {
        this.#waiting.delete(mode)
        this.#revive(mode)
      })
    )
  }

  #revive(mode: ProviderMode): void {
    const { logger, start } = this.#options
    start(mode).then(
      () => {
        if (this.#failed(mode)) this.#later(mode)
        else this.#pauses.delete(mode)
      },
      (error: unknown) => {
        if (this.#stopped) return
        logger.debug('a provider that failed could not be started again', { mode, code: errorCode(error), error })
        this.#later(mode)
      }
    )
  }

  #failed(mode: ProviderMode): boolean {
    const { discovery } = this.#options
    return discovery.providers.some((provider) => discovery.status(provider, mode).state === 'failed')
  }
}
