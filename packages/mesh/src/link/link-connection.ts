import type { ChannelAttachment, ChannelObserver, PeerChannel, RemoteHello } from '@kithmesh/channel'
import { type SocketCloseInfo, isKithmeshError } from '@kithmesh/core'
import type { MeshLink } from '../contracts.ts'
import type { MeshConnection } from '../engine/contracts.ts'
import { meshErrors } from '../errors.ts'
import { type Ending, endingOf } from './ending.ts'
import type { LinkEnvironment } from './link-environment.ts'
import { type Replication, replicate } from './replication.ts'
import { commonType } from './replication-settings.ts'
import { type ReplicationLane, ReplicationLanes } from './replication-lane.ts'

type ConnectedState = Pick<MeshLink, 'state' | 'direction' | 'route' | 'quality'>

/** As {@link ChannelObserver.trustChanged} tells it. */
type TrustState = Parameters<NonNullable<ChannelObserver['trustChanged']>>[0]

export interface LinkConnectionEvents {
  /** The device has said hello, or does not know how to. */
  met(hello: RemoteHello | 'foreign'): void
  /** Both sides trust each other, at first or again. */
  trusted(): void
  /** One side does not trust the other; the connection is open still. `before`: they did on this connection. */
  distrusted(error: Error, before: boolean): void
  /** Called once, when it was not ended by us. */
  ended(ending: Ending): void
}

/**
 * One open connection of a link: the channel's part of it first, and replication once both sides trust each other. One file because hello, trust, replication
 * and the end come in any order, and each has to see how far the others are.
 */
export class LinkConnection {
  readonly connection: MeshConnection
  readonly #environment: LinkEnvironment
  readonly #channel: PeerChannel
  readonly #events: LinkConnectionEvents
  readonly #lanes: ReplicationLanes
  #attachment: ChannelAttachment | undefined
  /** Ends the watching of the channel, which outlives the connection. */
  #unobserve: () => void = () => {}
  #replication: Replication | undefined
  #lane: ReplicationLane | undefined
  #activity: 'busy' | 'idle' = 'busy'
  #met: RemoteHello | 'foreign' | undefined
  /** Replication may run as far as this connection is concerned: nothing else of the link still does. */
  #free: boolean
  #trusted = false
  /** Whether both sides trust each other has been said; it may change. */
  #judged = false
  /** Why they do not; said as soon as the device has said hello. */
  #untrusted: Error | undefined
  #told = false
  /** Neither side wants what the other gives. */
  #nothingToDo = false
  #error: Error | undefined
  #ending = false
  #over = false
  /** How the connection was closed; its replication may still be told. */
  #info: SocketCloseInfo | undefined
  #finish: () => void = () => {}
  /** Resolves when it has ended, however. */
  readonly ended: Promise<void>

  constructor(connection: MeshConnection, channel: PeerChannel, environment: LinkEnvironment, events: LinkConnectionEvents) {
    this.connection = connection
    this.#channel = channel
    this.#environment = environment
    this.#events = events
    this.#free = true
    this.ended = new Promise((resolve) => {
      this.#finish = resolve
    })
    this.#lanes = new ReplicationLanes(connection.blip)
  }

