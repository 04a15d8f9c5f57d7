import type { SocketCloseInfo } from '@kithmesh/core'
import type { BlipPeer, IncomingRequest, OutgoingRequest, Reply, RequestOptions } from '@kithmesh/blip'

/** Receives a replication's wish to close. */
export type LaneClosing = (lane: ReplicationLane, code: number, reason: string) => void

/**
 * The replication's part of a connection that others use too: one replication after the other may run over it, and each can be ended without the connection.
 * Requests of the peer for which no replication runs are answered `BLIP`/404, as for one that never had any.
 */
export class ReplicationLanes {
  readonly #blip: BlipPeer
  /** Profiles that some lane has handled; each has one receiver for the whole of the connection. */
  readonly #profiles = new Set<string>()
  #current: ReplicationLane | undefined

  constructor(blip: BlipPeer) {
    this.#blip = blip
  }

  /** The connection has ended. */
  closed(info: SocketCloseInfo): void {
    this.#current?.end(info)
  }

  /** Begins a lane, after the earlier one has ended. `closing` decides what becomes of the connection when the replication closes it. */
  open(closing: LaneClosing): ReplicationLane {
    const lane = new ReplicationLane(this.#blip, closing, (profile) => {
      this.#receive(profile)
    })
    this.#current = lane
    return lane
  }

  #receive(profile: string): void {
    if (this.#profiles.has(profile)) return
    this.#profiles.add(profile)
    this.#blip.handle(profile, (request) => {
      const handler = this.#current?.handlerOf(profile)
      if (handler === undefined) request.respondError('BLIP', 404, 'no replication')
      else handler(request)
    })
  }
}

/** A connection as one replication sees it. */
export class ReplicationLane implements BlipPeer {
  readonly #blip: BlipPeer
  readonly #closing: LaneClosing
  readonly #receive: (profile: string) => void
  readonly #handlers = new Map<string, (request: IncomingRequest) => void>()
  readonly #waiting = new Set<(reply: Reply) => void>()
  readonly #listeners: Array<(info: SocketCloseInfo) => void> = []
  #info: SocketCloseInfo | undefined

  constructor(blip: BlipPeer, closing: LaneClosing, receive: (profile: string) => void) {
    this.#blip = blip
    this.#closing = closing
    this.#receive = receive
  }

  get unansweredRequests(): number {
    return this.#blip.unansweredRequests
  }

  request(request: OutgoingRequest, onReply?: (reply: Reply) => void, options?: RequestOptions): void {
    if (onReply === undefined) {
      if (this.#info === undefined) this.#blip.request(request, undefined, options)
      return
    }
    // What is asked of a lane that has ended is answered by the connection's later turn, as on a closed connection.
    const waiting = this.#waiting
    waiting.add(onReply)
    const { onBody } = options ?? {}
    this.#blip.request(
      request,
      (reply) => {
        if (waiting.delete(onReply)) onReply(reply)
      },
      options === undefined || onBody === undefined
        ? options
        : { ...options, onBody: (piece) => (waiting.has(onReply) ? onBody(piece) : undefined) }
    )
  }

  flush(): void {
    this.#blip.flush?.()
  }

  handle(profile: string, handler: (request: IncomingRequest) => void): void {
    this.#handlers.set(profile, handler)
    this.#receive(profile)
  }

  handlerOf(profile: string): ((request: IncomingRequest) => void) | undefined {
    return this.#info === undefined ? this.#handlers.get(profile) : undefined
  }

  close(code = 1000, reason = ''): void {
    if (this.#info === undefined) this.#closing(this, code, reason)
  }

  onClosed(listener: (info: SocketCloseInfo) => void): void {
    this.#listeners.push(listener)
  }

  /** Nothing goes over it any more: everything that waits is told so, then the replication. Idempotent. */
  end(info: SocketCloseInfo): void {
    if (this.#info !== undefined) return
    this.#info = info
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const onReply of waiting) onReply({ kind: 'disconnected' })
    for (const listener of this.#listeners) listener(info)
  }
}
