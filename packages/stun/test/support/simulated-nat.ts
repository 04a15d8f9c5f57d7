import type { NatBehaviour, NatDependence, PortAllocation } from '@kithmesh/core'
import type { TransportAddress } from '@kithmesh/stun'

export interface SimulatedNatOptions {
  readonly mapping: NatDependence | 'none'
  readonly filtering: NatDependence
  readonly ports: PortAllocation
  /** @default 203.0.113.7 */
  readonly externalAddress?: string
  /** Numbers from 0 up to 1. */
  readonly random: () => number
  /** After this many new mappings somebody else makes one. @default never */
  readonly foreignFlowEvery?: number
  /** The distance of `preserving`. @default 7000 */
  readonly distance?: number
}

interface Mapping {
  readonly local: TransportAddress
  readonly external: TransportAddress
  readonly contacted: TransportAddress[]
}

/** A NAT that does exactly what its description says: no packets, only decisions. Ports count from 1024. */
export class SimulatedNat {
  readonly #options: SimulatedNatOptions
  readonly #mappings = new Map<string, Mapping>()
  readonly #taken = new Set<number>()
  #last = { local: 0, external: 40_000 }
  #made = 0

  constructor(options: SimulatedNatOptions) {
    this.#options = options
  }

  /** What a probe ought to find out. */
  get behaviour(): NatBehaviour {
    const { mapping, filtering, ports } = this.#options
    return { mapping, filtering, ports: mapping === 'none' ? { kind: 'equal' } : ports }
  }

  /** A packet leaves: where the remote end sees it come from. */
  outbound(local: TransportAddress, remote: TransportAddress): TransportAddress {
    const { mapping } = this.#options
    const of = {
      none: '',
      'endpoint-independent': '',
      'address-dependent': remote.address,
      'address-and-port-dependent': `${remote.address} ${remote.port}`
    }[mapping]
    const key = `${local.address} ${local.port} ${of}`
    const known = this.#mappings.get(key) ?? this.#make(local)
    this.#mappings.set(key, known)
    known.contacted.push(remote)
    return known.external
  }

  /** A packet comes to an external address: whom it reaches, if it may pass. */
  inbound(from: TransportAddress, external: TransportAddress): TransportAddress | undefined {
    const { filtering } = this.#options
    for (const mapping of this.#mappings.values()) {
      if (mapping.external.address !== external.address || mapping.external.port !== external.port) continue
      const passes = mapping.contacted.some(
        ({ address, port }) =>
          filtering === 'endpoint-independent' || (address === from.address && (filtering === 'address-dependent' || port === from.port))
      )
      if (passes) return mapping.local
    }
    return undefined
  }

  /** Another program behind the NAT opens a flow. */
  foreignFlow(): void {
    this.#pick(1_024 + Math.floor(this.#options.random() * 60_000))
  }

  #make(local: TransportAddress): Mapping {
    const { mapping, externalAddress = '203.0.113.7', foreignFlowEvery } = this.#options
    if (mapping === 'none') return { local, external: local, contacted: [] }
    const made = { local, external: { address: externalAddress, port: this.#pick(local.port) }, contacted: [] }
    if (foreignFlowEvery !== undefined && ++this.#made % foreignFlowEvery === 0) this.foreignFlow()
    return made
  }

  #pick(local: number): number {
    const { ports, distance = 7_000 } = this.#options
    const wanted = (): number => {
      switch (ports.kind) {
        case 'equal':
          return local
        case 'preserving':
          return local + distance
        case 'independent':
          return this.#last.external + ports.delta
        case 'dependent':
          return local === this.#last.local + 1 ? this.#last.external + ports.delta : this.#anywhere(1_024, 65_535)
        case 'range':
          return this.#anywhere(ports.low, ports.high)
        default:
          return this.#anywhere(1_024, 65_535)
      }
    }
    let external = wrap(wanted())
    while (this.#taken.has(external)) {
      if (ports.kind === 'independent') external = wrap(external + ports.delta)
      else external = ports.kind === 'range' ? wanted() : this.#anywhere(1_024, 65_535)
    }
    this.#taken.add(external)
    this.#last = { local, external }
    return external
  }

  #anywhere(low: number, high: number): number {
    return low + Math.floor(this.#options.random() * (high - low + 1))
  }
}

function wrap(port: number): number {
  const size = 65_536 - 1_024
  return 1_024 + ((((port - 1_024) % size) + size) % size)
}

/** A small generator with a seed (mulberry32), so that a NAT does the same every time. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
