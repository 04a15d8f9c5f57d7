import type { ControlBody, PeerChannel } from '@kithmesh/channel'
import { type Clock, type KithmeshError, type Logger, silentLogger, systemClock } from '@kithmesh/core/plugin'
import { SharedRequests } from '@kithmesh/replicator'
import type { Mesh, MeshLink, MeshStatistics } from '../contracts.ts'
import { MeshListeners } from './mesh-listeners.ts'
import { type LinkedCollection, existingCollections, parseCollections } from './collections.ts'
import type { FoundDevice, MeshConnection, MeshEngineOptions, Scheduler } from './contracts.ts'
import type { DeviceStanding } from '../topology/contracts.ts'
import { MeshTopology } from '../topology/mesh-topology.ts'
import { Quarantine, type QuarantinedDevice } from '../topology/quarantine.ts'
import type { TopologyPeer } from '../topology/topology-table.ts'
import { Channels } from './channels.ts'
import { type ControlListener, ControlMessages } from './control-messages.ts'
import { directionsOf } from '../link/replication-settings.ts'
import { MemberLink } from '../members/member-link.ts'
import { LinkDiagnostics, type Refused } from './link-diagnostics.ts'
import { Links } from './links.ts'
import type { Neighbour } from './links-environment.ts'
import { Totals } from './totals.ts'

const eventLoop: Scheduler = {
  soon: (run) => {
    setImmediate(run)
  }
}

/**
 * Everything of a mesh but sockets: which devices to link with, who dials, which of two connections stays, what runs over them. It is told of devices and
 * incoming connections, and dials through its connector. All time and scheduling are the injected ones, so that a simulator can run
 * thousands in one process. May be started again after it stopped.
 */
export class MeshEngine {
  readonly #options: MeshEngineOptions
  readonly #wanted: readonly LinkedCollection[] | undefined
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #scheduler: Scheduler
  readonly #channels: Channels
  readonly #controls: ControlMessages
  /** Hello comes right after TLS: who keeps us waiting for it twice in a minute will do so again. */
  readonly #quarantine = new Quarantine({ allowance: { handshake: 2 } })
  readonly #sharedRequests = new SharedRequests()
  readonly #totals = new Totals()
  readonly #diagnostics: LinkDiagnostics
  readonly #listeners: MeshListeners
  #links: Links | undefined
  #members: readonly MemberLink[] = []
  #stopping: Promise<void> | undefined

