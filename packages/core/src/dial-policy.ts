import type { networkInterfaces } from 'node:os'
import { addressBits, addressRange, inRange, type AddressRange } from './address-range.ts'
import type { Clock } from './contracts/clock.ts'
import type { DialPolicy } from './contracts/incoming.ts'
import { addressKind, isNeighbour, isOwnAddress } from './dial-target.ts'
import { ownInterfaces } from './own-interfaces.ts'
import { systemClock } from './system-clock.ts'
import { TokenBucket, type Rate } from './token-bucket.ts'

/** Peers whose rates are remembered at a time; the total rate bounds what forgetting one can be worth. */
const MAX_PEERS = 1_000

export interface DialPolicyOptions {
  readonly clock?: Clock
  /**
   * Allows this machine's own addresses, loopback included. Off, as other programs on this machine may trust whoever connects from it.
   * @default false
   */
  readonly ownAddresses?: boolean
  /**
   * Private networks that peers may be in although no interface of this machine is, in CIDR notation, e.g. `['10.20.0.0/16']` for the
   * other subnets of a company. @default []
   */
  readonly privateNetworks?: readonly string[]
  /**
   * Ports below 1024 that may be dialled. The services there (mail, SSH, SMB, DNS…) act on a line that they do not understand or on
   * connections that come to nothing, at the expense of this machine's good name; devices listen on 443 to be reached through strict
   * firewalls, and whoever can be made to visit a web page can be made to dial it anyway. @default [443]
   */
  readonly lowPorts?: readonly number[]
  /** What one peer can have this machine dial. @default 30 at once, 30 per minute */
  readonly perPeer?: Rate
  /** What all peers together can. @default 120 at once, 120 per minute */
  readonly total?: Rate
  /** @default those of the operating system, asked at each decision that needs them */
  readonly interfaces?: typeof networkInterfaces
}

/**
 * Decides whether this device connects to an address because a peer asked it to, so that nobody can use it to reach or flood third parties.
 *
 * Global addresses may be dialled; private, link-local and provider-NAT addresses only inside of this machine's own subnets or
 * `privateNetworks`, since elsewhere they mean other machines than the peer does; this machine's own only with `ownAddresses`; and never
 * multicast, broadcast, unspecified and reserved addresses, nor those in which an IPv4 address is wrapped (mapped, NAT64, 6to4, Teredo).
 * What is allowed counts against two rates, per asking peer and in total. Memory is bounded.
 * @throws TypeError for options that make no sense
 */
export function createDialPolicy(options: DialPolicyOptions = {}): DialPolicy {
  const { clock = systemClock, ownAddresses = false, privateNetworks = [], lowPorts = [443], interfaces = ownInterfaces } = options
  const { perPeer = { burst: 30, perMinute: 30 }, total = { burst: 120, perMinute: 120 } } = options
  for (const rate of [perPeer, total])
    if (!(rate.burst >= 1 && rate.perMinute > 0)) throw new TypeError('A rate has a burst of at least 1, and some per minute')
  const allowed = privateNetworks.map(privateNetwork)
  const everybody = new TokenBucket(total, clock)
  const peers = new Map<string, TokenBucket>()

  const refuseAddress = (address: string): string | undefined => {
    const found = addressKind(address)
    const bits = addressBits(address)
    if (found === undefined || bits === undefined) return 'it is not an IP address'
    if (found.kind === 'never') return `it is ${found.what}`
    const own = found.kind === 'loopback' || isOwnAddress(address, interfaces())
    if (own) return ownAddresses ? undefined : 'it is an address of this machine itself'
    const where = isNeighbour(address, interfaces())
    if (where === 'broadcast') return "it is the broadcast address of one of this machine's networks"
    if (found.kind === 'global' || where === 'neighbour' || allowed.some((range) => inRange(bits, range))) return undefined
    return `it is ${found.what} in none of this machine's networks`
  }

  return {
    refuse(fromPeerId, address, port) {
      if (!Number.isInteger(port) || port < 1 || port > 65535) return 'the port is not a number from 1 to 65535'
      if (port < 1024 && !lowPorts.includes(port)) return `port ${port} belongs to a system service`
      const reason = refuseAddress(address)
      if (reason !== undefined) return reason
      const bucket = peers.get(fromPeerId) ?? new TokenBucket(perPeer, clock)
      // Set again, so that the map is in the order of last use.
      peers.delete(fromPeerId)
      peers.set(fromPeerId, bucket)
      if (peers.size > MAX_PEERS) peers.delete(peers.keys().next().value as string)
      if (!bucket.available) return 'this peer asks for connections too often'
      if (!everybody.available) return 'peers ask for connections too often'
      bucket.take()
      everybody.take()
      return undefined
    }
  }
}

function privateNetwork(text: string): AddressRange {
  const range = text.includes('/') ? addressRange(text) : undefined
  if (range === undefined || range.zone !== undefined)
    throw new TypeError(`privateNetworks: "${text}" is not an address, a slash and a number of bits`)
  return range
}
