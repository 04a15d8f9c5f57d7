import type { LogEntry } from '../recording-logger.ts'

const MAX_PHASES = 8

/** One call of `attempt`, as a failed check tells of it. */
export interface Attempt {
  readonly from: string
  readonly phases: string[]
  outcome: string
}

export function accountOfAttempt({ from, phases, outcome }: Attempt): string {
  const shown = phases.length > MAX_PHASES ? [...phases.slice(0, MAX_PHASES), '…'] : phases
  return `attempt from ${from}: ${[...shown, outcome].join(', ')}`
}

/** The last warning, if there is one. */
export function accountOfLog(entries: readonly LogEntry[]): readonly string[] {
  const warning = entries.findLast(({ level }) => level !== 'debug')
  if (warning === undefined) return []
  const { error } = warning.fields
  return [`${warning.name} logged ${JSON.stringify(warning.message)}${error instanceof Error ? ` (${error.message})` : ''}`]
}
