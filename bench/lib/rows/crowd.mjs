import { figure } from '../statistics.mjs'

const CLIENTS = 50
const TREES = 'rev-trees'

/** Fifty active replicators of one process against one listener, beside a single one with as many documents. */
export async function crowd({ stage, rounds, documents, say }) {
  const each = Math.floor(documents / CLIENTS)
  const single = []
  const total = []
  const shares = { slowest: [], median: [], fastest: [] }
  for (let number = 0; number < rounds; number++) {
    single.push((await pushed(stage, 1, each * CLIENTS)).total)
    const crowded = await pushed(stage, CLIENTS, each)
    total.push(crowded.total)
    const speeds = crowded.each.sort((a, b) => a - b)
    shares.slowest.push(speeds[0])
    shares.median.push(speeds[CLIENTS / 2])
    shares.fastest.push(speeds[CLIENTS - 1])
  }
  say(`  ${rounds} rounds`)
  return [
    figure('one replicator', 'documents/s', single),
    figure(`${CLIENTS} replicators, in all`, 'documents/s', total, { goal: { atLeast: 0.8, of: single, name: 'one' } }),
    figure('of them the slowest', 'documents/s', shares.slowest, { goal: { atLeast: 0.8, of: shares.median, name: 'their median' } }),
    figure('of them the median', 'documents/s', shares.median),
    figure('of them the fastest', 'documents/s', shares.fastest, { goal: { atMost: 1.25, of: shares.median, name: 'their median' } })
  ]
}

async function pushed(stage, count, documents) {
  const passive = await stage.open(TREES)
  const active = stage.start('kithmesh')
  const directories = Array.from({ length: count }, () => stage.directory())
  await active.ask({ do: 'openMany', directories, documents })
  const port = await passive.peer.ask({ do: 'serve' })
  const { ms, each } = await active.ask({ do: 'pushMany', port })
  const arrived = await passive.peer.ask({ do: 'count' })
  if (arrived !== count * documents) throw new Error(`${arrived} of ${count * documents} documents arrived`)
  await active.ask({ do: 'closeMany' })
  await stage.stop(active)
  await stage.close(passive)
  stage.discard(...directories, passive.directory)
  return { total: (arrived / ms) * 1000, each: each.map((time) => (documents / time) * 1000) }
}
