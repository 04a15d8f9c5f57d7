import { Database } from '@kithmesh/database'
import type { StorageEngine } from '@kithmesh/database/storage'
import { memoryEngine } from '@kithmesh/database/storage'
import { MeshEngine } from '@kithmesh/mesh/engine'
import type { MeshConnection, MeshEngineOptions } from '@kithmesh/mesh/engine'
import type { BlipEnd } from './blip-end.ts'
import { Dial, unreachable } from './dial.ts'
import type { DiscoveryMember } from './discovery.ts'
import { PeerTime } from './peer-time.ts'
import type { Simulation } from './simulation.ts'
import type { PeerOptions, SimEngine } from './simulation-options.ts'

/** What a peer thinks of another one's certificate. */
export type Judgement = 'trusted' | 'prove' | 'refused'

type State = 'stopped' | 'running' | 'stopping' | 'gone'

/** A device of a simulation: a database in memory and the engine of a real mesh, on a network and in a time that are simulated. */
export class SimPeer implements DiscoveryMember {
  readonly host: number
  /** Peer id, 64 hex digits. */
  readonly id: string
  readonly name: string
  readonly options: PeerOptions
  readonly #simulation: Simulation
  #time: PeerTime
  #database!: Database
  /** What survives a crash. */
  readonly #store: StorageEngine
  #engine: SimEngine | undefined
  #state: State = 'stopped'
  #group: string
  readonly #ends = new Set<BlipEnd>()

  /** @internal Use {@link Simulation.addPeer}. */
  constructor(simulation: Simulation, host: number, options: PeerOptions) {
    this.#simulation = simulation
    this.host = host
    this.options = options
    this.#group = options.group ?? ''
    const random = simulation.random.fork(`peer ${host}`)
    this.id = random.hex(64)
    this.name = options.name ?? `Peer ${host}`
    this.#time = new PeerTime(simulation.time, this.#skewMs)
    this.#store = simulation.storage.open('')
  }

