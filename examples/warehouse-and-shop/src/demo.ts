import { LatencyMeter } from './latency.ts'
import { type PeerName, type Report, preciseNow } from './messages.ts'
import { PeerProcess } from './peer-process.ts'
import { type Summary, colours, inStep, plain, renderScreen, renderSummary } from './screen.ts'
import { compareDatabases } from './verify.ts'

export interface DemoOptions {
  readonly directories: Readonly<Record<PeerName, string>>
  readonly trusted: Readonly<Record<PeerName, string>>
  readonly once: boolean
  readonly json: boolean
  /** Serve a page for each peer. */
  readonly web: boolean
  /** Opens a page; undefined where nobody would see it. */
  readonly openPage: ((url: string) => void) | undefined
  /** Edits a side with `once`. */
  readonly edits: number
  readonly timeoutMs: number
  readonly interfaces: readonly string[]
  readonly output: NodeJS.WriteStream
  readonly errors: NodeJS.WriteStream
}

const names: readonly PeerName[] = ['warehouse', 'shop']
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Runs both peers until Ctrl-C, or with `once` until they are equal; resolves with the exit code. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const latency = new LatencyMeter()
  const fresh: Record<PeerName, Map<string, number>> = { warehouse: new Map(), shop: new Map() }
  const timers: NodeJS.Timeout[] = []
  const marks: { ready: number[]; discovered: number[]; firstSync: number | undefined } = {
    ready: [],
    discovered: [],
    firstSync: undefined
  }
  const pages: Partial<Record<PeerName, string>> = {}
  const edits: Record<PeerName, number> = { warehouse: 0, shop: 0 }
  /** Whether the newest view of a side shows everything that side has told us of. */
  const current: Record<PeerName, boolean> = { warehouse: false, shop: false }
  const startedAt = preciseNow()
  const live = options.output.isTTY && !options.json
  let frame: string[] = []

  let end: (outcome: { readonly error?: string }) => void = () => {}
  const ended = new Promise<{ readonly error?: string }>((resolve) => {
    end = resolve
  })
  const peers = Object.fromEntries(
    names.map((name) => [
      name,
      new PeerProcess(
        {
          name,
          directory: options.directories[name],
          group: `kithmesh-demo-${process.pid}`,
          interfaces: options.interfaces,
          seed: name === 'warehouse',
          trusted: Object.values(options.trusted),
          web: options.web
        },
        (report) => {
          onReport(name, report)
        }
      )
    ])
  ) as Record<PeerName, PeerProcess>

  function onReport(name: PeerName, report: Report): void {
    if (report.is === 'ready') marks.ready.push(report.at)
    else if (report.is === 'discovered') marks.discovered.push(report.at)
    else if (report.is === 'web') onPage(name, report.url)
    else if (report.is === 'failed') end({ error: report.message })
    else if (report.is === 'view') {
      current[name] = true
      onView()
    } else {
      current[name] = false
      fresh[name].set(report.id, preciseNow())
      if (report.is === 'edited') {
        edits[name]++
        latency.edited(report.id, report.revId, report.at)
      } else latency.received(report.id, report.revId, report.at)
    }
  }

  /** The warehouse's page is opened; from one to the other a person goes by the addresses printed. */
  function onPage(name: PeerName, url: string): void {
    pages[name] = url
    if (!live) progress(`the page of the ${name}: ${url}`)
    if (name === 'warehouse') options.openPage?.(url)
  }

  function onView(): void {
    const equal = inStep(peers.warehouse.view, peers.shop.view)
    if (equal && marks.firstSync === undefined && marks.discovered.length > 0) {
      marks.firstSync = preciseNow()
      startEditing()
    }
    const done = names.every((name) => edits[name] >= options.edits && current[name])
    if (options.once && marks.firstSync !== undefined && equal && done) end({})
  }

  function startEditing(): void {
    if (!live) progress('both sides are equal for the first time, editing on both')
    for (const name of names) {
      let asked = 0
      const next = (): void => {
        const timer = setTimeout(
          () => {
            timers.splice(timers.indexOf(timer), 1)
            peers[name].edit()
            asked++
            if (!options.once || asked < options.edits) next()
          },
          options.once ? 20 + Math.random() * 80 : 300 + Math.random() * 1500
        )
        timers.push(timer)
      }
      next()
    }
  }

  function progress(text: string): void {
    if (!options.json) options.errors.write(`${((preciseNow() - startedAt) / 1000).toFixed(1)} s  ${text}\n`)
  }

  function draw(): void {
    const now = preciseNow()
    const recent = (name: PeerName): Set<string> => new Set([...fresh[name]].filter(([, at]) => now - at < 700).map(([id]) => id))
    const lines = renderScreen(
      {
        views: { warehouse: peers.warehouse.view, shop: peers.shop.view },
        edits: edits.warehouse + edits.shop,
        lastLatencyMs: latency.last,
        p50LatencyMs: latency.percentile(0.5),
        p99LatencyMs: latency.percentile(0.99),
        fresh: { warehouse: recent('warehouse'), shop: recent('shop') },
        pages,
        runningMs: now - startedAt
      },
      options.output.hasColors?.() === true ? colours : plain
    )
    options.output.write(`\u001b[H${lines.map((line) => `${line}\u001b[K\n`).join('')}\u001b[J`)
    frame = lines
  }

  const onSignal = (): void => {
    end(options.once ? { error: 'interrupted' } : {})
  }
  for (const signal of signals) process.on(signal, onSignal)
  const deadline = options.once
    ? setTimeout(() => {
        end({ error: explainTimeout() })
      }, options.timeoutMs)
    : undefined
  if (live) options.output.write('\u001b[?1049h\u001b[?25l')
  const redraw = setInterval(
    live
      ? draw
      : () => {
          if (!options.once) progress(plainStatus())
        },
    live ? 100 : 2000
  )

  function explainTimeout(): string {
    const errors = names.flatMap((name) =>
      (peers[name].view?.links ?? []).flatMap((link) => (link.error === undefined ? [] : [`${name}: ${link.error}`]))
    )
    const found =
      marks.discovered.length === 0
        ? 'the peers did not find each other'
        : marks.firstSync === undefined
          ? 'the first sync did not finish'
          : `the two sides are not equal after ${edits.warehouse + edits.shop} edits`
    return `${found} within ${options.timeoutMs / 1000} s${errors.length === 0 ? '' : ` (${errors.join('; ')})`}`
  }

  function plainStatus(): string {
    return `edits ${edits.warehouse + edits.shop}, last change ${latency.last?.toFixed(1) ?? '—'} ms, ${inStep(peers.warehouse.view, peers.shop.view) ? 'both sides are equal' : 'changes are on their way'}`
  }

  const outcome = await ended
  clearInterval(redraw)
  clearTimeout(deadline)
  for (const timer of timers) clearTimeout(timer)
  if (live) {
    draw()
    options.output.write('\u001b[?25h\u001b[?1049l')
    options.output.write(`${frame.join('\n')}\n`)
  }
  const views = names.map((name) => peers[name].view)
  const orderly = await Promise.all(names.map((name) => peers[name].stop()))
  for (const signal of signals) process.off(signal, onSignal)
  names.forEach((name, index) => {
    if (orderly[index] !== true && outcome.error === undefined)
      options.errors.write(`${name} did not end in order; its database is checked when it is opened again\n`)
  })

  if (outcome.error !== undefined) {
    options.errors.write(`${outcome.error}\n`)
    if (options.json) options.output.write(`${JSON.stringify({ converged: false, error: outcome.error })}\n`)
    return 1
  }
  if (!options.once) {
    options.output.write(`Stopped; the databases are in ${options.directories.warehouse} and ${options.directories.shop}\n`)
    return 0
  }

  const comparison = await compareDatabases(options.directories.warehouse, options.directories.shop)
  const converged = comparison.differences.length === 0 && comparison.documents > 0
  const firstReady = Math.max(...marks.ready)
  const round = (value: number | undefined): number | null => (value === undefined ? null : Math.round(value * 10) / 10)
  const summary: Summary = {
    converged,
    peers: names.length,
    documents: comparison.documents,
    blobs: comparison.blobs,
    edits: edits.warehouse + edits.shop,
    conflicts: views.reduce((sum, view) => sum + (view?.conflicts ?? 0), 0),
    msToDiscover: round(Math.max(...marks.discovered) - firstReady),
    msToFirstSync: round((marks.firstSync ?? Number.NaN) - firstReady),
    p50LatencyMs: round(latency.percentile(0.5)),
    p99LatencyMs: round(latency.percentile(0.99))
  }
  for (const difference of comparison.differences) options.errors.write(`${difference}\n`)
  options.output.write(options.json ? `${JSON.stringify(summary)}\n` : renderSummary(summary))
  return converged ? 0 : 1
}
