import { type Clock, type Logger, TokenBucket } from '@kithmesh/core/plugin'
import type { Duplex } from 'node:stream'
import { bleErrors } from '../errors.ts'
import type { ChannelLimits } from '../l2cap/channel-limits.ts'
import { ChannelManager } from '../l2cap/channel-manager.ts'
import { HciLink } from './acl-link.ts'
import { AclSender } from './acl-sender.ts'
import { isSoundReport } from './advertising-reports.ts'
import { AwaitedServers } from './awaited-servers.ts'
import type { CommandQueue } from './command-queue.ts'
import { ConnectAttempt } from './connect-attempt.ts'
import type { ControllerInfo } from './initialise.ts'
import { ControllerPackets } from './controller-packets.ts'
import { LibraryCommands } from './library-commands.ts'
import { LibraryLinks } from './library-links.ts'
import type { ControllerView } from './library-stack.ts'
import { OP, STATUS } from './opcodes.ts'
import { addressId, commandPacket, connectionComplete } from './packet-codec.ts'
import type { ConnectionComplete } from './packet-codec.ts'
import type { LinkOwner } from './link-owner.ts'
import { LinkEnds } from './link-ends.ts'
import { tuning } from './link-tuning.ts'
import { StalledLinks } from './stalled-links.ts'
import { ParameterUpdates } from './parameter-updates.ts'

/** Frames of channels up to that length are left to the channels to judge. */
const LEAST_DYNAMIC_BYTES = 4096
/** Milliseconds after which a peer that connected and does nothing has to make room for others. */
const USELESS_MS = 10_000
/** Advertising reports that reach a library, so that a place full of advertisers costs a bounded share of the processor. */
const REPORTS = { burst: 200, perMinute: 120_000 } as const
/** Milliseconds that peers have to be told of the end. */
const END_MS = 500

export interface ControllerOptions {
  readonly info: ControllerInfo
  readonly queue: CommandQueue
  readonly send: (packet: Uint8Array) => void
  readonly clock: Clock
  readonly logger: Logger
  /** It is ours alone. */
  readonly dedicated: boolean
  readonly maxLinks: number
  /** Milliseconds after which a link that nobody needs any more is ended. */
  readonly idleMs: number
  readonly limits: Partial<ChannelLimits>
  /** Who takes channels to a PSM, on any link. */
  readonly accept: (psm: number) => ((channel: Duplex, link: HciLink) => void) | undefined
  readonly linked: (link: HciLink) => void
  /** Calls a listener that may fail. */
  readonly guard: (listener: (error: Error) => void, error: Error) => void
  /** Library instances of the peripheral role, the newest last. */
  readonly servers: () => readonly ControllerView[]
}

/**
 * One run of an initialised controller: its links, and which events are whose. One file because it only hands on: every event of the controller to the part whose
 * it is, and to the parts what they need of each other.
 */
export class Controller implements LinkOwner {
  readonly info: ControllerInfo
  readonly sender: AclSender
  readonly commands: LibraryCommands
  readonly links = new Map<number, HciLink>()
  readonly #options: ControllerOptions
  readonly #attempt: ConnectAttempt
  readonly #updates: ParameterUpdates
  readonly #reports: TokenBucket
  readonly #servers: AwaitedServers
  readonly #libraryLinks: LibraryLinks
  readonly #packets = this.#packetHandlers()
  readonly #ends: LinkEnds
  readonly #stalled: StalledLinks
  #malformed = 0
  #ended = false
  /** Waits for the last link to end. */
  #allGone: (() => void) | undefined

