/**
 * Waits for something that is told by a callback, an event or a timer.
 * @param begin starts what is waited for and returns how to clean up, which is done exactly once, whatever ends the waiting
 * @throws the signal's reason; what `reject` or `begin` is given or throws
 */
export function waitFor<T>(
  signal: AbortSignal,
  begin: (resolve: (value: T) => void, reject: (error: Error) => void) => (() => void) | undefined
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason as Error)
      return
    }
    let cleanUp: (() => void) | undefined
    let settled = false
    const settle = (finish: () => void): void => {
      if (settled) return
      settled = true
      signal.removeEventListener('abort', onAbort)
      cleanUp?.()
      finish()
    }
    const fail = (error: Error): void => {
      settle(() => {
        reject(error)
      })
    }
    const onAbort = (): void => {
      fail(signal.reason as Error)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      cleanUp = begin((value) => {
        settle(() => {
          resolve(value)
        })
      }, fail)
    } catch (error) {
      fail(error as Error)
    }
    if (settled) cleanUp?.()
  })
}
