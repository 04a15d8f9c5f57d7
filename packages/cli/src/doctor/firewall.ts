import type { FirewallEvidence } from './evidence/firewall.ts'
import { type Finding, note, ok, warning } from './finding.ts'
import { readIptables, readNftables } from './packet-filter.ts'

const CHECK = 'firewall'
const PORTS = 'UDP port 5353 for discovery on this network, and the TCP port of "sync --port" for connections'
const UFW = 'sudo ufw allow 5353/udp, and sudo ufw allow PORT/tcp for the port of "sync --port".'
const FIREWALLD =
  'sudo firewall-cmd --permanent --add-service=mdns --add-port=PORT/tcp && sudo firewall-cmd --reload, with the port of "sync --port".'

/** Whether something may keep discovery and connections out. Pure. */
export function judgeFirewall(evidence: FirewallEvidence): Finding {
  const { platform, system } = evidence
  if (platform === 'linux') return judgeLinux(evidence)
  if (platform === 'darwin') return judgeMac(system)
  if (platform === 'win32') return judgeWindows(system)
  return note(CHECK, `not looked at on ${platform}`, `Whatever filters packets has to let in ${PORTS}.`)
}

function judgeLinux({ nftables, iptables, ufw, firewalld, filterLoaded }: FirewallEvidence): Finding {
  const manager = ufw === 'enabled' ? 'ufw' : firewalld ? 'firewalld' : undefined
  const advice = manager === 'ufw' ? UFW : manager === 'firewalld' ? FIREWALLD : `Let in ${PORTS}.`
  const read = [
    ...(nftables === undefined ? [] : [{ by: 'nftables', filter: readNftables(nftables) }]),
    ...(iptables === undefined ? [] : [{ by: 'iptables', filter: readIptables(iptables) }])
  ].filter(({ filter }) => filter !== undefined)
  if (read.length > 0) {
    const closed = read.filter(({ filter }) => filter?.closed === true)
    const of = manager === undefined ? '' : ` of ${manager}`
    if (closed.length === 0) return ok(CHECK, `the rules${of} let in what comes (${read.map(({ by }) => by).join(' and ')} read)`)
    const names = closed.map(({ by }) => by).join(' and ')
    if (closed.every(({ filter }) => filter?.admitsMdns === true))
      return note(
        CHECK,
        `the rules${of} (${names}) drop what they do not know, and let in multicast DNS`,
        'The TCP port of "sync --port" has to be let in, too, or others can be reached only by this machine.'
      )
    return warning(CHECK, `the rules${of} (${names}) drop what they do not know, and no rule lets in UDP port 5353`, advice)
  }
  if (manager !== undefined)
    return warning(CHECK, `${manager} is on; what it lets in can be read by root only`, `See with root, or allow: ${advice}`)
  if (filterLoaded === false) return ok(CHECK, 'the kernel has no packet filter loaded')
  return note(
    CHECK,
    filterLoaded === undefined ? 'its rules can be read by root only' : 'a packet filter is loaded; its rules can be read by root only',
    'Run it as root to see them.'
  )
}

function judgeMac(system: string | undefined): Finding {
  const hint = 'System Settings, Network, Firewall, Options: allow node to receive incoming connections.'
  if (system === undefined) return note(CHECK, 'the application firewall does not tell its state', hint)
  if (/block all.*enabled/i.test(system) || /State = 2/.test(system))
    return warning(CHECK, 'the application firewall blocks all incoming connections', hint)
  if (/\benabled\b|State = 1/i.test(system)) return note(CHECK, 'the application firewall is on: it asks for each program', hint)
  return ok(CHECK, 'the application firewall is off')
}

function judgeWindows(system: string | undefined): Finding {
  const hint =
    'Windows asks once for each program: allow Node.js on private networks, and make this network a private one (Get-NetConnectionProfile, Set-NetConnectionProfile -NetworkCategory Private).'
  // What netsh writes is in the language of the system; only the words for values are the same in most of them.
  if (system === undefined) return note(CHECK, 'Windows does not tell its state', hint)
  if (/^\S+\s+OFF\s*$/im.test(system)) return ok(CHECK, 'the firewall of Windows is off')
  return note(CHECK, 'the firewall of Windows is on', hint)
}
