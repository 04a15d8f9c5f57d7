import type { Clock } from './contracts/clock.ts'
import { coreErrors } from './errors.ts'

export interface RetryOptions {
  /** How often to try at most, the first time included; at least 1. */
  readonly attempts: number
  /** Milliseconds to wait after the given number of failures (1, 2, …). */
  readonly backoffMs: (failures: number) => number
  readonly clock: Clock
  readonly signal?: AbortSignal
  /** Whether another try may help; without it every error is tried again. */
  readonly retryable?: (error: unknown) => boolean
}

/**
 * Calls `run` until it succeeds, with pauses. It either returns a result or throws, never ends silently.
 * @param run is given the number of the attempt, from 1.
 * @throws ERR_CORE_RETRIES when all attempts failed, with the last failure as the cause; the failure itself when it is not
 * retryable; the signal's reason when cancelled. TypeError when `attempts` is less than 1.
 */
export async function retry<T>(run: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { attempts, backoffMs, clock, signal, retryable = () => true } = options
  if (!(attempts >= 1)) throw new TypeError(`retry needs at least one attempt, not ${attempts}`)
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted()
    try {
      return await run(attempt)
    } catch (error) {
      signal?.throwIfAborted()
      if (!retryable(error)) throw error
      if (attempt >= attempts) {
        const last = error instanceof Error ? error.message : String(error)
        throw coreErrors.create('ERR_CORE_RETRIES', `Gave up after ${attempt} ${attempt === 1 ? 'attempt' : 'attempts'}: ${last}`, {
          cause: error,
          details: { attempts: attempt }
        })
      }
    }
    await clock.sleep(backoffMs(attempt), signal === undefined ? {} : { signal })
  }
}
