import type { Clock, Logger } from '@kithmesh/core'
import type { ConnectionCount } from '@kithmesh/core/plugin'
import { canonicalAddress, formatTransportAddress, sameAddress, addressFamily, type TransportAddress } from '@kithmesh/stun'
import type { RelayTls } from '../contracts.ts'
import type { RelayLimits } from '../limits.ts'
import { StreamListener } from '../listener.ts'
import type { ClientPath } from './contracts.ts'
import type { RelayAddress } from './relay-names.ts'
import { openUdp, type UdpPort } from './sockets.ts'
import { StreamClient } from './stream-client.ts'
import type { BindingPlace, TurnServer } from './turn-server.ts'

/** How often other ports are tried where any will do, until one is free for both protocols on all addresses. */
const ANY_PORT_TRIES = 20

export interface StunPortsOptions {
  readonly hosts: readonly RelayAddress[]
  readonly server: TurnServer
  /** First and alternate; 0 means any. */
  readonly ports: readonly [number, number]
  readonly turns: { readonly port: number; readonly tls: RelayTls } | undefined
  readonly count: ConnectionCount
  readonly limits: RelayLimits
  readonly clock: Clock
  readonly logger: Logger
}

interface OpenPort {
  readonly host: RelayAddress
  readonly udp: UdpPort
  readonly tcp: StreamListener
}

/** The sockets that clients come to: two ports on each address, over UDP and TCP, and one for TLS. */
export class StunPorts {
  readonly #options: StunPortsOptions
  /** By place: first ports of all hosts, then alternate ones. */
  readonly #open: [OpenPort[], OpenPort[]] = [[], []]
  readonly #turns: StreamListener[] = []

  private constructor(options: StunPortsOptions) {
    this.#options = options
  }

  /** @throws ERR_RELAY_LISTEN, ERR_RELAY_TLS */
  static async open(options: StunPortsOptions): Promise<StunPorts> {
    const ports = new StunPorts(options)
    try {
      await ports.#openAll()
      return ports
    } catch (error) {
      await ports.close()
      throw error
    }
  }

  /** First and alternate, as they are. */
  get ports(): readonly [number, number] {
    return [this.#open[0][0]?.udp.local.port ?? 0, this.#open[1][0]?.udp.local.port ?? 0]
  }

  get turnsPort(): number | undefined {
    return this.#turns[0]?.port
  }

  async close(): Promise<void> {
    const open = this.#open.flatMap((ports) => ports.splice(0))
    await Promise.all([
      ...open.flatMap(({ udp, tcp }) => [udp.close(), tcp.close()]),
      ...this.#turns.splice(0).map((listener) => listener.close())
    ])
  }

  async #openAll(): Promise<void> {
    const { hosts, ports, turns } = this.#options
    for (const index of [0, 1] as const) this.#open[index].push(...(await this.#openEverywhere(ports[index], index)))
    if (turns === undefined) return
    let { port } = turns
    for (const host of hosts) {
      const listener = await this.#listen(host, port, turns.tls, { other: undefined, elsewhere: () => undefined })
      this.#turns.push(listener)
      port = listener.port
    }
  }

  /** One port on all hosts, over both protocols. */
  async #openEverywhere(wanted: number, index: 0 | 1): Promise<OpenPort[]> {
    for (let tries = 1; ; tries++) {
      const open: OpenPort[] = []
      let port = wanted
      try {
        for (const host of this.#options.hosts) {
          const opened = await this.#openPort(host, port, index)
          open.push(opened)
          port = opened.udp.local.port
        }
        return open
      } catch (error) {
        await Promise.all(open.flatMap(({ udp, tcp }) => [udp.close(), tcp.close()]))
        if (wanted !== 0 || tries === ANY_PORT_TRIES) throw error
      }
    }
  }

  async #openPort(host: RelayAddress, port: number, index: 0 | 1): Promise<OpenPort> {
    const place = this.#place(host, index)
    const { server, logger } = this.#options
    let udp: UdpPort | undefined
    const receive = (datagram: Buffer, from: TransportAddress): void => {
      if (udp !== undefined) server.receive(datagram, udpPath(udp, host, from), place)
    }
    udp = await openUdp({ address: host.bind, port }, receive, (error) => {
      logger.error('A STUN socket failed', { error })
    })
    try {
      return { host, udp, tcp: await this.#listen(host, udp.local.port, undefined, place) }
    } catch (error) {
      await udp.close()
      throw error
    }
  }

  #listen(host: RelayAddress, port: number, tls: RelayTls | undefined, place: BindingPlace): Promise<StreamListener> {
    const { server, count, limits, clock, logger } = this.#options
    return StreamListener.open({
      address: host.bind,
      port,
      tls,
      count,
      clock,
      logger,
      onConnection: (socket, from) => {
        const local = { address: host.public, port: socket.localPort ?? port }
        new StreamClient(socket, local, from, server, place, limits, clock)
      }
    })
  }

  /** What a port of a host can say of others: with two addresses of one family, each has the other one (RFC 5780 §4.1). */
  #place(host: RelayAddress, index: 0 | 1): BindingPlace {
    const alternate = (index === 0 ? 1 : 0) as 0 | 1
    const family = addressFamily(host.bind)
    const second = this.#options.hosts.find((each) => addressFamily(each.bind) === family && !sameAddress(each.bind, host.bind))
    const find = (wanted: RelayAddress, at: 0 | 1): OpenPort | undefined => this.#open[at].find((open) => open.host === wanted)
    const open = this.#open
    return {
      get other() {
        const port = open[alternate][0]?.udp.local.port
        return second === undefined || port === undefined ? undefined : { address: second.public, port }
      },
      elsewhere: ({ ip, port }, { transport, remote }) => {
        if (transport === 'tcp') return undefined
        const wanted = ip ? second : host
        const found = wanted === undefined ? undefined : find(wanted, port ? alternate : index)
        return found === undefined ? undefined : udpPath(found.udp, found.host, remote)
      }
    }
  }
}

function udpPath(udp: UdpPort, host: RelayAddress, from: TransportAddress): ClientPath {
  const local = { address: canonicalAddress(host.public), port: udp.local.port }
  const remote = { address: canonicalAddress(from.address), port: from.port }
  return {
    transport: 'udp',
    local,
    remote,
    key: `udp ${formatTransportAddress(local)} ${formatTransportAddress(remote)}`,
    send: (frame) => udp.send(frame, remote)
  }
}
