import { isIPv4, isIPv6 } from 'node:net'
import type { NetworkInterfaceInfo } from 'node:os'
import { addressFamily } from '../codec/transport-address.ts'
import { reachOf } from './credibility.ts'

/** What `os.networkInterfaces` returns. */
export type InterfaceTable = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>

/** A way out of this machine, before anything is known of it. */
export interface LocalRoute {
  readonly interfaceIndex: number
  readonly family: 4 | 6
  readonly localAddress: string
}

/** As many as an address can describe (seed 002). */
const MAX_INTERFACES = 3

/** Bridges and tunnels that virtual machines and containers hang on: they lead out by another interface. */
const VIRTUAL = /^(docker|br-|veth|virbr|vmnet|vboxnet|lxc|cni|flannel|cali|vEthernet)/i

/**
 * The ways out: one address per interface and family, of three interfaces at most. Loopback is used only when there is nothing else, and
 * interfaces of containers and virtual machines come last. Link-local addresses and those of IPv6 tunnels over IPv4 (Teredo, 6to4) lead
 * nowhere worth measuring and are left out; of several IPv6 addresses the first global one counts. Pure.
 */
export function localRoutes(table: InterfaceTable): LocalRoute[] {
  const usable = Object.entries(table)
    .map(([name, list]) => ({ name, addresses: (list ?? []).filter(({ address }) => isUsable(address)) }))
    .filter(({ addresses }) => addresses.length > 0)
  const outward = usable.filter(({ addresses }) => addresses.some(({ internal }) => !internal))
  const chosen = (outward.length > 0 ? outward : usable)
    .sort((a, b) => Number(VIRTUAL.test(a.name)) - Number(VIRTUAL.test(b.name)))
    .slice(0, MAX_INTERFACES)
  return chosen.flatMap(({ addresses }, interfaceIndex): LocalRoute[] => {
    const v4 = addresses.find(({ address }) => isIPv4(address))
    const v6 = addresses.filter(({ address }) => isIPv6(address))
    const best6 = v6.find(({ address }) => reachOf(address) === 'global') ?? v6[0]
    return [
      ...(v4 === undefined ? [] : [{ interfaceIndex, family: 4 as const, localAddress: v4.address }]),
      ...(best6 === undefined ? [] : [{ interfaceIndex, family: 6 as const, localAddress: best6.address }])
    ]
  })
}

/** Routes from addresses that the user named: each is an interface of its own, three per family at most. @throws TypeError */
export function routesOf(addresses: readonly string[]): LocalRoute[] {
  const next = { 4: 0, 6: 0 }
  return addresses.map((localAddress) => {
    const family = addressFamily(localAddress)
    if (family === undefined) throw new TypeError(`"${localAddress}" is no IP address`)
    if (next[family] === MAX_INTERFACES) throw new TypeError(`There can be no more than ${MAX_INTERFACES} local addresses of one family`)
    return { interfaceIndex: next[family]++, family, localAddress }
  })
}

/** Tells two states of the machine's network apart; the same text means that measuring again would bring nothing new. */
export function routesKey(routes: readonly LocalRoute[]): string {
  return routes.map(({ interfaceIndex, localAddress }) => `${interfaceIndex} ${localAddress}`).join('\n')
}

function isUsable(address: string): boolean {
  const reach = reachOf(address)
  if (reach === 'none' || reach === 'link') return false
  return !(isIPv6(address) && /^(2002:|2001:(0{1,4})?:)/i.test(address))
}