  /** @throws TypeError for collections that are not written properly. */
  constructor(options: MeshEngineOptions) {
    const { collections, logger = silentLogger, clock = systemClock, scheduler = eventLoop } = options
    this.#options = options
    this.#wanted = collections === undefined ? undefined : parseCollections(collections)
    this.#logger = logger
    this.#clock = clock
    this.#scheduler = scheduler
    this.#diagnostics = new LinkDiagnostics(options.diagnostics, (deviceId) => this.#totals.of(deviceId))
    this.#listeners = new MeshListeners(logger, scheduler, this.#diagnostics, () => this.links)
    this.#controls = new ControlMessages(logger)
    this.#controls.on('topology', (peerId, body) => {
      if (Buffer.isBuffer(body)) this.#links?.gossip(peerId, body)
    })
    const { localPeerId, channel, random } = options
    this.#channels = new Channels({
      ...channel,
      localPeerId,
      clock,
      logger,
      randomBytes: random && ((count) => Uint8Array.from({ length: count }, () => Math.floor(random() * 256))),
      violated: (peerId, error) => {
        this.#links?.violated(peerId, error)
      }
    })
  }

  get links(): readonly MeshLink[] {
    const links = [...(this.#links?.snapshots ?? []), ...this.#members.map(({ snapshot }) => snapshot)]
    return links.map((link) => ({ ...link, traffic: this.#totals.of(link.deviceId) }))
  }
  /** Devices with a connection; costs little, whatever the number of devices. */
  get neighbours(): Iterable<Neighbour> {
    return this.#links?.neighbours() ?? []
  }
  get statistics(): MeshStatistics {
    return this.#totals.sum()
  }
  /** See {@link Mesh.onChanged}. */
  onChanged(listener: () => void): () => void {
    return this.#listeners.onChanged(listener)
  }
  /** See {@link Mesh.onDocuments}. */
  onDocuments(listener: Parameters<Mesh['onDocuments']>[0]): () => void {
    return this.#listeners.onDocuments(listener)
  }
  /** Tells the listeners that something changed which the engine does not know of. */
  changed(): void {
    this.#listeners.changed()
  }

  /**
   * From now on devices are dialled and connections taken. Does nothing when it runs.
   * @throws ERR_MESH_COLLECTION. TypeError while it stops: wait for that first.
   */
  start(): void {
    if (this.#stopping !== undefined) throw new TypeError('The engine is stopping: start it when stop() has resolved')
    if (this.#links !== undefined) return
    const {
      localPeerId,
      displayName,
      connector,
      database,
      conflictResolver,
      deltas = false,
      degree,
      random = Math.random,
      places,
      codec,
      type = 'push-and-pull',
      members = []
    } = this.#options
    const topology = new MeshTopology({
      localId: localPeerId,
      epoch: Math.floor(this.#clock.now()),
      random,
      ...(degree?.target === undefined ? {} : { target: degree.target }),
      ...(degree?.max === undefined ? {} : { max: degree.max }),
      ...(places === undefined ? {} : { places }),
      ...(codec === undefined ? {} : { codec })
    })
    const directions = directionsOf(type)
    const shared = {
      database,
      collections: existingCollections(database, this.#wanted),
      conflictResolver,
      deltas,
      sharedRequests: this.#sharedRequests,
      totals: this.#totals,
      listeners: this.#listeners,
      diagnostics: this.#diagnostics,
      logger: this.#logger,
      clock: this.#clock,
      scheduler: this.#scheduler
    }
    const memberLinks = members.map((member) => new MemberLink(member, { ...shared, type }))
    this.#links = new Links({
      ...shared,
      localPeerId,
      directions,
      hello: { displayName: displayName.slice(0, 100), ...directions },
      dial: (deviceId, name, options) => connector.dial(deviceId, name, options),
      channel: (peerId) => this.#channels.of(peerId),
      listen: (peerId, attachment) => {
        this.#controls.listen(peerId, attachment)
      },
      keepsRestricted: (before) =>
        this.#options.channel?.policy?.allowDefaultCommunication ?? (before || this.#options.channel !== undefined),
      topology,
      quarantine: this.#quarantine
    })
    this.#members = memberLinks
    // Nothing runs before all of it could be made.
    for (const member of memberLinks) member.start()
  }

  /** Ends every link in order; resolves when nothing runs any more, within some seconds whatever the peers do. */
  stop(): Promise<void> {
    if (this.#links === undefined) return Promise.resolve()
    this.#stopping ??= this.#end(this.#links).finally(() => {
      this.#stopping = undefined
    })
    return this.#stopping
  }

  async #end(links: Links): Promise<void> {
    await Promise.all([links.end(), ...this.#members.map((member) => member.end())])
    this.#links = undefined
    this.#members = []
  }

  /** Discovery sees a device, or something about it changed. */
  found(device: FoundDevice): void {
    this.#links?.found(device)
  }

  /** Discovery does not see the device any more; a connection to it lives on. */
  lost(deviceId: string): void {
    this.#links?.lost(deviceId)
  }

  /** A device connected to us, and proved who it is. Where there is a connection already, both sides keep the same one of the two. */
  accept(connection: MeshConnection): void {
    if (this.#links === undefined) connection.blip.close(1001, 'stopping')
    else this.#links.accept(connection)
  }

  /** A device was refused, or refused us; known ones show it, strangers leave no trace. */
  refused(deviceId: string, error: KithmeshError, about: Partial<Pick<Refused, 'displayName' | 'route'>> = {}): void {
    this.#diagnostics.refused({ direction: 'incoming', deviceId, displayName: about.displayName, route: about.route }, error)
    this.#links?.refused(deviceId, error)
  }

  /** A device connected to us, proved who it is, and then said nothing until its time was over. */
  stalled(deviceId: string): void {
    this.#links?.stalled(deviceId)
  }

  /** Our own network changed: connections are probed, and devices dialled again. Without `moved` only more is known of the network: nothing is probed. */
  networkChanged({ moved = true }: { readonly moved?: boolean } = {}): void {
    this.#links?.networkChanged({ moved })
    for (const member of this.#members) member.networkChanged()
  }

  /** What gossip tells of the mesh, ourselves first; empty while stopped. Made when it is asked for. */
  get topology(): readonly TopologyPeer[] {
    return this.#links?.topology.peers() ?? []
  }

  /** What this side and a peer say to each other beside replication; lives across connections, and may be asked for before there is one. */
  channel(peerId: string): PeerChannel {
    return this.#channels.of(peerId)
  }

  /** Calls back with every channel, those there are and new ones before anything comes over them; the returned function ends it. */
  onChannel(listener: (channel: PeerChannel) => void): () => void {
    return this.#channels.onChannel(listener)
  }

  /** Receives the control messages of trusted neighbours: small things that programs around a mesh tell each other. One listener for each name, before the start. */
  onControl(name: string, listener: ControlListener): void {
    this.#controls.on(name, listener)
  }

  /** Sends a control message to a neighbour, or to all. @returns to how many it went */
  control(peerId: string | undefined, name: string, body: ControlBody): number {
    const to = peerId === undefined ? [...this.neighbours].map((neighbour) => neighbour.peerId) : [peerId]
    return to.filter((id) => this.#links?.attachment(id)?.control(name, body) === true).length
  }

  /** Ends every link with a device at once, shows why, and leaves it alone until {@link release}. */
  disconnect(peerId: string, error: KithmeshError): void {
    this.#links?.disconnect(peerId, error)
  }

  /** Devices that are kept away for a while, and why. */
  get quarantined(): readonly QuarantinedDevice[] {
    return this.#quarantine.list(this.#clock.monotonic())
  }

  /** What the plan has decided about a device; undefined while stopped. */
  standing(peerId: string): DeviceStanding | undefined {
    return this.#links?.standing(peerId)
  }

  /** Lets a device in again that was disconnected or quarantined. */
  release(peerId: string): void {
    this.#quarantine.release(peerId, this.#clock.monotonic())
    this.#links?.release(peerId)
  }
}
