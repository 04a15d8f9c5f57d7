import { type Clock, type Device, Lifecycle, type Logger, dials, silentLogger, systemClock } from '@kithmesh/core/plugin'
import { type PassiveReplication, Replicator, serveReplication, socketEndpoint } from '@kithmesh/replicator'
import { Announcer } from './announcer.ts'
import type { Mesh, MeshLink, MeshOptions, MeshStatistics } from './contracts.ts'
import { meshErrors } from './error-catalogue.ts'
import { Gate, type IncomingConnection } from './incoming.ts'
import { LinkRecord } from './link.ts'
import { type DialOptions, dialDevice } from './outgoing.ts'
import { Totals } from './totals.ts'

/** What replicates over a link: our active side, or the passive one serving theirs. */
interface RunningLink {
  readonly record: LinkRecord
  replicator: Replicator | undefined
  service: PassiveReplication | undefined
}

/**
 * The sync manager: one link per device, dialled by the side that {@link dials}, replicated push-and-pull and continuously.
 * Make it with {@link createMesh}.
 */
export class GroupMesh implements Mesh {
  readonly #options: MeshOptions
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #lifecycle: Lifecycle
  readonly #links = new Map<string, RunningLink>()
  readonly #totals = new Totals()
  readonly #announcer = new Announcer()
  #gate: Gate | undefined
  #listener: { readonly port: number | undefined, close (): Promise<void> } | undefined
  #unobserve: (() => void) | undefined
  #stop = new AbortController()

  constructor (options: MeshOptions) {
    this.#options = options
    this.#logger = (options.logger ?? silentLogger).child('mesh')
    this.#clock = options.clock ?? systemClock
    this.#lifecycle = new Lifecycle({ start: () => this.#doStart(), stop: () => this.#doStop() })
  }

