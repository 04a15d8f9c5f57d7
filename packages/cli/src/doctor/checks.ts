import type { Clock } from '@kithmesh/core'
import { joinSignals, limitedSignal } from '@kithmesh/core/plugin'
import { type Finding, duration, failed, warning } from './finding.ts'

/** One thing to find out. */
export interface Check {
  /** What findings about it are called when it comes to nothing. */
  readonly name: string
  readonly deadlineMs: number
  /** Begins when this one is over: what is measured there must not be disturbed. */
  readonly after?: Check
  /** Ends soon after the signal aborts. What it throws is a problem. */
  run(signal: AbortSignal): Promise<readonly Finding[]>
}

export interface RunChecksOptions {
  readonly clock: Clock
  /** For everything together, milliseconds. */
  readonly totalMs: number
  readonly signal: AbortSignal
  /** Called in the order of the checks, as soon as it is known. */
  readonly tell: (findings: readonly Finding[]) => void
}

/**
 * Runs all checks side by side, each within its deadline and all within the total. A check that does not end in time is a finding of its own, and holds up
 * nobody. Settles when the last is told.
 * @throws the signal's reason
 */
export async function runChecks(checks: readonly Check[], { clock, totalMs, signal, tell }: RunChecksOptions): Promise<void> {
  signal.throwIfAborted()
  const total = joinSignals(signal)
  const begun = clock.monotonic()
  const cancel = clock.after(totalMs, () => {
    total.abort(new Error('the time is up'))
  })
  const running = new Map<Check, Promise<readonly Finding[]>>()
  const result = (check: Check): Promise<readonly Finding[]> => {
    const known = running.get(check)
    if (known !== undefined) return known
    const earlier = check.after === undefined || !checks.includes(check.after) ? Promise.resolve() : result(check.after)
    const promise = earlier.then(() => {
      const leftMs = Math.max(0, totalMs - (clock.monotonic() - begun))
      return runOne(check, Math.min(check.deadlineMs, leftMs), { clock, signal: total.signal })
    })
    running.set(check, promise)
    return promise
  }
  for (const check of checks) result(check).catch(() => {})
  try {
    for (const check of checks) {
      const findings = await result(check)
      signal.throwIfAborted()
      tell(findings)
    }
  } finally {
    cancel()
    total.abort(new Error('the checks are over'))
  }
}

async function runOne(
  check: Check,
  deadlineMs: number,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal }
): Promise<readonly Finding[]> {
  const ending = limitedSignal(clock, deadlineMs, () => new Error(`${check.name}: not done within ${duration(deadlineMs)}`), signal)
  const late = new Promise<readonly Finding[]>((resolve) => {
    const give = (): void => {
      resolve([
        warning(
          check.name,
          `nothing was known after ${duration(deadlineMs)}`,
          'Run it again; if it stays so, something on this machine holds it up.'
        )
      ])
    }
    ending.signal.addEventListener('abort', give, { once: true })
    if (ending.signal.aborted) give()
  })
  const found = Promise.resolve()
    .then(() => check.run(ending.signal))
    .catch((error: unknown): readonly Finding[] => [failed(check.name, error)])
  try {
    return await Promise.race([found, late])
  } finally {
    ending.release()
  }
}
