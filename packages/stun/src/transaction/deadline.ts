import type { Clock } from '@kithmesh/core'
import { stunErrors } from '../errors.ts'

/** A signal that aborts with the caller's one or at the deadline; `end` must be called when the operation is over. */
export interface Deadline {
  readonly signal: AbortSignal
  end(): void
}

/** @param what begins the message of ERR_STUN_TIMEOUT, the reason of the signal at the deadline: `Allocating at 192.0.2.1:3478`. */
export function deadline(clock: Clock, ms: number, what: string, outer?: AbortSignal): Deadline {
  const controller = new AbortController()
  const onAbort = (): void => {
    controller.abort(outer?.reason)
  }
  const cancel = clock.after(ms, () => {
    controller.abort(stunErrors.create('ERR_STUN_TIMEOUT', `${what} did not finish within ${ms} ms`, { details: { ms } }))
  })
  if (outer?.aborted === true) onAbort()
  else outer?.addEventListener('abort', onAbort, { once: true })
  return {
    signal: controller.signal,
    end() {
      cancel()
      outer?.removeEventListener('abort', onAbort)
    }
  }
}

/** What `run` yields, unless the signal aborts first: then its reason, and `late` gets what `run` may yield all the same. */
export function unlessAborted<T>(signal: AbortSignal, run: () => Promise<T>, late: (value: T) => void = () => {}): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => {
      reject(signal.reason as Error)
    }
    if (signal.aborted) {
      onAbort()
      return
    }
    signal.addEventListener('abort', onAbort, { once: true })
    run()
      .then((value) => {
        if (signal.aborted) late(value)
        else resolve(value)
      }, reject)
      .finally(() => {
        signal.removeEventListener('abort', onAbort)
      })
  })
}
