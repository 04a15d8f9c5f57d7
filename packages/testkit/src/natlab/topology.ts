import { isPublic, lanOf, serverAddresses, sideNetworks } from './addresses.ts'
import type { LabHost, LabPlan, LabSide, Router } from './options.ts'

/** A cable: the interface names of its two ends and where they are. */
export interface Cable {
  readonly ends: readonly [Plug, Plug]
}

export interface Plug {
  readonly host: LabHost
  readonly name: string
}

/** How a line to the internet is slowed down: not at all, by the kernel, or by a program between `line-x` and `tap-x`. */
export type Slowing = 'none' | 'netem' | 'user-space'

const sides: readonly LabSide[] = ['a', 'b']
const routerNames = { a: 'nat-a', b: 'nat-b' } as const
const carrierNames = { a: 'carrier-a', b: 'carrier-b' } as const

/** The network namespaces of a lab. */
export function labHosts(plan: LabPlan): readonly LabHost[] {
  return ['pub', 'srv', 'a', 'b', ...labSides(plan).flatMap((side) => routersOf(plan, side).map(({ host }) => host))]
}

/** The sides that have routers of their own. */
export function labSides(plan: LabPlan): readonly LabSide[] {
  return sides.filter((side) => plan[side] !== undefined)
}

/** A side's routers, from the inside out. */
export function routersOf(plan: LabPlan, side: LabSide): ReadonlyArray<{ readonly host: LabHost; readonly router: Router }> {
  const way = plan[side]
  if (way === undefined) return []
  const inner = { host: routerNames[side], router: way.router }
  return way.carrier === undefined ? [inner] : [inner, { host: carrierNames[side], router: way.carrier }]
}

/** The host at the outer end of a side. */
function outermost(plan: LabPlan, side: LabSide): LabHost {
  return plan[side]?.carrier === undefined ? routerNames[side] : carrierNames[side]
}

export function labCables(plan: LabPlan, slowing: Slowing): readonly Cable[] {
  const cable = (hostA: LabHost, nameA: string, hostB: LabHost, nameB: string): Cable => ({
    ends: [
      { host: hostA, name: nameA },
      { host: hostB, name: nameB }
    ]
  })
  const cables = [cable('srv', 'eth0', 'pub', 'srv')]
  for (const side of labSides(plan)) {
    const nat = routerNames[side]
    const outer = outermost(plan, side)
    cables.push(cable(outer, 'wan', 'pub', `line-${side}`))
    if (slowing === 'user-space') cables.push(cable('pub', `tap-${side}`, 'pub', `port-${side}`))
    if (outer !== nat) cables.push(cable(nat, 'wan', outer, 'lan'))
    if (plan.b === undefined) cables.push(cable('a', 'eth0', nat, 'lan-a'), cable('b', 'eth0', nat, 'lan-b'))
    else cables.push(cable(side, 'eth0', nat, 'lan'))
  }
  return cables
}

/** The shell script that sets a host up, inside its namespace, or sets it up anew after a change of kind. Pure. */
export function setUpScript(plan: LabPlan, host: LabHost, slowing: Slowing): string {
  const lines = ['ip link set lo up']
  const ipv6 = plan.ipv6 !== 'off' && host !== 'pub'
  const knobs: Record<string, number> = {
    'ipv6/conf/all/disable_ipv6': ipv6 ? 0 : 1,
    'ipv6/conf/default/disable_ipv6': ipv6 ? 0 : 1,
    'ipv4/conf/all/rp_filter': 0,
    'ipv4/conf/all/send_redirects': 0,
    'ipv4/conf/default/send_redirects': 0,
    // Where br_netfilter is loaded, bridges would translate addresses by themselves and send hairpin packets past the router.
    'bridge/bridge-nf-call-iptables': 0,
    'bridge/bridge-nf-call-ip6tables': 0,
    'bridge/bridge-nf-call-arptables': 0
  }
  const isRouter = host.startsWith('nat-') || host.startsWith('carrier-')
  if (isRouter) Object.assign(knobs, { 'ipv4/ip_forward': 1, 'ipv6/conf/all/forwarding': ipv6 ? 1 : 0 })
  for (const [knob, value] of Object.entries(knobs)) {
    lines.push(`if [ -e /proc/sys/net/${knob} ]; then echo ${value} > /proc/sys/net/${knob}; fi`)
  }
  // Addresses are usable at once; with link-local ones under test, routers cannot find their neighbours for seconds.
  if (ipv6) lines.push('for knob in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 > "$knob"; done')
  if (host === 'pub') lines.push(...internet(plan, slowing))
  else if (host === 'srv') lines.push(...server(plan, ipv6))
  else if (host === 'a' || host === 'b') lines.push(...peer(plan, host, ipv6))
  else lines.push(...router(plan, host, ipv6))
  return lines.join('\n')
}

function internet(plan: LabPlan, slowing: Slowing): string[] {
  const own = labSides(plan)
  const ports = ['srv', ...own.map((side) => (slowing === 'user-space' ? `port-${side}` : `line-${side}`))]
  return [
    'ip link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0',
    'ip link set br0 up',
    ...ports.flatMap((port) => [`ip link set ${port} master br0`, `ip link set ${port} up`]),
    ...(slowing === 'user-space' ? own.flatMap((side) => [`ip link set line-${side} up`, `ip link set tap-${side} up`]) : []),
    ...(slowing === 'netem' ? own.map((side) => netem(plan, `line-${side}`)) : [])
  ]
}

