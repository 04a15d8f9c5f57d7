import type { DocumentVersioning } from '@kithmesh/database/replication'
import { expect } from 'chai'
import type { ConflictResolver } from '../../dist/protocol/conflict-resolver.js'
import { SharedRequests } from '../../dist/protocol/shared-requests.js'
import { BlipPair } from './blip-pair.ts'
import { activeSession, passiveSession } from './sessions.ts'
import type { Running } from './sessions.ts'
import { SimulatedPeer } from './simulated-peer.ts'
import type { NetworkPeer } from './simulated-peer.ts'

/** A step of a simulation: an edit at a peer, or something about one of the links. */
export type Step =
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
  /** The other end, where sessions share what they ask for. */
  answering: Running | undefined
}

export const turn = async (): Promise<void> => {
  await new Promise((resolve) => {
    setImmediate(resolve)
  })
}

export class Network {
  readonly peers: readonly NetworkPeer[]
  readonly links: Link[]
  readonly #conflictResolver: ConflictResolver | undefined
  /** One for each peer, where their sessions share what they ask for. */
  readonly #shared: readonly SharedRequests[] | undefined
  /** Revisions sent to each peer, `peer id rev`, in the order of the connections' ends. */
  readonly transfers: string[] = []
  #time = 1_000_000

  constructor(
    peers: readonly NetworkPeer[],
    links: readonly (readonly [number, number])[],
    conflictResolver?: ConflictResolver,
    sharing = false
  ) {
    this.peers = peers
    this.#shared = sharing ? peers.map(() => new SharedRequests()) : undefined
    this.#conflictResolver = conflictResolver
    this.links = links.map(([active, passive]) => ({ active, passive, pair: undefined, running: undefined, answering: undefined }))
    for (const link of this.links) this.connect(link)
  }

  connect(link: Link): void {
    if (link.pair !== undefined && !link.pair.closed) return
    this.#countTransfers(link)
    const pair = new BlipPair(false)
    const sharing = (peer: number) =>
      this.#shared === undefined ? {} : { sharedRequests: this.#shared[peer] as SharedRequests, now: (): number => this.#time }
    link.answering = passiveSession(pair.b, (this.peers[link.passive] as NetworkPeer).store, sharing(link.passive))
    const running = activeSession(pair.a, (this.peers[link.active] as NetworkPeer).store, {
      continuous: true,
      collections: [{ conflictResolver: this.#conflictResolver }],
      remoteUid: `peer ${link.passive}`,
      ...sharing(link.active)
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
        if (link !== undefined) this.#tick(link)
    }
    await turn()
  }

  #tick({ running, answering }: Link): void {
    running?.session.tick(this.#time)
    if (this.#shared !== undefined) answering?.session.tick(this.#time)
  }

  #countTransfers({ active, passive, pair }: Link): void {
    for (const { type, profile, dir, properties } of pair?.seen ?? [])
      if (type === 'REQ' && profile === 'rev')
        this.transfers.push(`${dir === 'A>B' ? passive : active} ${properties['id']} ${properties['rev']}`)
  }

  peer(index: number): NetworkPeer {
    return this.peers[index % this.peers.length] as NetworkPeer
  }

  /** Lets everything run until nobody has anything to say. */
  async settle(): Promise<void> {
    let quiet = 0
    for (let i = 0; quiet < 30; i++) {
      if (i > 20_000) throw new Error('the network does not come to rest')
      // A session that waited too long for an answer ends, and its replicator connects again.
      for (const link of this.links) this.connect(link)
      if (this.#shared !== undefined && i % 50 === 49) {
        this.#time += 1000
        for (const link of this.links) this.#tick(link)
      }
      let delivered = false
      for (const { pair } of this.links) delivered = pair?.deliver(i % 2 === 0 ? 'a' : 'b') === true || delivered
      await turn()
      quiet = delivered || this.links.some(({ running }) => running?.session.activity !== 'idle') ? 0 : quiet + 1
    }
  }

  async end(): Promise<void> {
    for (const link of this.links) {
      this.#countTransfers(link)
      link.pair?.cut()
    }
    await turn()
    await turn()
  }
}

/** Peers, and the links between them: who calls, who is called. */
export const topologies: Record<string, readonly [number, readonly (readonly [number, number])[]]> = {
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

/** Where the same documents come over several links. */
export const meshes: typeof topologies = {
  'a ring of three': topologies['a ring of three']!,
  'all of four with all': topologies['all of four with all']!,
  'a ring of six with chords': [
    6,
    [
      [0, 1],
      [2, 1],
      [2, 3],
      [3, 4],
      [5, 4],
      [5, 0],
      [0, 3],
      [4, 1],
      [2, 5]
    ]
  ]
}

/** Clocks of peers: two alike, one ahead, one behind. */
export const SKEWS_MS = [0, 0, 1000, -5000]

/** Plays the steps between new peers, all alike. */
export async function play(
  name: string,
  steps: readonly Step[],
  conflictResolver?: ConflictResolver,
  versioning?: DocumentVersioning,
  sharing = false
): Promise<Network> {
  const [count, links] = (topologies[name] ?? meshes[name]) as (typeof topologies)[string]
  const peers = await Promise.all(Array.from({ length: count }, (_, i) => SimulatedPeer.create(versioning, SKEWS_MS[i])))
  return await playBetween(peers, links, steps, conflictResolver, sharing)
}

/** Plays the steps, lets the network come to rest, and expects all peers to have the same revision of every document. */
export async function playBetween(
  peers: readonly NetworkPeer[],
  links: readonly (readonly [number, number])[],
  steps: readonly Step[],
  conflictResolver?: ConflictResolver,
  sharing = false
): Promise<Network> {
  const network = new Network(peers, links, conflictResolver, sharing)
  for (const step of steps) await network.step(step)
  await network.settle()
  const [first, ...others] = network.peers.map((peer) => peer.snapshot())
  for (const other of others) expect(other).to.deep.equal(first)
  expect(Object.values(first ?? {}).filter((text) => text.includes('conflict'))).to.deep.equal([])
  await network.end()
  return network
}
