import { dials } from '@kithmesh/core'
import type { LinkPlanTimes } from '../../dist/topology/contracts.js'
import type { LinkPlan } from '../../dist/topology/link-plan.js'
import { MeshTopology } from '../../dist/topology/mesh-topology.js'
import type { Offence } from '../../dist/topology/offences.js'
import { RingPlaces } from '../../dist/topology/ring-plan.js'
import { TopologyCodec } from '../../dist/topology/topology-codec.js'

/** Numbers from 0 to below 1 that only depend on the seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export function randomId(random: () => number): string {
  let id = ''
  while (id.length < 64)
    id += Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0')
  return id
}

export interface WorldOptions {
  readonly peers: number
  readonly seed: number
  readonly target?: number
  readonly max?: number
  readonly times?: Partial<LinkPlanTimes>
  /** Whether the first sees the second; default everybody everybody. */
  readonly sees?: (a: number, b: number) => boolean
  /** Whether the first can dial the second; default everybody everybody. */
  readonly reaches?: (a: number, b: number) => boolean
  /** All devices are discovered within this time. Default 2,000. */
  readonly discoveryMs?: number
}

export class WorldPeer {
  readonly index: number
  readonly id: string
  readonly topology: MeshTopology
  alive = true
  /** What this device's neighbours said against it. */
  readonly offences: Offence[] = []
  /** A liar says something else than its topology does. */
  forge: ((to: WorldPeer, body: Uint8Array) => Uint8Array | undefined) | undefined
  /** Changes with every link made or ended. */
  changes = 0
  nextAt = Number.POSITIVE_INFINITY
  readonly links = new Map<WorldPeer, Link>()

  constructor(index: number, id: string, topology: MeshTopology) {
    this.index = index
    this.id = id
    this.topology = topology
  }

  get plan(): LinkPlan {
    return this.topology.plan
  }
}

interface Link {
  readonly dialler: WorldPeer
}

const silenceMs = 7000
const dialTimeoutMs = 5000

/** Many plans in virtual time, with an engine as simple as one can be around each, to see what comes of them together. */
export class PlanWorld {
  now = 0
  readonly random: () => number
  readonly peers: WorldPeer[] = []
  readonly places = new RingPlaces()
  /** Most links that anybody ever had. */
  highestDegree = 0
  dials = 0
  messages = 0
  bytes = 0
  readonly codec = new TopologyCodec({ shared: true })
  readonly #options: WorldOptions
  readonly #byId = new Map<string, WorldPeer>()
  readonly #heap: { at: number; order: number; run: () => void }[] = []
  #order = 0
  #instant = 0

  constructor(options: WorldOptions) {
    this.#options = options
    this.random = seeded(options.seed)
    for (let i = 0; i < options.peers; i++) this.add()
    for (const peer of this.peers) this.announce(peer)
  }

  /** One more device, which nobody has discovered yet. */
  add(): WorldPeer {
    const { target, max, times } = this.#options
    const id = randomId(this.random)
    const topology = new MeshTopology({
      localId: id,
      epoch: Math.round(this.now),
      random: this.random,
      places: this.places,
      codec: this.codec,
      ...(target === undefined ? {} : { target }),
      ...(max === undefined ? {} : { max }),
      times: { audit: 1e12, ...times }
    })
    const peer = new WorldPeer(this.peers.length, id, topology)
    this.peers.push(peer)
    this.#byId.set(id, peer)
    return peer
  }

