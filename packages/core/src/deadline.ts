import type { Clock } from './contracts/clock.ts'
import { coreErrors } from './error-catalogue.ts'

export interface DeadlineOptions {
  readonly clock: Clock
  readonly ms: number
  /** Begins the message of the error: `Starting DNS-SD`. */
  readonly what: string
  readonly signal?: AbortSignal | undefined
}

/**
 * Waits for `run`, but not longer than a deadline. What `run` does after that is ignored, also its failure.
 * @throws ERR_CORE_TIMEOUT, the signal's reason when it aborts, or what `run` throws.
 */
export function withDeadline<T>(run: () => Promise<T>, { clock, ms, what, signal }: DeadlineOptions): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason as Error)
      return
    }
    const end = (settle: () => void): void => {
      cancel()
      signal?.removeEventListener('abort', onAbort)
      settle()
    }
    const onAbort = (): void => {
      end(() => {
        reject(signal?.reason as Error)
      })
    }
    const cancel = clock.after(ms, () => {
      end(() => {
        reject(coreErrors.create('ERR_CORE_TIMEOUT', `${what} did not finish within ${ms} ms`))
      })
    })
    signal?.addEventListener('abort', onAbort, { once: true })
    new Promise<T>((begin) => {
      begin(run())
    }).then(
      (value) => {
        end(() => {
          resolve(value)
        })
      },
      (error: unknown) => {
        end(() => {
          reject(error as Error)
        })
      }
    )
  })
}
