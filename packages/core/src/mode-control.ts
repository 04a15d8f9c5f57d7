import type { Clock } from './contracts/clock.ts'
import type { ProviderStatus } from './contracts/provider.ts'
import { withDeadline } from './deadline.ts'
import { coreErrors } from './errors.ts'
import { Lifecycle } from './lifecycle.ts'

export interface ModeControlOptions {
  /** For messages: `DNS-SD browsing`. */
  readonly what: string
  readonly clock: Clock
  /** A provider has its own deadlines; these only keep a broken one from holding up the others. */
  readonly startDeadlineMs: number
  readonly stopDeadlineMs: number
  /** Aborts at the shutdown. */
  readonly owner: AbortSignal
  readonly start: () => Promise<void>
  readonly stop: () => Promise<void>
  readonly changed: (status: ProviderStatus) => void
}

/**
 * Browsing or publishing of one provider: turns what the application wants and what the provider reports into one status.
 *
 * A failure stays visible until the application stops the mode or starts it again; a provider that recovers by itself
 * (`online` after `failed`) is believed. What a provider reports while the mode is not wanted is not.
 */
export class ModeControl {
  readonly #options: ModeControlOptions
  readonly #lifecycle: Lifecycle
  #status: ProviderStatus = { state: 'offline' }
  #wanted = false

  constructor(options: ModeControlOptions) {
    this.#options = options
    this.#lifecycle = new Lifecycle({ start: () => this.#start(), stop: () => this.#stop() })
  }

  get status(): ProviderStatus {
    return this.#status
  }

  /** Whether the application wants it to run. */
  get wanted(): boolean {
    return this.#wanted
  }

  /** Resolves when it runs, rejects with why it does not. A mode that failed while it ran is started afresh. */
  start(): Promise<void> {
    this.#wanted = true
    if (this.#lifecycle.state === 'started' && this.#status.state === 'failed') this.#lifecycle.stop().catch(() => {})
    return this.#lifecycle.start()
  }

  async stop(): Promise<void> {
    this.#wanted = false
    await this.#lifecycle.stop()
    if (!this.#wanted) this.#set({ state: 'offline' })
  }

  /** What the provider says about itself. */
  reported(status: ProviderStatus): void {
    switch (status?.state) {
      case 'offline':
        if (this.#wanted && this.#status.state === 'failed') return
        break
      case 'failed':
        if (!this.#wanted) return
        this.#set({ state: 'failed', error: asError(status.error, this.#options.what) })
        return
      case 'starting':
      case 'online':
        if (!this.#wanted) return
        break
      default:
        return
    }
    this.#set({ state: status.state })
  }

  /** After the shutdown: nothing runs, whatever the provider said last. */
  close(): void {
    this.#wanted = false
    this.#set({ state: 'offline' })
  }

  async #start(): Promise<void> {
    const { owner, clock, startDeadlineMs, what, start } = this.#options
    if (this.#wanted) this.#set({ state: 'starting' })
    try {
      await withDeadline(start, { clock, ms: startDeadlineMs, what: `Starting ${what}`, signal: owner })
      if (this.#status.state === 'failed') throw this.#status.error
    } catch (error) {
      if (this.#wanted && !owner.aborted && this.#status.state !== 'failed') this.#set({ state: 'failed', error: asError(error, what) })
      throw error
    }
    if (this.#wanted && this.#status.state === 'starting') this.#set({ state: 'online' })
  }

  async #stop(): Promise<void> {
    const { owner, clock, stopDeadlineMs, what, stop } = this.#options
    if (owner.aborted) return
    try {
      await withDeadline(stop, { clock, ms: stopDeadlineMs, what: `Stopping ${what}`, signal: owner })
    } catch (error) {
      if (!owner.aborted) this.#set({ state: 'failed', error: asError(error, what) })
      throw error
    }
  }

  #set(status: ProviderStatus): void {
    const before = this.#status
    if (before.state === status.state && (status.state !== 'failed' || (before.state === 'failed' && before.error === status.error))) return
    this.#status = Object.freeze(status)
    this.#options.changed(this.#status)
  }
}

function asError(error: unknown, what: string): Error {
  if (error instanceof Error) return error
  return coreErrors.create('ERR_PD_PROVIDER_FAILED', `${what} failed${error === undefined ? ' without a reason' : `: ${String(error)}`}`, {
    cause: error
  })
}
