import { errorCode } from '@kithmesh/core/plugin'
import { explain } from '../failure.ts'

/** What was found about one thing. */
export interface Finding {
  /** What was looked at, such as `identity`. */
  readonly check: string
  /** `warning`: it works, but may not be what is wanted; `problem`: something will not work. */
  readonly state: 'ok' | 'warning' | 'problem'
  readonly message: string
  /** What to do about it. */
  readonly hint?: string
  readonly code?: string
  /** The same for machines: with `--json` only. */
  readonly details?: Readonly<Record<string, unknown>>
}

export function ok(check: string, message: string): Finding {
  return { check, state: 'ok', message }
}

/** Nothing is wrong, and there is something to know all the same. */
export function note(check: string, message: string, hint: string): Finding {
  return { check, state: 'ok', message, hint }
}

export function warning(check: string, message: string, hint: string): Finding {
  return { check, state: 'warning', message, hint }
}

export function problem(check: string, message: string, hint: string): Finding {
  return { check, state: 'problem', message, hint }
}

/** The finding for something that threw. */
export function failed(check: string, error: unknown): Finding {
  const { message, hint } = explain(error)
  const code = errorCode(error)
  return { check, state: 'problem', message, ...(hint !== '' && { hint }), ...(code !== undefined && { code }) }
}

/** Milliseconds for people: `0.4 ms`, `12 ms`, `3.4 s`, `2 min`, `3 h`. */
export function duration(ms: number): string {
  const size = Math.abs(ms)
  if (size < 10) return `${Number(ms.toFixed(1))} ms`
  if (size < 1000) return `${Math.round(ms)} ms`
  if (size < 120_000) return `${Number((ms / 1000).toFixed(1))} s`
  if (size < 7_200_000) return `${Math.round(ms / 60_000)} min`
  return size < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} days`
}
