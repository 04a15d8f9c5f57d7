import { expect } from 'chai'
import { RevisionInserter } from '../dist/protocol/revision-inserter.js'

type Context = ConstructorParameters<typeof RevisionInserter>[0]
type Options = ConstructorParameters<typeof RevisionInserter>[1]
type Arrival = Parameters<RevisionInserter['add']>[0]

/** An inserter whose turns of the event loop are run by hand, and the ids of each of its transactions. */
function inserter(): { inserter: RevisionInserter; transactions: string[][]; turns: () => void } {
  const transactions: string[][] = []
  let turns: (() => void)[] = []
  const context = {
    active: true,
    closed: false,
    limits: { insertBatch: 1000 },
    scheduler: {
      soon: (run: () => void) => {
        turns.push(run)
      }
    }
  } as unknown as Context
  const options = {
    target: {
      collection: {
        insertRevisions: (revisions: readonly { readonly id: string }[]) => {
          transactions.push(revisions.map(({ id }) => id))
          return revisions.map(() => ({ status: 'stored' }))
        }
      }
    },
    remoteOf: () => undefined,
    inserted: () => {},
    batchEnded: () => {}
  } as unknown as Options
  return {
    inserter: new RevisionInserter(context, options),
    transactions,
    turns: () => {
      for (let n = 0; n < 10; n++) {
        const now = turns
        turns = []
        for (const run of now) run()
      }
    }
  }
}

const arrival = (id: string, bytes = 10): Arrival =>
  ({ rev: { id, revId: '1-0a', deleted: false, history: [] }, body: Buffer.alloc(bytes), hasBlobs: true }) as unknown as Arrival

describe('received revisions', () => {
  it('of one turn share a transaction', () => {
    const { inserter: each, transactions, turns } = inserter()
    each.add(arrival('a'))
    each.add(arrival('b'))
    expect(transactions).to.deep.equal([])
    turns()
    expect(transactions).to.deep.equal([['a', 'b']])
  })
  it('that others follow wait for them', () => {
    const { inserter: each, transactions, turns } = inserter()
    each.add(arrival('a'), true)
    turns()
    each.add(arrival('b'), true)
    turns()
    expect([transactions, each.waiting]).to.deep.equal([[], 2])
    each.add(arrival('c'))
    turns()
    expect([transactions, each.waiting]).to.deep.equal([[['a', 'b', 'c']], 0])
  })
  it('wait no longer once nothing follows', () => {
    const { inserter: each, transactions, turns } = inserter()
    each.add(arrival('a'), true)
    each.release()
    turns()
    each.release()
    turns()
    expect(transactions).to.deep.equal([['a']])
  })
  it('do not wait when they are many, or large', () => {
    const { inserter: each, transactions, turns } = inserter()
    for (let n = 0; n < 64; n++) each.add(arrival(String(n)), true)
    turns()
    each.add(arrival('large', 1024 * 1024), true)
    turns()
    each.add(arrival('small'), true)
    turns()
    expect(transactions.map(({ length }) => length)).to.deep.equal([64, 1])
  })
})
