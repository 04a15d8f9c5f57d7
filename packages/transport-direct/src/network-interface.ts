import { isIP, isIPv6 } from 'node:net'
import type { NetworkInterfaceInfo } from 'node:os'
import { isLinkLocal, isLinkLocal6, ownInterfaces } from '@kithmesh/core/plugin'
import { normalizeAddress } from './addresses.ts'
import { directErrors } from './errors.ts'

/** What `os.networkInterfaces` returns. */
export type InterfaceTable = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>

/** One way out of this machine to one address. */
export interface Route {
  /** The remote address, with a zone where it needs one. */
  readonly address: string
  /** The address the connection comes from. */
  readonly localAddress: string
}

/**
 * The addresses that an interface has now, as a listener binds them: link-local IPv6 ones with their zone, and last. An address stands for
 * itself; whether this machine has it shows when it is bound. Pure.
 * @throws ERR_DIRECT_INTERFACE when there is no such interface, or it has no address.
 */
export function addressesOfInterface(networkInterface: string, table: InterfaceTable = ownInterfaces()): string[] {
  const given = normalizeAddress(networkInterface)
  if (isIP(given) !== 0) return [given]
  const found = table[networkInterface] ?? []
  if (found.length === 0) {
    const others = Object.keys(table)
    throw directErrors.create(
      'ERR_DIRECT_INTERFACE',
      `There is no network interface "${networkInterface}" with an address; there are ${others.length === 0 ? 'none' : others.join(', ')}`,
      { details: { networkInterface, interfaces: others } }
    )
  }
  const addresses = found.map(({ address }) => (isLinkLocal6(address) ? `${address}%${networkInterface}` : address))
  return [...addresses.filter((address) => !isLinkLocal(address)), ...addresses.filter(isLinkLocal)]
}

/**
 * How to reach each of a host's addresses from one interface: those of a family that the interface lacks are left out, and link-local IPv6
 * addresses without a zone get that of the interface. Pure.
 * @throws ERR_DIRECT_INTERFACE when there is no such interface, or none of the addresses can be reached from it.
 */
export function routesFrom(
  networkInterface: string,
  addresses: readonly string[],
  table: InterfaceTable = ownInterfaces()
): readonly Route[] {
  const local = addressesOfInterface(networkInterface, table)
  const byName = local[0] !== normalizeAddress(networkInterface)
  const routes = addresses.flatMap((remote): Route[] => {
    const family = local.filter((address) => isIPv6(address) === isIPv6(remote))
    const localAddress = family.find((address) => isLinkLocal(address) === isLinkLocal(remote)) ?? family[0]
    if (localAddress === undefined) return []
    const zone = byName && isLinkLocal6(remote) && !remote.includes('%') ? `%${networkInterface}` : ''
    return [{ address: `${remote}${zone}`, localAddress }]
  })
  if (routes.length > 0 || addresses.length === 0) return routes
  throw directErrors.create(
    'ERR_DIRECT_INTERFACE',
    `No address of ${networkInterface} (${local.join(', ')}) is of the same family as ${addresses.join(', ')}`,
    { details: { networkInterface, local, remote: addresses } }
  )
}
