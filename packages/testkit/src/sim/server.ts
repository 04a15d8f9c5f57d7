import { Database } from '@kithmesh/database'
import type { StorageEngine } from '@kithmesh/database/storage'
import { memoryEngine } from '@kithmesh/database/storage'
import { Replicator, acceptedProtocols, serveReplication, socketEndpoint } from '@kithmesh/replicator'
import type { ReplicatorEndpoint } from '@kithmesh/replicator'
import { BlipEnd } from './blip-end.ts'
import { unreachable } from './dial.ts'
import type { SimPeer } from './peer.ts'
import { PeerTime } from './peer-time.ts'
import type { Simulation } from './simulation.ts'

/** A server on the simulated network that answers replicators, as a gateway or a listener does: no part of the mesh, and nobody discovers it. */
export class SimServer {
  readonly host: number
  readonly name: string
  readonly database: Database
  readonly store: StorageEngine
  readonly time: PeerTime
  readonly #simulation: Simulation

  private constructor(simulation: Simulation, host: number, database: Database, store: StorageEngine, time: PeerTime) {
    this.#simulation = simulation
    this.host = host
    this.name = `Server ${host}`
    this.database = database
    this.store = store
    this.time = time
  }

  /** @param host a number that no peer has: peers count from 0 */
  static async create(simulation: Simulation, host: number): Promise<SimServer> {
    const random = simulation.random.fork(`server ${host}`)
    const time = new PeerTime(simulation.time)
    const store = simulation.storage.open('')
    const database = await Database.open(':memory:', {
      engine: { ...memoryEngine(), open: () => store },
      versioning: simulation.options.versioning ?? 'rev-trees',
      clock: time.clock,
      identities: { privateUuid: random.uuid(), publicUuid: random.uuid() }
    })
    return new SimServer(simulation, host, database, store, time)
  }

  /** The way of a peer to the server: for a `members` entry of its mesh, or for a replicator. The peer is asked for when the endpoint is opened. */
  endpointFor(peer: () => SimPeer): ReplicatorEndpoint {
    return socketEndpoint({
      uid: this.name,
      description: this.name,
      open: async ({ protocols, signal }) => {
        const { host, name, id, time } = peer()
        const { network } = this.#simulation
        if (!network.canDial(host, this.host)) throw unreachable(this, 'it does not answer')
        await time.clock.sleep(6 * network.latency(host, this.host), { signal })
        const protocol = protocols.find((each) => acceptedProtocols(this.database).includes(each))
        if (protocol === undefined) throw unreachable(this, 'it has no protocol in common with us')
        const pipe = network.pipe(host, this.host)
        const near = new BlipEnd(pipe, pipe.a, { now: time.clock.monotonic, after: time.clock.after, heartbeatMs: HEARTBEAT_MS })
        const far = new BlipEnd(pipe, pipe.b, {
          now: this.time.clock.monotonic,
          after: this.time.clock.after,
          heartbeatMs: HEARTBEAT_MS
        })
        serveReplication(
          { blip: far, protocol, description: name },
          { database: this.database, clock: this.time.clock, scheduler: this.time, peerId: id }
        )
        return { blip: near, protocol, description: this.name }
      }
    })
  }

  /** Keeps a peer's database in sync with the server's, beside the mesh. The function returned ends that. */
  replicateWith(peer: SimPeer): () => void {
    const replicator = new Replicator({
      database: peer.database,
      endpoint: this.endpointFor(() => peer),
      continuous: true,
      clock: peer.time.clock,
      scheduler: peer.time
    })
    replicator.start()
    return () => {
      void replicator.stop()
    }
  }
}

/** Silence after which a server and a replicator ask each other for a sign of life. */
const HEARTBEAT_MS = 20_000
