import { randomUUID } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '@kithmesh/core/plugin'

/** Who is let in: everybody, those named by id, those of an authority, the first of each name, who proves more, or nobody but those that are known. */
export type Acceptance = 'everybody' | 'named' | 'authority' | 'first-use' | 'proof' | 'known'

/** How `sync` or `serve` last ran on a database directory, for `doctor`. */
export interface LastRun {
  /** ISO 8601. */
  readonly at: string
  readonly accepts: Acceptance
  /** Of `sync`. */
  readonly group?: string
}

export type LastRuns = { readonly [command in 'sync' | 'serve']?: LastRun }

const FILE = 'last-run.json'
const ACCEPTANCES: readonly string[] = ['everybody', 'named', 'authority', 'first-use', 'proof', 'known'] satisfies Acceptance[]

/** Notes how a command runs. Nothing depends on it: when it cannot be written, nothing happens. */
export async function noteRun(directory: string, command: 'sync' | 'serve', run: LastRun): Promise<void> {
  const path = join(directory, FILE)
  const temporary = `${path}.${randomUUID()}`
  try {
    const runs: LastRuns = { ...(await lastRuns(directory)), [command]: run }
    await writeFile(temporary, `${JSON.stringify(runs, null, 2)}\n`, { flag: 'wx', mode: 0o600 })
    await rename(temporary, path)
  } catch {
    await rm(temporary, { force: true }).catch(() => {})
  }
}

/** Now, for {@link LastRun.at}. */
export function timestamp(): string {
  return new Date(systemClock.now()).toISOString()
}

/** What was noted; what cannot be read was not. */
export async function lastRuns(directory: string): Promise<LastRuns> {
  let value: unknown
  try {
    value = JSON.parse(await readFile(join(directory, FILE), 'utf8'))
  } catch {
    return {}
  }
  if (typeof value !== 'object' || value === null) return {}
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is ['sync' | 'serve', LastRun] => /^(sync|serve)$/.test(entry[0]) && isRun(entry[1]))
  )
}

function isRun(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { at, accepts, group } = value as { readonly [key in keyof LastRun]?: unknown }
  const dated = typeof at === 'string' && !Number.isNaN(Date.parse(at))
  return dated && typeof accepts === 'string' && ACCEPTANCES.includes(accepts) && (group === undefined || typeof group === 'string')
}
