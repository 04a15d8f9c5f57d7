import type { NatBehaviour, NetworkFacts, NetworkRoute } from '@kithmesh/core'
import { type Finding, note, ok, problem, warning } from './finding.ts'

/** Addresses that carriers give to customers behind a NAT of theirs (RFC 6598). */
const CARRIER = /^100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./
const PRIVATE = /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)/
const RELAY = 'Connections to devices behind most NATs need a relay: name a --turn server on one of the two devices.'

export interface JudgeNatOptions {
  /** Whether a TURN server was named, too. */
  readonly relay: boolean
  /** Names of the interfaces by address. */
  readonly names: ReadonlyMap<string, string>
}

/** What lies between this machine and the internet, a finding per way out. Pure. */
export function judgeNat({ routes }: NetworkFacts, options: JudgeNatOptions): Finding[] {
  if (routes.length === 0) return [problem('nat', 'this machine has no way out', 'Connect to a network.')]
  return routes.map((route) => ({ ...judgeRoute(route, options), details: { ...route } }))
}

function judgeRoute(route: NetworkRoute, { relay, names }: JudgeNatOptions): Finding {
  const { family, localAddress, externalAddress, tcp, udp } = route
  const check = `nat ${names.get(localAddress) ?? localAddress} IPv${family}`
  const seen = externalAddress === undefined || externalAddress === localAddress ? '' : `, seen from outside as ${externalAddress}`
  const text = `${natType(udp)} over UDP, ${natType(tcp)} over TCP${seen}`
  const further = furtherNat(route)
  const advice = (...hints: readonly (string | undefined)[]): string => hints.filter((hint) => hint !== undefined && hint !== '').join(' ')
  const relayed = relay ? 'With the --turn server there is a way all the same.' : RELAY
  if (tcp.mapping === 'unknown' && (udp.mapping === 'unknown' || udp.mapping === 'blocked'))
    // A second family that leads nowhere is usual: the first one counts.
    return (family === 6 ? note : problem)(
      check,
      `no STUN server told anything (from ${localAddress})`,
      'Check the servers below; name three.'
    )
  if (tcp.mapping === 'blocked')
    return problem(check, text, advice('No connection goes out to the servers: a firewall may be in the way.', relayed))
  if (udp.mapping === 'blocked')
    return warning(
      check,
      text,
      advice('UDP is blocked on the way; connections use TCP, relays too.', isHard(tcp) ? relayed : undefined, further)
    )
  // Holes are punched by TCP; what UDP shows is likely to hold for it where it could not be measured.
  const decisive = tcp.mapping === 'unknown' ? udp : tcp
  if (isHard(decisive)) {
    const { ports } = decisive
    const predicted = ports.kind === 'independent' || ports.kind === 'dependent'
    if (predicted)
      return warning(
        check,
        text,
        advice(
          `Its next port can be predicted (delta ${ports.delta}), so that hole punching works with many, but not always.`,
          relayed,
          further
        )
      )
    return warning(
      check,
      text,
      advice('Its ports cannot be predicted, so that hole punching fails with most other NATs.', relayed, further)
    )
  }
  return further === undefined ? ok(check, text) : note(check, text, further)
}

/** The mapping differs with the destination, so that what a server sees is not what others would. */
function isHard({ mapping }: NatBehaviour): boolean {
  return mapping === 'address-dependent' || mapping === 'address-and-port-dependent'
}

function furtherNat({ localAddress, externalAddress, tcp }: NetworkRoute): string | undefined {
  if (externalAddress !== undefined && (CARRIER.test(externalAddress) || PRIVATE.test(externalAddress)) && externalAddress !== localAddress)
    return `The servers are behind a further NAT themselves, or ${externalAddress} is one of your provider's: a forwarded port is of no use then.`
  return CARRIER.test(localAddress) && tcp.mapping !== 'none'
    ? 'The provider translates addresses: a forwarded port is of no use.'
    : undefined
}

/** Names that people know, by RFC 3489, with the words of RFC 4787 and how ports are picked. Pure. */
export function natType({ mapping, filtering, ports }: NatBehaviour): string {
  if (mapping === 'unknown') return 'not measured'
  if (mapping === 'blocked') return 'blocked'
  if (mapping === 'none')
    return filtering === 'endpoint-independent' || filtering === 'unknown' ? 'no NAT' : `no NAT, but a firewall (${filtering} filtering)`
  const name =
    mapping === 'endpoint-independent'
      ? {
          'endpoint-independent': 'full-cone NAT',
          'address-dependent': 'restricted-cone NAT',
          'address-and-port-dependent': 'port-restricted NAT',
          unknown: 'cone NAT'
        }[filtering]
      : 'symmetric NAT'
  return `${name} (${mapping} mapping, ${portsOf(ports)})`
}

function portsOf(ports: NatBehaviour['ports']): string {
  switch (ports.kind) {
    case 'equal':
      return 'the same ports as inside'
    case 'preserving':
      return 'ports at a constant distance'
    case 'independent':
      return `ports in sequence, delta ${ports.delta}`
    case 'dependent':
      return `ports that follow the local ones, delta ${ports.delta}`
    case 'range':
      return `ports from ${ports.low} to ${ports.high}`
    case 'random':
      return 'random ports'
    default:
      return 'ports not measured'
  }
}