  get state (): Mesh['state'] { return this.#lifecycle.state }
  get port (): number | undefined { return this.#listener?.port }
  get links (): readonly MeshLink[] { return [...this.#links.values()].map(({ record }) => record.snapshot()) }
  get statistics (): MeshStatistics { return this.#totals.sum() }
  start (): Promise<void> { return this.#lifecycle.start() }
  stop (): Promise<void> { return this.#lifecycle.stop() }
  async [Symbol.asyncDispose] (): Promise<void> { await this.stop() }
  onChanged (listener: () => void): () => void { return this.#announcer.onChanged(listener) }
  onDocuments (listener: Parameters<Mesh['onDocuments']>[0]): () => void { return this.#announcer.onDocuments(listener) }

  async #doStart (): Promise<void> {
    const { discovery, identity, authenticator, displayName, databaseName = 'db' } = this.#options
    if (discovery.localPeerId !== identity.peerId) throw meshErrors.create('ERR_MESH_IDENTITY', 'The discovery was made with another peer id than the identity\'s')
    this.#stop = new AbortController()
    this.#gate = new Gate({
      identity, authenticator, databaseName, logger: this.#logger, clock: this.#clock,
      onConnection: (connection) => { this.#accept(connection) }
    })
    const gate = this.#gate
    this.#listener = await discovery.listen({ onConnection: (socket, remote) => { gate.accept(socket, remote) } })
    if (this.#listener.port === undefined) throw meshErrors.create('ERR_MESH_NO_LISTENER', 'None of the transports has a port to publish')
    this.#unobserve = discovery.addObserver({
      devicesChanged: ({ added, changed, removed }) => {
        for (const device of [...added, ...changed]) this.#found(device)
        for (const device of removed) this.#lost(device.id)
      }
    })
    await discovery.startPublishing({ displayName, port: this.#listener.port })
    await discovery.startBrowsing()
    for (const device of discovery.devices) this.#found(device)
  }

  async #doStop (): Promise<void> {
    const { discovery } = this.#options
    this.#stop.abort(new DOMException('The mesh is stopping', 'AbortError'))
    this.#unobserve?.()
    await this.#listener?.close()
    const links = [...this.#links.values()]
    await Promise.allSettled([
      discovery.stopPublishing(), discovery.stopBrowsing(), this.#gate?.close(),
      ...links.map(async (link) => {
        if (link.replicator !== undefined) await this.#end(link.replicator)
        await link.service?.stop(4001)
      })
    ])
    this.#links.clear()
    this.#listener = undefined
    this.#gate = undefined
    this.#announcer.changed()
  }

  #found (device: Device): void {
    if (!this.#running || device.id === this.#options.identity.peerId) return
    const link = this.#linkWith(device.id, device.displayName)
    link.record.displayName = device.displayName
    link.record.listed = true
    if (this.#weDial(device.id)) this.#dial(link)
    this.#announcer.changed()
  }

  #lost (deviceId: string): void {
    const link = this.#links.get(deviceId)
    if (link === undefined) return
    link.record.listed = false
    this.#forgetIfGone(link)
    this.#announcer.changed()
  }

  /** A device that claims no peer id cannot compute the same rule, so it is dialled. */
  #weDial (deviceId: string): boolean {
    return !/^[0-9a-f]{64}$/.test(deviceId) || dials(this.#options.identity.peerId, deviceId)
  }

  #dial (link: RunningLink): void {
    const { record } = link
    if (link.replicator !== undefined) {
      // It is pausing after a failure, and the device has just been seen: no reason to wait any longer.
      link.replicator.retryNow()
      return
    }
    const { database, discovery, conflictResolver } = this.#options
    const replicator = new Replicator({
      database,
      endpoint: socketEndpoint({
        uid: record.deviceId,
        description: record.displayName,
        open: async ({ signal, protocols, heartbeatMs }) => {
          const device = discovery.deviceWithId(record.deviceId)
          if (device === undefined) throw Object.assign(new Error(`${record.displayName} is not on the network`), { code: 'EHOSTUNREACH' })
          return await dialDevice(device, {
            ...this.#dialling, protocols, heartbeatMs, signal: AbortSignal.any([signal, this.#stop.signal]), onRoute: (route) => { record.route = route }
          })
        }
      }),
      type: 'push-and-pull',
      continuous: true,
      collections: (this.#collections ?? database.collections()).map(({ scope, name }) => ({ scope, name, ...(conflictResolver === undefined ? {} : { conflictResolver }) })),
      logger: this.#logger,
      clock: this.#clock
    })
    link.replicator = replicator
    record.direction = 'outgoing'
    record.state = 'connecting'
    replicator.onStatus((status) => {
      record.state = status.activity === 'stopped' ? 'offline' : status.activity
      record.error = status.error
      if (status.activity === 'stopped' || status.activity === 'offline') this.#forgetIfGone(link)
      this.#announcer.changed()
    })
    replicator.onDocuments((events) => { this.#announcer.documents(record.deviceId, events) })
    this.#totals.begin(replicator)
    replicator.start()
  }

  #accept ({ deviceId, route, socket }: IncomingConnection): void {
    if (!this.#running) {
      socket.close(1001, 'stopping')
      return
    }
    const known = this.#options.discovery.deviceWithId(deviceId)
    const link = this.#linkWith(deviceId, known?.displayName ?? deviceId.slice(0, 8))
    const { record } = link
    if (known === undefined) record.listed = false
    // Two links in opposite directions: the one of the side that dials stays. A newer one in the same direction replaces the older.
    if (record.connected && record.direction === 'outgoing' && this.#weDial(deviceId)) {
      socket.close(1000, 'duplicate link')
      return
    }
    void link.service?.stop()
    const collections = this.#collections
    const service = serveReplication(socket, {
      database: this.#options.database, ...(collections === undefined ? {} : { collections }), logger: this.#logger, clock: this.#clock
    })
    this.#totals.begin(service)
    link.service = service
    record.direction = 'incoming'
    record.route = route
    record.state = 'busy'
    record.error = undefined
    const current = (): boolean => link.service === service
    service.onStatus((status) => {
      if (status.activity === 'stopped') this.#totals.end(service)
      if (!current()) return
      record.state = status.activity === 'stopped' ? 'waiting' : status.activity === 'idle' ? 'idle' : 'busy'
      if (status.activity === 'stopped') {
        link.service = undefined
        record.error = status.error
        this.#forgetIfGone(link)
      }
      this.#announcer.changed()
    })
    service.onDocuments((events) => { this.#announcer.documents(deviceId, events) })
    this.#announcer.changed()
  }

  /** A device that nobody sees and nothing connects is history. */
  #forgetIfGone (link: RunningLink): void {
    const { record } = link
    if (record.listed || record.connected || this.#links.get(record.deviceId) !== link) return
    this.#links.delete(record.deviceId)
    if (link.replicator !== undefined) void this.#end(link.replicator)
  }

  async #end (replicator: Replicator): Promise<void> {
    await replicator.stop()
    this.#totals.end(replicator)
  }

  #linkWith (deviceId: string, displayName: string): RunningLink {
    let link = this.#links.get(deviceId)
    if (link === undefined) {
      link = { record: new LinkRecord(deviceId, displayName), replicator: undefined, service: undefined }
      this.#links.set(deviceId, link)
    }
    return link
  }

  get #running (): boolean { return this.#lifecycle.state === 'starting' || this.#lifecycle.state === 'started' }

  get #dialling (): Pick<DialOptions, 'discovery' | 'identity' | 'authenticator' | 'databaseName' | 'clock'> {
    const { discovery, identity, authenticator, databaseName = 'db' } = this.#options
    return { discovery, identity, authenticator, databaseName, clock: this.#clock }
  }

  /** Collections as named in the options; undefined: all. */
  get #collections (): readonly { readonly scope: string, readonly name: string }[] | undefined {
    return this.#options.collections?.map((path) => {
      const [first = '', second] = path.split('.')
      return second === undefined ? { scope: '_default', name: first } : { scope: first, name: second }
    })
  }
}
