import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { runCommand } from './commands.ts'
import type { Programs } from './commands.ts'

/**
 * Namespaces of labs are called `kml-<pid>-<start>-<lab>-<host>`: the process they belong to, by its id and its start in clock ticks (an id alone
 * may be another program's by now), the number of the lab in it, and the place.
 */
const PATTERN = /^kml-(\d+)-(\d+)-[0-9a-z]+-[a-z-]+$/

/** The beginning of the names of a lab's namespaces. */
export function labPrefix(lab: string, pid = process.pid): string {
  return `kml-${pid}-${startOf(pid)}-${lab}-`
}

/** Which namespaces belong to labs whose process is gone. `startOf` says when a process began; undefined when there is none. Pure. */
export function leftOvers(names: readonly string[], startOfProcess: (pid: number) => string | undefined): readonly string[] {
  return names.filter((name) => {
    const [, pid, start] = PATTERN.exec(name) ?? []
    return pid !== undefined && startOfProcess(Number(pid)) !== start
  })
}

/** Removes what labs of dead processes left, with the programs in it. */
export async function removeLeftOvers(programs: Programs): Promise<readonly string[]> {
  const ip = programs.get('ip') as string
  const listed = await runCommand(ip, ['netns', 'list'])
  const names = listed.split('\n').map((line) => line.split(' ')[0] as string)
  const stale = leftOvers(names, startOf)
  for (const name of stale) {
    // Another lab may be removing the same ones: what is gone already is no failure.
    const pids = await runCommand(ip, ['netns', 'pids', name]).catch(() => '')
    for (const pid of pids.split('\n').filter((text) => /^\d+$/.test(text))) kill(Number(pid))
    await runCommand(ip, ['netns', 'delete', name]).catch(() => undefined)
  }
  return stale
}

/** Removes namespaces at once and whatever happens: for the end of the process. */
export function removeNow(programs: Programs, names: readonly string[]): void {
  spawnSync(programs.get('ip') as string, ['-force', '-batch', '-'], {
    input: names.map((name) => `netns delete ${name}\n`).join(''),
    stdio: ['pipe', 'ignore', 'ignore'],
    timeout: 10_000
  })
}

/** When a process began, in clock ticks since the boot: field 22 of proc(5) stat. The name in field 2 may hold anything. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself.
  }
}
