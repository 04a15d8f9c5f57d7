/**
 * The only source of time in protocol code, so that tests and simulators can drive it.
 * `now` is wall-clock milliseconds since the epoch, `monotonic` never goes backwards and has no fixed origin.
 */
export interface Clock {
  /** Wall-clock time, milliseconds since 1970. May jump when the machine's clock is set. */
  now(): number
  /** Milliseconds that only ever grow; for measuring and deadlines. */
  monotonic(): number
  /** Calls `run` once after `ms`. The returned function cancels it; cancelling twice is harmless. */
  after(ms: number, run: () => void): () => void
  /** Calls `run` every `ms` until the returned function is called. In the `background` it does not keep the process alive. */
  every(ms: number, run: () => void, options?: { readonly background?: boolean }): () => void
  /** Resolves after `ms`, or rejects with the signal's reason as soon as it aborts. */
  sleep(ms: number, options?: { signal?: AbortSignal }): Promise<void>
  /** A signal that aborts with `ERR_CORE_TIMEOUT` after `ms`. It does not keep the process alive. */
  timeout(ms: number, what?: string): AbortSignal
}
