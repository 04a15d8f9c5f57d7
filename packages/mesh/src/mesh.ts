import type { PeerChannel } from '@kithmesh/channel'
import {
  type ActiveConnection,
  type Clock,
  Deferred,
  Diagnostics,
  type InboundEntry,
  type IncomingPeer,
  KnownPeers,
  Lifecycle,
  ListState,
  type Logger,
  type NetworkFacts,
  type ObservableList,
  silentLogger,
  systemClock
} from '@kithmesh/core/plugin'
import type { Authenticator } from '@kithmesh/identity'
import { Admission } from './admission/admission.ts'
import { chooseAuthenticator } from './admission/choose-authenticator.ts'
import { ConnectionKeeper } from './admission/connection-keeper.ts'
import { RevocationGossip } from './admission/revocation-gossip.ts'
import { type DialSettings, dialDevice } from './connection/dial-device.ts'
import { Gate } from './connection/gate.ts'
import { ProviderRevival } from './connection/provider-revival.ts'
import { Sightings } from './connection/sightings.ts'
import type { Mesh, MeshLink, MeshOptions, MeshPeer, MeshStatistics } from './contracts.ts'
import { MeshEngine } from './engine/mesh-engine.ts'
import { type DeviceExplanation, explainDevice } from './explanation.ts'
import { meshPeers } from './mesh-peers.ts'
import { type MeshOutcome, OneShot } from './one-shot.ts'
import { meshErrors } from './errors.ts'

/** What is decided for longer than that, in monotonic milliseconds, is decided for good. */
const FAR_MS = 1e14

/** What one run, from start to stop, took into use, in the order of taking. */
interface Run {
  readonly gate: Gate
  listener: { readonly port: number | undefined; close(): Promise<void> } | undefined
  unobserve: (() => void) | undefined
  /** What a mesh that is not continuous came to. */
  outcome: MeshOutcome | undefined
}

/**
 * The sync manager: finds devices, listens for them, proves who they are by TLS, and hands them to its {@link MeshEngine}. Make it with
 * {@link createMesh}. One file because a start takes its parts into use in the order in which the stop gives them back; half of it only passes members of
 * {@link Mesh} on to the part that has them.
 */
export class GroupMesh implements Mesh {
  readonly #options: MeshOptions
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #lifecycle: Lifecycle
  readonly #engine: MeshEngine
  readonly #authenticator: Authenticator
  readonly #knownPeers: KnownPeers
  readonly #admission: Admission
  readonly #keeper: ConnectionKeeper
  readonly #gossip: RevocationGossip | undefined
  #changes: ListState<MeshLink> | undefined
  #run: Run | undefined
  #finished = new Deferred<MeshOutcome>()

