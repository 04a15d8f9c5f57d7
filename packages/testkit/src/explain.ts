import { AssertionError } from 'node:assert'
import { errorCode } from '@kithmesh/core'
import { leftOver } from './open-handles.ts'
import type { Runner } from './runner.ts'

const MAX_LINE = 300
const MAX_LINES = 10

/** The same runner, whose checks say at the end of a failure what the subject did until then. */
export function explaining(runner: Runner, account: () => readonly string[]): Runner {
  return {
    ...runner,
    it: (name, body) =>
      runner.it(name, async () => {
        try {
          await body()
        } catch (error) {
          if (error instanceof AssertionError) addAccount(error, account())
          throw error
        }
      })
  }
}

function addAccount(error: AssertionError, lines: readonly string[]): void {
  if (lines.length === 0) return
  const { message, stack } = error
  const told = lines.slice(0, MAX_LINES).map((line) => `  ${line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)}…` : line}`)
  error.message = [message, 'Until then:', ...told, ...(lines.length > MAX_LINES ? ['  …'] : [])].join('\n')
  // node:test prints the stack, and the message in it is a copy.
  if (stack !== undefined) error.stack = stack.replace(message, () => error.message)
}

/** Fails when an error has no code, with the error itself: which one it is tells the author where it comes from. */
export function assertCode(error: unknown, what: string): void {
  if (errorCode(error) !== undefined) return
  throw new AssertionError({
    message: `${what} rejected with an error that has no code: ${plain(error)}. Make it with defineErrors or coreErrors of @kithmesh/core/plugin`
  })
}

/** A check for `eventually` that names what is still open, if it stays so. */
export async function nothingMoreThan(before: ReadonlyMap<string, number>): Promise<true> {
  const left = await leftOver(before)
  if (left === undefined) return true
  throw new Error(`still open: ${left}${/TCP|Pipe/.test(left) ? ' (kept-alive HTTP connections count, too)' : ''}`)
}

/** An error in one line, for the middle of a sentence. */
export function plain(error: unknown): string {
  return JSON.stringify(error instanceof Error ? `${error.name}: ${error.message}` : error)?.slice(0, MAX_LINE) ?? String(error)
}
