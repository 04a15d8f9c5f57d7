import { expect } from 'chai'
import fc from 'fast-check'
import { compareRevisionIds } from '@kithmesh/database/replication'
import { RevisionTree } from '../dist/trees/rev-tree.js'

interface Made {
  readonly revId: string
  readonly history: readonly string[]
  readonly deleted: boolean
}

/** Any tree of up to 15 revisions: each names an earlier one as its parent, or none. */
const revisions = fc
  .array(fc.record({ parent: fc.nat(), root: fc.boolean(), deleted: fc.boolean(), digest: fc.integer({ min: 0, max: 255 }) }), {
    minLength: 1,
    maxLength: 15
  })
  .map((list) => {
    const made: Made[] = []
    list.forEach(({ parent, root, deleted, digest }, index) => {
      const base = root || made.length === 0 ? undefined : made[parent % made.length]
      const history = base === undefined ? [] : [base.revId, ...base.history]
      made.push({
        revId: `${history.length + 1}-${digest.toString(16).padStart(2, '0')}${index.toString(16).padStart(2, '0')}`,
        history,
        deleted
      })
    })
    return made
  })

function build(list: readonly Made[], restore: boolean): RevisionTree {
  let tree = RevisionTree.empty()
  for (const { revId, history, deleted } of list) {
    tree.insert({ revId, history, deleted, hasBlobs: false, body: Buffer.from(deleted ? '' : JSON.stringify({ revId })), incoming: true })
    if (restore) tree = RevisionTree.fromStored(tree.toStored())
  }
  return tree
}

const describeTree = (tree: RevisionTree): unknown => ({
  winner: tree.winner.revId,
  leaves: tree
    .leaves()
    .map(({ revId, deleted, body }) => ({ revId, deleted, body: Buffer.from(body ?? []).toString(), ancestors: tree.ancestors(revId) }))
})

describe('revision trees', () => {
  it('have the same winner, leaves and ancestors in whatever order the revisions came', () => {
    fc.assert(
      fc.property(
        revisions.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
        ([list, shuffled]) => {
          expect(describeTree(build(shuffled, false))).to.deep.equal(describeTree(build(list, false)))
        }
      ),
      { numRuns: 300 }
    )
  })
  it('are the same after being stored and read back at every step', () => {
    fc.assert(
      fc.property(revisions, (list) => {
        expect(describeTree(build(list, true))).to.deep.equal(describeTree(build(list, false)))
      }),
      { numRuns: 200 }
    )
  })
  it('let the tombstone win, then the higher generation, then the greater id', () => {
    fc.assert(
      fc.property(revisions, (list) => {
        const tree = build(list, false)
        const leaves = tree.leaves()
        const gone = leaves.filter((leaf) => leaf.deleted)
        const best = (gone.length > 0 ? gone : leaves)
          .map((leaf) => leaf.revId)
          .sort(compareRevisionIds)
          .at(-1)
        expect(tree.winner.revId).to.equal(best)
        expect(tree.conflicted).to.equal(leaves.length > 1)
      })
    )
  })
  it('take no bytes for a first revision and no JSON for a linear history', () => {
    const tree = build([{ revId: '1-aa', history: [], deleted: false }], false)
    expect(tree.toStored().tree.length).to.equal(0)
    tree.insert({ revId: '2-bb', history: ['1-aa'], deleted: false, hasBlobs: true, body: Buffer.from('{}') })
    expect(Buffer.from(tree.toStored().tree).toString()).to.equal('1-aa')
  })
  it('are pruned to a depth, except for what is to be kept', () => {
    const chain = Array.from({ length: 50 }, (_, index) => `${50 - index}-aa`)
    const make = (): RevisionTree => {
      const tree = RevisionTree.empty()
      tree.insert({ revId: chain[0] as string, history: chain.slice(1), deleted: false, hasBlobs: false, body: Buffer.from('{}') })
      return tree
    }
    const pruned = make()
    pruned.prune(20)
    expect(pruned.ancestors('50-aa')).to.deep.equal(chain.slice(1, 20))
    const kept = make()
    kept.prune(20, new Set(['11-aa']))
    expect(kept.ancestors('50-aa')).to.deep.equal(chain.slice(1, 40))
  })
  it('keep what is to be kept however far back it lies', () => {
    const chain = Array.from({ length: 500 }, (_, index) => `${500 - index}-aa`)
    const tree = RevisionTree.empty()
    tree.insert({ revId: chain[0] as string, history: chain.slice(1), deleted: false, hasBlobs: false, body: Buffer.from('{}') })
    tree.prune(20, new Set(['11-aa', '3-aa']))
    expect(tree.ancestors('500-aa')).to.deep.equal([...chain.slice(1, 20), '11-aa', '3-aa'])
    expect(tree.isAncestor('3-aa', '11-aa')).to.equal(true)
    expect(tree.isLeaf('3-aa')).to.equal(false)
  })
  it('prune only what no other branch needs', () => {
    const tree = RevisionTree.empty()
    const line = (top: number, digest: string): string[] =>
      Array.from({ length: top }, (_, index) => `${top - index}-${top - index > 3 ? digest : '00'}`)
    const [long, short] = [line(30, 'aa'), line(5, 'bb')]
    tree.insert({ revId: long[0] as string, history: long.slice(1), deleted: false, hasBlobs: false, body: Buffer.from('{}') })
    tree.insert({
      revId: short[0] as string,
      history: short.slice(1),
      deleted: false,
      hasBlobs: false,
      body: Buffer.from('{}'),
      incoming: true
    })
    tree.prune(20)
    expect(tree.ancestors('5-bb')).to.deep.equal(short.slice(1))
    expect(tree.ancestors('30-aa')).to.deep.equal(long.slice(1, 20))
    expect(tree.winner.revId).to.equal('30-aa')
  })
})