  /** @internal */
  async open(): Promise<void> {
    const random = this.#simulation.random.fork(`database ${this.host}`)
    const before: Database | undefined = this.#database
    const store = this.#store
    this.#database = await Database.open(':memory:', {
      engine: { ...memoryEngine(), open: () => store },
      versioning: this.options.versioning ?? this.#simulation.options.versioning ?? 'rev-trees',
      clock: this.#time.clock,
      ...(before === undefined ? { identities: { privateUuid: random.uuid(), publicUuid: random.uuid() } } : { resume: before })
    })
  }

  get deviceId(): string {
    return this.id
  }
  get displayName(): string {
    return this.name
  }
  get group(): string {
    return this.#group
  }
  get segments(): ReadonlySet<number> {
    return this.options.segments ?? EVERYWHERE
  }
  /** Its clock and scheduler; another one after a crash. */
  get time(): PeerTime {
    return this.#time
  }
  get database(): Database {
    return this.#database
  }
  /** What the database writes to, to look at it without cost. */
  get store(): StorageEngine {
    return this.#store
  }
  /** The engine, while it has one. */
  get engine(): SimEngine | undefined {
    return this.#engine
  }
  get running(): boolean {
    return this.#state === 'running'
  }
  /** Is about to end in good order. */
  get stopping(): boolean {
    return this.#state === 'stopping'
  }
  /** Takes connections. */
  get listening(): boolean {
    return this.#state === 'running'
  }
  /** Connections that are open at this end. */
  get connections(): number {
    return this.#ends.size
  }

  /** Peer ids of those it is connected to and replicates with. */
  neighbours(): string[] {
    if (this.#engine === undefined || !this.running) return []
    const connected: string[] = []
    for (const { peerId, state } of this.#engine.neighbours) if (state === 'busy' || state === 'idle') connected.push(peerId)
    return connected
  }

  /** Begins to find others and to replicate; does nothing while it runs. */
  start(): void {
    if (this.#state === 'running') return
    if (this.#state === 'gone') throw new TypeError(`${this.name} is gone: use restart`)
    this.#engine ??= this.#makeEngine()
    this.#engine.start()
    this.#state = 'running'
    this.#simulation.trace.say(this.#simulation.time.now, `${this.name} starts`)
    this.#simulation.discovery.join(this)
  }

  /** Is of another group from its next start on. */
  regroup(group: string): void {
    if (this.running) throw new TypeError(`${this.name} runs`)
    this.#group = group
  }

  /** Says goodbye and ends everything in order. Resolves in virtual time: use {@link Simulation.finish}. */
  async stop(): Promise<void> {
    if (this.#state !== 'running') return
    this.#state = 'stopping'
    this.#simulation.trace.say(this.#simulation.time.now, `${this.name} stops`)
    this.#simulation.discovery.leave(this.host, true)
    await this.#engine?.stop()
    if (this.#state === 'stopping') this.#state = 'stopped'
  }

  /** Vanishes without a word, as when its process is killed and its machine falls off the network. What it stored is kept. */
  vanish(): void {
    if (this.#state === 'gone') return
    this.#simulation.trace.say(this.#simulation.time.now, `${this.name} vanishes`)
    this.#state = 'gone'
    this.#time.end()
    this.#simulation.discovery.leave(this.host, false)
    this.#simulation.network.vanish(this.host)
    for (const end of this.#ends) end.abandon()
    this.#ends.clear()
    this.#engine = undefined
  }

  /** Comes back after it vanished, with what it had stored. */
  async restart(): Promise<void> {
    if (this.#state !== 'gone') return
    this.#time = new PeerTime(this.#simulation.time, this.#skewMs)
    this.#simulation.network.restore(this.host)
    await this.open()
    this.#state = 'stopped'
    this.start()
  }

  // What discovery and connections ask

  found(device: DiscoveryMember, fresh: boolean): void {
    this.#engine?.found({ id: device.deviceId, displayName: device.displayName, fresh })
  }

  lost(device: DiscoveryMember): void {
    this.#engine?.lost(device.deviceId)
  }

  /** @internal Whether the other one gets in. */
  judges(other: SimPeer): Judgement {
    return this.#simulation.options.judge?.(this, other) ?? 'trusted'
  }

  /** @internal Another one connected to us. */
  took(_from: SimPeer, connection: MeshConnection, end: BlipEnd): void {
    this.#watch(end)
    this.#engine?.accept(connection)
  }

  /** @internal We connected to another one. */
  opened(_to: SimPeer, end: BlipEnd): void {
    this.#watch(end)
  }

  #watch(end: BlipEnd): void {
    this.#ends.add(end)
    end.onClosed(() => {
      this.#ends.delete(end)
    })
  }

  get #skewMs(): number {
    return this.options.clockSkewMs ?? 0
  }

  #makeEngine(): SimEngine {
    const simulation = this.#simulation
    const random = simulation.random.fork(`engine ${this.host} ${simulation.time.now}`)
    const { logger, conflictResolver, makeEngine } = simulation.options
    const options: MeshEngineOptions = {
      localPeerId: this.id,
      displayName: this.name,
      database: this.#database,
      clock: this.#time.clock,
      scheduler: this.#time,
      random: () => random.next(),
      places: simulation.places,
      codec: simulation.codec,
      ...(logger === undefined ? {} : { logger: logger.child(this.name) }),
      ...(conflictResolver === undefined ? {} : { conflictResolver }),
      ...simulation.options.mesh,
      ...this.options.mesh,
      connector: {
        dial: (deviceId, displayName, options) =>
          new Promise((resolve, reject) => {
            options.signal.throwIfAborted()
            const target = simulation.peerWithId(deviceId)
            if (target === undefined) throw unreachable({ name: displayName }, 'nobody knows its address')
            if (options.betterThan !== undefined) throw unreachable(target, 'there is no better way')
            new Dial(simulation, this, target, options, resolve, reject)
          })
      }
    }
    return makeEngine?.(options, this) ?? new MeshEngine(options)
  }
}

const EVERYWHERE: ReadonlySet<number> = new Set([0])
