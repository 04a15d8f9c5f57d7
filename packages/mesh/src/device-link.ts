import type { KithmeshError } from '@kithmesh/core'
import { type MessageSocket, dials, isKithmeshError, isPeerId } from '@kithmesh/core/plugin'
import { Replicator, serveReplication, socketEndpoint } from '@kithmesh/replicator'
import { BetterRoute } from './better-route.ts'
import type { MeshLink } from './contracts.ts'
import { Endings } from './endings.ts'
import { meshErrors } from './error-catalogue.ts'
import type { IncomingConnection } from './incoming.ts'
import type { LinkEnvironment } from './link-environment.ts'
import { type Active, type Passive, abandon, discard, incomingState, moveTo, outgoingState, takeNext } from './link-sides.ts'
import type { DialOptions, OutgoingConnection } from './outgoing.ts'
import { ReplacedConnections } from './replaced-connections.ts'
import { maxRetryMs, retryDelay } from './retry-delay.ts'

/** Silence after which a connection is probed, so that a peer that vanished without a word is noticed within a minute. */
export const heartbeatMs = 20_000
/** How long the side that does not dial waits for the other before it dials itself: one-way reachability, or a peer that restarted unseen. */
const patienceMs = 5_000
/** At most one extra try in this time, however often a device appears. */
const nudgePauseMs = 1_000
/** How long a connection may take to show that it survived a change of the network. */
const probeMs = 5_000
/** How often a device that is linked under another name is looked at. */
const linkedElsewhereMs = 15_000

/** The one link with one device: who dials, what runs over it, and when it is tried again. */
export class DeviceLink {
  readonly deviceId: string
  displayName: string
  /** Still seen by a provider. */
  listed = false
  readonly #environment: LinkEnvironment
  readonly #endings: Endings
  #active: Active | undefined
  #passive: Passive | undefined
  /** Who the device proved to be when it was last dialled. */
  #provenId: string | undefined
  #error: Error | undefined
  #failures = 0
  #cancelTimer: (() => void) | undefined
  #lastNudge = Number.NEGATIVE_INFINITY
  readonly #life = new AbortController()
  readonly #replaced: ReplacedConnections

  constructor(deviceId: string, displayName: string, environment: LinkEnvironment) {
    this.deviceId = deviceId
    this.displayName = displayName
    this.#environment = environment
    this.#endings = new Endings(environment)
    this.#replaced = new ReplacedConnections(environment.clock)
  }

  get connected(): boolean {
    return this.#dialled !== undefined || this.#passive !== undefined
  }
  /** The peer our own open connection leads to, or the one it is moving to. */
  get dialledPeerId(): string | undefined {
    return this.#active?.connection?.peerId ?? this.#active?.next?.peerId
  }
  /** The peer whose incoming connection is served; such links are named by the proven peer id. */
  get servedPeerId(): string | undefined {
    return this.#passive === undefined ? undefined : this.deviceId
  }

