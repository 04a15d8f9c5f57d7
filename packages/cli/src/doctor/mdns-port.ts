import type { MdnsPortEvidence, PortHolder } from './evidence/mdns-port.ts'
import { type Finding, note, ok, problem } from './finding.ts'

const CHECK = 'dns-sd port'

/** By what the system calls it, or by its user: what to do when it does not share. */
const KNOWN: ReadonlyArray<readonly [name: RegExp, what: string, remedy: string]> = [
  [
    /^avahi/,
    'avahi',
    'In /etc/avahi/avahi-daemon.conf set disallow-other-stacks=no and restart avahi-daemon; without that option it shares the port.'
  ],
  [/^systemd-resolve/, 'systemd-resolved', 'Set MulticastDNS=no in /etc/systemd/resolved.conf and restart systemd-resolved.'],
  [/^mDNSResponder/i, 'the mDNSResponder of the system', 'It shares the port as a rule; restart the machine.'],
  [
    /^(chrom|google-chrome|brave|msedge|firefox|opera|vivaldi)/i,
    'a browser',
    'Close the browser, or switch its Cast and media router off.'
  ],
  [/^(spotify|steam|plex|teams|zoom)/i, 'a program that looks for devices', 'Close it, or switch its search for devices off.'],
  [/^(node|MainThread|kithmesh)/, 'a program on Node', 'If it is Kithmesh, it shares the port.']
]

/** Who else does multicast DNS on this machine, and whether there is room for discovery beside it. Pure. */
export function judgeMdnsPort({ holders, complete, refused }: MdnsPortEvidence): Finding {
  const who = holders.length === 0 ? (complete ? 'nobody' : 'somebody who cannot be seen from here') : holders.map(describe).join(', ')
  if (refused !== undefined) {
    const remedy = holders.map((holder) => knownOf(holder)?.[2]).find((text) => text !== undefined)
    const finding = problem(
      CHECK,
      `UDP port 5353 cannot be opened over IPv${refused.family} (${refused.code}): ${holders.length === 0 ? who : `${who} does not share it`}`,
      remedy ?? 'Find out who has it ("ss -ulpn sport = 5353" as root) and end that program, or name a --broker.'
    )
    return { ...finding, code: refused.code, details: { holders } }
  }
  if (holders.length === 0) return ok(CHECK, complete ? 'nobody else has UDP port 5353' : 'UDP port 5353 can be opened')
  const text = `UDP port 5353 is shared with ${who}`
  const unseen = complete || holders.every(({ program }) => program !== undefined) ? undefined : 'As root it says which program each is.'
  return { ...(unseen === undefined ? ok(CHECK, text) : note(CHECK, text, unseen)), details: { holders } }
}

function describe(holder: PortHolder): string {
  const { program, pid, user, addresses } = holder
  const known = knownOf(holder)?.[1]
  const name = program ?? (known === undefined ? 'a program' : known)
  const about = [
    ...(program !== undefined && known !== undefined && !name.startsWith(known) ? [known] : []),
    ...(pid === undefined ? [] : [`process ${pid}`]),
    ...(program === undefined && user !== undefined ? [`of user ${user}`] : [])
  ]
  return `${name}${about.length === 0 ? '' : ` (${about.join(', ')})`} on ${addresses.join(' ')}`
}

function knownOf({ program, user }: PortHolder) {
  return KNOWN.find(([name]) => name.test(program ?? user ?? ''))
}
