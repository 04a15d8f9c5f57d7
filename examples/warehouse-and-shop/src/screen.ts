import type { PeerName, PeerView, Row } from './messages.ts'

/** What the terminal shows: both inventories side by side and what moves between them. */
export interface ScreenState {
  readonly views: Readonly<Record<PeerName, PeerView | undefined>>
  readonly edits: number
  readonly lastLatencyMs: number | undefined
  readonly p50LatencyMs: number | undefined
  readonly p99LatencyMs: number | undefined
  /** Ids changed a moment ago, by side: these rows are highlighted. */
  readonly fresh: Readonly<Record<PeerName, ReadonlySet<string>>>
  /** Addresses of the peers' pages. */
  readonly pages: Readonly<Partial<Record<PeerName, string>>>
  readonly runningMs: number
}

/** How a run with `--once` ended; what `--json` prints. */
export interface Summary {
  readonly converged: boolean
  readonly peers: number
  readonly documents: number
  readonly blobs: number
  readonly edits: number
  readonly conflicts: number
  /** From both processes being ready. */
  readonly msToDiscover: number | null
  readonly msToFirstSync: number | null
  /** From an edit until it is on the other side. */
  readonly p50LatencyMs: number | null
  readonly p99LatencyMs: number | null
}

/** A summary for people. */
export function renderSummary(summary: Summary): string {
  const { converged, documents, blobs, edits, conflicts, msToDiscover, msToFirstSync, p50LatencyMs, p99LatencyMs } = summary
  return [
    `${converged ? 'equal' : 'NOT EQUAL'}, compared from disk: ${documents} documents and ${blobs} pictures on both sides`,
    `after both were ready: found each other in ${milliseconds(msToDiscover)}, first equal after ${milliseconds(msToFirstSync)}`,
    `${edits} edits, ${conflicts} conflicts resolved; an edit is on the other side after ${milliseconds(p50LatencyMs)} (p50), ${milliseconds(p99LatencyMs)} (p99)`,
    ''
  ].join('\n')
}

export interface Paint {
  bold(text: string): string
  dim(text: string): string
  good(text: string): string
  bad(text: string): string
  highlight(text: string): string
}

const styled =
  (code: string) =>
  (text: string): string =>
    `\u001b[${code}m${text}\u001b[0m`
export const colours: Paint = { bold: styled('1'), dim: styled('2'), good: styled('32'), bad: styled('31'), highlight: styled('30;43') }
const plainly = (text: string): string => text
export const plain: Paint = { bold: plainly, dim: plainly, good: plainly, bad: plainly, highlight: plainly }

const columnWidth = 39

/** The whole screen as lines. Pure. */
export function renderScreen(state: ScreenState, paint: Paint): string[] {
  const { warehouse, shop } = state.views
  const ids = [...new Set([...(warehouse?.rows ?? []), ...(shop?.rows ?? [])].map((row) => row.id))].sort()
  const left = table(ids, warehouse?.rows ?? [], state.fresh.warehouse, paint)
  const right = table(ids, shop?.rows ?? [], state.fresh.shop, paint)
  const heading = pad('WAREHOUSE', columnWidth) + '  │  ' + 'SHOP'
  const columns = pad(pad('item', 12) + padLeft('qty', 6) + padLeft('price', 9) + padLeft('picture', 11), columnWidth)
  return [
    paint.bold('Kithmesh: one inventory, two processes, no server') + paint.dim(`   ${duration(state.runningMs)}`),
    '',
    paint.bold(heading),
    paint.dim(`${columns}  │  ${columns}`),
    ...left.map((line, index) => `${line}  │  ${right[index] ?? ''}`),
    '',
    ...(['warehouse', 'shop'] as const).flatMap((name) => linkLines(name, state.views[name], paint)),
    '',
    `edits ${state.edits}   last change ${milliseconds(state.lastLatencyMs)}   p50 ${milliseconds(state.p50LatencyMs)}   p99 ${milliseconds(state.p99LatencyMs)}   conflicts ${(warehouse?.conflicts ?? 0) + (shop?.conflicts ?? 0)}`,
    inStep(warehouse, shop) ? paint.good('both sides are equal') : paint.dim('changes are on their way'),
    ...(['warehouse', 'shop'] as const).flatMap((name) => {
      const url = state.pages[name]
      return url === undefined ? [] : [`${pad(name, 10)} ${url}`]
    }),
    paint.dim('Ctrl-C stops both peers')
  ]
}

/** Whether both sides hold the same revisions with all pictures. */
export function inStep(a: PeerView | undefined, b: PeerView | undefined): boolean {
  if (a === undefined || b === undefined || a.rows.length === 0 || a.rows.length !== b.rows.length) return false
  const others = new Map(b.rows.map((row) => [row.id, row]))
  return a.rows.every((row) => {
    const other = others.get(row.id)
    return other?.revId === row.revId && other.pictureBytes === row.pictureBytes
  })
}

function table(ids: readonly string[], rows: readonly Row[], fresh: ReadonlySet<string>, paint: Paint): string[] {
  const byId = new Map(rows.map((row) => [row.id, row]))
  return ids.map((id) => {
    const row = byId.get(id)
    if (row === undefined) return paint.dim(pad('—', columnWidth))
    const text =
      pad(row.name, 12) +
      padLeft(String(row.quantity), 6) +
      padLeft((row.price / 100).toFixed(2), 9) +
      padLeft(row.pictureBytes === 0 ? '…' : `${(row.pictureBytes / 1024).toFixed(1)} KiB`, 11)
    return fresh.has(id) ? paint.highlight(pad(text, columnWidth)) : pad(text, columnWidth)
  })
}

function linkLines(name: PeerName, view: PeerView | undefined, paint: Paint): string[] {
  if (view === undefined) return [`${pad(name, 10)} ${paint.dim('starting')}`]
  const moved = `${pad('', 10)}   ${paint.dim(`in ${view.documentsIn} documents, ${bytes(view.bytesIn)}   out ${view.documentsOut} documents, ${bytes(view.bytesOut)}`)}`
  if (view.links.length === 0) return [`${pad(name, 10)} ${paint.dim('nobody found yet')}`, moved]
  const links = view.links.map((link) => {
    const state =
      link.error !== undefined
        ? paint.bad(link.error)
        : link.state === 'idle' || link.state === 'busy'
          ? paint.good(link.state)
          : link.state
    return `${pad(name, 10)} ⇄ ${link.name} ${paint.dim(link.device.slice(0, 8))}  ${link.route}  ${state}`
  })
  return [...links, moved]
}

const pad = (text: string, width: number): string => (text.length > width ? text.slice(0, width - 1) + '…' : text.padEnd(width))
const padLeft = (text: string, width: number): string => text.padStart(width)
const milliseconds = (value: number | null | undefined): string => (value === undefined || value === null ? '—' : `${value.toFixed(1)} ms`)
const bytes = (value: number): string =>
  value < 10_000 ? `${value} B` : value < 10_000_000 ? `${(value / 1000).toFixed(1)} kB` : `${(value / 1e6).toFixed(1)} MB`
const duration = (ms: number): string => `${Math.floor(ms / 60_000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, '0')}`
