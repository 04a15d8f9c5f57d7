import { figure, percentile } from '../statistics.mjs'

const TREES = 'rev-trees'
const WARM_UP = 50

/** Single edits on one side of a continuous push, until each can be read from the other side's disk; an fsync on either side. */
export async function live({ stage, rounds, documents, edits, say }) {
  const directories = await stage.pair(TREES, documents)
  const p50 = []
  const p99 = []
  for (let number = 0; number < rounds; number++) {
    const active = await stage.open(TREES, directories.active)
    const passive = await stage.open(TREES, directories.passive)
    const port = await passive.peer.ask({ do: 'serve' })
    await passive.peer.ask({ do: 'watch' })
    await active.peer.ask({ do: 'live', port })
    const made = await active.peer.ask({ do: 'editSlowly', count: edits + WARM_UP, mark: `${number}` })
    const arrived = new Map(await passive.peer.ask({ do: 'arrivals', count: made.length }))
    const samples = made.slice(WARM_UP).map(({ revId, at }) => arrived.get(revId) - at)
    p50.push(percentile(samples, 0.5))
    p99.push(percentile(samples, 0.99))
    await active.peer.ask({ do: 'stopLive' })
    await stage.close(active, passive)
  }
  say(`  ${rounds} rounds of ${edits} edits`)
  return [
    figure('edit, disk to disk, p50', 'ms', p50, { digits: 2, goal: { atMost: 1.5 } }),
    figure('edit, disk to disk, p99', 'ms', p99, { digits: 2, goal: { atMost: 6 } })
  ]
}
