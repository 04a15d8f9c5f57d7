import { diagnosticError } from '@kithmesh/core/plugin'
import type { Problem } from './contracts.ts'

/** Longest text of others that is passed on. */
const maxText = 1_000

/** An error as it is told to pages. */
export function problemOf(error: unknown): Problem {
  const { code = null, message, hint = null } = diagnosticError(error)
  return { code, message: clipped(message), hint }
}

/** Text of any length, bounded. */
export function clipped(text: string, max = maxText): string {
  if (text.length <= max) return text
  const cut = text.slice(0, max)
  // Half of a surrogate pair is no text.
  return `${/[\uD800-\uDBFF]$/.test(cut) ? cut.slice(0, -1) : cut}…`
}