  constructor(options: ControllerOptions) {
    const { info, queue, send, clock, dedicated } = options
    this.#options = options
    this.info = info
    this.sender = new AclSender(info.aclBytes, info.aclPackets, (packet) => {
      send(packet)
      const link = this.links.get(packet.readUInt16LE(1) & 0x0fff)
      if (link !== undefined) this.#stalled.sent(link)
    })
    this.#stalled = new StalledLinks(clock)
    this.#reports = new TokenBucket(REPORTS, clock)
    this.#ends = new LinkEnds(clock, options.idleMs)
    this.#updates = new ParameterUpdates(clock, (packet) => {
      queue.submit(OP.leConnectionUpdate, packet, () => {})
    })
    this.#attempt = new ConnectAttempt(queue)
    this.commands = new LibraryCommands(info, dedicated, queue, {
      connect: (view, type, id) => this.#libraryLinks.connect(view, type, id),
      connectRefused: (view) => {
        this.#attempt.refused(view)
      },
      cancelConnect: (view) => this.#attempt.giveUp(view),
      disconnect: (view, handle, reason) => this.#libraryLinks.disconnect(view, handle, reason),
      advertises: () => {
        // After the library was told.
        setImmediate(() => {
          this.#servers.serveNext()
        })
      },
      uses: (view, handle) => this.links.get(handle)?.libraries.uses(view) ?? false
    })
    this.#servers = new AwaitedServers(clock, this.commands)
    this.#libraryLinks = new LibraryLinks({ links: this.links, attempt: this.#attempt, ends: this.#ends, room: () => this.#hasRoom })
  }

  linkTo(id: string): HciLink | undefined {
    return this.#libraryLinks.to(id)
  }

  /** One H4 packet of the controller, other than answers to commands. */
  packet(packet: Buffer): void {
    this.#packets.take(packet)
  }

  /** Ends all links in order, and lets none begin; resolves when the controller has ended them, or does not. */
  async end(error: Error): Promise<void> {
    this.#ended = true
    for (const link of [...this.links.values()]) link.cut(STATUS.remoteUserTerminated, error)
    if (this.links.size === 0) return
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(END_MS, resolve)
      this.#allGone = () => {
        cancel()
        resolve()
      }
    })
  }

  /** The controller is gone, or given back: all links end. */
  close(error: Error): void {
    // Before the links: what one leaves behind in the controller is no room for another any more.
    this.sender.close()
    for (const link of [...this.links.values()]) this.#gone(link, STATUS.localHostTerminated, error)
    this.#attempt.close()
  }

  /** A library left. */
  released(view: ControllerView): void {
    this.commands.released(view)
    this.#attempt.released(view)
    this.#libraryLinks.released(view)
  }

  // What links need

  now(): number {
    return this.#options.clock.monotonic()
  }

  disconnect(link: HciLink, reason: number): void {
    const lost = bleErrors.create('ERR_BLE_LINK_LOST', `The connection to ${link.peer.id} was ended here`)
    this.#ends.ending(link, () => {
      this.#gone(link, reason, lost)
    })
    const packet = commandPacket(OP.disconnect, Buffer.from([link.handle & 0xff, link.handle >> 8, reason]))
    this.#options.queue.submit(OP.disconnect, packet, ({ status }) => {
      if (status === STATUS.unknownConnection) this.#gone(link, reason, lost)
    })
  }

  serverFor(): ControllerView | undefined {
    return this.#servers.take()
  }

  awaitServer(link: HciLink): boolean {
    if (this.#options.servers().length === 0) return false
    this.#servers.wait(link)
    return true
  }

  parameterRequest(link: HciLink, pdu: Buffer): void {
    if (this.#options.dedicated) this.#updates.requested(link, pdu)
  }

  parameterResponse(link: HciLink, pdu: Buffer): void {
    this.#updates.answered(link, pdu)
  }

  tell(listener: (error: Error) => void, error: Error): void {
    this.#options.guard(listener, error)
  }

  offence(link: HciLink, what: string, cause?: unknown): void {
    this.#options.logger.warn('a device broke a rule of Bluetooth, its connection is cut', {
      peer: link.peer.id,
      what,
      ...(cause instanceof Error && { error: cause.message })
    })
  }

  // Events

  #packetHandlers(): ControllerPackets {
    return new ControllerPackets({
      acl: (handle, packet) => this.links.get(handle)?.receive(packet),
      connected: (event) => {
        this.#connected(event)
      },
      disconnected: (handle, reason) => {
        this.#disconnected(handle, reason)
      },
      aboutLink: (handle, packet) => this.links.get(handle)?.libraries.tell(packet),
      keyWanted: (handle) => {
        this.#refuseKey(handle)
      },
      reported: (packet) => {
        const { scanner } = this.commands
        if (scanner !== undefined && this.#reports.take() && isSoundReport(packet)) scanner.deliver(packet)
      },
      completed: (handle, count) => {
        const sound = this.sender.completed(handle, count)
        if (!sound && this.#options.dedicated) this.#ignore('completed packets that were not sent')
      },
      completedAll: () => {
        this.sender.pump()
        for (const link of this.links.values()) link.tellDrained()
      },
      malformed: (what) => {
        this.#ignore(what)
      }
    })
  }

  /** Nobody here has keys of old pairings, and a controller waits until it is told so. */
  #refuseKey(handle: number): void {
    if (!this.#options.dedicated || !this.links.has(handle)) return
    const packet = commandPacket(OP.leLongTermKeyNegativeReply, Buffer.from([handle & 0xff, handle >> 8]))
    this.#options.queue.submit(OP.leLongTermKeyNegativeReply, packet, () => {})
  }

  #disconnected(handle: number, reason: number): void {
    const link = this.links.get(handle)
    if (link === undefined) return
    const why = reason === STATUS.connectionTimeout ? 'it went out of range' : `reason 0x${reason.toString(16)}`
    this.#gone(
      link,
      reason,
      bleErrors.create('ERR_BLE_LINK_LOST', `The connection to ${link.peer.id} broke: ${why}`, { details: { reason } })
    )
  }

  #gone(link: HciLink, reason: number, error: Error): void {
    if (this.links.get(link.handle) === link) this.links.delete(link.handle)
    this.#ends.forget(link)
    this.#stalled.forget(link)
    this.#servers.forget(link)
    this.#updates.forget(link)
    link.gone(reason, error)
    if (this.links.size === 0) this.#allGone?.()
  }

  // Connections

  get #hasRoom(): boolean {
    return !this.#ended && this.links.size < this.#options.maxLinks
  }

  #connected(event: ConnectionComplete): void {
    if (event.status !== STATUS.success) {
      this.#attempt.ended()?.deliver(connectionComplete({ ...event, role: 0 }))
      return
    }
    const incoming = event.role !== 0
    // The system makes connections of its own where the adapter is shared.
    if (!this.#options.dedicated && !incoming && !this.#attempt.isTo(addressId(event.peerAddress))) return
    const stale = this.links.get(event.handle)
    if (stale !== undefined) {
      this.#gone(stale, STATUS.connectionTimeout, bleErrors.create('ERR_BLE_LINK_LOST', `The connection to ${stale.peer.id} is gone`))
    }
    const view = incoming ? this.commands.advertiser : this.#attempt.ended()
    // A peer that came while a library that is taken was about to stop advertising is served by the next one, when it asks.
    const user = incoming ? this.commands.open : view
    if (incoming) this.commands.advertisingEnded()
    if (view === undefined && !this.#options.dedicated) return
    if (view === undefined || !this.#hasRoom) {
      this.#refuse(event, view)
      return
    }
    const link = this.#begin(event)
    if (user !== undefined) link.libraries.attach(user, incoming ? 'server' : 'client')
    if (incoming) this.#attempt.crossedBy(link)
    this.#options.linked(link)
  }

  #begin(event: ConnectionComplete): HciLink {
    const peer = { id: addressId(event.peerAddress), type: (event.peerAddressType & 1) === 0 ? 'public' : 'random' } as const
    // The controller's packet belongs to whoever is given it next.
    const began = { ...event, peerAddress: Buffer.from(event.peerAddress), timing: Buffer.from(event.timing) }
    const { clock, logger, queue, dedicated, limits, accept } = this.#options
    const dynamicBytes = Math.max(LEAST_DYNAMIC_BYTES, limits.mps ?? 0)
    const link = new HciLink(began, peer, dedicated ? dynamicBytes : 0, this)
    this.links.set(event.handle, link)
    if (!dedicated) return link
    link.useChannels(
      new ChannelManager({
        carrier: link,
        clock,
        logger,
        limits,
        accept: (psm) => {
          const onChannel = accept(psm)
          return (
            onChannel &&
            ((channel) => {
              onChannel(channel, link)
            })
          )
        }
      })
    )
    for (const packet of tuning(link, this.info.features)) queue.submit(packet.readUInt16LE(1), packet, () => {})
    return link
  }

  /** A link for which there is no room, or that nobody asked for. */
  #refuse(event: ConnectionComplete, view: ControllerView | undefined): void {
    const packet = commandPacket(OP.disconnect, Buffer.from([event.handle & 0xff, event.handle >> 8, STATUS.lowResources]))
    this.#options.queue.submit(OP.disconnect, packet, () => {})
    if (event.role === 0) view?.deliver(connectionComplete({ status: STATUS.connectionLimitExceeded }))
    else if (!this.#ended) {
      this.#makeRoom()
      this.commands.advertiseAgain()
    }
  }

  /** Who was refused may come again, and finds the place of whoever has been doing nothing for longest. */
  #makeRoom(): void {
    let idlest: HciLink | undefined
    for (const link of this.links.values()) if (link.uselessMs > (idlest?.uselessMs ?? USELESS_MS)) idlest = link
    idlest?.cut(
      STATUS.lowResources,
      bleErrors.create('ERR_BLE_LIMIT', `The connection to ${idlest.peer.id} was ended, as it was idle and others want to connect`)
    )
  }

  /** Logged once per run: a controller that talks nonsense does so at length. */
  #ignore(what: string): void {
    if (this.#malformed++ === 0) this.#options.logger.warn('the adapter sent what it should not; it is ignored', { what })
  }
}