  get snapshot(): MeshLink {
    const { deviceId, displayName } = this
    const [active, dialled, passive] = [this.#active, this.#dialled, this.#passive]
    if (dialled !== undefined) return { deviceId, displayName, error: undefined, ...outgoingState(dialled) }
    if (passive !== undefined) return { deviceId, displayName, error: undefined, ...incomingState(passive) }
    const state = active?.activity === 'connecting' ? 'connecting' : active !== undefined || this.#dialsFirst ? 'offline' : 'waiting'
    return { deviceId, displayName, state, direction: undefined, route: undefined, relayed: undefined, error: this.#error }
  }

  /** A provider sees the device. `fresh`: in a way it did not before, so that trying at once is worth while. */
  found(displayName: string, fresh: boolean): void {
    this.displayName = displayName
    this.listed = true
    if (fresh && !this.connected) this.#nudge()
    else if (fresh) this.#active?.betterRoute?.nudge()
    this.#environment.announcer.changed()
  }

  /** Our own network changed: what works may be dead, what failed may work now, and a relayed connection may have become needless. */
  networkChanged(): void {
    this.probe()
    if (!this.connected && this.listed) this.#nudge()
    else this.#active?.betterRoute?.nudge()
  }

  /** Looks whether what is open is alive, and ends it soon if it is not. */
  probe(): void {
    this.#active?.connection?.socket.probe?.(probeMs)
    this.#passive?.socket.probe?.(probeMs)
  }

  /** No provider sees it any more: an open connection lives on, nothing else does. */
  lost(): void {
    this.listed = false
    this.#settle()
  }

  /** Something else said why there is no connection. */
  failed(error: KithmeshError): void {
    if (this.connected) return
    this.#error = error
    this.#environment.announcer.changed()
  }

  /** Serves a connection of the device, instead of any earlier one it made, which the device may end itself. */
  serve({ socket, route, relayed }: IncomingConnection): void {
    const { database, collections, deltas, totals, announcer, logger, clock } = this.#environment
    this.#replacePassive()
    const service = serveReplication(socket, { database, collections, deltas, logger, clock, peerId: this.deviceId })
    const passive: Passive = { service, socket, route, relayed, idle: false }
    this.#passive = passive
    this.#error = undefined
    this.#failures = 0
    this.#cancel()
    if (this.#active?.activity === 'offline') this.yieldActive()
    totals.begin(service)
    service.onDocuments((events) => {
      announcer.documents(this.deviceId, events)
    })
    service.onStatus(({ activity, error }) => {
      passive.idle = activity === 'idle'
      if (activity === 'stopped') {
        totals.end(service)
        if (this.#passive === passive) {
          this.#passive = undefined
          this.#error = error
          this.#settle()
        }
      }
      announcer.changed()
    })
    announcer.changed()
  }

  /** Ends our own connection, or the attempts at one, in favour of another. */
  yieldActive(): void {
    const active = this.#active
    if (active === undefined) return
    this.#active = undefined
    abandon(active)
    void this.#endings.add(active.replicator.stop(), active.connection?.socket, this.displayName).then(() => {
      this.#environment.totals.end(active.replicator)
    })
    if (this.listed) this.#after(linkedElsewhereMs)
  }

  /** Ends the incoming connection in favour of another. */
  yieldPassive(code: 1000 | 4001 = 1000): void {
    const passive = this.#passive
    if (passive === undefined) return
    this.#passive = undefined
    void this.#endings.add(passive.service.stop(code), passive.socket, this.displayName)
  }

  #replacePassive(): void {
    const passive = this.#passive
    if (passive === undefined) return
    this.#passive = undefined
    void this.#endings.add(this.#replaced.end(passive, this.#life.signal), passive.socket, this.displayName)
  }

  /** Ends everything in order, for good; resolves when nothing runs any more. */
  async end(): Promise<void> {
    this.#life.abort()
    this.#cancel()
    this.yieldActive()
    this.yieldPassive(4001)
    await this.#endings.done()
  }