  /** Others discover the device, and it them. */
  announce(peer: WorldPeer): void {
    const { sees = () => true, discoveryMs = 2000 } = this.#options
    for (const other of this.peers) {
      if (other === peer || !other.alive) continue
      if (sees(peer.index, other.index)) this.at(this.random() * discoveryMs, () => this.#found(peer, other))
      if (peer.index >= this.#options.peers && sees(other.index, peer.index))
        this.at(this.random() * discoveryMs, () => this.#found(other, peer))
    }
  }

  /** The device is gone without a word. */
  vanish(peer: WorldPeer): void {
    peer.alive = false
    for (const other of [...peer.links.keys()]) {
      peer.links.delete(other)
      const link = other.links.get(peer)
      this.at(silenceMs * (0.6 + 0.4 * this.random()), () => {
        if (other.links.get(peer) === link) this.#cut(other, peer, 'lost')
      })
    }
  }

  /** Links between such devices fall silent. */
  sever(between: (a: number, b: number) => boolean): void {
    for (const peer of this.peers) {
      for (const [other, link] of peer.links) {
        if (!between(peer.index, other.index)) continue
        this.at(silenceMs * (0.6 + 0.4 * this.random()), () => {
          if (peer.links.get(other) === link) this.#cut(peer, other, 'lost')
        })
      }
    }
  }

  /** The device says goodbye, and providers that it is gone. */
  leave(peer: WorldPeer): void {
    peer.alive = false
    for (const other of [...peer.links.keys()]) {
      peer.links.delete(other)
      this.#cut(other, peer, 'lost')
    }
    for (const other of this.peers) {
      if (!other.alive) continue
      other.plan.lost(peer.id)
      this.#decide(other)
    }
  }

  at(delay: number, run: () => void): void {
    const heap = this.#heap
    heap.push({ at: this.now + delay, order: this.#order++, run })
    let i = heap.length - 1
    while (i > 0 && this.#before(i, (i - 1) >> 1)) i = this.#swap(i, (i - 1) >> 1)
  }

  /** Plays until the given time, in milliseconds from the start. */
  run(until: number): void {
    const heap = this.#heap
    while (heap.length > 0 && (heap[0]?.at ?? 0) <= until) {
      const first = heap[0] as (typeof heap)[0]
      const last = heap.pop() as (typeof heap)[0]
      if (heap.length > 0) {
        heap[0] = last
        let i = 0
        for (;;) {
          let least = i
          for (const child of [2 * i + 1, 2 * i + 2]) if (child < heap.length && this.#before(child, least)) least = child
          if (least === i) break
          i = this.#swap(i, least)
        }
      }
      if (first.at > this.now) this.#instant = 0
      else if (++this.#instant > 1_000_000) throw new Error(`time stands still at ${this.now}`)
      this.now = first.at
      first.run()
    }
    this.now = until
  }

  get alive(): readonly WorldPeer[] {
    return this.peers.filter(({ alive }) => alive)
  }
  get degrees(): number[] {
    return this.alive.map(({ links }) => [...links.keys()].filter(({ alive }) => alive).length).sort((a, b) => a - b)
  }
  get changes(): number {
    return this.peers.reduce((sum, { changes }) => sum + changes, 0)
  }
  /** Sizes of the parts that hold together by links between devices that live, the largest first. */
  get parts(): number[] {
    return parts(this.alive, (peer) => [...peer.links.keys()].filter(({ alive }) => alive))
  }

  #found(peer: WorldPeer, other: WorldPeer): void {
    if (!peer.alive) return
    peer.plan.found(other.id, this.now)
    this.#decide(peer)
  }

  #decide(peer: WorldPeer): void {
    if (!peer.alive) return
    const { dial, end, send, offences, nextAt } = peer.topology.step(this.now)
    for (const { id } of end) this.#end(peer, this.#peer(id), 'unwanted')
    for (const { id, body } of send) this.send(peer, this.#peer(id), body)
    for (const offence of offences) this.#peer(offence.id).offences.push(offence)
    for (const { id } of dial) this.#dial(peer, this.#peer(id))
    if (nextAt < Number.POSITIVE_INFINITY && nextAt !== peer.nextAt) {
      peer.nextAt = nextAt
      this.at(Math.max(0, nextAt - this.now), () => {
        if (peer.nextAt !== nextAt) return
        peer.nextAt = Number.POSITIVE_INFINITY
        this.#decide(peer)
      })
    }
  }

  /** A message on its way over a link. */
  send(peer: WorldPeer, other: WorldPeer, body: Uint8Array): void {
    const said = peer.forge === undefined ? body : peer.forge(other, body)
    if (said === undefined) return
    this.messages++
    this.bytes += said.length
    const link = peer.links.get(other)
    this.at(10 + 20 * this.random(), () => {
      if (link === undefined || other.links.get(peer) !== link || !other.alive) return
      other.topology.received(peer.id, said, this.now)
      this.#decide(other)
    })
  }

  #dial(peer: WorldPeer, other: WorldPeer): void {
    const { reaches = () => true } = this.#options
    this.dials++
    peer.plan.dialling(other.id, this.now)
    const failed = (reason: 'suspect' | 'full'): void => {
      peer.plan.dialFailed(other.id, this.now, reason)
      this.#decide(peer)
    }
    if (!other.alive || !reaches(peer.index, other.index)) {
      this.at(dialTimeoutMs, () => {
        failed('suspect')
      })
      return
    }
    this.at(20 + 60 * this.random(), () => {
      if (!peer.alive || !other.alive) return
      const known = peer.links.get(other)
      if (known !== undefined && (known.dialler === other) === dials(other.id, peer.id)) {
        peer.plan.dialFailed(other.id, this.now)
        return
      }
      const theirs = other.plan.admit(peer.id, this.now)
      if (!theirs.accept) {
        failed('full')
        return
      }
      if (theirs.instead !== undefined) this.#end(other, this.#peer(theirs.instead), 'full')
      const ours = peer.plan.admit(other.id, this.now)
      if (!ours.accept) {
        failed('full')
        return
      }
      if (ours.instead !== undefined) this.#end(peer, this.#peer(ours.instead), 'full')
      const link = { dialler: peer }
      if (known === undefined) {
        peer.changes++
        other.changes++
      }
      peer.links.set(other, link)
      other.links.set(peer, link)
      this.highestDegree = Math.max(this.highestDegree, peer.links.size, other.links.size)
      peer.plan.connected(other.id, { direction: 'outgoing', quality: 'direct' }, this.now)
      other.plan.connected(peer.id, { direction: 'incoming', quality: 'direct' }, this.now)
      peer.topology.opened(other.id, this.now)
      other.topology.opened(peer.id, this.now)
      this.#decide(peer)
      this.#decide(other)
    })
  }

  #end(peer: WorldPeer, other: WorldPeer, how: 'unwanted' | 'full'): void {
    peer.links.delete(other)
    peer.changes++
    if (other.alive) this.#cut(other, peer, how)
  }

  #cut(peer: WorldPeer, other: WorldPeer, how: 'lost' | 'unwanted' | 'full'): void {
    if (!peer.links.delete(other)) return
    peer.changes++
    peer.plan.disconnected(other.id, how, this.now)
    this.#decide(peer)
  }

  #peer(id: string): WorldPeer {
    return this.#byId.get(id) as WorldPeer
  }

  #before(a: number, b: number): boolean {
    const [x, y] = [this.#heap[a], this.#heap[b]]
    if (x === undefined || y === undefined) return false
    return x.at < y.at || (x.at === y.at && x.order < y.order)
  }
  #swap(a: number, b: number): number {
    const heap = this.#heap
    const x = heap[a] as (typeof heap)[0]
    heap[a] = heap[b] as (typeof heap)[0]
    heap[b] = x
    return b
  }
}

/** Sizes of the connected parts of a graph, the largest first. */
export function parts<Node>(nodes: readonly Node[], neighbours: (node: Node) => Iterable<Node>): number[] {
  const seen = new Set<Node>()
  const sizes: number[] = []
  for (const start of nodes) {
    if (seen.has(start)) continue
    seen.add(start)
    const queue = [start]
    let size = 0
    for (let node = queue.pop(); node !== undefined; node = queue.pop()) {
      size++
      for (const next of neighbours(node)) {
        if (seen.has(next)) continue
        seen.add(next)
        queue.push(next)
      }
    }
    sizes.push(size)
  }
  return sizes.sort((a, b) => b - a)
}
