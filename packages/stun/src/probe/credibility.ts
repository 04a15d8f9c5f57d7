import { BlockList } from 'node:net'
import { addressFamily, canonicalAddress, sameAddress } from '../codec/transport-address.ts'
import type { TransportAddress } from '../codec/transport-address.ts'

/** How far an address is good for. Nothing is gained by comparing more finely. */
type Reach = 'none' | 'host' | 'link' | 'site' | 'global'

const order: readonly Reach[] = ['none', 'host', 'link', 'site', 'global']

const ranges: readonly [Reach, string, number, 'ipv4' | 'ipv6'][] = [
  ['none', '0.0.0.0', 8, 'ipv4'],
  ['none', '224.0.0.0', 3, 'ipv4'],
  ['none', '::', 128, 'ipv6'],
  ['none', 'ff00::', 8, 'ipv6'],
  ['host', '127.0.0.0', 8, 'ipv4'],
  ['host', '::1', 128, 'ipv6'],
  ['link', '169.254.0.0', 16, 'ipv4'],
  ['link', 'fe80::', 10, 'ipv6'],
  ['site', '10.0.0.0', 8, 'ipv4'],
  ['site', '172.16.0.0', 12, 'ipv4'],
  ['site', '192.168.0.0', 16, 'ipv4'],
  ['site', '100.64.0.0', 10, 'ipv4'],
  ['site', 'fc00::', 7, 'ipv6']
]

/** Where an address means something (RFC 6890). */
export function reachOf(address: string): Reach {
  const family = addressFamily(address)
  if (family === undefined) return 'none'
  for (const [reach, net, prefix, type] of ranges) {
    if (type !== `ipv${family}`) continue
    const block = new BlockList()
    block.addSubnet(net, prefix, type)
    if (block.check(address, type)) return reach
  }
  return 'global'
}

/**
 * Why a server cannot have seen this address; undefined when it can. A server on the internet sees no private addresses, and none sees
 * packets coming from itself.
 */
export function whyIncredible(mapped: TransportAddress, server: TransportAddress): string | undefined {
  if (mapped.port === 0) return 'it names port 0'
  if (addressFamily(canonicalAddress(mapped.address)) !== addressFamily(canonicalAddress(server.address)))
    return 'it names an address of the other family'
  const reach = reachOf(canonicalAddress(mapped.address))
  if (reach === 'none') return 'it names an address that nobody can have'
  if (order.indexOf(reach) < order.indexOf(reachOf(canonicalAddress(server.address)))) return 'it names an address that it cannot have seen'
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
