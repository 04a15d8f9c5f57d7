import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A recorded frame; `hex` is the whole WebSocket message. */
export interface TraceFrame {
  readonly kind: 'frame'
  readonly direction: 'A>B' | 'B>A'
  readonly bytes: Buffer
  readonly number: number
  readonly type: 'REQ' | 'RES' | 'ERR' | 'ACKREQ' | 'ACKRES'
  readonly compressed: boolean
  readonly urgent: boolean
  readonly noReply: boolean
  readonly moreComing: boolean
  /** Content bytes of this frame, inflated; undefined on acknowledgements. */
  readonly contentBytes: number | undefined
  readonly ackBytes: number | undefined
  /** On a message's last frame. */
  readonly properties: Readonly<Record<string, string>> | undefined
  readonly bodyLength: number | undefined
  /** Text of the body; cut when it was long. */
  readonly body: string | undefined
}

export interface TraceUpgrade {
  readonly kind: 'upgrade'
  readonly request: string
  readonly headers: readonly string[]
}

export interface TraceUpgraded {
  readonly kind: 'upgraded'
  readonly protocol: string
}

export interface TraceClose {
  readonly kind: 'close'
  readonly side: 'A' | 'B'
  readonly code: number
  readonly reason: string
}

export type TraceEntry = TraceFrame | TraceUpgrade | TraceUpgraded | TraceClose

/** One recorded connection: A is active, B passive. */
export interface TraceConnection {
  readonly upgrade: TraceUpgrade
  readonly protocol: string
  readonly entries: readonly (TraceFrame | TraceClose)[]
}

interface RawLine {
  readonly upgrade?: string
  readonly headers?: readonly string[]
  readonly upgraded?: string
  readonly close?: 'A' | 'B'
  readonly code?: number
  readonly reason?: string
  readonly dir?: 'A>B' | 'B>A'
  readonly msg?: number
  readonly type?: TraceFrame['type']
  readonly flags?: string
  readonly hex?: string
  readonly frameBytes?: number
  readonly ackBytes?: number
  readonly props?: Readonly<Record<string, string>>
  readonly bodyLen?: number
  readonly body?: string
}

/** The folder with the recordings: `shared/traces` beside the checkout or further up. @throws Error when there is none. */
function tracesFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  for (;;) {
    const candidate = join(folder, 'shared', 'traces')
    if (existsSync(candidate)) return candidate
    const parent = dirname(folder)
    if (parent === folder)
      throw new Error('The recorded conversations are missing: no folder shared/traces beside this checkout or above it')
    folder = parent
  }
}

/** Names of the recordings, without extension, e.g. `tree-push`. @throws Error when there are none. */
export function traceNames(prefix = ''): string[] {
  const folder = tracesFolder()
  const names = readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl') && name.startsWith(prefix))
    .map((name) => name.slice(0, -6))
    .sort()
  if (names.length === 0) throw new Error(`No recordings ${prefix}*.jsonl in ${folder}`)
  return names
}

/** All lines of a recording, in order. */
function readTrace(name: string): TraceEntry[] {
  return readFileSync(join(tracesFolder(), `${name}.jsonl`), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => parseLine(JSON.parse(line) as RawLine))
}

/** A recording split into its connections. */
export function readTraceConnections(name: string): TraceConnection[] {
  const connections: { upgrade: TraceUpgrade; protocol: string; entries: (TraceFrame | TraceClose)[] }[] = []
  for (const entry of readTrace(name)) {
    if (entry.kind === 'upgrade') connections.push({ upgrade: entry, protocol: '', entries: [] })
    else {
      const current = connections.at(-1)
      if (current === undefined) throw new Error(`${name}: a frame before the first connection`)
      if (entry.kind === 'upgraded') current.protocol = entry.protocol
      else current.entries.push(entry)
    }
  }
  return connections
}

function parseLine(raw: RawLine): TraceEntry {
  if (raw.upgrade !== undefined) return { kind: 'upgrade', request: raw.upgrade, headers: raw.headers ?? [] }
  if (raw.upgraded !== undefined) return { kind: 'upgraded', protocol: raw.upgraded }
  if (raw.close !== undefined) return { kind: 'close', side: raw.close, code: raw.code ?? 1005, reason: raw.reason ?? '' }
  const flags = raw.flags ?? ''
  if (raw.dir === undefined || raw.hex === undefined || raw.msg === undefined || raw.type === undefined)
    throw new Error(`Unknown line in a recording: ${JSON.stringify(raw).slice(0, 200)}`)
  return {
    kind: 'frame',
    direction: raw.dir,
    bytes: Buffer.from(raw.hex, 'hex'),
    number: raw.msg,
    type: raw.type,
    compressed: flags.includes('Z'),
    urgent: flags.includes('U'),
    noReply: flags.includes('N'),
    moreComing: flags.includes('M'),
    contentBytes: raw.frameBytes,
    ackBytes: raw.ackBytes,
    properties: raw.props,
    bodyLength: raw.bodyLen,
    body: raw.body
  }
}
