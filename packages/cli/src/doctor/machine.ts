import { type Finding, ok, problem } from './finding.ts'

const LEAST_NODE = [20, 19] as const
/** Before this was written, nobody had it. */
const EARLIEST = Date.UTC(2025, 0, 1)
const LATEST = Date.UTC(2100, 0, 1)

/** The program that runs this. @param version without a `v`: `20.19.0` */
export function examineNode(version: string, platform: string, arch: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1])) return ok('node', `${version} on ${platform} ${arch}`)
  return problem('node', `${version} is too old`, `Install Node ${LEAST_NODE.join('.')} or newer.`)
}

/** The wall clock, without anybody to compare it with. */
export function examineClock(now: number): Finding {
  const text = new Date(now).toISOString()
  if (now >= EARLIEST && now < LATEST) return ok('clock', text)
  return problem('clock', `${text} cannot be right`, 'Set the clock: certificates are judged by it, and so are edits with version vectors.')
}
