// Two processes on loopback, both with durable databases, and PouchDB 9 beside them in the same run.
//   npm run bench -- replication [--docs N] [--runs N] [--no-baseline] [--json]
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { benchId } from './lib/documents.mjs'
import { Helper } from './lib/processes.mjs'

const { values } = parseArgs({
  options: {
    docs: { type: 'string', default: '100000' },
    runs: { type: 'string', default: '1' },
    edits: { type: 'string', default: '200' },
    'no-baseline': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false }
  }
})
const documents = Number(values.docs)
const runs = Number(values.runs)
const edits = Number(values.edits)
const blobCount = 200
const blobBytes = 256 * 1024
const root = mkdtempSync(join(tmpdir(), 'kithmesh-bench-'))
const files = { kithmesh: new URL('./lib/kithmesh-peer.mjs', import.meta.url), pouchdb: new URL('./lib/pouchdb-peer.mjs', import.meta.url) }
const running = new Set()
let number = 0

const say = (text) => {
  process.stderr.write(`${text}\n`)
}
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]
const percentile = (list, share) => [...list].sort((a, b) => a - b)[Math.max(0, Math.ceil(list.length * share) - 1)]
const round = (value, digits = 0) => Number(value.toFixed(digits))

function start(kind) {
  const helper = new Helper(files[kind])
  running.add(helper)
  return helper
}

async function stop(...helpers) {
  for (const helper of helpers) {
    running.delete(helper)
    await helper.stop()
  }
}

function freshDirectory() {
  const directory = join(root, String(++number))
  mkdirSync(directory)
  return directory
}

async function openPeer(directory = freshDirectory()) {
  const peer = start('kithmesh')
  await peer.ask({ do: 'open', directory })
  return { peer, directory }
}

/** A full push into an empty database, and what a second run with nothing changed takes; the served copy stays for the pull. */
async function measurePush(source) {
  const active = await openPeer(source)
  const passive = await openPeer()
  const port = await passive.peer.ask({ do: 'serve' })
  const first = await active.peer.ask({ do: 'replicate', port, type: 'push' })
  const arrived = await passive.peer.ask({ do: 'count' })
  if (arrived !== documents) throw new Error(`the push moved ${arrived} of ${documents} documents`)
  const again = await active.peer.ask({ do: 'replicate', port, type: 'push' })
  const rss = [await active.peer.ask({ do: 'rss' }), await passive.peer.ask({ do: 'rss' })]
  await active.peer.ask({ do: 'close' })
  await passive.peer.ask({ do: 'close' })
  await stop(active.peer, passive.peer)
  return { ms: first.ms, resumeMs: again.msAfterConnect, rss, copy: passive.directory }
}

/** A full pull into an empty database, and then blobs between the two processes as they run. */
async function measurePull(source) {
  const passive = await openPeer(source)
  const active = await openPeer()
  const port = await passive.peer.ask({ do: 'serve' })
  const { ms } = await active.peer.ask({ do: 'replicate', port, type: 'pull' })
  const arrived = await active.peer.ask({ do: 'count' })
  if (arrived !== documents) throw new Error(`the pull moved ${arrived} of ${documents} documents`)
  const rss = [await active.peer.ask({ do: 'rss' }), await passive.peer.ask({ do: 'rss' })]
  await passive.peer.ask({ do: 'loadBlobs', count: blobCount, bytes: blobBytes })
  const blobs = await active.peer.ask({ do: 'replicate', port, type: 'pull' })
  if (blobs.statistics.blobsPulled !== blobCount) throw new Error(`${blobs.statistics.blobsPulled} of ${blobCount} blobs were pulled`)
  await active.peer.ask({ do: 'close' })
  await passive.peer.ask({ do: 'close' })
  await stop(active.peer, passive.peer)
  return { ms, rss, blobMegabytesPerSecond: (blobCount * blobBytes) / 1e6 / (blobs.ms / 1000) }
}

