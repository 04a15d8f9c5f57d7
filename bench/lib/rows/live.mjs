import { figure, percentile } from '../statistics.mjs'

const TREES = 'rev-trees'
const WARM_UP = 50

/** Single edits on one side of a continuous push, until each is on the other side's disk; an fsync on either side. */
export async function live({ stage, rounds, documents, edits, say }) {
  const directories = await stage.pair(TREES, documents)
  const samples = { p50: [], p99: [], told: [] }
  for (let number = 0; number < rounds; number++) {
    const active = await stage.open(TREES, directories.active)
    const passive = await stage.open(TREES, directories.passive, { noting: true })
    const port = await passive.peer.ask({ do: 'serve' })
    await passive.peer.ask({ do: 'watch' })
    await active.peer.ask({ do: 'live', port })
    const made = await active.peer.ask({ do: 'editSlowly', count: edits + WARM_UP, mark: `${number}` })
    const arrived = await passive.peer.ask({ do: 'arrivals', revIds: made.map(({ revId }) => revId) })
    const after = (moment) => made.map(({ at }, index) => arrived[index][moment] - at).slice(WARM_UP)
    samples.p50.push(percentile(after('stored'), 0.5))
    samples.p99.push(percentile(after('stored'), 0.99))
    samples.told.push(percentile(after('told'), 0.5))
    await active.peer.ask({ do: 'stopLive' })
    await stage.close(active, passive)
  }
  say(`  ${rounds} rounds of ${edits} edits`)
  return [
    figure('edit, disk to disk, p50', 'ms', samples.p50, { digits: 2, goal: { atMost: 1.5 } }),
    figure('edit, disk to disk, p99', 'ms', samples.p99, { digits: 2, goal: { atMost: 6 } }),
    figure('edit, until a watcher there was told, p50', 'ms', samples.told, { digits: 2 })
  ]
}
