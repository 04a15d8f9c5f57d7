import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Clock, ConnectTarget, DialPolicy, NetworkFacts, PeerNetwork, TransportContext, TransportStrategy } from '@kithmesh/core'
import { ClaimTable, SignalingHub, type ByteSocket } from '@kithmesh/core/plugin'
import { connectTarget, fixedNetworkView, realClock, recordingLogger, unknownNetwork, type RecordingLogger } from '@kithmesh/testkit'
import { MemorySignaling } from '@kithmesh/testkit/memory'
import { reverse, type ReverseOptions } from '@kithmesh/transport-reverse'

export const peerIdOf = (name: string): string => Buffer.from(name).toString('hex').padEnd(64, '0')
export const allowAll: DialPolicy = { refuse: () => undefined }

/** One device: its strategy, its signalling and an ordinary TCP listener that sorts claimed streams out. */
export interface TestDevice {
  readonly peerId: string
  readonly strategy: TransportStrategy
  readonly hub: SignalingHub
  readonly logger: RecordingLogger
  readonly port: number
  /** Streams that came to the listener without a claimed token. */
  readonly unclaimed: ByteSocket[]
  /** Streams that the passive side opened. */
  readonly opened: Array<{ readonly socket: ByteSocket; readonly remote: string }>
  readonly network: PeerNetwork
  listen(): Promise<() => Promise<void>>
}

export interface DeviceOptions extends ReverseOptions {
  readonly dialPolicy?: DialPolicy
  readonly clock?: Clock
  readonly listeningPort?: () => number | undefined
}

/** Devices of one test, joined by signalling inside the process. */
export class Devices {
  readonly signaling = new MemorySignaling()
  readonly #sockets = new Set<ByteSocket>()
  readonly #end: Array<() => Promise<unknown> | unknown> = []

  async add(name: string, options: DeviceOptions = {}): Promise<TestDevice> {
    const { dialPolicy = allowAll, clock = realClock, listeningPort, ...reverseOptions } = options
    const peerId = peerIdOf(name)
    const logger = recordingLogger(name)
    const hub = new SignalingHub({ clock, logger })
    hub.attach(this.signaling.channel(peerId))
    const claims = new ClaimTable(clock)
    const unclaimed: ByteSocket[] = []
    const opened: Array<{ socket: ByteSocket; remote: string }> = []
    const { server, port } = await this.server((socket) => {
      claims.sort(socket, `${socket.remoteAddress}:${socket.remotePort}`, () => {
        unclaimed.push(socket)
      })
    })
    const context: TransportContext = {
      localPeerId: peerId,
      logger,
      clock,
      signaling: hub,
      network: fixedNetworkView(),
      claims,
      dialPolicy,
      listeningPort: listeningPort ?? (() => port)
    }
    const strategy = reverse(reverseOptions).create(context)
    this.#end.push(
      () => strategy.shutdown(),
      () => {
        hub.close(new Error('the test is over'))
      }
    )
    void server
    return {
      peerId,
      strategy,
      hub,
      logger,
      port,
      unclaimed,
      opened,
      network: { port, routes: unknownNetwork().routes },
      listen: async () => {
        const listener = await strategy.listen!({
          onConnection: (socket, remote) => {
            this.#sockets.add(socket)
            opened.push({ socket, remote })
          }
        })
        return () => listener.close()
      }
    }
  }

  /** A TCP server on 127.0.0.1 that is closed with the test. */
  async server(onConnection: (socket: Socket) => void, host = '127.0.0.1'): Promise<{ server: Server; port: number }> {
    const server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      onConnection(socket)
    })
    server.listen(0, host)
    await once(server, 'listening')
    this.#end.push(() => server.close())
    return { server, port: (server.address() as AddressInfo).port }
  }

  target(device: TestDevice, localNetwork: NetworkFacts = unknownNetwork()): ConnectTarget {
    const base = connectTarget({ url: 'wss://device.local:4984/db', addresses: [], network: device.network })
    return { ...base, device: { ...base.device, id: device.peerId }, localNetwork }
  }

  attempt(from: TestDevice, to: TestDevice, signal: AbortSignal = new AbortController().signal): Promise<ByteSocket> {
    return from.strategy.attempt(this.target(to), { signal, progress() {} }).then((socket) => {
      this.#sockets.add(socket)
      return socket
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#end) await end()
    for (const socket of this.#sockets) socket.destroy()
  }
}
