import type { Io } from './io.ts'

/** Resolves on Ctrl-C or SIGTERM. */
export function untilInterrupted(io: Io): Promise<void> {
  return new Promise((resolve) => {
    if (io.signal.aborted) resolve()
    else
      io.signal.addEventListener(
        'abort',
        () => {
          resolve()
        },
        { once: true }
      )
  })
}
