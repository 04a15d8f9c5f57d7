import type { Clock } from './contracts/clock.ts'
import { coreErrors } from './errors.ts'

/** The machine's own clock. Timers of `timeout`, and of `every` in the background, do not keep the process alive, the others do. */
export const systemClock: Clock = {
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
  sleep(ms, { signal } = {}) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason as Error)
        return
      }
      const onAbort = (): void => {
        clearTimeout(timer)
        reject(signal?.reason as Error)
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }, ms)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  },
  timeout(ms, what = 'The operation') {
    const controller = new AbortController()
    setTimeout(() => {
      controller.abort(coreErrors.create('ERR_CORE_TIMEOUT', `${what} did not finish within ${ms} ms`))
    }, ms).unref()
    return controller.signal
  }
}
