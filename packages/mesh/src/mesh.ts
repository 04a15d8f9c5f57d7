import { type Clock, Lifecycle, type Logger, silentLogger, systemClock } from '@kithmesh/core/plugin'
import { Announcer } from './announcer.ts'
import { type CollectionPath, existingCollections, parseCollectionPaths } from './collection-paths.ts'
import type { Mesh, MeshLink, MeshOptions, MeshStatistics } from './contracts.ts'
import { heartbeatMs } from './device-link.ts'
import { meshErrors } from './error-catalogue.ts'
import { Gate } from './incoming.ts'
import { Links } from './links.ts'
import { dialDevice } from './outgoing.ts'
import { ProviderRevival } from './provider-revival.ts'
import { Totals } from './totals.ts'

/** What one run, from start to stop, took into use, in the order of taking. */
interface Run {
  readonly links: Links
  readonly gate: Gate
  listener: { readonly port: number | undefined; close(): Promise<void> } | undefined
  unobserve: (() => void) | undefined
}

/** The sync manager: finds devices, listens for them, and keeps one link with each. Make it with {@link createMesh}. */
export class GroupMesh implements Mesh {
  readonly #options: MeshOptions
  readonly #wanted: readonly CollectionPath[] | undefined
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #lifecycle: Lifecycle
  readonly #totals = new Totals()
  readonly #announcer: Announcer
  #run: Run | undefined

  constructor(options: MeshOptions) {
    const { databaseName = 'db', collections } = options
    if (!/^[A-Za-z0-9._~-]+$/.test(databaseName))
      throw new TypeError('databaseName consists of letters, digits and . _ ~ -, because it is part of a URL')
    this.#options = options
    this.#wanted = collections === undefined ? undefined : parseCollectionPaths(collections)
    this.#logger = (options.logger ?? silentLogger).child('mesh')
    this.#clock = options.clock ?? systemClock
    this.#announcer = new Announcer(this.#logger)
    this.#lifecycle = new Lifecycle({
      start: (signal) => this.#doStart(signal),
      stop: () => this.#doStop(),
      stateChanged: () => {
        this.#announcer.changed()
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
    return this.#run?.links.snapshots ?? []
  }
  get statistics(): MeshStatistics {
    return this.#totals.sum()
  }
  start(): Promise<void> {
    return this.#lifecycle.start()
  }
  stop(): Promise<void> {
    return this.#lifecycle.stop()
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
  onChanged(listener: () => void): () => void {
    return this.#announcer.onChanged(listener)
  }
  onDocuments(listener: Parameters<Mesh['onDocuments']>[0]): () => void {
    return this.#announcer.onDocuments(listener)
  }

  async #doStart(signal: AbortSignal): Promise<void> {
    const { discovery, identity, displayName } = this.#options
    if (discovery.localPeerId !== identity.peerId)
      throw meshErrors.create('ERR_MESH_IDENTITY', "The discovery was made with another peer id than the identity's")
    const run = this.#compose()
    this.#run = run
    run.listener = await discovery.listen({
      onConnection: (socket, remote, strategy, relayed) => {
        run.gate.accept(socket, remote, strategy, relayed)
      }
    })
    signal.throwIfAborted()
    const { port } = run.listener
    if (port === undefined) throw meshErrors.create('ERR_MESH_NO_LISTENER', 'None of the transports has a port to publish')
    const unwatch = discovery.network.onChange(() => {
      run.links.networkChanged()
    })
    const unobserve = discovery.addObserver({
      devicesChanged: ({ added, changed, removed }) => {
        for (const device of [...added, ...changed]) run.links.found(device)
        for (const { id } of removed) run.links.lost(id)
      },
      incomingConnection: (peer, socket) => {
        run.gate.accept(socket, peer?.displayName ?? 'unknown', peer?.provider ?? 'incoming', false)
        return true
      }
    })
    const revival = new ProviderRevival({
      discovery,
      clock: this.#clock,
      logger: this.#logger,
      start: (mode) => (mode === 'browse' ? discovery.startBrowsing() : discovery.startPublishing({ displayName, port }))
    })
    run.unobserve = () => {
      revival.stop()
      unwatch()
      unobserve()
    }
    await discovery.startPublishing({ displayName, port })
    signal.throwIfAborted()
    await discovery.startBrowsing()
    signal.throwIfAborted()
    // Somebody else may have been browsing with the same discovery before us.
    for (const device of discovery.devices) run.links.found(device)
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
    await attempt(() => run.links.end())
    await attempt(() => discovery.stopBrowsing())
    this.#run = undefined
    if (errors.length > 0) throw errors[0]
  }

  #compose(): Run {
    const { discovery, identity, authenticator, database, databaseName = 'db', conflictResolver, deltas = false } = this.#options
    const [logger, clock] = [this.#logger, this.#clock]
    const settings = { discovery, identity, authenticator, databaseName, clock }
    const links = new Links({
      localPeerId: identity.peerId,
      database,
      collections: existingCollections(database, this.#wanted),
      conflictResolver,
      deltas,
      totals: this.#totals,
      announcer: this.#announcer,
      logger,
      clock,
      dial: (deviceId, name, options) => dialDevice(deviceId, name, settings, options)
    })
    const gate = new Gate({
      identity,
      authenticator,
      database,
      databaseName,
      heartbeatMs,
      logger,
      clock,
      onConnection: (connection) => {
        links.accept(connection, discovery.deviceWithId(connection.deviceId)?.displayName)
      },
      onRefused: (deviceId, error) => {
        links.refused(deviceId, error)
      }
    })
    return { links, gate, listener: undefined, unobserve: undefined }
  }
}
