// Where the processor's time goes while a whole database is replicated: CPU profiles of both sides, summed by part (docs/performance/).
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Stage } from './lib/stage.mjs'
import { round } from './lib/statistics.mjs'
import { floor, transfer } from './lib/rows/throughput.mjs'

const USAGE = `npm run bench -- profile [options]
  --docs N           documents (default 100000)
  --versioning V     rev-trees or version-vectors (default rev-trees)
  --floor            profiles the floor of the bench "replication" instead
  --top N            also the N functions that take the most (default 0)
  --json             one line of JSON on standard output at the end`

const { values } = parseArgs({
  options: {
    docs: { type: 'string', default: '100000' },
    versioning: { type: 'string', default: 'rev-trees' },
    floor: { type: 'boolean', default: false },
    top: { type: 'string', default: '0' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false }
  }
})
if (values.help) {
  process.stderr.write(`${USAGE}\n`)
  process.exit(0)
}
const documents = Number(values.docs)

/** Parts of a side's work, by where the function stands; the first that fits. */
const PARTS = [
  ['start-up', /node:internal\/(modules|bootstrap|deps\/cjs|process\/pre|util\/)|node:vm/],
  ['JSON and UTF-8 of bodies', /database\/dist\/(body-check|canonical-json|json-error)|protocol\/body/],
  ['SQLite and its binding', /database\/dist\/sqlite\/|better-sqlite3/],
  ['revisions, histories, change lists', /database\/dist\//],
  ['checksums', /blip\/dist\/checksum/],
  ['deflate and inflate', /blip\/dist\/deflate/],
  ['message properties', /blip\/dist\/properties/],
  ['frames and messages', /blip\/dist\//],
  ['protocol', /replicator\/dist\//],
  ['masking', /ws\/lib\/buffer-util/],
  ['WebSocket', /ws\/lib\/|websocket\/dist\//],
  [
    'streams and sockets',
    /node:(internal\/(streams|stream_base|js_stream)|net|internal\/net|events|_http|diagnostics|internal\/process|internal\/timers)/
  ],
  ['buffers', /node:(buffer|internal\/buffer|internal\/util\/types)/],
  ['the benchmark itself', /\/bench\//]
]
const NATIVE = new Map([
  ['(garbage collector)', 'garbage collection'],
  ['(program)', 'the rest'],
  ['writev', 'streams and sockets'],
  ['writeBuffer', 'streams and sockets'],
  ['mask', 'masking'],
  ['unmask', 'masking']
])

function partOf({ functionName, url }) {
  if (url === '') return NATIVE.get(functionName) ?? 'the rest'
  return PARTS.find(([, where]) => where.test(url))?.[0] ?? 'the rest'
}

/** Milliseconds by part and by function of one profile, without idle time. */
function sum(file, parts, functions) {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8'))
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  samples.forEach((id, index) => {
    const frame = frames.get(id)
    if (frame.functionName === '(idle)') return
    const ms = timeDeltas[index] / 1000
    const part = partOf(frame)
    const name = `${part}: ${frame.functionName || '(anonymous)'} ${frame.url.replace(/^.*\/(?=[^/]+\/(dist|lib)\/)/, '')}:${frame.lineNumber + 1}`
    parts.set(part, (parts.get(part) ?? 0) + ms)
    functions.set(name, (functions.get(name) ?? 0) + ms)
  })
}

/** Runs `work` with profiled processes; gives the profiles in the order in which `work` started them. */
async function profiled(prepare, work) {
  const directory = mkdtempSync(join(tmpdir(), 'kithmesh-profile-'))
  const stage = new Stage()
  try {
    await prepare(stage)
    stage.execArgv = ['--cpu-prof', `--cpu-prof-dir=${directory}`, '--cpu-prof-interval=250']
    await work(stage)
    // CPU.date.time.pid.thread.number.cpuprofile
    const byPid = (name) => Number(name.split('.')[3])
    return readdirSync(directory)
      .sort((a, b) => byPid(a) - byPid(b))
      .map((name) => {
        const parts = new Map()
        const functions = new Map()
        sum(join(directory, name), parts, functions)
        return { parts, functions }
      })
  } finally {
    await stage.end()
    rmSync(directory, { recursive: true, force: true })
  }
}

const results = {}
for (const type of ['push', 'pull']) {
  const sides = await profiled(
    async (stage) => {
      await stage.loaded(values.versioning, documents)
    },
    (stage) =>
      values.floor ? floor(stage, documents, type) : transfer(stage, { documents, versioning: values.versioning, type, live: documents })
  )
  for (const [index, { parts, functions }] of sides.entries()) {
    const side = `${type}, ${index === 0 ? 'active' : 'passive'}`
    const total = [...parts.values()].reduce((a, b) => a + b, 0)
    const sorted = (map) => [...map].sort((a, b) => b[1] - a[1])
    const table = sorted(parts).map(([part, ms]) => ({
      part,
      microsecondsPerDocument: round((ms * 1000) / documents, 2),
      share: round(ms / total, 3)
    }))
    results[side] = table
    process.stderr.write(`${side}: ${round((total * 1000) / documents, 1)} µs a document\n`)
    for (const { part, microsecondsPerDocument, share } of table)
      process.stderr.write(
        `  ${part.padEnd(36)} ${microsecondsPerDocument.toFixed(2).padStart(6)} µs ${(share * 100).toFixed(1).padStart(5)} %\n`
      )
    for (const [name, ms] of sorted(functions).slice(0, Number(values.top)))
      process.stderr.write(`    ${((ms * 1000) / documents).toFixed(2).padStart(6)} µs  ${name}\n`)
  }
}
if (values.json) process.stdout.write(`${JSON.stringify({ docs: documents, versioning: values.versioning, sides: results })}\n`)
