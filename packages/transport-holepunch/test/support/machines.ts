import { createHash } from 'node:crypto'
import type { ByteSocket, ConnectTarget, NetworkRoute, TransportContext, TransportStrategy } from '@kithmesh/core'
import { ClaimTable, SignalingHub } from '@kithmesh/core/plugin'
import { connectTarget, realClock, recordingLogger } from '@kithmesh/testkit'
import { MemorySignaling } from '@kithmesh/testkit/memory'
import { holePunch, type HolePunchOptions } from '@kithmesh/transport-holepunch'
import { UNKNOWN, facts, route } from './networks.ts'

export interface Machine {
  readonly id: string
  readonly address: string
  readonly hub: SignalingHub
  readonly strategy: TransportStrategy
  /** Streams that peers opened. */
  readonly accepted: ByteSocket[]
}

/** Machines on loopback with strategies, signalling and streams of one test. */
export class Machines {
  readonly signaling = new MemorySignaling()
  readonly #machines: Machine[] = []
  readonly #sockets: ByteSocket[] = []

  add(name: string, options: HolePunchOptions = {}, context: Partial<TransportContext> = {}): Machine {
    const logger = recordingLogger(name)
    const hub = new SignalingHub({ clock: realClock, logger })
    const id = createHash('sha256').update(name).digest('hex')
    hub.attach(this.signaling.channel(id))
    const address = `127.0.0.${this.#machines.length + 2}`
    const strategy = holePunch(options).create({
      localPeerId: id,
      logger,
      clock: realClock,
      signaling: hub,
      network: { current: facts(routeOf(address)), onChange: () => () => {} },
      claims: new ClaimTable(realClock),
      dialPolicy: { refuse: () => undefined },
      listeningPort: () => undefined,
      ...context
    })
    const machine: Machine = { id, address, hub, strategy, accepted: [] }
    this.#machines.push(machine)
    return machine
  }

  async listen(machine: Machine): Promise<void> {
    await machine.strategy.listen?.({
      onConnection: (socket) => {
        this.#keep(socket)
        machine.accepted.push(socket)
      }
    })
  }

  async attempt(
    from: Machine,
    to: Machine,
    signal: AbortSignal = new AbortController().signal,
    progress: (phase: string) => void = () => {}
  ): Promise<ByteSocket> {
    return this.#keep(await from.strategy.attempt(targetOf(to), { signal, progress }))
  }

  async dispose(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(this.#machines.map(({ strategy }) => strategy.shutdown()))
    for (const { hub } of this.#machines) hub.close(new Error('the test is over'))
  }

  #keep(socket: ByteSocket): ByteSocket {
    socket.on('error', () => {})
    this.#sockets.push(socket)
    return socket
  }
}

function targetOf(machine: Pick<Machine, 'id' | 'address'>): ConnectTarget {
  const target = connectTarget({ url: 'mqtt://peer', addresses: [], network: { routes: [routeOf(machine.address)], port: 0 } })
  return { ...target, device: { ...target.device, id: machine.id } }
}

function routeOf(localAddress: string): NetworkRoute {
  return route({ localAddress, externalAddress: undefined, tcp: UNKNOWN })
}

/** The code of a rejection; undefined when there is none. */
export async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise
    return undefined
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}
