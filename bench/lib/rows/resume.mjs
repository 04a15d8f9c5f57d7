import { figure } from '../statistics.mjs'
import { floor } from './throughput.mjs'

const CHANGED = 100
const TREES = 'rev-trees'

/** A hundred of many documents changed: on a new connection between running processes, and when both processes are new. */
export async function resume({ stage, rounds, documents, say }) {
  const directories = await stage.pair(TREES, documents)
  const warm = []
  const cold = []
  const bare = []
  for (let number = 0; number < rounds; number++) {
    let { active, passive } = await opened(stage, directories)
    let port = await passive.peer.ask({ do: 'serve' })
    // One earlier connection of the same processes, so that the next one is not their first.
    await changed(active, port)
    warm.push(await changed(active, port))
    await active.peer.ask({ do: 'edit', ...edits(documents) })
    await stage.close(active, passive)
    ;({ active, passive } = await opened(stage, directories))
    port = await passive.peer.ask({ do: 'serve' })
    cold.push(await push(active, port))
    await stage.close(active, passive)
    bare.push((CHANGED / (await floor(stage, CHANGED, 'push'))) * 1000)
  }
  say(`  ${rounds} rounds`)
  return [
    figure(`${CHANGED} changed, new connection`, 'ms', warm, { digits: 1, goal: { atMost: 20 } }),
    figure(`${CHANGED} changed, both processes new`, 'ms', cold, { digits: 1, goal: { atMost: 45 } }),
    figure(`floor: ${CHANGED} documents without a protocol, both processes new`, 'ms', bare, { digits: 1 })
  ]

  async function changed(active, port) {
    await active.peer.ask({ do: 'edit', ...edits(documents) })
    return await push(active, port)
  }
}

let generation = 0

/** Spread over the database, other ones every time. */
function edits(documents) {
  generation++
  const step = Math.max(1, Math.floor(documents / CHANGED))
  return { numbers: Array.from({ length: CHANGED }, (_, index) => (index * step + generation) % documents), mark: generation }
}

async function opened(stage, { active, passive }) {
  return { active: await stage.open(TREES, active), passive: await stage.open(TREES, passive) }
}

async function push(active, port) {
  const { ms, statistics } = await active.peer.ask({ do: 'replicate', port, type: 'push' })
  if (statistics.documentsPushed !== CHANGED) throw new Error(`${statistics.documentsPushed} of ${CHANGED} changes were pushed`)
  return ms
}