  get state(): ConnectedState {
    const { direction, route, quality } = this.connection
    return { state: this.#stateOf(), direction, route, quality }
  }
  #stateOf(): 'busy' | 'idle' | 'restricted' {
    if (this.#nothingToDo && this.#trusted) return 'idle'
    if (this.#replication !== undefined) return this.#activity
    // Until both have said what they make of each other, nothing is refused yet.
    return this.#judged && !this.#trusted ? 'restricted' : 'busy'
  }
  /** Both sides speak the channel protocol, and trust each other. */
  get mutual(): boolean {
    return this.#met !== undefined && this.#met !== 'foreign' && this.#channel.mutual
  }
  get attachment(): ChannelAttachment | undefined {
    return this.#attachment
  }

  /**
   * Says hello; to be called in the turn in which the connection was handed over.
   * @param after Replication begins when this has resolved.
   */
  begin(after?: Promise<void>): void {
    const { connection } = this
    connection.blip.onClosed((info) => {
      this.#closed(info)
    })
    if (after !== undefined) {
      this.#free = false
      void after.then(() => {
        this.#free = true
        this.#update()
      })
    }
    let attachment: ChannelAttachment
    this.#unobserve = this.#channel.observe({
      trustChanged: (trust) => {
        this.#trustChanged(trust)
      }
    })
    try {
      attachment = this.#channel.attach({
        blip: connection.blip,
        role: connection.direction === 'outgoing' ? 'initiator' : 'responder',
        binding: connection.binding,
        standing: connection.standing,
        protocols: connection.protocols ?? [],
        hello: this.#environment.hello
      })
    } catch (error) {
      this.#error = error as Error
      connection.terminate()
      return
    }
    this.#attachment = attachment
    this.#environment.listen(connection.peerId, attachment)
    attachment.hello.then(
      (hello) => {
        if (this.#over) return
        this.#met = hello
        if (commonType(this.#environment.directions, hello) === undefined) {
          this.#nothingToDo = true
          this.#lane?.end({ code: 1000, reason: 'nothing to do' })
        }
        this.#events.met(hello)
        if (this.#untrusted !== undefined && !attachment.trusts) this.#trust(false, this.#untrusted)
        this.#environment.listeners.changed()
      },
      (error: unknown) => {
        if (this.#info !== undefined || this.#ending) return
        // Whom the certificate is enough for is served already, and its replication has deadlines of its own.
        if (this.#trusted && isKithmeshError(error, 'ERR_CHANNEL_TIMEOUT')) {
          this.#environment.events.stalled(connection.peerId, error)
          return
        }
        this.#error = error as Error
        connection.terminate()
      }
    )
    attachment.trusted.then(
      () => {
        this.#judged = true
        this.#trust(true, undefined)
      },
      (error: unknown) => {
        this.#judged = true
        this.#untrusted = error as Error
        if (this.#met !== undefined) this.#trust(false, this.#untrusted)
      }
    )
    // One that only replicates, and asks at once, is served at once: what it does not know it cannot wait for. Unless the program trusts it no more.
    if (connection.direction === 'incoming' && connection.standing === 'trusted') this.#trusted = attachment.trusts
    this.#update()
  }

  /** Trust changed on either side. */
  #trustChanged({ level, word, mutual }: TrustState): void {
    if (this.#met === undefined) {
      if (this.#trusted && this.#attachment?.trusts === false) this.#trust(false, undefined)
      return
    }
    const here = level === 'trusted'
    // Who dialled asks only once the other side trusts it as well; the other side has to be ready before.
    const early = this.connection.direction === 'incoming' && (word === undefined || !word.settled)
    const trusted = here && (mutual || this.#met === 'foreign' || early)
    if (trusted === this.#trusted && (!trusted || this.#told)) return
    const gone = meshErrors.create(
      'ERR_MESH_DISTRUSTED',
      here ? 'The device does not trust this one any more' : 'The device is not trusted any more',
      { details: { by: here ? 'remote' : 'local' } }
    )
    this.#trust(trusted, this.#trusted ? gone : undefined)
  }

  /** `why` it is not there; undefined while it is not known yet. */
  #trust(trusted: boolean, why: Error | undefined): void {
    if (this.#info !== undefined || this.#ending) return
    const before = this.#trusted
    this.#trusted = trusted
    this.#update()
    if (trusted && !this.#told && (this.mutual || this.#met === 'foreign')) {
      this.#told = true
      this.#events.trusted()
    } else if (!trusted) {
      this.#told = false
      if (why !== undefined) this.#events.distrusted(why, before)
    }
  }

  /**
   * Ends it in order; resolves when it has ended. `ended` of the events is not called any more. Idempotent.
   * @param code Of the WebSocket protocol; with the reason it tells the device what this end means.
   */
  async end(code: number, reason: string): Promise<void> {
    if (!this.#ending) {
      this.#ending = true
      if (this.#info === undefined) await this.#stopReplication(code)
      if (this.#info === undefined) this.connection.blip.close(code, reason)
    }
    await this.ended
  }

  probe(withinMs: number): void {
    this.connection.probe(withinMs)
  }

  terminate(): void {
    this.connection.terminate()
  }

  #update(): void {
    if (this.#info !== undefined || this.#ending) return
    if (!this.#trusted || !this.#free) {
      // The other side answers nothing any more, so there is nothing to be said in order.
      this.#lane?.end({ code: 1000, reason: 'not trusted' })
    } else if (this.#lane === undefined && !this.#nothingToDo) this.#startReplication()
    this.#environment.listeners.changed()
  }

  #startReplication(): void {
    const { totals, listeners } = this.#environment
    const { peerId, protocol, description } = this.connection
    const lane = this.#lanes.open((_lane, code, reason) => {
      if (this.#ending || !this.#trusted) lane.end({ code, reason })
      else this.connection.blip.close(code, reason)
    })
    this.#lane = lane
    this.#activity = 'busy'
    const type = commonType(this.#environment.directions, this.#met) ?? 'push-and-pull'
    let replication: Replication | undefined
    let stopped = false
    const over = (error: Error | undefined): void => {
      if (stopped) return
      stopped = true
      if (replication !== undefined) totals.end(replication)
      if (this.#lane === lane) {
        this.#lane = undefined
        this.#replication = undefined
      }
      if (this.#info !== undefined) {
        this.#error ??= error
        this.#conclude(this.#info)
      } else if (this.#trusted && !this.#ending && !this.#nothingToDo) {
        // It could not even begin; without it the connection is of no use.
        this.#error ??= error
        this.connection.blip.close(1000)
      } else this.#update()
    }
    try {
      replication = replicate({ blip: lane, protocol, description }, this.connection, type, this.#environment, {
        activity: (activity) => {
          this.#activity = activity
          listeners.changed()
        },
        documents: (events) => {
          listeners.documents(peerId, events)
          this.#environment.events.documents(peerId, events)
        },
        ended: over
      })
    } catch (error) {
      over(error as Error)
      return
    }
    if (stopped) return
    this.#replication = replication
    totals.begin(peerId, replication)
  }

  async #stopReplication(code: number): Promise<void> {
    const lane = this.#lane
    await this.#replication?.stop(code === 4001 ? 4001 : 1000)
    lane?.end({ code: 1000, reason: '' })
  }

  #closed(info: SocketCloseInfo): void {
    this.#info = info
    this.#lanes.closed(info)
    // What the replication says of the end is worth more than a close code.
    if (this.#lane === undefined) this.#conclude(info)
  }

  #conclude(info: SocketCloseInfo): void {
    if (this.#over) return
    this.#over = true
    this.#unobserve()
    this.#finish()
    if (!this.#ending) this.#events.ended(endingOf(info, this.#error))
    this.#environment.listeners.changed()
  }
}
