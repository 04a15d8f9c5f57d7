// `npm run sim -- mesh`: one mesh from its start until all are equal, and after some vanished.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { simulate } from '@kithmesh/testkit/sim'
import { drawing } from './drawing.mjs'

const usage = `Usage: npm run sim -- mesh [options]

Peers of a real mesh on a simulated network, in virtual time: they find each other, link up and become equal. The same seed and options give the same run.

  --peers N            (default 100)
  --docs N             documents, each written at a random peer before the start (default 1000)
  --doc-bytes N        size of each one's JSON (default 120)
  --seed S             (default 1)
  --vanish PERCENT     so many peers vanish without a word at the end; the others have to be connected again
  --degree N           links that each peer aims at; --max-degree N: those it never exceeds
  --versioning V       rev-trees (default) or version-vectors
  --latency A-B        milliseconds one way, between any two peers (default 1-20)
  --loss PERCENT       of messages, which are sent again; --discovery-loss PERCENT of announcements
  --limit SECONDS      of virtual time, to become connected, and to become equal (default 600)
  --svg FILE           draws the links as they are 30 seconds later
  --json               ends with one line of JSON on standard output
  --quiet              no progress on standard error

Exit code 0 when all became equal, and those that vanished left a mesh that connected again; else 1.
`

const options = {
  peers: { type: 'string', default: '100' },
  docs: { type: 'string', default: '1000' },
  'doc-bytes': { type: 'string', default: '120' },
  seed: { type: 'string', default: '1' },
  vanish: { type: 'string', default: '0' },
  degree: { type: 'string' },
  'max-degree': { type: 'string' },
  versioning: { type: 'string', default: 'rev-trees' },
  latency: { type: 'string', default: '1-20' },
  loss: { type: 'string', default: '0' },
  'discovery-loss': { type: 'string', default: '0' },
  limit: { type: 'string', default: '600' },
  svg: { type: 'string' },
  json: { type: 'boolean', default: false },
  quiet: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false }
}

function number(values, name, { from = 0, to = Infinity, whole = false } = {}) {
  const value = Number(values[name])
  if (values[name].trim() === '' || !(value >= from && value <= to) || (whole && !Number.isInteger(value)))
    throw Object.assign(
      new Error(`--${name} takes a ${whole ? 'whole ' : ''}number from ${from}${to < Infinity ? ` to ${to}` : ''}, not ${values[name]}`),
      {
        code: 'ERR_PARSE_ARGS'
      }
    )
  return value
}

/** @returns the exit code */
export async function mesh(args) {
  const { values } = parseArgs({ args, options })
  if (values.help) {
    process.stdout.write(usage)
    return 0
  }
  const [low, high] = values.latency.split('-').map(Number)
  if (!(low >= 0 && high >= low)) throw Object.assign(new Error(`--latency takes A-B, not ${values.latency}`), { code: 'ERR_PARSE_ARGS' })
  const peers = number(values, 'peers', { from: 1, to: 100_000, whole: true })
  const documents = number(values, 'docs', { whole: true })
  const engine = {
    ...(values.degree === undefined ? {} : { target: number(values, 'degree', { from: 1, to: 10, whole: true }) }),
    ...(values['max-degree'] === undefined ? {} : { max: number(values, 'max-degree', { from: 2, whole: true }) })
  }
  const startedAt = performance.now()
  const report = await simulate({
    peers,
    documents,
    documentBytes: number(values, 'doc-bytes', { from: 1, whole: true }),
    seed: values.seed,
    vanish: number(values, 'vanish', { to: 100 }) / 100,
    versioning: values.versioning,
    mesh: { degree: engine },
    network: { latencyMs: [low, high], loss: number(values, 'loss', { to: 90 }) / 100 },
    discovery: { loss: number(values, 'discovery-loss', { to: 90 }) / 100 },
    limitSeconds: number(values, 'limit', { from: 1 }),
    ...(values.quiet ? {} : { onProgress: progress() })
  })
  const wallSeconds = (performance.now() - startedAt) / 1000
  const peakRssMegabytes = process.resourceUsage().maxRSS / 1024
  if (!values.quiet) process.stderr.write(process.stderr.isTTY ? '\r\u001b[K' : '')
  if (values.svg !== undefined) {
    // Links that vanished peers left behind are replaced by then.
    await report.simulation.pass(30_000)
    writeFileSync(values.svg, drawing(report.simulation))
  }
  const line = asLine(report, { peers, documents, wallSeconds, peakRssMegabytes })
  process.stdout.write(values.json ? `${JSON.stringify(line)}\n` : table(line))
  await report.simulation.end()
  const healed = report.vanished === 0 || (report.healSeconds !== undefined && report.convergedAfterwards === true)
  return report.converged && healed ? 0 : 1
}

