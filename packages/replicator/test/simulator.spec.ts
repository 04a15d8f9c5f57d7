import { expect } from 'chai'
import fc from 'fast-check'
import { BlipPair } from './support/blip-pair.ts'
import { SimulatedPeer } from './support/simulated-peer.ts'
import { activeSession, passiveSession, replicate } from './support/sessions.ts'
import type { Running } from './support/sessions.ts'
import type { ConflictResolver } from '../dist/protocol/conflict-resolver.js'

/** A step of a simulation: an edit at a peer, or something about one of the links. */
type Step =
  | { readonly kind: 'edit' | 'foreign edit'; readonly peer: number; readonly doc: number; readonly value: number }
  | { readonly kind: 'delete'; readonly peer: number; readonly doc: number }
  | { readonly kind: 'deliver'; readonly link: number; readonly to: 'a' | 'b'; readonly count: number }
  | { readonly kind: 'cut' | 'reconnect'; readonly link: number }
  | { readonly kind: 'tick'; readonly link: number }

interface Link {
  readonly active: number
  readonly passive: number
  pair: BlipPair | undefined
  running: Running | undefined
}

const turn = async (): Promise<void> => {
  await new Promise((resolve) => {
    setImmediate(resolve)
  })
}

class Network {
  readonly peers: readonly SimulatedPeer[]
  readonly links: Link[]
  readonly #conflictResolver: ConflictResolver | undefined
  #time = 1_000_000

  constructor(peers: readonly SimulatedPeer[], links: readonly (readonly [number, number])[], conflictResolver?: ConflictResolver) {
    this.peers = peers
    this.#conflictResolver = conflictResolver
    this.links = links.map(([active, passive]) => ({ active, passive, pair: undefined, running: undefined }))
    for (const link of this.links) this.connect(link)
  }

  connect(link: Link): void {
    if (link.pair !== undefined && !link.pair.closed) return
    const pair = new BlipPair(false)
    passiveSession(pair.b, (this.peers[link.passive] as SimulatedPeer).store)
    const running = activeSession(pair.a, (this.peers[link.active] as SimulatedPeer).store, {
      continuous: true,
      collections: [{ conflictResolver: this.#conflictResolver }],
      remoteUid: `peer ${link.passive}`
    })
    running.session.start()
    link.pair = pair
    link.running = running
  }

  async step(step: Step): Promise<void> {
    const link = 'link' in step ? this.links[step.link % this.links.length] : undefined
    switch (step.kind) {
      case 'edit':
        this.peer(step.peer).put(`doc${step.doc}`, { value: step.value })
        break
      case 'foreign edit':
        this.peer(step.peer).putAsForeign(`doc${step.doc}`, { value: step.value })
        break
      case 'delete':
        this.peer(step.peer).delete(`doc${step.doc}`)
        break
      case 'deliver':
        for (let i = 0; i < step.count; i++) {
          link?.pair?.deliver(step.to)
          if (i % 4 === 3) await turn()
        }
        break
      case 'cut':
        link?.pair?.cut()
        break
      case 'reconnect':
        if (link !== undefined) this.connect(link)
        break
      case 'tick':
        this.#time += 6000
        link?.running?.session.tick(this.#time)
    }
    await turn()
  }

  peer(index: number): SimulatedPeer {
    return this.peers[index % this.peers.length] as SimulatedPeer
  }

  /** Lets everything run until nobody has anything to say. */
  async settle(): Promise<void> {
    let quiet = 0
    for (let i = 0; quiet < 30; i++) {
      if (i > 20_000) throw new Error('the network does not come to rest')
      // A session that waited too long for an answer ends, and its replicator connects again.
      for (const link of this.links) this.connect(link)
      let delivered = false
      for (const { pair } of this.links) delivered = pair?.deliver(i % 2 === 0 ? 'a' : 'b') === true || delivered
      await turn()
      quiet = delivered || this.links.some(({ running }) => running?.session.activity !== 'idle') ? 0 : quiet + 1
    }
  }

  async end(): Promise<void> {
    for (const { pair } of this.links) pair?.cut()
    await turn()
    await turn()
  }
}

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

const topologies: Record<string, readonly [number, readonly (readonly [number, number])[]]> = {
  'two peers': [2, [[0, 1]]],
  'two peers that both connect': [
    2,
    [
      [0, 1],
      [1, 0]
    ]
  ],
  'a chain of four': [
    4,
    [
      [0, 1],
      [1, 2],
      [3, 2]
    ]
  ],
  'a ring of three': [
    3,
    [
      [0, 1],
      [1, 2],
      [2, 0]
    ]
  ],
  'a star of four that call': [
    4,
    [
      [1, 0],
      [2, 0],
      [3, 0]
    ]
  ],
  'all of four with all': [
    4,
    [
      [0, 1],
      [0, 2],
      [0, 3],
      [1, 2],
      [1, 3],
      [2, 3]
    ]
  ]
}

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

/** Plays the steps, lets the network come to rest, and expects all peers to have the same revision of every document. */
async function play(name: string, steps: readonly Step[], conflictResolver?: ConflictResolver): Promise<Network> {
  const [count, links] = topologies[name] as (typeof topologies)[string]
  const network = new Network(await Promise.all(Array.from({ length: count }, () => SimulatedPeer.create())), links, conflictResolver)
  for (const step of steps) await network.step(step)
  await network.settle()
  const [first, ...others] = network.peers.map((peer) => peer.snapshot())
  for (const other of others) expect(other).to.deep.equal(first)
  expect(Object.values(first ?? {}).filter((text) => text.includes('conflict'))).to.deep.equal([])
  await network.end()
  return network
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

describe('simulated networks with random edits, deliveries and disconnections', () => {
  for (const [name, [peers]] of Object.entries(topologies)) {
    for (const variant of variants) {
      it(`${name}, ${variant.name}: all end with the same revisions`, async function () {
        this.timeout(60_000)
        await fc.assert(
          fc.asyncProperty(fc.array(edits(peers, variant.deletions, variant.foreign), LENGTH), async (steps) => {
            await play(name, withFewForeignEdits(steps))
          }),
          variant.settings
        )
      })
    }
    for (const [description, resolver] of Object.entries(resolvers)) {
      it(`${name}, a resolver that ${description}: all end with the same revisions`, async function () {
        this.timeout(60_000)
        await fc.assert(
          fc.asyncProperty(fc.array(edits(peers, 1), LENGTH), async (steps) => {
            await play(name, steps, resolver)
          }),
          { numRuns: 12 }
        )
      })
    }
  }

  it('lets a document made anew on its tombstone win against the longer history of a peer that never saw it deleted', async () => {
    const [first, second, third] = (await Promise.all([0, 1, 2].map(() => SimulatedPeer.create()))) as [
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
    await play('a star of four that call', [
      { kind: 'edit', peer: 2, doc: 0, value: 3 },
      { kind: 'edit', peer: 0, doc: 0, value: 5 },
      { kind: 'deliver', link: 0, to: 'a', count: 2 },
      { kind: 'edit', peer: 1, doc: 0, value: 3 },
      { kind: 'delete', peer: 2, doc: 0 },
      { kind: 'deliver', link: 0, to: 'a', count: 9 }
    ])
  })

  it('one-shot runs in turn bring a star together', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(edits(4, 2), { maxLength: 40, size: 'max' }), async (steps) => {
        const peers = await Promise.all(Array.from({ length: 4 }, () => SimulatedPeer.create()))
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
