import { figure } from '../statistics.mjs'
import { floor, transfer } from './throughput.mjs'

const TREES = 'rev-trees'

/** Ten times as many documents: as fast, in as much memory. The default run does it once, because a round takes about a minute. */
export async function million({ stage, quick, documents, rounds, explicit, say }) {
  const many = quick ? documents * 3 : documents * 10
  const results = { push: { few: [], many: [] }, pull: { few: [], many: [] } }
  const floors = { few: [], many: [] }
  const repeats = explicit ? rounds : 1
  for (let number = 0; number < repeats; number++) {
    floors.few.push(await floor(stage, documents, 'push'))
    floors.many.push(await floor(stage, many, 'push'))
    for (const type of ['push', 'pull']) {
      for (const [size, count] of Object.entries({ few: documents, many })) {
        results[type][size].push(await transfer(stage, { documents: count, versioning: TREES, type, live: count }))
        say(`  ${type} of ${count}`)
      }
    }
  }
  const floorFigures = [
    figure(`floor of ${documents.toLocaleString('en-US')}`, 'documents/s', floors.few),
    figure(`floor of ${many.toLocaleString('en-US')}`, 'documents/s', floors.many)
  ]
  const figures = ['push', 'pull'].flatMap((type) => {
    const { few, many: large } = results[type]
    const speed = (list) => list.map(({ perSecond }) => perSecond)
    return [
      figure(`${type} of ${many.toLocaleString('en-US')}`, 'documents/s', speed(large), {
        goal: { atLeast: 0.85, of: speed(few), name: `${documents.toLocaleString('en-US')} in the same round` }
      }),
      ...['active', 'passive'].map((side, index) => {
        const rss = (list) => list.map((result) => result.rss[index])
        return figure(`${type} of ${many.toLocaleString('en-US')}, peak memory, ${side}`, 'MB', rss(large), {
          goal: { atMost: 1.15, of: rss(few), name: 'that of the smaller one' }
        })
      })
    ]
  })
  return [...floorFigures, ...figures]
}