const round = (value, digits = 2) => (value === undefined ? null : Number(value.toFixed(digits)))

function asLine(report, { peers, documents, wallSeconds, peakRssMegabytes }) {
  return {
    converged: report.converged,
    virtualSeconds: round(report.virtualSeconds),
    transfersPerDocumentAndPeer: round(report.transfersPerDocumentAndPeer, 3),
    degree: report.degree,
    wallSeconds: round(wallSeconds),
    peakRssMegabytes: Math.round(peakRssMegabytes),
    peers,
    documents,
    seed: report.seed,
    connectedSeconds: round(report.connectedSeconds),
    messagesPerPeer: round(report.messagesPerPeer, 1),
    bytesPerPeer: Math.round(report.bytesPerPeer),
    highestDegree: report.highestDegree,
    degrees: report.degreeHistogram,
    ...(report.vanished === 0
      ? {}
      : { vanished: report.vanished, healSeconds: round(report.healSeconds), convergedAfterwards: report.convergedAfterwards }),
    dials: report.dials,
    connections: report.connections,
    requests: report.requests,
    trace: report.trace
  }
}

function table(line) {
  const rows = [
    [
      'converged',
      line.converged ? `yes, after ${line.virtualSeconds} s of virtual time` : `no, not within ${line.virtualSeconds} s of virtual time`
    ],
    ['connected', line.connectedSeconds === null ? 'never' : `after ${line.connectedSeconds} s`],
    ['transfers per document and peer', line.transfersPerDocumentAndPeer],
    ['links per peer', `${line.degree.min} to ${line.degree.max}, median ${line.degree.median}; never more than ${line.highestDegree}`],
    [
      'peers by links',
      line.degrees
        .map((count, degree) => `${degree}: ${count}`)
        .filter((text) => !text.endsWith(': 0'))
        .join(', ')
    ],
    ['messages per peer', line.messagesPerPeer],
    ['bytes per peer', line.bytesPerPeer],
    ['dials, connections', `${line.dials}, ${line.connections}`],
    [
      'requests',
      Object.entries(line.requests)
        .map(([profile, count]) => `${profile} ${count}`)
        .join(', ')
    ],
    ...(line.vanished === undefined
      ? []
      : [
          ['vanished', line.vanished],
          ['connected again', line.healSeconds === null ? 'never' : `after ${line.healSeconds} s`],
          ['written afterwards', line.convergedAfterwards ? 'is everywhere' : 'is not everywhere']
        ]),
    ['wall time, memory', `${line.wallSeconds} s, ${line.peakRssMegabytes} MB`],
    ['seed, trace', `${line.seed}, ${line.trace}`]
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  return `${line.peers} peers, ${line.documents} documents\n\n${rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}\n`).join('')}`
}

/** Says on standard error how far it is, a few times a second on a terminal, else every ten seconds. */
function progress() {
  const pauseMs = process.stderr.isTTY ? 200 : 10_000
  let last = process.stderr.isTTY ? Number.NEGATIVE_INFINITY : performance.now()
  return ({ phase, virtualSeconds, done }) => {
    const now = performance.now()
    if (now - last < pauseMs) return
    last = now
    const text = `${phase}: ${Math.floor(done * 100)} % at ${virtualSeconds.toFixed(2)} s of virtual time, ${Math.round(process.memoryUsage.rss() / 2 ** 20)} MB`
    process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${text}` : `${text}\n`)
  }
}
