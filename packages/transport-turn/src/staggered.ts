import type { Clock } from '@kithmesh/core'

export interface StaggeredOptions<T> {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Milliseconds of head start that each task has over the next. */
  readonly staggerMs: number
  /** Gets rid of a result that came after another one. */
  readonly discard: (late: T) => void
}

/**
 * Starts tasks one after the other, the next one after a pause or when all that run have failed, and takes the first result. The signal of the
 * tasks aborts then, or with the reason of the caller's. Rejects with an AggregateError of all failures, in the order of the tasks, or with the signal's reason.
 */
export function staggered<T>(tasks: ReadonlyArray<(signal: AbortSignal) => Promise<T>>, options: StaggeredOptions<T>): Promise<T> {
  const { clock, signal, staggerMs, discard } = options
  return new Promise((resolve, reject) => {
    const errors: unknown[] = new Array(tasks.length)
    const over = new AbortController()
    let running = 0
    let next = 0
    let settled = false
    let cancelPause = (): void => {}
    const settle = (finish: () => void): void => {
      if (settled) return
      settled = true
      cancelPause()
      signal.removeEventListener('abort', onAbort)
      finish()
      over.abort(signal.aborted ? signal.reason : new DOMException('Another way was faster', 'AbortError'))
    }
    const onAbort = (): void => {
      settle(() => {
        reject(signal.reason as Error)
      })
    }
    const start = (): void => {
      cancelPause()
      const index = next++
      const task = tasks[index]
      if (task === undefined) {
        if (running === 0)
          settle(() => {
            reject(new AggregateError(errors, 'Every way failed'))
          })
        return
      }
      running++
      if (next < tasks.length) cancelPause = clock.after(staggerMs, start)
      new Promise<T>((begin) => {
        begin(task(over.signal))
      }).then(
        (result) => {
          if (settled) discard(result)
          else
            settle(() => {
              resolve(result)
            })
        },
        (error: unknown) => {
          running--
          errors[index] = error
          if (!settled && running === 0) start()
        }
      )
    }
    if (signal.aborted) {
      onAbort()
      return
    }
    signal.addEventListener('abort', onAbort, { once: true })
    start()
  })
}
