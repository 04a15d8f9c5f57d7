import { type Device, Lifecycle, dials, silentLogger, systemClock } from '@kithmesh/core/plugin'
import { type ReplicationService, Replicator, serveReplication, socketEndpoint } from '@kithmesh/replicator'
import { Announcer } from './announcer.ts'
import type { Mesh, MeshLink, MeshOptions, MeshStatistics } from './contracts.ts'
import { meshErrors } from './error-catalogue.ts'
import { Gate, type IncomingConnection } from './incoming.ts'
import { LinkRecord } from './link.ts'
import { dialDevice } from './outgoing.ts'
import { Totals } from './totals.ts'

/** What replicates over a link: our active side, or the passive one serving theirs. */
interface RunningLink {
  readonly record: LinkRecord
  replicator: Replicator | undefined
  service: ReplicationService | undefined
}

/**
 * The sync manager: one link per device, dialled by the side that {@link dials}, replicated push-and-pull and continuously.
 * Make it with {@link createMesh}.
 */
export class GroupMesh implements Mesh {
  readonly #options: MeshOptions
  readonly #logger
  readonly #clock
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
    if (this.#listener.port === undefined) throw meshErrors.create('ERR_MESH_NO_LISTENER', 'None of the transports listens')
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
        await link.replicator?.stop()
        await link.service?.stop()
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
    const { database, discovery } = this.#options
    const replicator = new Replicator({
      database,
      endpoint: socketEndpoint({
        uid: record.deviceId,
        open: async ({ signal }) => {
          const device = discovery.deviceWithId(record.deviceId)
          if (device === undefined) throw Object.assign(new Error(`${record.displayName} is not on the network`), { code: 'EHOSTUNREACH' })
          return await dialDevice(device, {
            ...this.#dialling, signal: AbortSignal.any([signal, this.#stop.signal]), onRoute: (route) => { record.route = route }
          })
        }
      }),
      type: 'push-and-pull',
      continuous: true,
      ...this.#replication,
      logger: this.#logger,
      clock: this.#clock
    })
    link.replicator = replicator
    record.direction = 'outgoing'
    record.state = 'connecting'
    replicator.onStatus((status) => {
      record.state = status.activity === 'stopped' ? 'offline' : status.activity
      record.error = status.error
      this.#totals.update(record.deviceId, 'outgoing', replicator.statistics)
      if (status.activity === 'stopped' || status.activity === 'offline') this.#forgetIfGone(link)
      this.#announcer.changed()
    })
    replicator.onDocuments((events) => {
      this.#totals.update(record.deviceId, 'outgoing', replicator.statistics)
      this.#announcer.documents(record.deviceId, events)
    })
    void replicator.start()
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
    const service = serveReplication(socket, {
      database: this.#options.database, remoteUid: deviceId, allowPush: true, allowPull: true, ...this.#replication, logger: this.#logger, clock: this.#clock
    })
    link.service = service
    record.direction = 'incoming'
    record.route = route
    record.state = 'busy'
    record.error = undefined
    const current = (): boolean => link.service === service
    service.onStatus((status) => {
      this.#totals.update(deviceId, 'incoming', service.statistics)
      if (!current()) return
      record.state = status.activity === 'stopped' ? 'waiting' : status.activity === 'idle' ? 'idle' : 'busy'
      if (status.activity === 'stopped') {
        link.service = undefined
        record.error = status.error
        this.#totals.close(deviceId, 'incoming')
        this.#forgetIfGone(link)
      }
      this.#announcer.changed()
    })
    service.onDocuments((events) => {
      this.#totals.update(deviceId, 'incoming', service.statistics)
      this.#announcer.documents(deviceId, events)
    })
    this.#announcer.changed()
  }

  /** A device that nobody sees and nothing connects is history. */
  #forgetIfGone (link: RunningLink): void {
    const { record } = link
    if (record.listed || record.connected || this.#links.get(record.deviceId) !== link) return
    this.#links.delete(record.deviceId)
    this.#totals.close(record.deviceId, 'outgoing')
    void link.replicator?.stop()
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

  get #dialling () {
    const { discovery, identity, authenticator, databaseName = 'db' } = this.#options
    return { discovery, identity, authenticator, databaseName, clock: this.#clock }
  }

  get #replication () {
    const { collections, conflictResolver } = this.#options
    return {
      ...(collections === undefined ? {} : { collections: collections.map((path) => ({ path })) }),
      ...(conflictResolver === undefined ? {} : { conflictResolver })
    }
  }
}
