// Eight real processes on the loopback interface, each with a database on disk, a part of the documents, and a mesh that finds the others by DNS-SD; how
// long until all have everything, and at what processor time. The baseline, in the same run: the same documents in the same places, with one of the
// processes as a hub that the others replicate with.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Helper } from './lib/processes.mjs'
import { figure, line, median, round } from './lib/statistics.mjs'

const USAGE = `npm run bench -- mesh [options]
  --peers N          processes (default 8)
  --docs N           documents that every process has in the end, written in as many places as there are processes (default 10000)
  --rounds N         the figures are medians; each round measures both, in turns (default 3)
  --versioning NAME  rev-trees or version-vectors (default rev-trees)
  --json             one line of JSON on standard output at the end`

const PEER = fileURLToPath(new URL('lib/mesh-peer.mjs', import.meta.url))
const DEADLINE_MS = 300_000

const say = (text) => {
  process.stderr.write(`${text}\n`)
}

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: '8' },
    docs: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '3' },
    versioning: { type: 'string', default: 'rev-trees' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false }
  }
})
const settings = { peers: Number(values.peers), documents: Number(values.docs), versioning: values.versioning }
if (values.help) say(USAGE)
else await main()

async function main() {
  const samples = { mesh: [], hub: [] }
  for (let index = 0; index < Number(values.rounds); index++) {
    // Whoever is second finds the files of the first in the caches of the system.
    for (const kind of index % 2 === 0 ? ['hub', 'mesh'] : ['mesh', 'hub']) samples[kind].push(await measure(kind, index))
  }
  const of = (kind, name) => samples[kind].map((sample) => sample[name])
  const figures = [
    figure('hub and spokes: until all are equal', 's', of('hub', 'seconds'), { digits: 2 }),
    figure('mesh: until all are equal', 's', of('mesh', 'seconds'), {
      digits: 2,
      goal: { atMost: 2, of: of('hub', 'seconds'), name: 'hub and spokes' }
    }),
    figure('hub and spokes: processor time, all together', 's', of('hub', 'cpuSeconds'), { digits: 2 }),
    figure('mesh: processor time, all together', 's', of('mesh', 'cpuSeconds'), {
      digits: 2,
      goal: { atMost: 2, of: of('hub', 'cpuSeconds'), name: 'hub and spokes' }
    }),
    figure('mesh: transfers per document and peer', '', of('mesh', 'transfers'), { digits: 3, goal: { atMost: 1.2 } }),
    figure('mesh: links of a process', '', of('mesh', 'degree'), { digits: 1 }),
    figure('mesh: memory at its highest, one process', 'MB', of('mesh', 'peakRssMegabytes'))
  ]
  say(`${settings.peers} processes, ${settings.documents} documents, ${settings.versioning}, ${values.rounds} rounds: median (min–max)`)
  for (const each of figures) say(line(each))
  if (!values.json) return
  const summary = (kind) => Object.fromEntries(Object.keys(samples[kind][0]).map((name) => [name, round(median(of(kind, name)), 3)]))
  process.stdout.write(
    `${JSON.stringify({
      ...settings,
      figures,
      mesh: summary('mesh'),
      hub: summary('hub'),
      secondsRatio: round(median(of('mesh', 'seconds')) / median(of('hub', 'seconds')), 3),
      cpuRatio: round(median(of('mesh', 'cpuSeconds')) / median(of('hub', 'cpuSeconds')), 3)
    })}\n`
  )
}

/** One run: databases are filled first, then everything starts at once. */
async function measure(kind, round) {
  const directory = await mkdtemp(join(tmpdir(), 'kithmesh-bench-'))
  const helpers = Array.from({ length: settings.peers }, () => new Helper(PEER))
  const all = (request) => Promise.all(helpers.map((helper, index) => helper.ask({ ...request, index })))
  try {
    const peerIds = await all({ do: 'open', directory, ...settings })
    const expected = await expectedDigest(helpers)
    const before = await all({ do: 'cpu' })
    const startedAt = performance.now()
    if (kind === 'mesh') await all({ do: 'mesh', peerIds, group: `bench-${process.pid}-${round}` })
    else {
      const port = await helpers[0].ask({ do: 'serve' })
      await Promise.all(helpers.slice(1).map((helper) => helper.ask({ do: 'spoke', port })))
    }
    await all({ do: 'complete', documents: settings.documents, deadlineMs: DEADLINE_MS })
    const seconds = (performance.now() - startedAt) / 1000
    const cpu = await all({ do: 'cpu' })
    const digests = await all({ do: 'digest' })
    if (digests.some(({ digest }) => digest !== expected))
      throw new Error(`the databases are not equal in the end: ${JSON.stringify(digests)}`)
    const figures = await all({ do: 'figures' })
    const sum = (list) => list.reduce((total, value) => total + value, 0)
    const received = settings.documents * (settings.peers - 1)
    return {
      seconds,
      cpuSeconds: (sum(cpu) - sum(before)) / 1000,
      transfers: kind === 'mesh' ? sum(figures.map(({ documentsIn }) => documentsIn)) / received : 1,
      degree: sum(figures.map(({ links }) => links)) / settings.peers,
      peakRssMegabytes: Math.max(...figures.map(({ rss }) => rss))
    }
  } finally {
    await Promise.all(helpers.map((helper) => helper.ask({ do: 'close' }).catch(() => {})))
    await Promise.all(helpers.map((helper) => helper.stop()))
    await rm(directory, { recursive: true, force: true })
  }
}

/** What every database contains in the end: all ids with their revisions, as they were written. */
async function expectedDigest(helpers) {
  const { idsDigest } = await import('./lib/mesh-digest.mjs')
  const written = await Promise.all(helpers.map((helper) => helper.ask({ do: 'written' })))
  return idsDigest(written.flat())
}
