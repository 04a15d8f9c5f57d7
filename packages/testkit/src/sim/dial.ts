import { coreErrors } from '@kithmesh/core'
import type { KithmeshError } from '@kithmesh/core'
import type { ConnectorDialOptions, MeshConnection } from '@kithmesh/mesh/engine'
import { acceptedProtocols } from '@kithmesh/replicator'
import { BlipEnd } from './blip-end.ts'
import type { Pipe, PipeEnd } from './pipe.ts'
import type { Judgement, SimPeer } from './peer.ts'
import type { Simulation } from './simulation.ts'

/** Silence after which a connection is asked for a sign of life, and how long that may take: those of a mesh over direct routes. */
const HEARTBEAT_MS = 4000
const DEAD_MS = 3000
/** A dial to where nobody answers is tried again at these times, and given up at the last one. */
const KNOCKS_MS = [0, 1000, 3000, 5000]

/**
 * One attempt of a simulated peer to connect to another: TCP, TLS and the upgrade, which take three round trips. The other side has the connection
 * half a round trip before we have it.
 */
export class Dial {
  readonly #simulation: Simulation
  readonly #from: SimPeer
  readonly #to: SimPeer
  readonly #options: ConnectorDialOptions
  readonly #resolve: (connection: MeshConnection) => void
  readonly #reject: (error: Error) => void
  #over = false

  constructor(
    simulation: Simulation,
    from: SimPeer,
    to: SimPeer,
    options: ConnectorDialOptions,
    resolve: (connection: MeshConnection) => void,
    reject: (error: Error) => void
  ) {
    this.#simulation = simulation
    this.#from = from
    this.#to = to
    this.#options = options
    this.#resolve = resolve
    this.#reject = reject
    options.signal.addEventListener('abort', this.#onAbort, { once: true })
    simulation.network.totals.dials++
    this.#knock(0)
  }

  readonly #onAbort = (): void => {
    this.#fail(this.#options.signal.reason as Error)
  }

  get #latency(): number {
    return this.#simulation.network.latency(this.#from.host, this.#to.host)
  }

  /** Until packets get there, or it takes too long. */
  #knock(attempt: number): void {
    if (this.#over) return
    const { clock } = this.#from.time
    if (this.#simulation.network.canDial(this.#from.host, this.#to.host)) {
      clock.after(2 * this.#latency, () => {
        if (this.#to.listening) this.#shakeHands()
        else this.#fail(unreachable(this.#to, 'it refused the connection'))
      })
      return
    }
    const next = KNOCKS_MS[attempt + 1]
    if (next === undefined) this.#fail(unreachable(this.#to, 'it does not answer'))
    else
      clock.after(next - (KNOCKS_MS[attempt] as number), () => {
        this.#knock(attempt + 1)
      })
  }

  #shakeHands(): void {
    if (this.#over) return
    this.#from.time.clock.after(3 * this.#latency, () => {
      if (!this.#over) this.#meet()
    })
  }

  #meet(): void {
    const [from, to] = [this.#from, this.#to]
    const protocol = this.#options.protocols.find((each) => acceptedProtocols(to.database).includes(each))
    const standing = { near: from.judges(to), far: to.judges(from) }
    const obstacle = this.#obstacle(protocol, standing.near, standing.far)
    if (obstacle !== undefined || protocol === undefined) this.#fail(unreachable(to, obstacle ?? ''))
    else this.#connect(protocol, standing)
  }

  #obstacle(protocol: string | undefined, near: Judgement, far: Judgement): string | undefined {
    if (!this.#to.listening || !this.#simulation.network.passes(this.#from.host, this.#to.host)) return 'the connection broke off'
    if (far === 'refused') return 'it does not accept this device'
    if (near === 'refused') return 'it is not accepted'
    return protocol === undefined ? 'it has no protocol in common with us' : undefined
  }

  #connect(protocol: string, standing: { readonly near: Judgement; readonly far: Judgement }): void {
    const [from, to] = [this.#from, this.#to]
    const { network, time, trace } = this.#simulation
    const pipe = network.pipe(from.host, to.host)
    const [near, far] = [endOf(pipe, pipe.a, from), endOf(pipe, pipe.b, to)]
    const common = { protocol, binding: this.#simulation.nextBinding(), quality: 'direct' as const }
    trace.note(time.now, 2, from.host, to.host)
    near.hold()
    to.took(from, connectionOf(far, from, { ...common, direction: 'incoming', standing: proven(standing.far) }), far)
    from.time.clock.after(this.#latency, () => {
      if (this.#over) {
        near.terminate()
        return
      }
      this.#settle()
      from.opened(to, near)
      this.#resolve(connectionOf(near, to, { ...common, direction: 'outgoing', standing: proven(standing.near) }))
      from.time.soon(() => {
        near.release()
      })
    })
  }

  #fail(error: Error): void {
    if (this.#over) return
    this.#settle()
    this.#reject(error)
  }

  #settle(): void {
    this.#over = true
    this.#options.signal.removeEventListener('abort', this.#onAbort)
  }
}

/** Why there is no way to a device. */
export function unreachable(to: { readonly name: string }, why: string): KithmeshError {
  return coreErrors.create('ERR_ROUTE_FAILED', `Cannot connect to ${to.name}: ${why}`)
}

function proven(judgement: Judgement): 'trusted' | 'prove' {
  return judgement === 'trusted' ? 'trusted' : 'prove'
}

function endOf(pipe: Pipe, line: PipeEnd, peer: SimPeer): BlipEnd {
  const { clock } = peer.time
  return new BlipEnd(pipe, line, { now: clock.monotonic, after: clock.after, heartbeatMs: HEARTBEAT_MS, deadMs: DEAD_MS })
}

function connectionOf(
  end: BlipEnd,
  other: SimPeer,
  more: Pick<MeshConnection, 'protocol' | 'binding' | 'quality' | 'direction' | 'standing'>
): MeshConnection {
  return {
    ...more,
    blip: end,
    description: other.name,
    peerId: other.id,
    displayName: other.name,
    route: `simulated ${other.host}`,
    probe: (withinMs) => {
      end.probe(withinMs)
    },
    terminate: (error) => {
      end.terminate(error)
    }
  }
}
