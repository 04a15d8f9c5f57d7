/**
 * The multicast sockets: the only file that does I/O. One UDP socket per interface and address family.
 * One file because opening, watching and closing change the same record of a link.
 */
import { createSocket } from 'node:dgram'
import type { RemoteInfo, Socket } from 'node:dgram'
import type { NetworkInterfaceInfo } from 'node:os'
import type { Buffer } from 'node:buffer'
import type { Clock, Logger } from '@kithmesh/core'
import { ownInterfaces } from '@kithmesh/core/plugin'
import { dnssdErrors } from './errors.ts'
import { isOnLink, sameInterface, selectInterfaces } from './interfaces.ts'
import type { InterfaceChoice, LinkInterface } from './interfaces.ts'
import { Outbox } from './outbox.ts'

// Not by import: that would open the streams of the process.
const { platform } = process

const group4 = '224.0.0.251'
const group6 = 'ff02::fb'
const receiveBufferBytes = 4 * 1024 * 1024
const pollMs = 5000
const bindTimeoutMs = 3000

/** Where a packet came from, on which socket. */
export interface Sender {
  readonly address: string
  readonly port: number
  readonly family: 4 | 6
}

/** One interface with its open sockets. */
export interface Link {
  readonly name: string
  /** Addresses to publish on this link, IPv4 and IPv6, without zone. */
  readonly addresses: readonly string[]
  /** Multicasts on every family, after what is waiting already. */
  send(packet: Buffer): void
  /** Answers one sender directly. */
  reply(packet: Buffer, to: Sender): void
  /** Resolves when all multicasts so far have left. */
  idle(): Promise<void>
}

export interface LinkHandlers {
  message(link: Link, packet: Buffer, from: Sender): void
  linkUp(link: Link): void
  linkDown(link: Link): void
  /** Addresses of the link are others now. */
  linkChanged(link: Link): void
}

export interface SocketOptions extends InterfaceChoice {
  readonly port: number
  /** Replaced in tests. */
  readonly listInterfaces?: (() => Readonly<Partial<Record<string, readonly NetworkInterfaceInfo[]>>>) | undefined
}

interface OpenLink {
  readonly link: Link
  readonly sockets: Map<4 | 6, Socket>
  readonly outbox: Outbox
  about: LinkInterface
  /** A socket reported an error: open them anew. */
  broken: boolean
}

export class MulticastSockets {
  readonly #options: SocketOptions
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #handlers: LinkHandlers
  readonly #links = new Map<string, OpenLink>()
  readonly #failed = new Set<string>()
  #stopPolling: (() => void) | undefined
  #polling: Promise<void> = Promise.resolve()
  #closed = false

  constructor(options: SocketOptions, clock: Clock, logger: Logger, handlers: LinkHandlers) {
    this.#options = options
    this.#clock = clock
    this.#logger = logger
    this.#handlers = handlers
  }

