import { addressKind } from '@kithmesh/core/plugin'
import { canonicalAddress, formatTransportAddress, type TransportAddress } from '@kithmesh/stun'
import type { Ranges } from '../address-ranges.ts'

export interface PeerPolicyOptions {
  /** Ranges that may be relayed to although they are private, loopback, or this machine's. */
  readonly allowed: Ranges
  /** Addresses of relays, as others know them. Other relays of this server are reached there. */
  readonly relays: ReadonlySet<string>
  /** Whether an address is one of this machine's. */
  readonly isOwn: (address: string) => boolean
  /** Whether a relay of this server has this port at the moment. */
  readonly isRelay: (peer: TransportAddress) => boolean
  /** Ports of the server itself. */
  readonly ownPorts: ReadonlySet<number>
}

/** The first port that peers may have: those below belong to services, and no NAT maps a device to one. */
const FIRST_PORT = 1_024

/**
 * Where may be relayed to. A TURN server is a way into every network it is connected to, for everybody with a login: so there is nothing but the
 * internet unless somebody asks for more, never the server's own ports, and of this machine nothing but its relays.
 */
export class PeerPolicy {
  readonly #options: PeerPolicyOptions

  constructor(options: PeerPolicyOptions) {
    this.#options = options
  }

  /** Why no permission is given for an address, whatever the port; undefined when it is. */
  whyNotPermit(given: string): string | undefined {
    const { allowed, relays, isOwn } = this.#options
    const address = canonicalAddress(given)
    const kind = addressKind(address)
    if (kind === undefined) return 'it is no address'
    if (kind.kind === 'never') return `it is ${kind.what}`
    if (relays.has(address) || allowed(address)) return undefined
    if (kind.kind !== 'global') return kind.kind === 'loopback' ? 'it is a loopback address' : `it is ${kind.what}`
    return isOwn(address) ? 'it is an address of this machine' : undefined
  }

  /** Why nothing is sent to a peer; undefined when it is. */
  whyNotRelay(peer: TransportAddress): string | undefined {
    const { allowed, relays, isOwn, isRelay, ownPorts } = this.#options
    const why = this.whyNotPermit(peer.address)
    if (why !== undefined) return why
    const address = canonicalAddress(peer.address)
    const here = relays.has(address) || isOwn(address)
    if (here && isRelay({ address, port: peer.port })) return undefined
    if (here && ownPorts.has(peer.port)) return `${formatTransportAddress(peer)} is the server itself`
    if (here && !allowed(address)) return `${formatTransportAddress(peer)} is no relay`
    return peer.port < FIRST_PORT && !allowed(address) ? `port ${peer.port} is below ${FIRST_PORT}` : undefined
  }
}
