import { setMaxListeners } from 'node:events'
import type { Clock } from './contracts/clock.ts'
import { waitFor } from './wait-for.ts'

export interface StaggeredOptions<T> {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Milliseconds of head start that each task has over the next. */
  readonly staggerMs: number
  /** Gets rid of a result that came after another one. */
  readonly discard: (late: T) => void
}

/**
 * Starts tasks one after the other, the next one after a pause or when one fails (RFC 8305 §5), and takes the first result. The signal of the
 * tasks aborts then, or with the reason of the caller's. Rejects with an AggregateError of all failures, in the order of the tasks, or with the signal's reason.
 */
export function staggered<T>(
  tasks: ReadonlyArray<(signal: AbortSignal) => Promise<T>>,
  { clock, signal, staggerMs, discard }: StaggeredOptions<T>
): Promise<T> {
  return waitFor<T>(signal, (resolve, reject) => {
    const errors: unknown[] = new Array(tasks.length)
    const over = new AbortController()
    // Every task that runs may listen.
    setMaxListeners(0, over.signal)
    let running = 0
    let next = 0
    let cancelPause = (): void => {}
    const start = (): void => {
      cancelPause()
      const index = next++
      const task = tasks[index]
      if (task === undefined) {
        if (running === 0) reject(new AggregateError(errors, 'Every way failed'))
        return
      }
      running++
      if (next < tasks.length) cancelPause = clock.after(staggerMs, start)
      new Promise<T>((begin) => {
        begin(task(over.signal))
      }).then(
        (result) => {
          if (over.signal.aborted) discard(result)
          else resolve(result)
        },
        (error: unknown) => {
          running--
          errors[index] = error
          if (!over.signal.aborted) start()
        }
      )
    }
    start()
    return () => {
      cancelPause()
      over.abort(signal.aborted ? signal.reason : new DOMException('Another way was faster', 'AbortError'))
    }
  })
}