  get #dialled(): Active | undefined {
    const active = this.#active
    return active?.activity === 'busy' || active?.activity === 'idle' ? active : undefined
  }

  /** By the rule both sides compute alike. A device that claims no peer id cannot compute it, so it is dialled. */
  get #dialsFirst(): boolean {
    return !isPeerId(this.deviceId) || dials(this.#environment.localPeerId, this.deviceId)
  }

  #nudge(): void {
    const now = this.#environment.clock.monotonic()
    if (now - this.#lastNudge < nudgePauseMs) return
    this.#lastNudge = now
    if (this.#active !== undefined) this.#active.replicator.retryNow()
    else if (this.#dialsFirst) this.#dial()
    else {
      this.#cancel()
      this.#after(patienceMs)
    }
  }

  #dial(): void {
    if (this.#life.signal.aborted || this.#active !== undefined || !this.listed) return
    this.#cancel()
    const { database, collections, conflictResolver, deltas, totals, announcer, logger, clock } = this.#environment
    let replicator: Replicator
    try {
      replicator = new Replicator({
        database,
        endpoint: socketEndpoint({ uid: this.deviceId, description: this.displayName, open: (options) => this.#open(active, options) }),
        type: 'push-and-pull',
        continuous: true,
        deltas,
        // Devices of a mesh are equals: none gives access, so none can take it away.
        autoPurge: false,
        heartbeatMs,
        maxAttemptWaitMs: maxRetryMs,
        collections: collections.map(({ scope, name }) => ({
          scope,
          name,
          ...(conflictResolver === undefined ? {} : { conflictResolver })
        })),
        logger,
        clock
      })
    } catch (error) {
      logger.error('replication cannot be started', { device: this.deviceId, error })
      this.#error = error as Error
      this.#after(retryDelay(error, ++this.#failures))
      return
    }
    const active: Active = { replicator, activity: 'connecting', connection: undefined, next: undefined, betterRoute: undefined }
    this.#active = active
    replicator.onDocuments((events) => {
      announcer.documents(this.deviceId, events)
    })
    replicator.onStatus(({ activity, error }) => {
      active.activity = activity
      if (this.#active === active) this.#onActive(active, error)
      announcer.changed()
    })
    totals.begin(replicator)
    replicator.start()
  }

  async #open(active: Active, options: DialOptions): Promise<MessageSocket> {
    const { dial, claim } = this.#environment
    const connection = takeNext(active) ?? (await dial(this.deviceId, this.displayName, options))
    const { socket, peerId } = connection
    this.#provenId = peerId
    if (this.#active !== active || options.signal.aborted || !claim(this, peerId)) {
      socket.close(1000, 'duplicate link')
      options.signal.throwIfAborted()
      throw meshErrors.create('ERR_MESH_DUPLICATE', `${this.displayName} is linked already`, { details: { peerId } })
    }
    active.connection = connection
    active.betterRoute?.stop()
    active.betterRoute = connection.relayed ? this.#seekBetterRoute(active, connection, options) : undefined
    return socket
  }

  /** Moves to a direct route once there is one. */
  #seekBetterRoute(active: Active, { peerId }: OutgoingConnection, { protocols, heartbeatMs }: DialOptions): Active['betterRoute'] {
    const { dial, clock, logger } = this.#environment
    return new BetterRoute<OutgoingConnection>({
      clock,
      logger,
      displayName: this.displayName,
      open: async (signal) => {
        const connection = await dial(this.deviceId, this.displayName, { signal, protocols, heartbeatMs, allowRelayed: false })
        if (connection.peerId === peerId) return connection
        discard(connection)
        throw new Error('another device is there')
      },
      discard,
      found: (connection) => {
        logger.info('a link moves to a better route', { device: this.displayName, from: active.connection?.route, to: connection.route })
        moveTo(active, connection)
      }
    })
  }

  #onActive(active: Active, error: KithmeshError | undefined): void {
    if (active.activity === 'idle' || active.activity === 'busy') {
      this.#error = undefined
      this.#failures = active.activity === 'idle' ? 0 : this.#failures
      return
    }
    active.connection = undefined
    active.betterRoute?.stop()
    active.betterRoute = undefined
    if (error !== undefined) this.#error = isKithmeshError(error, 'ERR_REPL_CONNECT') && isKithmeshError(error.cause) ? error.cause : error
    if (active.activity === 'stopped') {
      this.#active = undefined
      abandon(active)
      this.#environment.totals.end(active.replicator)
    }
    if (active.activity !== 'connecting') this.#settle()
  }

  /** After something ended: what is next? */
  #settle(): void {
    if (this.#life.signal.aborted) return
    if (this.connected) {
      this.#cancel()
    } else if (!this.listed) {
      this.#cancel()
      this.yieldActive()
      this.#environment.forget(this)
    } else if (this.#active === undefined) {
      this.#after(this.#error === undefined ? patienceMs : retryDelay(this.#error, ++this.#failures))
    }
    if (this.#passive !== undefined && this.#active?.activity === 'offline') this.yieldActive()
    this.#environment.announcer.changed()
  }

  #after(ms: number): void {
    if (this.#life.signal.aborted || this.#cancelTimer !== undefined) return
    this.#cancelTimer = this.#environment.clock.after(ms, () => {
      this.#cancelTimer = undefined
      if (this.connected) return
      if (this.#provenId !== undefined && this.#environment.reaches(this.#provenId)) this.#after(linkedElsewhereMs)
      else this.#dial()
    })
  }

  #cancel(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }
}
