import { isIPv6 } from 'node:net'
import type { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { isLinkLocal } from '@kithmesh/core/plugin'
import { textOf } from './evidence/files.ts'
import { type Finding, note, ok, warning } from './finding.ts'

export interface Ipv6Evidence {
  /** Those of interfaces other than loopback. */
  readonly addresses: readonly { readonly name: string; readonly address: string }[]
  /** Interfaces over which packets for anywhere go; undefined where the system does not tell. */
  readonly defaultRoutes: readonly string[] | undefined
  readonly disabled: boolean
}

/** RTF_UP and RTF_REJECT of Linux. */
const UP = 0x1
const REJECT = 0x200

/** @param root for tests: where `/proc` is */
export function ipv6Evidence(interfaces: ReturnType<typeof networkInterfaces>, root = '/'): Ipv6Evidence {
  const table = textOf(join(root, 'proc/net/ipv6_route'))
  return {
    addresses: Object.entries(interfaces).flatMap(([name, infos = []]) =>
      infos.filter(({ address, internal }) => !internal && isIPv6(address)).map(({ address }) => ({ name, address }))
    ),
    defaultRoutes: table === undefined ? undefined : defaultRoutes(table),
    disabled: textOf(join(root, 'proc/sys/net/ipv6/conf/all/disable_ipv6'))?.trim() === '1'
  }
}

/** Destination, its length, source, its length, next hop, metric, references, uses, flags, interface (proc(5)). */
function defaultRoutes(table: string): string[] {
  const found = table.split('\n').flatMap((row) => {
    const [destination = '', length = '', , , , , , , flags = '', name = ''] = row.trim().split(/\s+/)
    const bits = Number.parseInt(flags, 16)
    return /^0{32}$/.test(destination) && length === '00' && (bits & UP) !== 0 && (bits & REJECT) === 0 && name !== 'lo' ? [name] : []
  })
  return [...new Set(found)]
}

type Kind = 'link-local' | 'unique local' | 'tunnelled' | 'global'

function kindOf(address: string): Kind {
  if (isLinkLocal(address)) return 'link-local'
  if (/^f[cd]/i.test(address)) return 'unique local'
  return /^(2002:|2001:(0{1,4})?:)/i.test(address) ? 'tunnelled' : 'global'
}

/** Which IPv6 there is, and how far it leads. Pure. */
export function judgeIpv6({ addresses, defaultRoutes, disabled }: Ipv6Evidence): Finding {
  const check = 'ipv6'
  if (disabled)
    return note(check, 'switched off on this machine', 'Nothing needs it; with it, devices often reach each other where IPv4 has a NAT.')
  const of = (kind: Kind): string[] =>
    addresses.filter(({ address }) => kindOf(address) === kind).map(({ name, address }) => `${name} ${address}`)
  const global = of('global')
  if (global.length > 0) {
    const text = `${global.join(', ')}: global`
    if (defaultRoutes === undefined) return ok(check, text)
    if (defaultRoutes.length > 0) return ok(check, `${text}, with a way out by ${defaultRoutes.join(', ')}`)
    return warning(
      check,
      `${text}, but there is no route to the internet`,
      'Connections by IPv6 beyond this network will fail; the router may have stopped announcing itself.'
    )
  }
  const tunnelled = of('tunnelled')
  if (tunnelled.length > 0)
    return note(check, `${tunnelled.join(', ')}: an IPv6 tunnel over IPv4`, 'Such addresses are seldom reachable; IPv4 is used.')
  const local = of('unique local')
  if (local.length > 0) return ok(check, `${local.join(', ')}: unique local, for this site only`)
  const linkLocal = of('link-local')
  if (linkLocal.length > 0) return ok(check, `link-local addresses only (${linkLocal.join(', ')}): for devices on the same link`)
  return note(check, 'no address', 'Nothing needs it; with it, devices often reach each other where IPv4 has a NAT.')
}