/** Single edits on one side, until each can be read on the other side's disk. */
async function measureLive(source, copy) {
  const active = await openPeer(source)
  const passive = await openPeer(copy)
  const waiting = new Map()
  passive.peer.onEvent = ({ at, revIds }) => {
    for (const revId of revIds) waiting.get(revId)?.(at)
  }
  const port = await passive.peer.ask({ do: 'serve' })
  await passive.peer.ask({ do: 'watch' })
  await active.peer.ask({ do: 'live', port })
  const samples = []
  for (let index = 0; index < edits; index++) {
    const arrivals = new Map()
    const original = passive.peer.onEvent
    passive.peer.onEvent = (event) => {
      for (const revId of event.revIds) arrivals.set(revId, event.at)
      original(event)
    }
    const { at, revId } = await active.peer.ask({ do: 'edit', id: benchId(index % documents), n: index })
    const arrivedAt =
      arrivals.get(revId) ??
      (await new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          reject(new Error('an edit did not arrive within 10 s'))
        }, 10_000)
        waiting.set(revId, (time) => {
          clearTimeout(timer)
          resolve(time)
        })
      }))
    passive.peer.onEvent = original
    samples.push(arrivedAt - at)
  }
  await active.peer.ask({ do: 'stopLive' })
  await active.peer.ask({ do: 'close' })
  await passive.peer.ask({ do: 'close' })
  await stop(active.peer, passive.peer)
  // The first edits include finding out that nothing else is to do.
  return samples.slice(Math.min(10, samples.length - 1))
}

async function measureBaseline() {
  const source = freshDirectory()
  const active = start('pouchdb')
  const passive = start('pouchdb')
  await active.ask({ do: 'load', directory: source, documents })
  const port = await passive.ask({ do: 'serve', directory: freshDirectory() })
  const { ms, errors } = await active.ask({ do: 'push', port })
  if (errors > 0 || (await passive.ask({ do: 'count' })) !== documents) throw new Error('the baseline did not push everything')
  await stop(active, passive)
  return (documents / ms) * 1000
}

try {
  const source = freshDirectory()
  const loader = await openPeer(source)
  await loader.peer.ask({ do: 'load', documents })
  await loader.peer.ask({ do: 'close' })
  await stop(loader.peer)
  say(`${documents} documents of about 200 bytes, ${runs} run${runs === 1 ? '' : 's'}, two processes, both durable`)

  const pushes = []
  const pulls = []
  const blobs = []
  let copy
  for (let run = 0; run < runs; run++) {
    const push = await measurePush(source)
    say(
      `push   ${round((documents / push.ms) * 1000)} documents/s   again, nothing changed: ${round(push.resumeMs, 1)} ms after connecting   peak RSS ${push.rss.join(' and ')} MB`
    )
    const pull = await measurePull(push.copy)
    say(`pull   ${round((documents / pull.ms) * 1000)} documents/s   peak RSS ${pull.rss.join(' and ')} MB`)
    pushes.push(push)
    pulls.push(pull)
    blobs.push(pull.blobMegabytesPerSecond)
    say(`blobs  ${round(blobs.at(-1))} MB/s (${blobCount} of ${blobBytes / 1024} KiB)`)
    copy = push.copy
  }
  const live = await measureLive(source, copy)
  say(
    `live   p50 ${round(percentile(live, 0.5), 2)} ms   p99 ${round(percentile(live, 0.99), 2)} ms (${live.length} single edits, to the other side's disk)`
  )
  const push = (documents / median(pushes.map(({ ms }) => ms))) * 1000
  const pull = (documents / median(pulls.map(({ ms }) => ms))) * 1000
  let baseline
  if (!values['no-baseline']) {
    baseline = await measureBaseline()
    say(`PouchDB 9 push   ${round(baseline)} documents/s   Kithmesh pushes ${round(push / baseline, 1)} times as fast`)
  }
  if (values.json) {
    process.stdout.write(
      `${JSON.stringify({
        docs: documents,
        pushDocsPerSecond: round(push),
        pullDocsPerSecond: round(pull),
        baselinePushDocsPerSecond: baseline === undefined ? null : round(baseline),
        peakRssMegabytes: [0, 1].map((side) => Math.max(...[...pushes, ...pulls].map(({ rss }) => rss[side]))),
        resumeMs: round(median(pushes.map(({ resumeMs }) => resumeMs)), 1),
        liveP50Ms: round(percentile(live, 0.5), 2),
        liveP99Ms: round(percentile(live, 0.99), 2),
        blobMegabytesPerSecond: round(median(blobs))
      })}\n`
    )
  }
} finally {
  await stop(...running)
  rmSync(root, { recursive: true, force: true })
}
