import { expect } from 'chai'
import fc from 'fast-check'
import type { ConflictResolver } from '../dist/protocol/conflict-resolver.js'
import { CouchbaseLitePeer } from './support/couchbase-lite-peer.ts'
import { describeInBothSchemes } from './support/both-schemes.ts'
import { replicate } from './support/sessions.ts'
import { Network, SKEWS_MS, meshes, play, playBetween, topologies, turn } from './support/simulated-network.ts'
import type { Step } from './support/simulated-network.ts'
import { SimulatedPeer } from './support/simulated-peer.ts'

const DOCUMENTS = 2
const edits = (peers: number, deletions: number, foreign = 0): fc.Arbitrary<Step> =>
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant('edit' as const), peer: fc.nat(peers - 1), doc: fc.nat(DOCUMENTS - 1), value: fc.nat(9) })
    },
    {
      weight: foreign,
      arbitrary: fc.record({
        kind: fc.constant('foreign edit' as const),
        peer: fc.constant(0),
        doc: fc.nat(DOCUMENTS - 1),
        value: fc.nat(9)
      })
    },
    {
      weight: deletions,
      arbitrary: fc.record({ kind: fc.constant('delete' as const), peer: fc.nat(peers - 1), doc: fc.nat(DOCUMENTS - 1) })
    },
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('deliver' as const),
        link: fc.nat(9),
        to: fc.constantFrom('a' as const, 'b' as const),
        count: fc.integer({ min: 1, max: 12 })
      })
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('cut' as const, 'reconnect' as const), link: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('tick' as const), link: fc.nat(9) }) }
  )

const variants = [
  { name: 'edits', deletions: 0, foreign: 0, settings: { numRuns: 30 } },
  { name: 'edits and deletions', deletions: 1, foreign: 0, settings: { numRuns: 80 } },
  { name: 'many deletions', deletions: 5, foreign: 0, settings: { numRuns: 80 } },
  { name: 'deletions, and edits by a peer whose ids say nothing', deletions: 2, foreign: 6, settings: { numRuns: 50 } }
]

const LENGTH = { maxLength: 250, size: 'max' } as const

/** Fewer than what is kept of a history: a longer row of foreign edits hides the era, a limit that docs/convergence.md states. */
const MAX_FOREIGN_EDITS = 15

function withFewForeignEdits(steps: readonly Step[]): Step[] {
  const made = new Map<number, number>()
  return steps.filter((step) => {
    if (step.kind !== 'foreign edit') return true
    const count = (made.get(step.doc) ?? 0) + 1
    made.set(step.doc, count)
    return count <= MAX_FOREIGN_EDITS
  })
}

const union: ConflictResolver = ({ local, remote }) => ({ take: 'merged', body: { ...local.body, ...remote.body } })

const sum: ConflictResolver = ({ local, remote }) => ({
  take: 'merged',
  body: { value: Number(local.body['value'] ?? 0) + Number(remote.body['value'] ?? 0) }
})

const resolvers: Readonly<Record<string, ConflictResolver>> = {
  'keeps the fields of both': union,
  'adds, so that merging twice counts twice': sum,
  'likes its own': () => ({ take: 'local' }),
  "likes the other's": () => ({ take: 'remote' }),
  'likes what lives, and is slow': async ({ local }) => {
    await turn()
    return { take: local.deleted ? 'remote' : 'local' }
  },
  'deletes what it does not understand': () => ({ take: 'deleted' })
}

