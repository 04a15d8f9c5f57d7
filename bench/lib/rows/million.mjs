import { figure } from '../statistics.mjs'
import { floor, transfer } from './throughput.mjs'

const TREES = 'rev-trees'

/**
 * Ten times as many documents: as fast, and in memory that does not grow. V8 lets garbage become several times what lives before it collects it, which
 * 100,000 documents are too few to reach, so the memory is compared with that of 300,000. The default run does it once, because a round
 * takes about a minute.
 */
export async function million({ stage, quick, documents, rounds, explicit, say }) {
  const many = quick ? documents * 3 : documents * 10
  const sizes = { few: documents, some: Math.round(many * 0.3), many }
  const results = { push: { few: [], some: [], many: [] }, pull: { few: [], some: [], many: [] } }
  const floors = { few: [], many: [] }
  const repeats = explicit ? rounds : 1
  for (let number = 0; number < repeats; number++) {
    floors.few.push(await floor(stage, documents, 'push'))
    floors.many.push(await floor(stage, many, 'push'))
    for (const type of ['push', 'pull']) {
      for (const [size, count] of Object.entries(sizes)) {
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
    const { few, some, many: large } = results[type]
    const speed = (list) => list.map(({ perSecond }) => perSecond)
    return [
      figure(`${type} of ${many.toLocaleString('en-US')}`, 'documents/s', speed(large), {
        goal: { atLeast: 0.85, of: speed(few), name: `${documents.toLocaleString('en-US')} in the same round` }
      }),
      ...['active', 'passive'].flatMap((side, index) => {
        const rss = (list) => list.map((result) => result.rss[index])
        const name = (count) => `${type} of ${count.toLocaleString('en-US')}, peak memory, ${side}`
        return [
          figure(name(documents), 'MB', rss(few)),
          figure(name(sizes.some), 'MB', rss(some)),
          figure(name(many), 'MB', rss(large), {
            goal: { atMost: 1.15, of: rss(some), name: `that of ${sizes.some.toLocaleString('en-US')}` }
          })
        ]
      })
    ]
  })
  return [...floorFigures, ...figures]
}
