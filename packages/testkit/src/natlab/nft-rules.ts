import type { Router } from './options.ts'

/** Where a router stands. */
export interface RouterPlace {
  /** Its outer address, which a NAT writes into packets. */
  readonly wanAddress: string
  /** The network inside, `10.1.0.0/24`. */
  readonly lan: string
  /** A firewall for IPv6 beside it. */
  readonly ipv6Firewall: boolean
  /** Makes the random mapping of `eim-random` the same each time, and different on two routers. */
  readonly seed: number
}

const FIRST_PORT = 1024
const PORTS = 65_536 - FIRST_PORT
/** A prime, so that multiples of 3 reach every port but one. */
const DEPENDENT_MODULUS = 64_511
const SEQUENTIAL_PORTS = 16_000

/** The nftables ruleset of a router, replacing whatever it had (nat-lab §2). Pure. */
export function nftRuleset(router: Router, place: RouterPlace): string {
  return ['flush ruleset', filterTable(router, place), natTable(router, place), udpTable(router), ipv6Table(place)]
    .filter((table) => table !== '')
    .join('\n')
}

/** The sets of the ruleset that packets write into: to be emptied when flows are forgotten. */
export function dynamicSets(router: Router): readonly string[] {
  const sets = keepsOwners(router) ? ['map ip nat tcpowner', 'map ip nat udpowner'] : []
  return router.kind === 'address-restricted' ? [...sets, 'set ip nat tcpallowed', 'set ip nat udpallowed'] : sets
}

/** Whether the router remembers which host has a port: for packets from outside, or from inside to its outer address. */
function keepsOwners({ kind, hairpin }: Router): boolean {
  return hairpin || kind === 'full-cone' || kind === 'address-restricted'
}

function filterTable({ kind, unsolicited, hairpin }: Router, { wanAddress }: RouterPlace): string {
  if (kind === 'open') return ''
  const refusal = {
    drop: ['iifname "wan" drop'],
    rst: ['iifname "wan" meta l4proto tcp reject with tcp reset', 'iifname "wan" drop'],
    icmp: ['iifname "wan" meta l4proto { tcp, udp } reject with icmp port-unreachable', 'iifname "wan" drop'],
    accept: []
  }[unsolicited]
  const established = 'iifname "wan" ct state established,related accept'
  // Without NAT the unwanted packets are addressed to the host behind; with NAT they end at the router itself.
  const atRouter = kind === 'firewall' ? [] : [established, 'iifname "wan" icmp type echo-request accept', ...refusal]
  // Dropped, it leaves no flow in the table that would keep later packets from being turned round.
  if (hairpin) atRouter.push(`iifname "lan" ip daddr ${wanAddress} meta l4proto { tcp, udp } drop`)
  const forwarded = kind === 'firewall' ? refusal : ['iifname "wan" ct status dnat accept', 'iifname "wan" drop']
  return table('ip filter', [
    chain('input', 'filter hook input priority filter; policy accept;', atRouter),
    chain('forward', 'filter hook forward priority filter; policy accept;', [established, ...forwarded])
  ])
}

