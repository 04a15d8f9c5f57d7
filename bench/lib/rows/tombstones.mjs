import { figure } from '../statistics.mjs'
import { transfer } from './throughput.mjs'

const TREES = 'rev-trees'
const DELETED = 99

/** Databases nearly all of whose documents were deleted, beside live ones. */
export async function tombstones({ stage, rounds, documents, say }) {
  const results = { push: { live: [], deleted: [] }, pull: { live: [], deleted: [] } }
  for (let number = 0; number < rounds; number++) {
    for (const type of ['push', 'pull']) {
      const { live, deleted } = results[type]
      const both = { documents, versioning: TREES, type }
      live.push((await transfer(stage, { ...both, live: documents })).perSecond)
      deleted.push((await transfer(stage, { ...both, deleted: DELETED, live: documents / 100 })).perSecond)
    }
    say(`  round ${number + 1} of ${rounds}`)
  }
  return ['push', 'pull'].flatMap((type) => [
    figure(`${type}, live documents`, 'documents/s', results[type].live),
    figure(`${type}, ${DELETED} % tombstones`, 'documents/s', results[type].deleted, {
      goal: { atLeast: 1, of: results[type].live, name: 'live documents' }
    })
  ])
}
