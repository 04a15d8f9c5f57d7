import { expect } from 'chai'
import fc from 'fast-check'
import sinon from 'sinon'
import { systemClock } from '@kithmesh/core'
import type { Database } from '@kithmesh/database'
import { formatVector, legacyVersion, replicationStore } from '@kithmesh/database/replication'
import type { ReplicationCollection } from '@kithmesh/database/replication'
import { sourceIdOf } from '../dist/vectors/version.js'
import { ForeignVectorPeer } from './foreign-vector-peer.ts'
import { Temporary } from './temporary.ts'
import { ForeignLink, identify, Link, resolvers, steps, topologies, uuidOf } from './vector-network.ts'
import type { Step } from './vector-network.ts'

const START = Date.UTC(2026, 5, 1)
const ROUNDS = 30
const UPGRADED = new Set(['by default', 'each for its own side', 'by merging'])

/** The foreign peer takes the deletion, ours the edit; then it brings its decision to the one who has the other. */
const DELETED_THERE_EDITED_HERE: Step[] = [
  { edit: 0, remove: true, value: 0, tick: 1 },
  { edit: 3, remove: false, value: 0, tick: 0 },
  { sync: 6, part: 0 },
  { edit: 1, remove: true, value: 0, tick: 0 }
]

describe('peers with version vectors that edit the same document at the same time', () => {
  const temporary = new Temporary()
  afterEach(async () => {
    sinon.restore()
    await temporary.clean()
  })

  /** A network of databases with clocks that are set by the steps. */
  class Network {
    readonly databases: Database[] = []
    readonly clocks: { now: number }[]

    constructor(count: number) {
      this.clocks = Array.from({ length: count }, () => ({ now: START }))
    }

    get peers(): ReplicationCollection[] {
      return this.databases.map((database) => replicationStore(database).collection('_default', '_default') as ReplicationCollection)
    }

    async open(versioning: 'rev-trees' | 'version-vectors', directories?: readonly string[]): Promise<void> {
      for (const [n, state] of this.clocks.entries()) {
        const options = { versioning, durability: 'normal' as const, clock: { ...systemClock, now: () => state.now } }
        const identity = sinon.stub(globalThis.crypto, 'randomUUID').returns(uuidOf(n))
        this.databases[n] = await temporary.open(directories?.[n] ?? ':memory:', options)
        identity.restore()
      }
    }

    edit(step: Step): void {
      if (!('edit' in step)) return
      const n = step.edit % this.clocks.length
      ;(this.clocks[n] as { now: number }).now += step.tick
      const items = this.databases[n]?.collection()
      if (step.remove) items?.remove('doc')
      else items?.put('doc', { value: step.value })
    }
  }

  for (const [how, resolver] of Object.entries(resolvers)) {
    const scenario = fc.record({
      pairs: fc.constantFrom(...Object.values(topologies)),
      list: steps,
      before: steps,
      wholeVectors: fc.boolean()
    })

    const play = async (network: Network, pairs: (typeof topologies)[string], list: Step[], wholeVectors: boolean): Promise<void> => {
      const { peers } = network
      const links = pairs.map(
        ([from, to]) =>
          new Link(peers[from] as ReplicationCollection, peers[to] as ReplicationCollection, `peer ${to}`, resolver, wholeVectors)
      )
      const state = (): string[] => peers.map(stateOf)
      run(links, network, list, () => new Set(state()).size === 1)
      expect(new Set(state()).size, peers.map(describeDocument).join('\n')).to.equal(1)
      expect(peers[0]?.change('doc')?.conflicted ?? false).to.equal(false)
      await temporary.clean()
    }

    it(`come to the same revision, deciding ${how}`, async () => {
      await fc.assert(
        fc.asyncProperty(scenario, async ({ pairs, list, wholeVectors }) => {
          const network = new Network(1 + Math.max(...pairs.flat()))
          await network.open('version-vectors')
          await play(network, pairs, list, wholeVectors)
        }),
        { numRuns: 500 }
      )
    })

    if (!UPGRADED.has(how)) continue
    it(`come to the same revision, deciding ${how}, some of it from before they had vectors`, async () => {
      await fc.assert(
        fc.asyncProperty(scenario, async ({ pairs, list, before, wholeVectors }) => {
          const network = new Network(1 + Math.max(...pairs.flat()))
          const directories = network.clocks.map((_clock, n) => identify(temporary.directory(), n))
          await network.open('rev-trees', directories)
          for (const step of before.slice(0, 8)) {
            network.edit(step)
            if (!('sync' in step)) continue
            const [to, from] = pairs[step.sync % pairs.length] as readonly [number, number]
            copyTrees(network.peers[from], network.peers[to], 'branch')
            if (step.part === 0) copyTrees(network.peers[to], network.peers[from], 'refuse')
          }
          for (const database of network.databases) await database.close()
          await network.open('version-vectors', directories)
          await play(network, pairs, list, wholeVectors)
        }),
        { numRuns: 30 }
      )
    })
  }

  for (const [where, pairs] of Object.entries<readonly (readonly ['us' | 'them', number])[]>({
    'that we call': [['us', 0]],
    'that calls us': [['them', 0]],
    'that we call while it calls us': [
      ['us', 0],
      ['them', 0]
    ],
    'that several of us call': [
      ['us', 0],
      ['us', 1],
      ['us', 2]
    ],
    'that calls several of us': [
      ['them', 0],
      ['them', 1],
      ['them', 2]
    ],
    'between us': [
      ['us', 0],
      ['them', 1]
    ]
  })) {
    for (const how of ['by default', 'for the earlier version', 'each for its own side', 'by merging']) {
      it(`come to say the same as a foreign peer ${where}, deciding ${how}`, async () => {
        const resolver = resolvers[how] as (typeof resolvers)[string]
        await fc.assert(
          fc.asyncProperty(steps, fc.boolean(), async (list, linked) => {
            const network = new Network(1 + Math.max(...pairs.map(([, n]) => n)))
            await network.open('version-vectors')
            const { peers } = network
            const foreign = new ForeignVectorPeer(sourceIdOf(uuidOf(9)))
            let foreignTime = START
            const links = pairs.map(([who, n]) =>
              who === 'us'
                ? new ForeignLink(peers[n] as ReplicationCollection, foreign, 'foreign', resolver)
                : {
                    pull: () => {
                      foreign.pullFrom(peers[n] as ReplicationCollection)
                    },
                    resolve: () => {},
                    push: () => {
                      foreign.pushTo(peers[n] as ReplicationCollection)
                    }
                  }
            )
            const own = linked
              ? peers.slice(1).map((peer, n) => new Link(peers[0] as ReplicationCollection, peer, `${n}`, resolver, false))
              : []
            const state = (): string[] => {
              const theirs = foreign.state === undefined ? 'nothing' : JSON.stringify([foreign.state.deleted, foreign.state.body])
              return [theirs, ...peers.map(contentOf)]
            }
            const foreignEdits = (step: Step): void => {
              if (!('edit' in step) || step.edit % (peers.length + 1) !== peers.length) return
              foreign.edit((foreignTime += step.tick), step.remove ? undefined : JSON.stringify({ value: step.value }))
            }
            run([...links, ...own], network, list, () => new Set(state()).size === 1, foreignEdits)
            expect(new Set(state()).size, [...peers.map(describeDocument), JSON.stringify(foreign.state)].join('\n')).to.equal(1)
            await temporary.clean()
          }),
          { numRuns: 200, examples: [[DELETED_THERE_EDITED_HERE, true]] }
        )
      })
    }
  }
})

