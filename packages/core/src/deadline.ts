import type { Clock } from './contracts/clock.ts'
import { coreErrors } from './errors.ts'
import { limitedSignal, unlessAborted } from './limited-signal.ts'

export interface DeadlineOptions {
  readonly clock: Clock
  readonly ms: number
  /** Begins the message of the error: `Starting DNS-SD`. */
  readonly what: string
  readonly signal?: AbortSignal | undefined
}

/**
 * Waits for `run`, but not longer than a deadline. What `run` does after that is ignored, also its failure.
 * @param run gets a signal that aborts at the deadline, or when the caller's does
 * @throws ERR_CORE_TIMEOUT, the signal's reason when it aborts, or what `run` throws.
 */
export async function withDeadline<T>(run: (signal: AbortSignal) => Promise<T>, { clock, ms, what, signal }: DeadlineOptions): Promise<T> {
  const late = (): Error => coreErrors.create('ERR_CORE_TIMEOUT', `${what} did not finish within ${ms} ms`)
  const limit = limitedSignal(clock, ms, late, signal)
  try {
    return await unlessAborted(limit.signal, () => run(limit.signal))
  } finally {
    limit.release()
  }
}
