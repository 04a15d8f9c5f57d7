/** Which network interfaces to use, and whose packets to believe. Pure. */
import type { NetworkInterfaceInfo } from 'node:os'
import { samePrefix } from '@kithmesh/core/plugin'

export interface LinkAddress {
  readonly address: string
  readonly family: 4 | 6
  /** Leading bits that all hosts of the link share. */
  readonly prefix: number
}

/** One interface with the addresses that are used of it. */
export interface LinkInterface {
  readonly name: string
  /** Loopback. */
  readonly internal: boolean
  /** The operating system's number of the interface. */
  readonly index: number
  readonly addresses: readonly LinkAddress[]
}

export interface InterfaceChoice {
  /** Names (`eth0`) or addresses; a name stands for all its addresses, an address for itself. Undefined: see {@link selectInterfaces}. */
  readonly interfaces?: readonly string[] | undefined
  readonly ipv4: boolean
  readonly ipv6: boolean
}

/** Without a choice: all interfaces except loopback; loopback only when there is nothing else. */
export function selectInterfaces(
  all: Readonly<Partial<Record<string, readonly NetworkInterfaceInfo[]>>>,
  choice: InterfaceChoice
): LinkInterface[] {
  const wanted = choice.interfaces === undefined ? undefined : new Set(choice.interfaces.map((text) => text.split('%')[0]))
  const found: LinkInterface[] = []
  for (const [name, infos = []] of Object.entries(all)) {
    const addresses = infos
      .filter((info) => (info.family === 'IPv4' ? choice.ipv4 : choice.ipv6))
      .filter((info) => wanted === undefined || wanted.has(name) || wanted.has(info.address))
      .map(
        (info): LinkAddress => ({
          address: info.address,
          family: info.family === 'IPv4' ? 4 : 6,
          prefix: Number(info.cidr?.split('/')[1] ?? (info.family === 'IPv4' ? 32 : 128))
        })
      )
    if (addresses.length === 0) continue
    found.push({
      name,
      internal: infos.some((info) => info.internal),
      index: Math.max(0, ...infos.map((info) => info.scopeid ?? 0)),
      addresses
    })
  }
  if (wanted !== undefined) return found
  const outside = found.filter((candidate) => !candidate.internal)
  return outside.length > 0 ? outside : found
}

/** Whether anything about an interface changed that sockets or records depend on. */
export function sameInterface(a: LinkInterface, b: LinkInterface): boolean {
  const text = (link: LinkInterface): string =>
    link.addresses
      .map(({ address, prefix }) => `${address}/${prefix}`)
      .sort()
      .join()
  return a.name === b.name && a.index === b.index && text(a) === text(b)
}

/**
 * Whether a packet from this source came over this interface. The operating system hands every multicast packet to every
 * socket of the group, whatever interface it came from; sources that are not on the link are ignored anyway (RFC 6762 §11).
 */
export function isOnLink(link: LinkInterface, source: string): boolean {
  const [address = '', zone] = source.split('%')
  if (zone !== undefined) return zone === link.name || zone === String(link.index)
  return link.addresses.some((own) => samePrefix(own.address, address, own.prefix))
}
