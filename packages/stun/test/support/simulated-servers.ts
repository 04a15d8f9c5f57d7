import { createSocket } from 'node:dgram'
import type { Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Server, Socket as TcpSocket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { StreamDeframer, canonicalAddress, decodeMessage, encodeMessage, formatTransportAddress } from '@kithmesh/stun'
import type { ReceivedMessage, StunAttributes, TransportAddress } from '@kithmesh/stun'
import type { SimulatedNat } from './simulated-nat.ts'

/** What a server does other than a good one of RFC 5780. */
export interface ServerScript {
  readonly address: string
  /** Its second address; without one it is a plain STUN server. */
  readonly second?: string
  /** What it says instead of what it saw. */
  readonly mapped?: (seen: TransportAddress) => TransportAddress
  /** What it says of its second address. */
  readonly other?: TransportAddress
  /** As RFC 3489 has it: MAPPED-ADDRESS and CHANGED-ADDRESS. */
  readonly old?: boolean
  /** It answers from where it was asked, whatever CHANGE-REQUEST says, or answers 420. */
  readonly change?: 'ignored' | 'refused' | 'legacy-only'
  readonly silent?: 'udp' | 'tcp' | 'both'
  /** The second address does not answer. */
  readonly secondIsDown?: boolean
  readonly tcp?: boolean
  /** It speaks TLS over TCP, and nothing over UDP. */
  readonly tls?: { readonly key: string; readonly cert: string }
  /** Each answer comes this late, milliseconds. @default 0 */
  readonly delayMs?: number
}

/** A datagram or a connection that arrived. */
export interface Contact {
  readonly protocol: 'udp' | 'tcp'
  readonly from: TransportAddress
  readonly to: TransportAddress
}

/** The internet as far as a probe sees it: STUN servers on loopback addresses that behave as if a NAT were in between. */
export interface SimulatedServers extends AsyncDisposable {
  /** `stun:127.0.0.2:40123`, in the order of the scripts. */
  readonly uris: readonly string[]
  /** Where requests came in, in order. */
  readonly contacted: readonly Contact[]
}

export async function simulatedServers(
  nats: { udp: SimulatedNat; tcp: SimulatedNat },
  scripts: readonly ServerScript[]
): Promise<SimulatedServers> {
  const contacted: Contact[] = []
  const servers = await Promise.all(scripts.map((script) => SimulatedServer.open(nats, script, contacted)))
  return {
    uris: servers.map(({ first }, index) => `${scripts[index]?.tls === undefined ? 'stun' : 'stuns'}:${formatTransportAddress(first)}`),
    contacted,
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server.close()))
    }
  }
}

class SimulatedServer {
  readonly first: TransportAddress
  readonly #other: TransportAddress | undefined
  readonly #nats: { udp: SimulatedNat; tcp: SimulatedNat }
  readonly #script: ServerScript
  readonly #contacted: Contact[]
  readonly #udp = new Map<string, UdpSocket>()
  readonly #tcp: Server[] = []
  readonly #connections = new Set<TcpSocket>()
  readonly #timers = new Set<NodeJS.Timeout>()

  static async open(nats: { udp: SimulatedNat; tcp: SimulatedNat }, script: ServerScript, contacted: Contact[]): Promise<SimulatedServer> {
    for (let tries = 0; ; tries++) {
      const port = 40_000 + Math.floor(Math.random() * 9_000) * 2
      const server = new SimulatedServer(nats, script, contacted, port)
      try {
        await server.#listen()
        return server
      } catch (error) {
        await server.close()
        if (tries === 20) throw error
      }
    }
  }

