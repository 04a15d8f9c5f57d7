import { isLinkLocal6 } from '@kithmesh/core/plugin'
import type { NetworkLink, Surroundings } from './evidence/surroundings.ts'
import { type Finding, note, ok, warning } from './finding.ts'

/** Bridges that containers and virtual machines hang on. */
const BRIDGE_NAMES = /^(docker|br-[0-9a-f]{6}|virbr|podman|cni|lxcbr|lxdbr|vmnet|vboxnet|vEthernet)/i
/** Of the network that QEMU, VirtualBox and slirp make for one guest. */
const USER_NETWORK = /^10\.0\.2\.(15|100)$/

/** Whether discovery on this network gets out of this machine at all: containers, virtual machines, WSL, and the bridges of such. Pure. */
export function judgeSurroundings({ container, kernel, links }: Surroundings): Finding[] {
  const outward = links.filter(({ internal, addresses }) => !internal && addresses.length > 0)
  const findings = [...judgeContainer(container, outward), ...judgeWsl(kernel, links), ...judgeUserNetwork(outward)]
  const bridges = outward.filter(({ name, kind }) => (kind === 'bridge' || kind === 'unknown') && BRIDGE_NAMES.test(name))
  if (bridges.length > 0) {
    const others = outward.filter((link) => !bridges.includes(link) && link.kind !== 'virtual-cable').map(({ name }) => name)
    findings.push(
      note(
        'bridges',
        `${bridges.map(describe).join(', ')}: for containers or virtual machines on this machine, nobody else is there`,
        others.length === 0
          ? 'No other interface is up.'
          : `They do no harm; to leave them out, name the others: ${others.map((name) => `--interface ${name}`).join(' ')}.`
      )
    )
  }
  const tunnels = outward.filter(({ kind }) => kind === 'tunnel')
  if (tunnels.length > 0)
    findings.push(
      note(
        'vpn',
        `${tunnels.map(describe).join(', ')}: a tunnel`,
        'A VPN that takes all traffic may hide the devices of this network from each other; most have a setting that allows the local network.'
      )
    )
  return findings
}

function judgeContainer(container: string | undefined, outward: readonly NetworkLink[]): Finding[] {
  if (container === undefined) return []
  if (outward.some(({ kind }) => kind === 'device' || kind === 'bridge'))
    return [ok('container', `${container}, with the network of its host`)]
  return [
    warning(
      'container',
      `${container}, with a network of its own: ${outward.map(describe).join(', ') || 'no address'}`,
      'Multicast stays on the host, so that devices outside are not found: run the container with the network of the host (--network host), or name a --broker. Others connect in through a published port only (--port with -p, and --forwarded-port).'
    )
  ]
}

function judgeWsl(kernel: string, links: readonly NetworkLink[]): Finding[] {
  if (!/microsoft/i.test(kernel)) return []
  if (links.some(({ name }) => name === 'loopback0')) return [ok('wsl', 'Windows Subsystem for Linux, with the network of Windows')]
  return [
    warning(
      'wsl',
      `Windows Subsystem for Linux, behind a NAT of Windows (${/\S*microsoft\S*/i.exec(kernel)?.[0] ?? 'microsoft'})`,
      'Multicast does not get through it: set networkingMode=mirrored in .wslconfig, run kithmesh on Windows itself, or name a --broker.'
    )
  ]
}

function judgeUserNetwork(outward: readonly NetworkLink[]): Finding[] {
  const found = outward.flatMap(({ addresses }) => addresses.filter((address) => USER_NETWORK.test(address)))
  if (found.length === 0) return []
  return [
    warning(
      'virtual machine',
      `${found.join(', ')} is what virtual machines get from a NAT of their own`,
      'Give the machine a bridged network adapter, or name a --broker: on its own network it is alone.'
    )
  ]
}

function describe({ name, addresses }: NetworkLink): string {
  return [name, ...addresses.filter((address) => !isLinkLocal6(address))].join(' ')
}
