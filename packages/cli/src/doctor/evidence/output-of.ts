import { execFile } from 'node:child_process'

const MAX_BYTES = 8 * 1024 * 1024
const LIMIT_MS = 2_000

/** What a program of the system writes; undefined when it is not there, may not be used, fails, or takes too long. */
export function outputOf(program: string, words: readonly string[], signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(program, [...words], { signal, timeout: LIMIT_MS, maxBuffer: MAX_BYTES, windowsHide: true }, (error, stdout) => {
      resolve(error === null ? stdout : undefined)
    })
  })
}
