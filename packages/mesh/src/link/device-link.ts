import type { KithmeshError } from '@kithmesh/core'
import { dials, isPeerId, keepWhich } from '@kithmesh/core/plugin'
import type { LinkFacts } from '../contracts.ts'
import type { MeshConnection } from '../engine/contracts.ts'
import { BetterRoute } from './better-route.ts'
import { DialAttempt } from './dial-attempt.ts'
import { type Ending, endings } from './ending.ts'
import { LinkConnection } from './link-connection.ts'
import type { LinkEnvironment } from './link-environment.ts'
import { ReplacedConnections, replacedMs } from './replaced-connections.ts'

/** How long a connection may take to show that it survived a change of the network. */
const probeMs = 5_000

/** A close code and reason, one of `endings`. */
export type EndWith = (typeof endings)[keyof typeof endings]

/**
 * The one link with one device: the connections that it has for the moment, which of them stays, and what was wrong with the last. Whether there is to be
 * one is decided elsewhere.
 */
export class DeviceLink {
  /** Peer id of the device. */
  readonly deviceId: string
  displayName: string
  readonly #environment: LinkEnvironment
  readonly #replaced: ReplacedConnections
  readonly #life = new AbortController()
  #attempt: DialAttempt | undefined
  /** The connection that we dialled. */
  #outgoing: LinkConnection | undefined
  /** The connection that the device dialled. */
  #incoming: LinkConnection | undefined
  #betterRoute: BetterRoute<MeshConnection> | undefined
  #error: Error | undefined
  /** Told to be connected. */
  #up = false

  constructor(deviceId: string, displayName: string, environment: LinkEnvironment) {
    this.deviceId = deviceId
    this.displayName = displayName
    this.#environment = environment
    this.#replaced = new ReplacedConnections(environment.clock)
  }

  get connected(): boolean {
    return this.#outgoing !== undefined || this.#incoming !== undefined
  }
  /** Its connection has been reported; before, it counts as being dialled. */
  get up(): boolean {
    return this.#up
  }
  get current(): LinkConnection | undefined {
    return this.#outgoing ?? this.#incoming
  }
  /** Nothing is open, and nothing is being opened. */
  get idle(): boolean {
    return !this.connected && this.#attempt === undefined
  }

