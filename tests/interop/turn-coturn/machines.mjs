// Two machines in this process: strategies of their own, and signalling between them that loses nothing unless told to.
import { createHash } from 'node:crypto'
import { ClaimTable, SignalingHub } from '@kithmesh/core/plugin'
import { connectTarget, eventually, fixedNetworkView, realClock, recordingLogger, unknownNetwork } from '@kithmesh/testkit'
import { MemorySignaling } from '@kithmesh/testkit/memory'

export const peerIdOf = (host) => createHash('sha256').update(host).digest('hex')

export class Machines {
  signaling = new MemorySignaling()
  accepted = []
  strategies = {}
  #hubs = []
  #streams = []

  /** @param refuse the dial policy of both */
  constructor(factories, refuse = () => undefined) {
    for (const host of ['a', 'b']) {
      const logger = recordingLogger('turn')
      const hub = new SignalingHub({ clock: realClock, logger })
      hub.attach(this.signaling.channel(peerIdOf(host)))
      this.#hubs.push(hub)
      this.strategies[host] = factories[host].create({
        localPeerId: peerIdOf(host),
        logger,
        clock: realClock,
        signaling: hub,
        network: fixedNetworkView(),
        claims: new ClaimTable(realClock),
        dialPolicy: { refuse },
        listeningPort: () => undefined
      })
    }
  }

  async listen() {
    await this.strategies.b.listen({
      onConnection: (socket) => {
        socket.on('error', () => {})
        this.accepted.push(socket)
        this.#streams.push(socket)
      }
    })
    return this
  }

  async attempt(progress = () => {}) {
    const target = connectTarget({ url: 'ws://b.invalid/db', addresses: [], network: { routes: unknownNetwork().routes, port: 0 } }, 'b')
    const stream = await this.strategies.a.attempt(target, { signal: new AbortController().signal, progress })
    stream.on('error', () => {})
    this.#streams.push(stream)
    return stream
  }

  /** Both ends of a stream from a to b. */
  async connect(progress) {
    const before = this.accepted.length
    const dialled = await this.attempt(progress)
    return [dialled, await eventually('the stream to be accepted', () => this.accepted[before])]
  }

  async [Symbol.asyncDispose]() {
    for (const stream of this.#streams) stream.destroy()
    await Promise.all(Object.values(this.strategies).map((strategy) => strategy.shutdown()))
    for (const hub of this.#hubs) hub.close(new Error('over'))
  }
}