  constructor(nats: { udp: SimulatedNat; tcp: SimulatedNat }, script: ServerScript, contacted: Contact[], port: number) {
    this.first = { address: script.address, port }
    this.#other = script.second === undefined ? undefined : { address: script.second, port: port + 1 }
    this.#nats = nats
    this.#script = script
    this.#contacted = contacted
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    for (const connection of this.#connections) connection.destroy()
    for (const socket of this.#udp.values()) socket.close()
    for (const server of this.#tcp) server.close()
    this.#udp.clear()
  }

  async #listen(): Promise<void> {
    const own = this.#other === undefined ? [this.first] : this.#four(this.first, this.#other)
    for (const at of own) {
      if (this.#script.tls === undefined) await this.#listenUdp(at)
      if (this.#script.tcp !== false) await this.#listenTcp(at)
    }
  }

  #four(first: TransportAddress, other: TransportAddress): TransportAddress[] {
    return [first, other].flatMap(({ address }) => [first, other].map(({ port }) => ({ address, port })))
  }

  async #listenUdp(at: TransportAddress): Promise<void> {
    const socket = createSocket(at.address.includes(':') ? 'udp6' : 'udp4')
    socket.on('message', (bytes, from) => {
      this.#onDatagram(decodeMessage(bytes, { legacy: true }), { address: from.address, port: from.port }, at)
    })
    socket.bind({ address: at.address, port: at.port, exclusive: true })
    await once(socket, 'listening')
    this.#udp.set(formatTransportAddress(at), socket)
  }

  async #listenTcp(at: TransportAddress): Promise<void> {
    const { tls } = this.#script
    const accept = (connection: TcpSocket): void => {
      this.#connections.add(connection)
      const from = { address: canonicalAddress(connection.remoteAddress ?? ''), port: connection.remotePort ?? 0 }
      this.#contacted.push({ protocol: 'tcp', from, to: at })
      const seen = this.#nats.tcp.outbound(from, at)
      const deframer = new StreamDeframer()
      connection.on('error', () => {})
      connection.on('data', (chunk) => {
        if (this.#isSilent('tcp', at)) return
        deframer.push(chunk)
        for (let frame = deframer.next(); frame !== undefined; frame = deframer.next())
          this.#later(() => connection.write(this.#answer(decodeMessage(frame), seen, at)))
      })
    }
    const server = tls === undefined ? createServer(accept) : createTlsServer(tls, accept)
    server.listen(at.port, at.address)
    await once(server, 'listening')
    this.#tcp.push(server)
  }

  #isSilent(protocol: 'udp' | 'tcp', at: TransportAddress): boolean {
    const { silent, secondIsDown = false } = this.#script
    return silent === protocol || silent === 'both' || (secondIsDown && at.address !== this.first.address)
  }

  #onDatagram(request: ReceivedMessage, from: TransportAddress, at: TransportAddress): void {
    this.#contacted.push({ protocol: 'udp', from, to: at })
    const seen = this.#nats.udp.outbound(from, at)
    if (this.#isSilent('udp', at)) return
    const source = this.#sourceOf(request, at)
    if (this.#nats.udp.inbound(source, seen) === undefined || this.#isSilent('udp', source)) return
    this.#later(() => {
      this.#udp.get(formatTransportAddress(source))?.send(this.#answer(request, seen, source), from.port, from.address)
    })
  }

  #later(run: () => void): void {
    const { delayMs = 0 } = this.#script
    if (delayMs === 0) {
      run()
      return
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      run()
    }, delayMs)
    this.#timers.add(timer)
  }

  #sourceOf({ attributes, legacy }: ReceivedMessage, at: TransportAddress): TransportAddress {
    const { change } = this.#script
    const wanted = attributes.changeRequest
    const other = this.#other
    if (wanted === undefined || other === undefined || change === 'ignored' || change === 'refused') return at
    if (change === 'legacy-only' && !legacy) return at
    const swap = <T>(own: T, a: T, b: T): T => (own === a ? b : a)
    return {
      address: wanted.ip ? swap(at.address, this.first.address, other.address) : at.address,
      port: wanted.port ? swap(at.port, this.first.port, other.port) : at.port
    }
  }

  #answer({ transactionId, attributes }: ReceivedMessage, seen: TransportAddress, from: TransportAddress): Buffer {
    const { change, old = false } = this.#script
    if (attributes.changeRequest !== undefined && (change === 'refused' || this.#other === undefined))
      return encodeMessage({
        method: 'binding',
        messageClass: 'error',
        transactionId,
        attributes: { errorCode: { code: 420, reason: 'Unknown Attribute' }, unknownAttributes: [3] }
      })
    const mapped = this.#script.mapped?.(seen) ?? seen
    const other = this.#script.other ?? this.#other
    const said: StunAttributes = old
      ? { mappedAddress: mapped, sourceAddress: from, ...(other === undefined ? {} : { changedAddress: other }) }
      : { xorMappedAddress: mapped, responseOrigin: from, ...(other === undefined ? {} : { otherAddress: other }) }
    return encodeMessage({ method: 'binding', messageClass: 'success', transactionId, attributes: said })
  }
}