interface Passes {
  pull(): void
  resolve(): void
  push(): void
}

/** Plays the steps, then lets all links work until everything is equal, or not. */
function run(
  links: readonly Passes[],
  network: { edit(step: Step): void },
  list: readonly Step[],
  done: () => boolean,
  alsoEdit?: (step: Step) => void
): void {
  for (const step of list) {
    network.edit(step)
    alsoEdit?.(step)
    if ('edit' in step) continue
    const link = links[step.sync % links.length] as Passes
    if (step.part !== 1) link.pull()
    if (step.part !== 2) link.resolve()
    if (step.part !== 3) link.push()
  }
  for (let rounds = 0; rounds < ROUNDS && (rounds === 0 || !done()); rounds += 1) {
    for (const link of links) {
      link.pull()
      link.resolve()
      link.push()
    }
  }
}

/** A revision of a tree and the version that stands for it are one revision. */
function stateOf(peer: ReplicationCollection): string {
  const change = peer.change('doc')
  if (change === undefined) return 'nothing'
  const revId = change.revId.includes('@') ? change.revId : (legacyVersion(change.revId) ?? '')
  return JSON.stringify([revId, change.conflicted, contentOf(peer)])
}

function contentOf(peer: ReplicationCollection): string {
  const revision = peer.revision('doc')
  return revision === undefined ? 'nothing' : JSON.stringify([revision.deleted, Buffer.from(revision.body).toString()])
}

function describeDocument(peer: ReplicationCollection): string {
  const revision = peer.revision('doc')
  return revision === undefined ? 'nothing' : `${formatVector(revision)}${revision.deleted ? ' deleted' : ''}`
}

function copyTrees(from: ReplicationCollection | undefined, to: ReplicationCollection | undefined, onConflict: 'branch' | 'refuse'): void {
  const revision = from?.revision('doc')
  if (revision !== undefined) to?.insertRevisions([{ ...revision, onConflict }])
}
