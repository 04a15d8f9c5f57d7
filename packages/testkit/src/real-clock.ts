import { coreErrors } from '@kithmesh/core'
import type { Clock } from '@kithmesh/core'

/**
 * The machine's time as a `Clock`. The suites give it to their subjects, so that what they observe does not depend on
 * the product's own clock.
 */
export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms)
    return () => {
      clearTimeout(timer)
    }
  },
  every(ms, run, { background = false } = {}) {
    const timer = setInterval(run, ms)
    if (background) timer.unref()
    return () => {
      clearInterval(timer)
    }
  },
  sleep: (ms, { signal } = {}) => sleepOn(realClock, ms, signal),
  timeout(ms, what) {
    const controller = new AbortController()
    setTimeout(() => {
      controller.abort(timeoutError(ms, what))
    }, ms).unref()
    return controller.signal
  }
}

/** `Clock.sleep` in terms of `Clock.after`. */
export function sleepOn(clock: Pick<Clock, 'after'>, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason as Error)
      return
    }
    const onAbort = (): void => {
      cancel()
      reject(signal?.reason as Error)
    }
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** The reason of `Clock.timeout`. */
export function timeoutError(ms: number, what = 'The operation'): Error {
  return coreErrors.create('ERR_CORE_TIMEOUT', `${what} did not finish within ${ms} ms`)
}