function natTable(router: Router, { wanAddress, lan, seed }: RouterPlace): string {
  const { kind } = router
  if (kind === 'open' || kind === 'firewall') return ''
  const out = `oifname "wan" ip saddr ${lan}`
  const both = (rule: (protocol: 'tcp' | 'udp') => string): string[] => [rule('tcp'), rule('udp')]
  const declarations: string[] = []
  const prerouting: string[] = []
  const postrouting: string[] = []
  const translate = (map: string): string[] =>
    both((protocol) => `${out} meta l4proto ${protocol} snat to ${wanAddress} : ${protocol} sport map @${map}`)

  if (keepsOwners(router)) {
    const timed = 'flags dynamic,timeout; timeout 2m; size 65535;'
    declarations.push(...both((protocol) => `map ${protocol}owner { type inet_service : ipv4_addr; ${timed} }`))
    postrouting.push(...both((protocol) => `${out} meta l4proto ${protocol} update @${protocol}owner { ${protocol} sport : ip saddr }`))
    if (kind === 'address-restricted') {
      declarations.push(...both((protocol) => `set ${protocol}allowed { type inet_service . ipv4_addr; ${timed} }`))
      postrouting.push(...both((protocol) => `${out} meta l4proto ${protocol} update @${protocol}allowed { ${protocol} sport . ip daddr }`))
    }
  }
  if (router.hairpin) {
    prerouting.push(
      ...both((protocol) => `iifname "lan" ip daddr ${wanAddress} meta l4proto ${protocol} dnat to ${protocol} dport map @${protocol}owner`)
    )
    postrouting.push(`oifname "lan" ip saddr ${lan} ct status dnat snat to ${wanAddress}`)
  }
  switch (kind) {
    case 'full-cone':
      prerouting.push(...both((protocol) => `iifname "wan" meta l4proto ${protocol} dnat to ${protocol} dport map @${protocol}owner`))
      break
    case 'address-restricted':
      prerouting.push(
        ...both(
          (protocol) =>
            `iifname "wan" meta l4proto ${protocol} ${protocol} dport . ip saddr @${protocol}allowed dnat to ${protocol} dport map @${protocol}owner`
        )
      )
      break
    case 'port-restricted':
      break
    case 'symmetric-random':
      postrouting.push(`${out} masquerade fully-random`)
      break
    case 'symmetric-sequential': {
      // A port map indexed by numgen: numgen itself as a port would arrive with its bytes swapped.
      const elements = Array.from({ length: SEQUENTIAL_PORTS }, (_, index) => `${index} : ${40_000 + index}`)
      declarations.push(`map next { typeof numgen inc mod ${SEQUENTIAL_PORTS} : tcp sport; elements = { ${elements.join(',\n')} }\n }`)
      postrouting.push(`${out} meta l4proto { tcp, udp } snat to ${wanAddress} : numgen inc mod ${SEQUENTIAL_PORTS} map @next`)
      break
    }
    case 'eim-random':
      declarations.push(portMap(shuffledPorts(seed)))
      postrouting.push(...translate('ports'))
      break
    case 'port-preserving':
      declarations.push(portMap((index) => FIRST_PORT + ((index + 7000) % PORTS)))
      postrouting.push(...translate('ports'))
      break
    case 'dependent':
      declarations.push(portMap((index) => FIRST_PORT + ((index * 3) % DEPENDENT_MODULUS)))
      postrouting.push(...translate('ports'))
      break
  }
  // Whatever the rules above leave: ICMP, and ports below the maps.
  postrouting.push(`${out} masquerade`)
  return table('ip nat', [
    ...declarations,
    chain('prerouting', 'type nat hook prerouting priority dstnat;', prerouting),
    chain('postrouting', 'type nat hook postrouting priority srcnat;', postrouting)
  ])
}

/** UDP stops here, both ways. Its own table, so that it can be there with any kind. */
function udpTable({ blockUdp }: Router): string {
  if (!blockUdp) return ''
  return table('inet blocked', [chain('forward', 'type filter hook forward priority filter - 1;', ['meta l4proto udp drop'])])
}

function ipv6Table({ ipv6Firewall }: RouterPlace): string {
  if (!ipv6Firewall) return ''
  const rules = ['iifname "wan" ct state established,related accept', 'iifname "wan" meta l4proto { tcp, udp } drop']
  return table('ip6 filter', [chain('forward', 'type filter hook forward priority filter;', rules)])
}

function portMap(external: (index: number) => number): string {
  const elements = Array.from({ length: PORTS }, (_, index) => `${FIRST_PORT + index} : ${external(index)}`)
  return `map ports { type inet_service : inet_service; elements = { ${elements.join(',\n')} }\n }`
}

/** Every port once, in an order that the seed decides. */
function shuffledPorts(seed: number): (index: number) => number {
  const ports = Uint16Array.from({ length: PORTS }, (_, index) => FIRST_PORT + index)
  let state = (seed * 2_654_435_761) >>> 0 || 1
  for (let index = ports.length - 1; index > 0; index--) {
    // xorshift32: plain, and the same on every machine.
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    const other = state % (index + 1)
    const port = ports[index] as number
    ports[index] = ports[other] as number
    ports[other] = port
  }
  return (index) => ports[index] as number
}

function table(name: string, parts: readonly string[]): string {
  return `table ${name} {\n${parts.map((part) => ` ${part}\n`).join('')}}`
}

function chain(name: string, hook: string, rules: readonly string[]): string {
  const head = hook.startsWith('type') ? hook : `type ${hook}`
  return `chain ${name} { ${head}\n${rules.map((rule) => `  ${rule}\n`).join('')} }`
}
