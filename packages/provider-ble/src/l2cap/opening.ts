import type { Duplex } from 'node:stream'

/** A channel that was asked for, from the point of view of who waits for it. */
export class Opening {
  readonly psm: number
  readonly localCid: number
  /** The channel; rejects with the signal's reason as soon as it aborts. */
  readonly channel: Promise<Duplex>
  readonly #signal: AbortSignal
  readonly #resolve: (channel: Duplex) => void
  readonly #reject: (error: unknown) => void
  readonly #onAbort = (): void => {
    this.fail(this.#signal.reason)
  }
  #settled = false

  /** @param signal has not aborted yet */
  constructor(psm: number, localCid: number, signal: AbortSignal) {
    this.psm = psm
    this.localCid = localCid
    this.#signal = signal
    let settle!: { readonly resolve: (channel: Duplex) => void; readonly reject: (error: unknown) => void }
    this.channel = new Promise((resolve, reject) => {
      settle = { resolve, reject }
    })
    this.#resolve = settle.resolve
    this.#reject = settle.reject
    signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** Somebody still waits. */
  get wanted(): boolean {
    return !this.#settled
  }

  /** Only while it is wanted. */
  succeed(channel: Duplex): void {
    this.#settle()
    this.#resolve(channel)
  }

  /** Does nothing when nobody waits any more. */
  fail(error: unknown): void {
    if (this.#settled) return
    this.#settle()
    this.#reject(error)
  }

  #settle(): void {
    this.#settled = true
    this.#signal.removeEventListener('abort', this.#onAbort)
  }
}