  /** `wanted`: there is to be a connection. */
  snapshot(wanted: boolean): LinkFacts {
    const { deviceId, displayName, current } = this
    if (current !== undefined) {
      const { state } = current
      return { deviceId, displayName, error: state.state === 'restricted' ? this.#error : undefined, ...state }
    }
    const dialsFirst = dials(this.#environment.localPeerId, deviceId)
    const state =
      this.#attempt !== undefined ? 'connecting' : !wanted ? 'standby' : dialsFirst || this.#error !== undefined ? 'offline' : 'waiting'
    return { deviceId, displayName, state, direction: undefined, route: undefined, quality: undefined, error: this.#error }
  }

  /** Something changed because of which a better route may exist now. */
  nudge(): void {
    this.#betterRoute?.nudge()
  }

  /** Looks whether what is open is alive, and ends it soon if it is not. */
  probe(): void {
    this.#outgoing?.probe(probeMs)
    this.#incoming?.probe(probeMs)
  }

  /** Something else said why there is no connection. */
  failed(error: KithmeshError): void {
    if (this.connected) return
    this.#error = error
    this.#environment.listeners.changed()
  }

  /** Tries to connect, once. @returns false when it does already, or is connected. */
  dial(): boolean {
    if (this.#life.signal.aborted || this.#attempt !== undefined || this.connected) return false
    const attempt: DialAttempt = new DialAttempt(this.#environment, this.deviceId, this.displayName, {
      opened: (connection) => {
        this.#attempt = undefined
        this.#environment.events.opened(connection)
      },
      failed: (error) => {
        this.#attempt = undefined
        this.#error = error
        this.#environment.events.dialFailed(this, { how: 'lost', error })
        this.#environment.listeners.changed()
      }
    })
    this.#attempt = attempt
    this.#environment.listeners.changed()
    attempt.start()
    return true
  }

  /** A connection of the device, whoever dialled it: both sides keep the same one of two. */
  take(connection: MeshConnection): void {
    const { direction } = connection
    const other = direction === 'incoming' ? this.#outgoing : this.#incoming
    if (other !== undefined && this.#keeps(other.connection.direction, direction) !== direction) {
      connection.blip.close(endings.duplicate.code, endings.duplicate.reason)
      // The device would hardly call if it had not lost the connection that we think we have.
      if (direction === 'incoming') other.probe(probeMs)
      return
    }
    this.#error = undefined
    if (direction === 'incoming') this.#serve(connection)
    else this.#use(connection, undefined)
    if (other !== undefined) this.#drop(other, endings.duplicate)
    // What we are opening ourselves goes on where it would be the one to stay.
    if (direction === 'incoming' && this.#keeps('incoming', 'outgoing') === 'incoming') this.#cancelAttempt()
    this.#environment.listeners.changed()
  }

  /** Ends what there is, in order, and goes on to exist. */
  disconnect(how: EndWith): void {
    this.#cancelAttempt()
    for (const each of [this.#outgoing, this.#incoming]) if (each !== undefined) this.#drop(each, how)
    this.#up = false
  }

  /** Ends everything in order, for good. What is being ended is the environment's `closing` to wait for. */
  end(): void {
    this.#life.abort()
    this.disconnect(endings.stopping)
  }

  #keeps(older: 'outgoing' | 'incoming', newer: 'outgoing' | 'incoming'): 'outgoing' | 'incoming' {
    if (!isPeerId(this.deviceId)) return newer
    return keepWhich(this.#environment.localPeerId, this.deviceId, { direction: older }, { direction: newer }).direction
  }

  /** Serves a connection of the device, instead of any earlier one it made, which the device may end itself. */
  #serve(connection: MeshConnection): void {
    const replaced = this.#incoming
    if (replaced !== undefined) this.#ending(this.#replaced.end(replaced, this.#life.signal), replaced, replacedMs)
    this.#up = true
    this.#incoming = this.#open(connection, undefined)
  }

  #use(connection: MeshConnection, before: Promise<void> | undefined): void {
    const replaced = before === undefined ? this.#outgoing : undefined
    this.#stopSeeking()
    this.#outgoing = this.#open(connection, before)
    if (replaced !== undefined) this.#ending(replaced.end(1000, endings.replaced.reason), replaced)
    if (connection.quality !== 'direct') this.#seekBetterRoute(connection)
  }

  #open(connection: MeshConnection, before: Promise<void> | undefined): LinkConnection {
    const { deviceId } = this
    const opened: LinkConnection = new LinkConnection(connection, this.#environment.channel(deviceId), this.#environment, {
      met: (hello) => {
        if (hello !== 'foreign' && typeof hello.hello['displayName'] === 'string' && this.displayName === deviceId.slice(0, 8))
          this.displayName = hello.hello['displayName'].slice(0, 100)
        if (this.#outgoing !== opened && this.#incoming !== opened) return
        this.#up = true
        this.#environment.events.connected(this, connection)
      },
      trusted: () => {
        this.#error = undefined
        this.#environment.events.trusted(this, connection)
      },
      distrusted: (error, before) => {
        this.#error = error
        this.#environment.events.distrusted(this, error, before)
      },
      ended: (ending) => {
        this.#ended(opened, ending)
      }
    })
    opened.begin(before)
    return opened
  }

  #ended(connection: LinkConnection, ending: Ending): void {
    if (this.#outgoing === connection) {
      this.#outgoing = undefined
      this.#stopSeeking()
    } else if (this.#incoming === connection) this.#incoming = undefined
    else return
    if (this.connected) return
    this.#error = ending.error
    const { events, listeners } = this.#environment
    if (this.#up) events.disconnected(this, ending)
    else events.dialFailed(this, ending)
    this.#up = false
    listeners.changed()
  }

  /** Moves to a better route once there is one. */
  #seekBetterRoute({ peerId, quality }: MeshConnection): void {
    const { clock, logger } = this.#environment
    this.#betterRoute = new BetterRoute<MeshConnection>({
      clock,
      logger,
      displayName: this.displayName,
      open: async (signal) => {
        const connection = await DialAttempt.open(this.#environment, this.deviceId, this.displayName, { signal, betterThan: quality })
        if (connection.peerId === peerId) return connection
        discard(connection)
        throw new Error('another device is there')
      },
      discard,
      found: (connection) => {
        this.#moveTo(connection)
      }
    })
  }

  /**
   * Goes on over another connection: it is open and authenticated before the old one is left, the checkpoint is saved in between, and
   * replication continues where it was.
   */
  #moveTo(connection: MeshConnection): void {
    const before = this.#outgoing
    const [from, to] = [before?.connection.route, connection.route]
    this.#environment.logger.info('a link moves to a better route', { device: this.displayName, from, to })
    if (before === undefined || this.#outgoing !== before || this.#life.signal.aborted) discard(connection)
    else this.#use(connection, this.#ending(before.end(1000, endings.replaced.reason), before))
  }

  #drop(connection: LinkConnection, { code, reason }: EndWith): void {
    if (this.#outgoing === connection) {
      this.#outgoing = undefined
      this.#stopSeeking()
    } else if (this.#incoming === connection) this.#incoming = undefined
    this.#ending(connection.end(code, reason), connection)
  }

  /** Resolves when the connection has ended, which is seen to. */
  #ending(ending: Promise<void>, connection: LinkConnection, afterMs = 0): Promise<void> {
    return this.#environment.closing.add(ending, connection, this.displayName, afterMs)
  }

  #cancelAttempt(): void {
    this.#attempt?.cancel()
    this.#attempt = undefined
  }

  #stopSeeking(): void {
    this.#betterRoute?.stop()
    this.#betterRoute = undefined
  }
}

/** Closes a connection that came too late. */
function discard({ blip }: MeshConnection): void {
  blip.close(1000, 'no longer wanted')
}