function server(plan: LabPlan, ipv6: boolean): string[] {
  return [
    ...addresses(
      'eth0',
      serverAddresses.ipv4.map((address) => `${address}/24`),
      ipv6 ? serverAddresses.ipv6.map((address) => `${address}/64`) : []
    ),
    ...routesToOthers(plan, undefined, ipv6)
  ]
}

function peer(plan: LabPlan, host: 'a' | 'b', ipv6: boolean): string[] {
  const side = plan[host] === undefined ? 'a' : host
  const index = side === host ? 0 : 1
  const lan = lanOf(side, (plan[side] as { router: Router }).router)
  const { lan6 } = sideNetworks[side]
  return [
    ...addresses('eth0', [`${lan.hosts[index]}/${lan.length}`], ipv6 ? [`${lan6.hosts[index]}/${lan6.length}`] : []),
    `ip route replace default via ${lan.router}`,
    ...(ipv6 ? [`ip -6 route replace default via ${lan6.router}`] : [])
  ]
}

function router(plan: LabPlan, host: LabHost, ipv6: boolean): string[] {
  const side = host.endsWith('a') ? 'a' : 'b'
  const networks = sideNetworks[side]
  const way = plan[side] as { router: Router; carrier: Router | undefined }
  const isCarrier = host.startsWith('carrier-')
  const isOuter = isCarrier || way.carrier === undefined
  const inside = isCarrier ? networks.carrier : lanOf(side, way.router)
  const inside6 = isCarrier ? networks.carrier6 : networks.lan6
  const lines: string[] = []
  if (!isCarrier && plan.b === undefined) {
    lines.push('if ! ip link show lan >/dev/null 2>&1; then ip link add lan type bridge stp_state 0 forward_delay 0 mcast_snooping 0; fi')
    for (const port of ['lan-a', 'lan-b']) {
      lines.push(`ip link set ${port} master lan`, `ip link set ${port} type bridge_slave isolated ${plan.isolated ? 'on' : 'off'}`)
      lines.push(`ip link set ${port} up`)
    }
  }
  lines.push(...addresses('lan', [`${inside.router}/${inside.length}`], ipv6 ? [`${inside6.router}/${inside6.length}`] : []))
  if (isOuter) {
    lines.push(...addresses('wan', [`${networks.wan}/24`], ipv6 ? [`${networks.wan6}/64`] : []), ...routesToOthers(plan, side, ipv6))
    // What is addressed to nobody gets lost out there without a word, as in the internet.
    lines.push(`ip route replace default via ${serverAddresses.ipv4[0]}`)
    if (ipv6) lines.push(`ip -6 route replace default via ${serverAddresses.ipv6[0]}`)
    if (isCarrier && ipv6) lines.push(`ip -6 route replace ${networks.lan6.prefix} via ${networks.carrier6.hosts[0]}`)
  } else {
    const { carrier, carrier6 } = networks
    lines.push(...addresses('wan', [`${carrier.hosts[0]}/${carrier.length}`], ipv6 ? [`${carrier6.hosts[0]}/${carrier6.length}`] : []))
    lines.push(`ip route replace default via ${carrier.router}`)
    if (ipv6) lines.push(`ip -6 route replace default via ${carrier6.router}`)
  }
  return lines
}

function addresses(name: string, ipv4: readonly string[], ipv6: readonly string[]): string[] {
  return [
    `ip -4 address flush dev ${name}`,
    ...ipv4.map((address) => `ip address add ${address} dev ${name}`),
    ...ipv6.map((address) => `ip -6 address replace ${address} dev ${name} nodad`),
    `ip link set ${name} up`
  ]
}

/** Routes to the public networks behind the other sides' routers. */
function routesToOthers(plan: LabPlan, except: LabSide | undefined, ipv6: boolean): string[] {
  return labSides(plan)
    .filter((side) => side !== except)
    .flatMap((side) => {
      const { publicLan, lan6, carrier6, wan, wan6 } = sideNetworks[side]
      const prefixes6 = plan[side]?.carrier === undefined ? [lan6.prefix] : [lan6.prefix, carrier6.prefix]
      return [
        `ip route replace ${publicLan.prefix} via ${wan}`,
        ...(ipv6 ? prefixes6.map((prefix) => `ip -6 route replace ${prefix} via ${wan6}`) : [])
      ]
    })
}

/** Delay and loss in one direction by the kernel; the script's host sends into `name`. */
export function netem({ latencyMs, lossPercent }: LabPlan, name: string): string {
  return `tc qdisc replace dev ${name} root netem delay ${latencyMs}ms loss ${lossPercent}% limit 10000`
}

/** How others see a peer. */
export function publicAddress(plan: LabPlan, host: LabSide): string {
  const side = plan[host] === undefined ? 'a' : host
  const way = plan[side] as { router: Router }
  return isPublic(way.router) ? lanOf(side, way.router).hosts[side === host ? 0 : 1] : sideNetworks[side].wan
}
