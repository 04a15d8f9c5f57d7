import { addressBits, addressRange, inRange, type AddressRange } from '@kithmesh/core/plugin'
import { addressFamily, canonicalAddress, sameAddress } from '../codec/transport-address.ts'
import type { TransportAddress } from '../codec/transport-address.ts'

/** How far an address is good for. Nothing is gained by comparing more finely. */
type Reach = 'none' | 'host' | 'link' | 'site' | 'global'

const order: readonly Reach[] = ['none', 'host', 'link', 'site', 'global']

const ranges = (
  [
    ['none', '0.0.0.0/8'],
    ['none', '224.0.0.0/3'],
    ['none', '::'],
    ['none', 'ff00::/8'],
    ['host', '127.0.0.0/8'],
    ['host', '::1'],
    ['link', '169.254.0.0/16'],
    ['link', 'fe80::/10'],
    ['site', '10.0.0.0/8'],
    ['site', '172.16.0.0/12'],
    ['site', '192.168.0.0/16'],
    ['site', '100.64.0.0/10'],
    ['site', 'fc00::/7']
  ] satisfies ReadonlyArray<readonly [Reach, string]>
).map(([reach, text]): readonly [Reach, AddressRange] => [reach, addressRange(text) as AddressRange])

/** Where an address means something (RFC 6890); IPv4 written as IPv6 is IPv4. */
export function reachOf(address: string): Reach {
  const bits = addressBits(address)
  if (bits === undefined) return 'none'
  return ranges.find(([, range]) => inRange(bits, range))?.[0] ?? 'global'
}

/**
 * Why a server cannot have seen this address; undefined when it can. A server on the internet sees no private addresses, and none sees
 * packets coming from itself.
 */
export function whyIncredible(mapped: TransportAddress, server: TransportAddress): string | undefined {
  if (mapped.port === 0) return 'it names port 0'
  if (addressFamily(canonicalAddress(mapped.address)) !== addressFamily(canonicalAddress(server.address)))
    return 'it names an address of the other family'
  const reach = reachOf(mapped.address)
  if (reach === 'none') return 'it names an address that nobody can have'
  if (order.indexOf(reach) < order.indexOf(reachOf(server.address))) return 'it names an address that it cannot have seen'
  if (sameAddress(mapped.address, server.address) && reach === 'global') return 'it names its own address'
  return undefined
}

/**
 * The second address and port of a server (OTHER-ADDRESS, RFC 5780 §7.4), if it can be used: another address, another port, of the same family,
 * and not nearer to this machine than the server is, so that no server can make us ask around in the local network.
 */
export function usableOther(other: TransportAddress | undefined, server: TransportAddress): TransportAddress | undefined {
  if (other === undefined || other.port === 0 || other.port === server.port || sameAddress(other.address, server.address)) return undefined
  return whyIncredible(other, server) === undefined ? other : undefined
}