  get links(): readonly Link[] {
    return [...this.#links.values()].map(({ link }) => link)
  }

  /**
   * Opens the sockets and begins to watch the interfaces, every five seconds.
   * @throws ERR_DNSSD_NO_INTERFACE, ERR_DNSSD_SOCKET
   */
  async open(): Promise<void> {
    const chosen = this.#select()
    if (chosen.length === 0)
      throw dnssdErrors.create(
        'ERR_DNSSD_NO_INTERFACE',
        `No network interface to use${this.#options.interfaces === undefined ? '' : ` among ${this.#options.interfaces.join(', ')}`}`
      )
    const causes: unknown[] = []
    for (const about of chosen) {
      try {
        await this.#up(about)
      } catch (error) {
        causes.push(error)
      }
    }
    if (this.#links.size === 0) {
      await this.close()
      throw dnssdErrors.create('ERR_DNSSD_SOCKET', `No multicast socket could be opened on ${chosen.map(({ name }) => name).join(', ')}`, {
        cause: causes[0]
      })
    }
    if (this.#closed) return
    this.#stopPolling = this.#clock.every(pollMs, () => {
      this.#polling = this.#polling
        .then(() => this.poll())
        .catch((error: unknown) => {
          this.#logger.warn('Watching the network interfaces failed', { error })
        })
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#stopPolling?.()
    await this.#polling
    await Promise.all([...this.#links.values()].map((open) => this.#down(open)))
  }

  /** Compares the interfaces with what is open; called by the timer. */
  async poll(): Promise<void> {
    const chosen = new Map(this.#select().map((about) => [about.name, about]))
    for (const open of [...this.#links.values()]) {
      const now = chosen.get(open.about.name)
      if (this.#closed) return
      if (now === undefined) {
        await this.#down(open)
        this.#logger.info('Network interface is gone', { interface: open.about.name })
        this.#handlers.linkDown(open.link)
      } else if (open.broken || !sameInterface(open.about, now)) {
        for (const socket of open.sockets.values()) await closeSocket(socket)
        open.sockets.clear()
        open.about = now
        open.broken = false
        try {
          await this.#bind(open)
          this.#handlers.linkChanged(open.link)
        } catch (error) {
          await this.#down(open)
          this.#logger.warn('Network interface cannot be used any more', { interface: now.name, error })
          this.#handlers.linkDown(open.link)
        }
      }
    }
    for (const about of chosen.values()) {
      if (this.#closed) return
      if (this.#links.has(about.name)) continue
      try {
        const link = await this.#up(about)
        this.#logger.info('Network interface is up', { interface: about.name })
        this.#handlers.linkUp(link)
      } catch {
        /* #up has logged it; the next poll tries again */
      }
    }
  }

  #select(): LinkInterface[] {
    return selectInterfaces((this.#options.listInterfaces ?? ownInterfaces)(), this.#options)
  }

  async #up(about: LinkInterface): Promise<Link> {
    const sockets = new Map<4 | 6, Socket>()
    const outbox = new Outbox(this.#clock, (packet) => {
      for (const [family, socket] of sockets)
        this.#transmit(open, socket, packet, this.#options.port, family === 4 ? group4 : `${group6}%${zone(open.about)}`)
    })
    const link: Link = {
      name: about.name,
      get addresses() {
        return open.about.addresses.map(({ address }) => address)
      },
      send: (packet) => {
        outbox.push(packet)
      },
      reply: (packet, to) => {
        const socket = sockets.get(to.family)
        if (socket !== undefined) this.#transmit(open, socket, packet, to.port, to.address)
      },
      idle: () => outbox.idle()
    }
    const open: OpenLink = { link, sockets, outbox, about, broken: false }
    try {
      await this.#bind(open)
    } catch (error) {
      if (!this.#failed.has(about.name))
        this.#logger.warn('Network interface cannot be used for multicast', { interface: about.name, error })
      this.#failed.add(about.name)
      throw error
    }
    this.#failed.delete(about.name)
    this.#links.set(about.name, open)
    return link
  }

  async #bind(open: OpenLink): Promise<void> {
    const { about } = open
    const address4 = about.addresses.find(({ family }) => family === 4)?.address
    // Linux has no route for IPv6 multicast on loopback, so it is left out there when IPv4 does the work.
    const want6 = about.addresses.some(({ family }) => family === 6) && !(about.internal && address4 !== undefined)
    let failure: unknown
    if (address4 !== undefined) {
      try {
        open.sockets.set(4, await this.#socket(open, 4, platform === 'win32' ? '0.0.0.0' : group4, address4))
      } catch (error) {
        failure = error
      }
    }
    if (want6) {
      // Bound to the group within the zone, a socket gets this interface's multicasts only, and no other program's unicasts.
      try {
        open.sockets.set(6, await this.#socket(open, 6, platform === 'win32' ? '::' : `${group6}%${zone(about)}`, `::%${zone(about)}`))
      } catch (error) {
        failure ??= error
      }
    }
    if (open.sockets.size === 0) throw failure
    if (failure !== undefined)
      this.#logger.warn('One address family of a network interface cannot be used', { interface: about.name, error: failure })
  }

  async #socket(open: OpenLink, family: 4 | 6, bindTo: string, through: string): Promise<Socket> {
    const socket = createSocket({ type: family === 4 ? 'udp4' : 'udp6', reuseAddr: true, ipv6Only: family === 6 })
    try {
      await new Promise<void>((resolve, reject) => {
        const cancel = this.#clock.after(bindTimeoutMs, () => {
          reject(new Error(`Binding ${bindTo} took too long`))
        })
        socket.once('error', (error) => {
          cancel()
          reject(error)
        })
        socket.bind({ port: this.#options.port, address: bindTo }, () => {
          cancel()
          resolve()
        })
      })
      socket.removeAllListeners('error')
      socket.on('error', (error) => {
        open.broken = true
        this.#logger.warn('A multicast socket reported an error', { interface: open.about.name, error })
      })
      // Without this the operating system would choose another interface to send on: a failure here ends the socket.
      socket.setMulticastInterface(through)
      socket.addMembership(family === 4 ? group4 : group6, through)
      socket.setMulticastTTL(255)
      socket.setMulticastLoopback(true)
      try {
        socket.setRecvBufferSize(receiveBufferBytes)
      } catch (error) {
        this.#logger.debug('The receive buffer stays small', { error })
      }
    } catch (error) {
      await closeSocket(socket)
      throw error
    }
    socket.on('message', (packet, from: RemoteInfo) => {
      if (isOnLink(open.about, from.address)) this.#handlers.message(open.link, packet, { address: from.address, port: from.port, family })
    })
    return socket
  }

  #transmit(open: OpenLink, socket: Socket, packet: Buffer, port: number, address: string): void {
    try {
      socket.send(packet, port, address, (error) => {
        if (error !== null)
          this.#logger.debug('A packet could not be sent', { interface: open.about.name, address, bytes: packet.length, error })
      })
    } catch (error) {
      this.#logger.debug('A packet could not be sent', { interface: open.about.name, address, error })
    }
  }

  async #down(open: OpenLink): Promise<void> {
    this.#links.delete(open.about.name)
    open.outbox.close()
    for (const socket of open.sockets.values()) await closeSocket(socket)
    open.sockets.clear()
  }
}

function zone(about: LinkInterface): string {
  return platform === 'win32' ? String(about.index) : about.name
}

function closeSocket(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.removeAllListeners('message')
    try {
      socket.close(() => {
        resolve()
      })
    } catch {
      resolve()
    }
  })
}
