import { memoryEngine } from '@kithmesh/database/storage'
import { RingPlaces, TopologyCodec } from '@kithmesh/mesh/engine'
import { SimDiscovery } from './discovery.ts'
import { SimNetwork } from './network.ts'
import { SimPeer } from './peer.ts'
import { SeededRandom } from './random.ts'
import type { PeerOptions, SimulationOptions } from './simulation-options.ts'
import { Trace } from './trace.ts'
import { VirtualTime } from './virtual-time.ts'
import type { RunLimits } from './virtual-time.ts'

/**
 * Peers of a real mesh on a simulated network in virtual time. Whatever happens follows from the seed and from the calls made here.
 *
 * @example
 * const simulation = new Simulation({ seed: 7 })
 * for (let n = 0; n < 10; n++) (await simulation.addPeer()).start()
 * simulation.peers[0]?.database.collection().put('note', { text: 'hello' })
 * await simulation.run({ until: 10_000 })
 */
export class Simulation {
  readonly options: SimulationOptions
  readonly seed: string
  readonly random: SeededRandom
  readonly time = new VirtualTime()
  readonly trace: Trace
  readonly network: SimNetwork
  readonly discovery: SimDiscovery
  /** What all databases are kept in; documents that are alike are there once. */
  readonly storage = memoryEngine({ shareBytes: true })
  /** Where devices stand on the rings, computed once for all. */
  readonly places = new RingPlaces()
  /** Gossip goes over by reference. */
  readonly codec = new TopologyCodec({ shared: true })
  readonly #peers: SimPeer[] = []
  readonly #byId = new Map<string, SimPeer>()
  readonly #bindings: SeededRandom

  constructor(options: SimulationOptions = {}) {
    this.options = options
    this.seed = String(options.seed ?? 1)
    this.random = new SeededRandom(this.seed)
    this.trace = new Trace(options.keepTrace)
    this.network = new SimNetwork(this.time, this.random, this.trace, options.network)
    this.discovery = new SimDiscovery(this.network, this.random, options.capacity ?? 2048, options.discovery)
    this.#bindings = this.random.fork('bindings')
  }

  /** In the order in which they were added; also those that do not run. */
  get peers(): readonly SimPeer[] {
    return this.#peers
  }

  /** One more device, which does not run yet. */
  async addPeer(options: PeerOptions = {}): Promise<SimPeer> {
    if (this.#peers.length >= (this.options.capacity ?? 2048))
      throw new TypeError('The simulation has as many peers as it can have: set its capacity')
    const peer = new SimPeer(this, this.#peers.length, options)
    await peer.open()
    this.#peers.push(peer)
    this.#byId.set(peer.id, peer)
    return peer
  }

  peerWithId(id: string): SimPeer | undefined {
    return this.#byId.get(id)
  }

  /** Lets time pass, until an instant or a condition. */
  run(limits: RunLimits): Promise<void> {
    return this.time.run(limits)
  }

  /** Lets that many milliseconds pass. */
  pass(ms: number): Promise<void> {
    return this.time.run({ until: this.time.now + Math.ceil(ms) })
  }

  /**
   * Lets time pass until a condition holds, which is looked at every so often.
   * @returns the milliseconds that took, or undefined when it did not hold within the limit.
   */
  async until(
    condition: () => boolean,
    { withinMs, everyMs = 100 }: { readonly withinMs: number; readonly everyMs?: number }
  ): Promise<number | undefined> {
    const from = this.time.now
    for (;;) {
      if (condition()) return this.time.now - from
      if (this.time.now - from >= withinMs) return undefined
      await this.pass(Math.min(everyMs, from + withinMs - this.time.now))
    }
  }

  /** Lets time pass until a promise is settled that hangs on it. @throws what it rejects with, RangeError when it takes longer than the limit. */
  async finish<T>(promise: Promise<T>, withinMs = 60_000): Promise<T> {
    let settled = false
    const done = (): void => {
      settled = true
    }
    promise.then(done, done)
    await this.time.run({ until: this.time.now + withinMs, stop: () => settled })
    if (!settled) throw new RangeError(`What was waited for did not end within ${withinMs} virtual milliseconds`)
    return promise
  }

  /** Ends all peers at once, without any ceremony. */
  async end(): Promise<void> {
    for (const peer of this.#peers) {
      peer.vanish()
      await peer.database.close()
    }
  }

  /** @internal 32 bytes that both ends of a connection know. */
  nextBinding(): Uint8Array {
    return this.#bindings.bytes(32)
  }
}
