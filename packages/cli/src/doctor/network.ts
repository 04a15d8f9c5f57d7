import { readFileSync } from 'node:fs'
import type { networkInterfaces } from 'node:os'
import { isLinkLocal } from '@kithmesh/core/plugin'
import { type MulticastCheck, selectInterfaces } from '@kithmesh/provider-dnssd'
import { type Finding, ok, problem, warning } from './finding.ts'

const IFF_MULTICAST = 0x1000

/**
 * The network interfaces, and which of them discovery uses. Nothing is sent.
 * @param chosen what `--interface` names; all without
 * @param multicast whether an interface can do multicast as far as the system tells
 */
export function examineInterfaces(
  all: ReturnType<typeof networkInterfaces>,
  chosen: readonly string[] | undefined,
  multicast: (name: string) => boolean | undefined = multicastOf
): Finding[] {
  const used = selectInterfaces(all, { interfaces: chosen, ipv4: true, ipv6: true })
  if (used.length === 0) {
    const among = chosen === undefined ? 'This machine has no network interface that is up' : `There is no interface ${chosen.join(', ')}`
    const hint = chosen === undefined ? 'Connect to a network.' : `These are there: ${Object.keys(all).join(', ')}.`
    return [problem('network', among, hint)]
  }
  return Object.entries(all).map(([name, infos = []]) => {
    const check = `network ${name}`
    const addresses = infos.map(({ address }) => address).join(' ')
    const link = used.find((candidate) => candidate.name === name)
    if (link === undefined) return ok(check, `${addresses}, not used for discovery`)
    const own = link.addresses.map(({ address }) => address)
    // Loopback has no such flag on Linux, and does multicast all the same.
    if (!link.internal && multicast(name) === false)
      return warning(check, `${own.join(' ')}: the interface does no multicast`, 'Devices are found here through a broker only: --broker.')
    if (link.internal && chosen === undefined)
      return warning(check, `${own.join(' ')} is all there is`, 'Only programs on this machine find each other. Connect to a network.')
    if (own.every(isLinkLocal))
      return warning(
        check,
        `${own.join(' ')}: only addresses of its own making`,
        'No router gave this machine an address; devices on the same cable or Wi-Fi may still find each other.'
      )
    return ok(check, `${own.join(' ')}, used for discovery`)
  })
}

/** What came back of multicasts that were really sent. */
export function judgeMulticast(checks: readonly MulticastCheck[]): Finding[] {
  return checks.map(({ interface: name, heard, error }) => {
    const check = `multicast ${name}`
    if (heard) return ok(check, 'what is sent comes back')
    if (error !== undefined) return problem(check, error.message, 'Another program may hold UDP port 5353 for itself alone.')
    return problem(
      check,
      'nothing that is sent comes back',
      'A firewall holds up UDP port 5353, or the network is one that the system treats as public. Allow mDNS, or use --broker.'
    )
  })
}

/** Linux tells; elsewhere it is not known. */
function multicastOf(name: string): boolean | undefined {
  try {
    return (Number(readFileSync(`/sys/class/net/${name}/flags`, 'utf8').trim()) & IFF_MULTICAST) !== 0
  } catch {
    return undefined
  }
}
