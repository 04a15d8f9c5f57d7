import { setMaxListeners } from 'node:events'
import { Lifecycle, joinSignals, withDeadline } from '@kithmesh/core/plugin'
import type { Clock, Logger, ProviderMode } from '@kithmesh/core/plugin'
import type { BleBackend } from '../backend/contracts.ts'
import { bleErrors } from '../errors.ts'

/** For a stop; what a backend does after it is no longer waited for. */
const stopMs = 8000

export interface SharedBackendOptions {
  readonly backend: BleBackend
  readonly clock: Clock
  readonly logger: Logger
  readonly startTimeoutMs: number
  /** Bluetooth was switched off or the adapter vanished: nobody has the backend any more, whoever had it is to begin anew. */
  readonly lost: (error: Error) => void
}

/** Who needs the backend: the two modes, and streams that outlive them. */
export type BackendUser = ProviderMode | 'streams'

/** One backend for browsing, publishing and streams: started for the first that needs it, stopped after the last. */
export class SharedBackend {
  readonly #options: SharedBackendOptions
  readonly #users = new Set<BackendUser>()
  readonly #lifecycle: Lifecycle
  /** Aborts when what was started ends, one way or the other. */
  #run = new AbortController()

  constructor(options: SharedBackendOptions) {
    this.#options = options
    this.#lifecycle = new Lifecycle({ start: (signal) => this.#start(signal), stop: () => this.#stop() })
  }

  get backend(): BleBackend {
    return this.#options.backend
  }

  /** Whether it runs. */
  get running(): boolean {
    return this.#lifecycle.state === 'started' && !this.#run.signal.aborted
  }

  /** Aborts, once acquired, when the backend is lost or stopped. */
  get signal(): AbortSignal {
    return this.#run.signal
  }

  /**
   * Resolves once Bluetooth is on. Every call needs a {@link release}, also when it failed.
   * @throws as `BleBackend.start`; the signal's reason
   */
  async acquire(user: BackendUser, signal: AbortSignal): Promise<BleBackend> {
    const { backend, clock, startTimeoutMs } = this.#options
    signal.throwIfAborted()
    this.#users.add(user)
    // A stop that is under way comes first.
    await withDeadline(() => this.#lifecycle.start(), { clock, ms: startTimeoutMs + stopMs, what: startWhat(backend), signal })
    return backend
  }

  /** Keeps it running, if it runs. */
  retain(user: BackendUser): void {
    if (this.running) this.#users.add(user)
  }

  /** Idempotent. */
  async release(user: BackendUser): Promise<void> {
    if (!this.#users.delete(user) || this.#users.size > 0) return
    await this.#lifecycle.stop()
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { backend, clock, startTimeoutMs } = this.#options
    const run = new AbortController()
    // Every stream that is being opened listens.
    setMaxListeners(0, run.signal)
    this.#run = run
    const started = (): Promise<void> =>
      backend.start((error) => {
        this.#lost(run, error)
      })
    const joined = joinSignals(signal, run.signal)
    try {
      await withDeadline(started, { clock, ms: startTimeoutMs, what: startWhat(backend), signal: joined.signal })
    } finally {
      joined.release()
    }
  }

  async #stop(): Promise<void> {
    const { backend, clock } = this.#options
    this.#run.abort(bleErrors.create('ERR_BLE_SHUT_DOWN', 'Bluetooth was stopped'))
    await withDeadline(() => backend.stop(), { clock, ms: stopMs, what: `Stopping Bluetooth (${backend.description})` })
  }

  #lost(run: AbortController, error: Error): void {
    if (run !== this.#run || run.signal.aborted) return
    this.#users.clear()
    run.abort(error)
    this.#lifecycle.stop().catch((cause: unknown) => {
      this.#options.logger.warn('stopping Bluetooth after it was lost failed', { error: cause })
    })
    this.#options.lost(error)
  }
}

function startWhat({ description }: BleBackend): string {
  return `Starting Bluetooth (${description})`
}