describeInBothSchemes('simulated networks with random edits, deliveries and disconnections', ({ versioning }) => {
  for (const [name, [peers]] of Object.entries(topologies)) {
    for (const variant of variants) {
      it(`${name}, ${variant.name}: all end with the same revisions`, async () => {
        await fc.assert(
          fc.asyncProperty(fc.array(edits(peers, variant.deletions, variant.foreign), LENGTH), async (steps) => {
            await play(name, withFewForeignEdits(steps), undefined, versioning)
          }),
          variant.settings
        )
      })
    }
    for (const [description, resolver] of Object.entries(resolvers)) {
      it(`${name}, a resolver that ${description}: all end with the same revisions`, async () => {
        await fc.assert(
          fc.asyncProperty(fc.array(edits(peers, 1), LENGTH), async (steps) => {
            await play(name, steps, resolver, versioning)
          }),
          { numRuns: 12 }
        )
      })
    }
  }

  if (versioning === 'version-vectors')
    it("a star around one that knows only Couchbase Lite's rules: all end with the same revisions", async () => {
      const links = [1, 2].map((caller) => [caller, 0] as const)
      await fc.assert(
        fc.asyncProperty(fc.array(edits(3, 2), LENGTH), async (steps) => {
          const ours = await Promise.all([1, 2].map((i) => SimulatedPeer.create(versioning, SKEWS_MS[i])))
          await playBetween([new CouchbaseLitePeer(500), ...ours], links, steps)
        }),
        { numRuns: 60 }
      )
    })

  it('lets a document made anew on its tombstone win against the longer history of a peer that never saw it deleted', async () => {
    const [first, second, third] = (await Promise.all([0, 1, 2].map(() => SimulatedPeer.create(versioning)))) as [
      SimulatedPeer,
      SimulatedPeer,
      SimulatedPeer
    ]
    const link = async (from: SimulatedPeer, to: SimulatedPeer, name: string): Promise<void> => {
      await replicate(from.store, to.store, { remoteUid: name })
    }
    first.put('doc0', { value: 'first' })
    await link(first, second, 'second')
    await link(first, third, 'third')
    for (let n = 0; n < 9; n++) third.put('doc0', { value: n })
    first.delete('doc0')
    await link(first, second, 'second')
    second.put('doc0', { value: 'anew' })
    await link(first, third, 'third')
    expect(third.snapshot()).to.have.property('doc0').that.includes('deleted')
    await link(second, third, 'third')
    await link(first, third, 'third')
    expect(second.snapshot()).to.have.property('doc0').that.includes('anew')
    for (const peer of [first, third]) expect(peer.snapshot()).to.deep.equal(second.snapshot())
  })

  it('proposes again when the peer refused because of a rival, and then fell back to an ancestor', async () => {
    await play(
      'a star of four that call',
      [
        { kind: 'edit', peer: 2, doc: 0, value: 3 },
        { kind: 'edit', peer: 0, doc: 0, value: 5 },
        { kind: 'deliver', link: 0, to: 'a', count: 2 },
        { kind: 'edit', peer: 1, doc: 0, value: 3 },
        { kind: 'delete', peer: 2, doc: 0 },
        { kind: 'deliver', link: 0, to: 'a', count: 9 }
      ],
      undefined,
      versioning
    )
  })

  for (const [name, [count, links]] of Object.entries(meshes)) {
    for (const variant of variants.slice(1, 3))
      it(`${name} that share what they ask for, ${variant.name}: all end with the same revisions`, async () => {
        await fc.assert(
          fc.asyncProperty(fc.array(edits(count, variant.deletions), LENGTH), async (steps) => {
            await play(name, steps, undefined, versioning, true)
          }),
          { numRuns: 40 }
        )
      })

    it(`${name} that share what they ask for: each gets each document once, in whatever order messages arrive`, async () => {
      const deliveries = fc.record({
        kind: fc.constant('deliver' as const),
        link: fc.nat(links.length - 1),
        to: fc.constantFrom('a' as const, 'b' as const),
        count: fc.integer({ min: 1, max: 6 })
      })
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.nat(count - 1), { minLength: 1, maxLength: 12 }),
          fc.array(deliveries, { maxLength: 150, size: 'max' }),
          async (writers, steps) => {
            const peers = await Promise.all(Array.from({ length: count }, () => SimulatedPeer.create(versioning)))
            writers.forEach((writer, i) => {
              ;(peers[writer] as SimulatedPeer).put(`doc${i}`, { by: writer, i })
            })
            const network = new Network(peers, links, undefined, true)
            for (const step of steps) await network.step(step)
            await network.settle()
            await network.end()
            for (const peer of peers) expect(Object.keys(peer.snapshot())).to.have.length(writers.length)
            expect(network.transfers).to.have.length(writers.length * (count - 1))
          }
        ),
        { numRuns: 40 }
      )
    })
  }

  it('one-shot runs in turn bring a star together', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(edits(4, 2), { maxLength: 40, size: 'max' }), async (steps) => {
        const peers = await Promise.all(Array.from({ length: 4 }, (_, i) => SimulatedPeer.create(versioning, SKEWS_MS[i])))
        const run = async (i: number): Promise<void> => {
          await replicate((peers[i] as SimulatedPeer).store, (peers[0] as SimulatedPeer).store, { remoteUid: 'hub' })
        }
        for (const step of steps) {
          if (step.kind === 'edit') (peers[step.peer] as SimulatedPeer).put(`doc${step.doc}`, { value: step.value })
          else if (step.kind === 'delete') (peers[step.peer] as SimulatedPeer).delete(`doc${step.doc}`)
          else if (step.kind === 'deliver') await run(1 + (step.link % 3))
        }
        for (let round = 0; round < 3; round++) for (const i of [1, 2, 3]) await run(i)
        const [first, ...others] = peers.map((peer) => peer.snapshot())
        for (const other of others) expect(other).to.deep.equal(first)
      }),
      { numRuns: 20 }
    )
  })
})
