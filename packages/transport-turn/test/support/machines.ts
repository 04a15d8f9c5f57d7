import { createHash } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { ConnectTarget, DialPolicy, PeerNetwork, TransportFactory, TransportListener, TransportStrategy } from '@kithmesh/core'
import { ClaimTable, SignalingHub } from '@kithmesh/core/plugin'
import { connectTarget, eventually, fixedNetworkView, realClock, recordingLogger, unknownNetwork } from '@kithmesh/testkit'
import { MemorySignaling } from '@kithmesh/testkit/memory'

export type Host = 'a' | 'b'

export const peerIdOf = (host: Host): string => createHash('sha256').update(host).digest('hex')

interface AttemptSettings {
  readonly signal?: AbortSignal
  readonly progress?: (phase: string, address?: string) => void
  readonly target?: ConnectTarget
}

/** Two machines with signalling to each other; `b` listens. */
export class Machines {
  readonly signaling = new MemorySignaling()
  readonly hubs: Record<Host, SignalingHub>
  readonly strategies: Record<Host, TransportStrategy>
  readonly accepted: Duplex[] = []
  readonly #streams: Duplex[] = []
  #listener: TransportListener | undefined

  constructor(factories: Record<Host, TransportFactory>, dialPolicy: DialPolicy = { refuse: () => undefined }) {
    const logger = recordingLogger('turn')
    const make = (host: Host): SignalingHub => {
      const hub = new SignalingHub({ clock: realClock, logger })
      hub.attach(this.signaling.channel(peerIdOf(host)))
      return hub
    }
    this.hubs = { a: make('a'), b: make('b') }
    const create = (host: Host): TransportStrategy =>
      factories[host].create({
        localPeerId: peerIdOf(host),
        logger,
        clock: realClock,
        signaling: this.hubs[host],
        network: fixedNetworkView(),
        claims: new ClaimTable(realClock),
        dialPolicy,
        listeningPort: () => undefined
      })
    this.strategies = { a: create('a'), b: create('b') }
  }

  target(network: PeerNetwork | undefined = { routes: unknownNetwork().routes, port: 0 }): ConnectTarget {
    return connectTarget({ url: 'ws://peer.invalid/db', addresses: [], ...(network && { network }) }, 'b')
  }

  async listen(): Promise<TransportListener> {
    this.#listener = await this.strategies.b.listen!({
      onConnection: (socket) => {
        socket.on('error', () => {})
        this.accepted.push(socket)
        this.#streams.push(socket)
      }
    })
    return this.#listener
  }

  async attempt(options: AttemptSettings = {}): Promise<Duplex> {
    const stream = await this.strategies.a.attempt(options.target ?? this.target(), {
      signal: options.signal ?? new AbortController().signal,
      progress: options.progress ?? (() => {})
    })
    stream.on('error', () => {})
    this.#streams.push(stream)
    return stream
  }

  /** Both ends of a stream from `a` to `b`. */
  async connect(options?: AttemptSettings): Promise<[Duplex, Duplex]> {
    const before = this.accepted.length
    const dialled = await this.attempt(options)
    return [dialled, await eventually('the stream to be accepted', () => this.accepted[before])]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stream of this.#streams) stream.destroy()
    await this.#listener?.close()
    await Promise.all([this.strategies.a.shutdown(), this.strategies.b.shutdown()])
    for (const hub of [this.hubs.a, this.hubs.b]) hub.close(new Error('the test is over'))
  }
}
