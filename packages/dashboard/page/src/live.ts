// The stream of events, which is opened again whenever it breaks.
import type { DashboardEvent, DashboardState } from '@kithmesh/dashboard/contracts'
import { getJson, RequestFailed } from './api.ts'
import { type Freshness, freshnessOf, QUIET_MS, retryDelay } from './freshness.ts'

export interface LiveOptions {
  onEvent(event: DashboardEvent): void
  onFreshness(freshness: Freshness): void
  /** Something may have been missed. */
  onInterrupted(): void
}

const types = ['state', 'documents', 'conflict', 'refused'] as const

export class LiveConnection {
  readonly #options: LiveOptions
  #source: EventSource | undefined
  #connected = false
  #signedOut = false
  #lastHeard = Date.now()
  #failures = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #asking = false

  constructor(options: LiveOptions) {
    this.#options = options
  }

  start(): void {
    this.#open()
    setInterval(() => {
      if (this.#connected && Date.now() - this.#lastHeard > QUIET_MS) void this.#ask()
      this.#tell()
    }, 1000)
    // A laptop that wakes up, or a person who looks again, should not have to wait for the next attempt.
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.#retryNow()
    })
    addEventListener('online', () => this.#retryNow())
  }

  /** The program wants its token again: nothing more is tried. */
  signOut(): void {
    this.#signedOut = true
    this.#close()
    this.#tell()
  }

  #open(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#close()
    if (this.#signedOut) return
    const source = new EventSource('/api/events')
    this.#source = source
    source.addEventListener('open', () => {
      this.#connected = true
      this.#heard()
    })
    for (const type of types) {
      source.addEventListener(type, (event: MessageEvent<string>) => {
        if (source !== this.#source) return
        this.#failures = 0
        this.#heard()
        this.#options.onEvent({ type, data: JSON.parse(event.data) } as DashboardEvent)
      })
    }
    source.addEventListener('error', () => {
      if (source === this.#source) this.#broken()
    })
  }

  #close(): void {
    this.#source?.close()
    this.#source = undefined
    this.#connected = false
  }

  #broken(): void {
    this.#close()
    this.#options.onInterrupted()
    this.#tell()
    this.#timer = setTimeout(() => void this.#again(), retryDelay(this.#failures++))
  }

  /** A stream that fails does not say why; a request does. */
  async #again(): Promise<void> {
    this.#timer = undefined
    if (await this.#ask()) this.#open()
    else if (!this.#signedOut && this.#timer === undefined) this.#timer = setTimeout(() => void this.#again(), retryDelay(this.#failures++))
  }

  /** Gets the state by a request of its own; resolves with whether the program answered. */
  async #ask(): Promise<boolean> {
    if (this.#asking || this.#signedOut) return false
    this.#asking = true
    try {
      const data = await getJson<DashboardState>('/api/state')
      this.#heard()
      this.#options.onEvent({ type: 'state', data })
      return true
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error
      if (this.#source !== undefined && this.#timer === undefined) this.#broken()
      return false
    } finally {
      this.#asking = false
    }
  }

  #retryNow(): void {
    if (this.#timer === undefined) return
    clearTimeout(this.#timer)
    this.#failures = 0
    void this.#again()
  }

  #heard(): void {
    this.#lastHeard = Date.now()
    this.#tell()
  }

  #tell(): void {
    this.#options.onFreshness(
      freshnessOf({ now: Date.now(), lastHeard: this.#lastHeard, connected: this.#connected, signedOut: this.#signedOut })
    )
  }
}
