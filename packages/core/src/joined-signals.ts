/** A signal that follows others, until it is released. */
export interface JoinedSignals {
  /** Aborts with the reason of the first of the others that does, or by {@link JoinedSignals.abort}. */
  readonly signal: AbortSignal
  abort(reason: unknown): void
  /** Follows the others no longer: to be called when what the signal was for is over. Idempotent. */
  release(): void
}

/**
 * One signal for several, for operations that depend on something that lives much longer. `AbortSignal.any` leaves an entry in each of its
 * sources for as long as they live, whatever becomes of the result (Node 20 and 22), so that a source for the life of a program only grows.
 */
export function joinSignals(...sources: ReadonlyArray<AbortSignal | undefined>): JoinedSignals {
  const controller = new AbortController()
  const follow = sources.filter((source) => source !== undefined)
  const release = (): void => {
    for (const source of follow) source.removeEventListener('abort', onAbort)
  }
  const abort = (reason: unknown): void => {
    release()
    controller.abort(reason)
  }
  const onAbort = (event: Event): void => {
    abort((event.target as AbortSignal).reason)
  }
  for (const source of follow) {
    if (source.aborted) {
      abort(source.reason)
      break
    }
    source.addEventListener('abort', onAbort, { once: true })
  }
  return { signal: controller.signal, abort, release }
}
