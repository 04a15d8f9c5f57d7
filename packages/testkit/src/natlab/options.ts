/**
 * What a router does with addresses, in the terms of RFC 4787 (nat-lab §2).
 *
 * | kind | mapping | filtering | external port |
 * |---|---|---|---|
 * | `open` | no NAT, public address | none | – |
 * | `firewall` | no NAT, public address | by address and port | – |
 * | `full-cone` | endpoint-independent | none | the local one |
 * | `address-restricted` | endpoint-independent | by address | the local one |
 * | `port-restricted` | endpoint-independent | by address and port | the local one |
 * | `eim-random` | endpoint-independent | by address and port | random, fixed for each local port |
 * | `port-preserving` | endpoint-independent | by address and port | a constant distance from the local one |
 * | `dependent` | endpoint-independent | by address and port | moves by 3 when the local one moves by 1 |
 * | `symmetric-sequential` | by address and port | by address and port | the last one plus 1 |
 * | `symmetric-random` | by address and port | by address and port | random for each destination |
 */
export type NatKind =
  | 'open'
  | 'firewall'
  | 'full-cone'
  | 'address-restricted'
  | 'port-restricted'
  | 'eim-random'
  | 'port-preserving'
  | 'dependent'
  | 'symmetric-sequential'
  | 'symmetric-random'

/** Every kind, those first that let more through. */
export const natKinds: readonly NatKind[] = Object.freeze([
  'open',
  'firewall',
  'full-cone',
  'address-restricted',
  'port-restricted',
  'eim-random',
  'port-preserving',
  'dependent',
  'symmetric-sequential',
  'symmetric-random'
])

/**
 * What becomes of a packet from outside that belongs to no mapping: nothing, a TCP reset, ICMP port unreachable, or (`accept`) the router's own
 * stack takes it, which resets TCP, answers UDP with ICMP and keeps the flow in its table meanwhile.
 */
export type UnsolicitedPolicy = 'drop' | 'rst' | 'icmp' | 'accept'

/** One router. */
export interface NatOptions {
  readonly kind: NatKind
  /** @default 'drop' */
  readonly unsolicited?: UnsolicitedPolicy
  /** Lets hosts behind it reach each other at its outer address (RFC 4787 §6); for the kinds that keep the local port. @default false */
  readonly hairpin?: boolean
  /** Lets no UDP through, in either direction. @default false */
  readonly blockUdp?: boolean
}

/** One peer's way to the internet. */
export interface SideOptions extends NatOptions {
  /** A second router between the first one and the internet (carrier-grade NAT, RFC 6598). */
  readonly carrier?: NatKind | NatOptions
}

/** Peer b in the same local network as peer a, behind the same router. */
export interface BehindA {
  readonly behind: 'a'
  /** The two cannot reach each other inside the network (guest Wi-Fi); only the router reaches both. @default false */
  readonly isolated?: boolean
}

export interface NatLabOptions {
  readonly a: NatKind | SideOptions
  readonly b: NatKind | SideOptions | BehindA
  /** One-way delay of each router's line to the internet, milliseconds: a and b are twice as far from each other as from the servers. @default 0 */
  readonly latencyMs?: number
  /** Packets lost at random on each of these lines, in each direction, percent. @default 0 */
  readonly lossPercent?: number
  /** Also gives everybody global IPv6 addresses, `open` or behind a stateful firewall; NAT is for IPv4 only. @default 'off' */
  readonly ipv6?: 'off' | 'open' | 'firewall'
}

/** Peer, router or server. `carrier-a` and `carrier-b` exist where the side has a `carrier`, `nat-b` unless b is behind a. */
export type LabHost = 'a' | 'b' | 'srv' | 'nat-a' | 'nat-b' | 'carrier-a' | 'carrier-b' | 'pub'

export type LabSide = 'a' | 'b'

/** Options with defaults filled in. */
export interface Router {
  readonly kind: NatKind
  readonly unsolicited: UnsolicitedPolicy
  readonly hairpin: boolean
  readonly blockUdp: boolean
}

export interface LabPlan {
  readonly a: { readonly router: Router; readonly carrier: Router | undefined }
  /** Undefined when b is behind a's router. */
  readonly b: { readonly router: Router; readonly carrier: Router | undefined } | undefined
  readonly isolated: boolean
  readonly latencyMs: number
  readonly lossPercent: number
  readonly ipv6: 'off' | 'open' | 'firewall'
}

const unsolicitedPolicies: readonly string[] = ['drop', 'rst', 'icmp', 'accept']
const hairpinKinds: readonly string[] = ['full-cone', 'address-restricted', 'port-restricted']
const publicKinds: readonly string[] = ['open', 'firewall']

/** Checks options and fills in defaults. @throws TypeError */
export function labPlan(options: NatLabOptions): LabPlan {
  const { latencyMs = 0, lossPercent = 0, ipv6 = 'off' } = options
  if (!(latencyMs >= 0 && latencyMs <= 10_000)) throw new TypeError(`latencyMs must be from 0 to 10000, not ${latencyMs}`)
  if (!(lossPercent >= 0 && lossPercent <= 100)) throw new TypeError(`lossPercent must be from 0 to 100, not ${lossPercent}`)
  if (!['off', 'open', 'firewall'].includes(ipv6)) throw new TypeError(`ipv6 must be off, open or firewall, not ${ipv6}`)
  const behind = typeof options.b === 'object' && 'behind' in options.b ? options.b : undefined
  if (behind !== undefined && behind.behind !== 'a') throw new TypeError(`b can be behind a only, not ${String(behind.behind)}`)
  const a = sidePlan(options.a)
  if (behind !== undefined && publicKinds.includes(a.router.kind))
    throw new TypeError(`two peers share a router with NAT only, not ${a.router.kind}`)
  return {
    a,
    b: behind === undefined ? sidePlan(options.b as NatKind | SideOptions) : undefined,
    isolated: behind?.isolated === true,
    latencyMs,
    lossPercent,
    ipv6
  }
}

function sidePlan(side: NatKind | SideOptions): { router: Router; carrier: Router | undefined } {
  const router = routerPlan(side)
  const outer = typeof side === 'string' ? undefined : side.carrier
  const carrier = outer === undefined ? undefined : routerPlan(outer)
  if (carrier !== undefined && [router, carrier].some(({ kind }) => publicKinds.includes(kind)))
    throw new TypeError('a router and its carrier both need a kind with NAT')
  return { router, carrier }
}

/** Checks one router's options. @throws TypeError */
export function routerPlan(nat: NatKind | NatOptions): Router {
  const { kind, unsolicited = 'drop', hairpin = false, blockUdp = false } = typeof nat === 'string' ? { kind: nat } : nat
  if (!natKinds.includes(kind)) throw new TypeError(`there is no NAT kind ${JSON.stringify(kind)}; there are ${natKinds.join(', ')}`)
  if (!unsolicitedPolicies.includes(unsolicited))
    throw new TypeError(`unsolicited must be one of ${unsolicitedPolicies.join(', ')}, not ${String(unsolicited)}`)
  if (hairpin && !hairpinKinds.includes(kind)) throw new TypeError(`hairpin works with ${hairpinKinds.join(', ')}, not with ${kind}`)
  if (publicKinds.includes(kind) && unsolicited === 'accept')
    throw new TypeError(`a router without NAT has nothing of its own to accept for; unsolicited: 'accept' does not go with ${kind}`)
  return { kind, unsolicited, hairpin, blockUdp }
}
