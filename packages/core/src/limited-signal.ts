import type { Clock } from './contracts/clock.ts'
import { joinSignals } from './joined-signals.ts'

/** A signal for one operation. */
export interface LimitedSignal {
  /** Aborts with the reason of the first of the others that does, or at the deadline. */
  readonly signal: AbortSignal
  /** To be called when the operation is over. Idempotent. */
  release(): void
}

/**
 * A signal that follows others and aborts by itself after `ms`, for an operation of which a caller, an owner and a deadline may be the end.
 * @param late makes the reason for which it aborts at the deadline
 */
export function limitedSignal(
  clock: Pick<Clock, 'after'>,
  ms: number,
  late: () => Error,
  ...sources: ReadonlyArray<AbortSignal | undefined>
): LimitedSignal {
  const joined = joinSignals(...sources)
  const cancel = clock.after(ms, () => {
    joined.abort(late())
  })
  return {
    signal: joined.signal,
    release() {
      cancel()
      joined.release()
    }
  }
}

/**
 * What an operation yields, unless the signal aborts first: then its reason, whatever holds the operation up.
 * @param operation a function is not called any more when the signal has aborted already
 * @param late gets what the operation yields all the same afterwards; that it fails then is ignored
 */
export function unlessAborted<T>(
  signal: AbortSignal,
  operation: Promise<T> | (() => Promise<T>),
  late: (value: T) => void = () => {}
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => {
      reject(signal.reason as Error)
    }
    if (signal.aborted) {
      onAbort()
      if (typeof operation === 'function') return
    } else signal.addEventListener('abort', onAbort, { once: true })
    const running =
      typeof operation === 'function'
        ? new Promise<T>((begin) => {
            begin(operation())
          })
        : operation
    running
      .then((value) => {
        if (signal.aborted) late(value)
        else resolve(value)
      }, reject)
      .finally(() => {
        signal.removeEventListener('abort', onAbort)
      })
  })
}