  constructor(options: MeshOptions) {
    const {
      discovery,
      identity,
      databaseName = 'db',
      database,
      displayName,
      collections,
      conflictResolver,
      deltas,
      degree,
      channel,
      type,
      members
    } = options
    if (!/^[A-Za-z0-9._~-]+$/.test(databaseName))
      throw new TypeError('databaseName consists of letters, digits and . _ ~ -, because it is part of a URL')
    this.#options = options
    this.#logger = (options.logger ?? silentLogger).child('mesh')
    this.#clock = options.clock ?? systemClock
    const { knownPeers = new KnownPeers({ clock: this.#clock }), revocations, onIncomingPeer, inbound } = options
    const { peerGroupId } = discovery
    if (options.peerGroupId !== undefined && options.peerGroupId !== peerGroupId)
      throw new TypeError(`The discovery is of the group "${peerGroupId}", not of "${options.peerGroupId}"`)
    const shared = { peerGroupId, clock: this.#clock, logger: this.#logger }
    this.#knownPeers = knownPeers
    this.#authenticator = chooseAuthenticator(options, knownPeers, this.#logger)
    this.#admission = new Admission({
      ...shared,
      access: discovery.access,
      knownPeers,
      revocations,
      ...(onIncomingPeer === undefined ? {} : { onIncomingPeer }),
      limits: inbound
    })
    const settings: DialSettings = {
      discovery,
      identity,
      authenticator: this.#authenticator,
      admission: this.#admission,
      onOpen: (...opened) => {
        this.#keeper.opened(...opened)
      },
      databaseName,
      clock: this.#clock,
      logger: this.#logger
    }
    this.#engine = new MeshEngine({
      localPeerId: identity.peerId,
      displayName,
      connector: { dial: (deviceId, name, given) => dialDevice(deviceId, name, settings, given) },
      database,
      ...(collections === undefined ? {} : { collections }),
      ...(conflictResolver === undefined ? {} : { conflictResolver }),
      ...(deltas === undefined ? {} : { deltas }),
      ...(degree === undefined ? {} : { degree }),
      ...(channel === undefined ? {} : { channel }),
      ...(type === undefined ? {} : { type }),
      ...(members === undefined ? {} : { members }),
      logger: this.#logger,
      clock: this.#clock,
      diagnostics: new Diagnostics({ peerGroupId, localPeerId: identity.peerId, clock: this.#clock })
    })
    this.#keeper = new ConnectionKeeper({ ...shared, admission: this.#admission, engine: this.#engine })
    this.#gossip =
      revocations === undefined
        ? undefined
        : new RevocationGossip({ revocations, engine: this.#engine, clock: this.#clock, logger: this.#logger })
    this.#lifecycle = new Lifecycle({
      start: (signal) => this.#doStart(signal),
      stop: () => this.#doStop(),
      stateChanged: () => {
        this.#engine.changed()
      }
    })
  }

  get state(): Mesh['state'] {
    return this.#lifecycle.state
  }
  get port(): number | undefined {
    return this.#run?.listener?.port
  }
  get links(): readonly MeshLink[] {
    return this.#engine.links
  }
  get statistics(): MeshStatistics {
    return this.#engine.statistics
  }
  get topology(): readonly MeshPeer[] {
    return meshPeers(this.#engine)
  }
  get quarantined(): Mesh['quarantined'] {
    return this.#engine.quarantined
  }
  release(peerId: string): void {
    this.#engine.release(peerId)
  }
  explain(peerId: string): DeviceExplanation {
    const { discovery, identity } = this.#options
    const peer = this.#engine.topology.find(({ id }) => id === peerId)
    const elapsed = this.#clock.now() - this.#clock.monotonic()
    return explainDevice({
      peerId,
      localPeerId: identity.peerId,
      started: this.state === 'started',
      link: this.links.find(({ deviceId }) => deviceId === peerId),
      standing: this.#engine.standing(peerId),
      quarantined: this.quarantined.find(({ id }) => id === peerId),
      refusal: this.#admission.refusal(peerId),
      reached: peer?.reached === true,
      neighbours: peer?.neighbours ?? [],
      report: discovery.explain(peerId),
      wallTime: (monotonic) => (monotonic < FAR_MS ? monotonic + elapsed : undefined)
    })
  }
  channel(peerId: string): PeerChannel {
    return this.#engine.channel(peerId)
  }
  onChannel(listener: (channel: PeerChannel) => void): () => void {
    return this.#engine.onChannel(listener)
  }
  changes(options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<readonly MeshLink[]> {
    this.#changes ??= this.#watchLinks()
    return this.#changes.changes(options)
  }
  get knownPeers(): KnownPeers {
    return this.#knownPeers
  }
  get pending(): ObservableList<InboundEntry<IncomingPeer>> {
    return this.#admission.pending
  }
  get connections(): ObservableList<ActiveConnection> {
    return this.#keeper.connections
  }
  finished(): Promise<MeshOutcome> {
    return this.#finished.promise
  }
  start(): Promise<void> {
    if (this.#finished.settled) this.#finished = new Deferred()
    return this.#lifecycle.start()
  }
  stop(): Promise<void> {
    return this.#lifecycle.stop()
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
  onChanged(listener: () => void): () => void {
    return this.#engine.onChanged(listener)
  }
  onDocuments(listener: Parameters<Mesh['onDocuments']>[0]): () => void {
    return this.#engine.onDocuments(listener)
  }

  /** Ends the run once it was up to date with all; the returned function ends the watching. */
  #watchOneShot(run: Run): () => void {
    const oneShot = new OneShot(
      () => this.links,
      this.#clock,
      (outcome) => {
        run.outcome = outcome
        this.stop().catch((error: unknown) => {
          this.#logger.error('the mesh could not be stopped in order', { error })
        })
      }
    )
    const unwatch = this.#engine.onChanged(() => {
      oneShot.changed()
    })
    return () => {
      unwatch()
      oneShot.stop()
    }
  }

  #watchLinks(): ListState<MeshLink> {
    const list = new ListState<MeshLink>(() => this.links, this.#logger)
    this.#engine.onChanged(() => {
      list.changed()
    })
    return list
  }

  async #doStart(signal: AbortSignal): Promise<void> {
    const { discovery, identity, displayName } = this.#options
    if (discovery.localPeerId !== identity.peerId)
      throw meshErrors.create('ERR_MESH_IDENTITY', "The discovery was made with another peer id than the identity's")
    await this.#knownPeers.start()
    await this.#options.revocations?.start()
    signal.throwIfAborted()
    const engine = this.#engine
    engine.start()
    const sightings = new Sightings()
    const run: Run = { gate: this.#makeGate(), listener: undefined, unobserve: undefined, outcome: undefined }
    this.#run = run
    run.listener = await discovery.listen({
      onConnection: (socket, remote, strategy, quality) => {
        run.gate.accept(socket, remote, strategy, quality)
      }
    })
    signal.throwIfAborted()
    const { port } = run.listener
    const publication = { displayName, ...(port === undefined ? {} : { port }) }
    let addresses = localAddresses(discovery.network.current)
    const unwatch = discovery.network.onChange((facts) => {
      const now = localAddresses(facts)
      engine.networkChanged({ moved: now !== addresses })
      addresses = now
    })
    const unobserve = discovery.addObserver({
      devicesChanged: ({ added, changed, removed }) => {
        for (const device of [...added, ...changed]) engine.found(sightings.found(device))
        for (const { id } of removed) {
          sightings.lost(id)
          engine.lost(id)
        }
      },
      incomingConnection: (peer, socket, { provider, quality }) => {
        run.gate.accept(socket, peer?.displayName ?? 'unknown', provider, quality)
        return true
      }
    })
    const stopKeeping = this.#keeper.start()
    const stopGossip = this.#gossip?.start()
    const revival = new ProviderRevival({
      discovery,
      clock: this.#clock,
      logger: this.#logger,
      start: (mode) => (mode === 'browse' ? discovery.startBrowsing() : discovery.startPublishing(publication))
    })
    run.unobserve = () => {
      revival.stop()
      unwatch()
      stopKeeping()
      stopGossip?.()
      unobserve()
    }
    const oneShot = this.#options.continuous === false ? this.#watchOneShot(run) : undefined
    const unobserveAll = run.unobserve
    run.unobserve = () => {
      unobserveAll()
      oneShot?.()
    }
    // Side by side: a slow radio on one of them holds up neither the other nor the links.
    const [published, browsed] = await Promise.allSettled([discovery.startPublishing(publication), discovery.startBrowsing()])
    signal.throwIfAborted()
    if (published.status === 'rejected') throw published.reason
    if (browsed.status === 'rejected') throw browsed.reason
    // Somebody else may have been browsing with the same discovery before us.
    for (const device of discovery.devices) engine.found(sightings.found(device))
  }

  /** Everything is attempted, whatever fails; the first failure is thrown at the end. */
  async #doStop(): Promise<void> {
    const { discovery } = this.#options
    const run = this.#run
    if (run === undefined) return
    const errors: unknown[] = []
    const attempt = async (step: () => unknown): Promise<void> => {
      try {
        await step()
      } catch (error) {
        errors.push(error)
      }
    }
    run.unobserve?.()
    await attempt(() => discovery.stopPublishing())
    await attempt(() => run.listener?.close())
    run.gate.close()
    this.#admission.clear(meshErrors.create('ERR_MESH_STOPPED', 'The mesh was stopped'))
    await attempt(() => this.#engine.stop())
    await attempt(() => discovery.stopBrowsing())
    this.#run = undefined
    this.#finished.resolve(run.outcome ?? { synced: [], failed: [] })
    if (errors.length > 0) throw errors[0]
  }

  #makeGate(): Gate {
    const { discovery, identity, database, databaseName = 'db' } = this.#options
    return new Gate({
      identity,
      authenticator: this.#authenticator,
      admission: this.#admission,
      database,
      databaseName,
      takes: this.#options.type !== 'push',
      logger: this.#logger,
      clock: this.#clock,
      nameOf: (peerId) => discovery.deviceWithId(peerId)?.displayName,
      onConnection: (connection, address, stream) => {
        this.#engine.accept(connection)
        this.#keeper.opened(connection, address, stream)
      },
      onRefused: (deviceId, error, about) => {
        this.#engine.refused(deviceId, error, about)
      },
      onStalled: (deviceId) => {
        this.#engine.stalled(deviceId)
      }
    })
  }
}

/** Under which addresses connections were opened: while they stay the same, there is no reason to doubt a connection. */
function localAddresses({ routes }: NetworkFacts): string {
  return routes.map(({ localAddress }) => localAddress).join(' ')
}
