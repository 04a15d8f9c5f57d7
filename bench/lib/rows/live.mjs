import { figure, percentile } from '../statistics.mjs'

const TREES = 'rev-trees'
const WARM_UP = 50
/** Long enough for processors and disk to go idle. */
const REST_MS = 10

/**
 * Single edits on one side of a continuous push, each when the one before was acknowledged, until each is on the other side's disk; an fsync on
 * either side. Once more with a rest before each edit, in which processors and disk fall asleep.
 */
export async function live({ stage, rounds, documents, edits, say }) {
  const directories = await stage.pair(TREES, documents)
  const samples = { p50: [], p99: [], told: [], rested: [], bare50: [], bare99: [] }
  for (let number = 0; number < rounds; number++) {
    const active = await stage.open(TREES, directories.active)
    const passive = await stage.open(TREES, directories.passive, { noting: true })
    const port = await passive.peer.ask({ do: 'serve' })
    await passive.peer.ask({ do: 'watch' })
    await active.peer.ask({ do: 'live', port })
    const measure = async (count, restMs) => {
      const made = await active.peer.ask({ do: 'editSlowly', count, mark: `${number} ${restMs}`, restMs })
      const arrived = await passive.peer.ask({ do: 'arrivals', revIds: made.map(({ revId }) => revId) })
      return made.map(({ at }, index) => ({ stored: arrived[index].stored - at, told: arrived[index].told - at }))
    }
    const busy = (await measure(edits + WARM_UP, 0)).slice(WARM_UP)
    const rested = await measure(Math.ceil(edits / 4), REST_MS)
    const stored = busy.map((sample) => sample.stored)
    samples.p50.push(percentile(stored, 0.5))
    samples.p99.push(percentile(stored, 0.99))
    samples.told.push(
      percentile(
        busy.map((sample) => sample.told),
        0.5
      )
    )
    samples.rested.push(
      percentile(
        rested.map((sample) => sample.stored),
        0.5
      )
    )
    await active.peer.ask({ do: 'stopLive' })
    await stage.close(active, passive)
    const bare = await bareEdits(stage, directories, edits)
    samples.bare50.push(percentile(bare, 0.5))
    samples.bare99.push(percentile(bare, 0.99))
  }
  say(`  ${rounds} rounds of ${edits} edits`)
  return [
    figure('edit, disk to disk, p50', 'ms', samples.p50, { digits: 2, goal: { atMost: 1.5 } }),
    figure('edit, disk to disk, p99', 'ms', samples.p99, { digits: 2, goal: { atMost: 6 } }),
    figure('edit, until a watcher there was told, p50', 'ms', samples.told, { digits: 2 }),
    figure('edit after 10 ms of rest, p50', 'ms', samples.rested, { digits: 2 }),
    figure('floor: stored, one message of ws, stored, p50', 'ms', samples.bare50, { digits: 2 }),
    figure('floor: stored, one message of ws, stored, p99', 'ms', samples.bare99, { digits: 2 })
  ]
}

/** The same edits without a protocol: a document put into one store, sent as one message, and put into the other; until that is on the disk. */
async function bareEdits(stage, directories, edits) {
  const client = stage.start('floor')
  const server = stage.start('floor')
  await client.ask({ do: 'open', directory: directories.active, style: 'plain' })
  await server.ask({ do: 'open', directory: directories.passive, style: 'plain' })
  const port = await server.ask({ do: 'serveEdits' })
  const began = await client.ask({ do: 'editSlowly', port, count: edits + WARM_UP })
  const stored = await server.ask({ do: 'stored' })
  for (const peer of [client, server]) await peer.ask({ do: 'close' })
  await stage.stop(client, server)
  return began.map((at, index) => stored[index] - at).slice(WARM_UP)
}
