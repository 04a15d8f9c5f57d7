import type { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { linkAt, namesIn, textOf } from './files.ts'

/** What kind of machine this is, as far as it tells. */
export interface Surroundings {
  /** What says that this is a container: `/.dockerenv`, or words of `/proc`. */
  readonly container: string | undefined
  /** What the kernel calls itself. */
  readonly kernel: string
  readonly links: readonly NetworkLink[]
}

/** A network interface with what Linux knows of it. */
export interface NetworkLink {
  readonly name: string
  readonly addresses: readonly string[]
  readonly internal: boolean
  /** `bridge`: others hang on it; `virtual-cable`: its other end is elsewhere on the same machine; `tunnel`: has no link layer, as VPNs. */
  readonly kind: 'device' | 'bridge' | 'virtual-cable' | 'tunnel' | 'unknown'
}

/** ARPHRD_NONE, as tun devices and WireGuard have it, and ARPHRD_PPP. */
const WITHOUT_LINK_LAYER = ['65534', '512']

/** @param root for tests: where `/proc` and `/sys` are */
export function surroundings(interfaces: ReturnType<typeof networkInterfaces>, root = '/'): Surroundings {
  return {
    container: containerMark(root),
    kernel: textOf(join(root, 'proc/version'))?.trim() ?? '',
    links: Object.entries(interfaces).map(([name, infos = []]) => ({
      name,
      addresses: infos.map(({ address }) => address),
      internal: infos.some(({ internal }) => internal),
      kind: kindOf(join(root, 'sys/class/net', name))
    }))
  }
}

function containerMark(root: string): string | undefined {
  for (const file of ['.dockerenv', 'run/.containerenv'])
    if (textOf(join(root, file)) !== undefined) return file === '.dockerenv' ? 'Docker (/.dockerenv)' : 'Podman (/run/.containerenv)'
  const named = /(?:^|\0)container=([\w.-]+)/.exec(textOf(join(root, 'proc/1/environ')) ?? '')?.[1]
  if (named !== undefined) return `${named} (the environment of process 1)`
  const group = /(docker|kubepods|containerd|libpod|lxc)/.exec(textOf(join(root, 'proc/1/cgroup')) ?? '')?.[1]
  return group === undefined ? undefined : `${group} (/proc/1/cgroup)`
}

function kindOf(path: string): NetworkLink['kind'] {
  const names = namesIn(path)
  if (names.length === 0) return 'unknown'
  if (names.includes('bridge')) return 'bridge'
  if (names.includes('device') || linkAt(join(path, 'device')) !== undefined) return 'device'
  if (WITHOUT_LINK_LAYER.includes(textOf(join(path, 'type'))?.trim() ?? '')) return 'tunnel'
  const [index, other] = ['ifindex', 'iflink'].map((name) => textOf(join(path, name))?.trim())
  return index !== undefined && other !== undefined && index !== other ? 'virtual-cable' : 'unknown'
}
