import { join } from 'node:path'
import { namesIn, textOf } from './files.ts'
import { outputOf } from './output-of.ts'

/** What can be known of a firewall. */
export interface FirewallEvidence {
  readonly platform: NodeJS.Platform
  /** Of `nft --json list ruleset`, which only root may see. */
  readonly nftables: string | undefined
  /** Of `iptables-save` and `ip6tables-save`, likewise. */
  readonly iptables: string | undefined
  /** What `/etc/ufw/ufw.conf` says, which everybody may read. */
  readonly ufw: 'enabled' | 'disabled' | undefined
  readonly firewalld: boolean
  /** Whether the kernel has a packet filter loaded at all; undefined where it does not tell. */
  readonly filterLoaded: boolean | undefined
  /** macOS: what `socketfilterfw` says; Windows: what `netsh advfirewall` says. */
  readonly system: string | undefined
}

const MODULES = /^(nf_tables|ip_tables|ip6_tables|x_tables) /m

/** Reads, and changes nothing. @param root for tests: where `/etc` and `/proc` are */
export async function firewallEvidence(
  signal: AbortSignal,
  root = '/',
  platform: NodeJS.Platform = process.platform
): Promise<FirewallEvidence> {
  const none = { platform, nftables: undefined, iptables: undefined, ufw: undefined, firewalld: false, filterLoaded: undefined } as const
  if (platform === 'darwin')
    return {
      ...none,
      system: await outputOf('/usr/libexec/ApplicationFirewall/socketfilterfw', ['--getglobalstate', '--getblockall'], signal)
    }
  if (platform === 'win32') return { ...none, system: await outputOf('netsh', ['advfirewall', 'show', 'currentprofile'], signal) }
  if (platform !== 'linux') return { ...none, system: undefined }
  const [nftables, iptables, ip6tables] = await Promise.all([
    privileged('nft', ['--json', 'list', 'ruleset'], signal),
    privileged('iptables-save', [], signal),
    privileged('ip6tables-save', [], signal)
  ])
  const ufw = /^ENABLED=(yes|no)\s*$/im.exec(textOf(join(root, 'etc/ufw/ufw.conf')) ?? '')?.[1]
  const modules = textOf(join(root, 'proc/modules'))
  return {
    platform,
    nftables,
    iptables: iptables === undefined && ip6tables === undefined ? undefined : `${iptables ?? ''}\n${ip6tables ?? ''}`,
    ufw: ufw === undefined ? undefined : ufw.toLowerCase() === 'yes' ? 'enabled' : 'disabled',
    firewalld: namesIn(join(root, 'proc')).some(
      (name) => /^\d+$/.test(name) && textOf(join(root, 'proc', name, 'comm'))?.trim() === 'firewalld'
    ),
    filterLoaded: modules === undefined ? undefined : MODULES.test(modules),
    system: undefined
  }
}

/** Where such programs are is often not in the path of plain users. */
async function privileged(program: string, words: readonly string[], signal: AbortSignal): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return undefined
  return (await outputOf(program, words, signal)) ?? (await outputOf(`/usr/sbin/${program}`, words, signal))
}
