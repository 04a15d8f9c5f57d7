import { AssertionError } from 'node:assert'
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises'

/** Looks without a pause at the beginning: most things happen within a few turns of the event loop. */
const QUICK_LOOKS = 50

export interface EventuallyOptions {
  /** The bound, milliseconds. @default 30000 */
  readonly withinMs?: number
  /** Pause between two looks, after some without any, milliseconds. @default 5 */
  readonly everyMs?: number
  readonly signal?: AbortSignal
}

/**
 * Looks again and again until `check` returns something other than `undefined` or `false`, and returns that.
 * A `check` that throws counts as not yet. Together with {@link within} the only way the suites wait: always with a bound and a reason.
 * @param reason what was expected, for the failure: `B to be found`.
 * @throws AssertionError after the bound, with the last exception of `check` as its cause; the signal's reason when aborted.
 */
export async function eventually<T>(
  reason: string,
  check: () => T | Promise<T>,
  options: EventuallyOptions = {}
): Promise<Exclude<T, undefined | false>> {
  const { withinMs = 30_000, everyMs = 5, signal } = options
  const end = performance.now() + withinMs
  let lastError: unknown
  for (let looks = 0; ; looks++) {
    signal?.throwIfAborted()
    try {
      const value = await check()
      if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>
      lastError = undefined
    } catch (error) {
      lastError = error
    }
    if (performance.now() >= end) throw failure(`waited ${withinMs} ms in vain for ${reason}`, lastError)
    await (looks < QUICK_LOOKS ? nextTurn() : delay(everyMs))
  }
}

/**
 * The promise's own outcome, or a failure when it does not settle within `ms`.
 * @param what the operation, for the failure: `startBrowsing`.
 */
export async function within<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  try {
    return await Promise.race([
      promise,
      new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => {
          reject(failure(`${what} did not settle within ${ms} ms`))
        }, ms)
      })
    ])
  } finally {
    clearTimeout(timer)
  }
}

function failure(message: string, cause?: unknown): AssertionError {
  const error = new AssertionError({ message: cause instanceof Error ? `${message}: ${cause.message}` : message })
  if (cause !== undefined) error.cause = cause
  return error
}
