import type { NatBehaviour, NatDependence, NetworkRoute, PortAllocation } from '../contracts/network.ts'
import { invalidAddress, quoted } from './invalid-address.ts'
import { checkIp, checkNumber, readNumber } from './literals.ts'
import { MAX_INTERFACES } from './p2pd-address.ts'

/** What is not known. */
const UNKNOWN = '-'

/** The usual abbreviations of RFC 4787 §4.1 and §5: endpoint-independent, address-dependent, address- and port-dependent. */
const MAPPINGS = new Map<NatBehaviour['mapping'], string>([
  ['endpoint-independent', 'eim'],
  ['address-dependent', 'adm'],
  ['address-and-port-dependent', 'apdm'],
  ['none', 'none'],
  ['blocked', 'blocked'],
  ['unknown', UNKNOWN]
])
const FILTERS = new Map<NatDependence | 'unknown', string>([
  ['endpoint-independent', 'eif'],
  ['address-dependent', 'adf'],
  ['address-and-port-dependent', 'apdf'],
  ['unknown', UNKNOWN]
])

/**
 * Reads one route: `0,v4,192.168.1.7,203.0.113.9,tcp:eim/apdf/equal,udp:eim/apdf/independent:2`. Pure.
 * @throws ERR_ADDRESS_INVALID
 */
export function parseRoute(text: string): NetworkRoute {
  const fields = text.split(',')
  if (fields.length !== 6) throw invalidAddress('interface', `The route ${quoted(text)} has ${fields.length} fields instead of 6`)
  const [index, version, localAddress, external, tcp, udp] = fields as [string, string, string, string, string, string]
  if (version !== 'v4' && version !== 'v6') throw invalidAddress('family', `The family ${quoted(version)} is neither v4 nor v6`)
  const family = version === 'v4' ? 4 : 6
  return {
    interfaceIndex: readNumber(index, 0, MAX_INTERFACES - 1, 'interface-index', 'Interface index'),
    family,
    localAddress: checkIp(localAddress, family, 'Local address'),
    externalAddress: external === UNKNOWN ? undefined : checkIp(external, family, 'External address'),
    tcp: parseBehaviour(tcp, 'tcp:'),
    udp: parseBehaviour(udp, 'udp:')
  }
}

/**
 * Writes one route; the inverse of {@link parseRoute}. The zone of a local address stays at home: it means nothing to another machine. Pure.
 * @throws ERR_ADDRESS_INVALID
 */
export function formatRoute({ interfaceIndex, family, localAddress, externalAddress, tcp, udp }: NetworkRoute): string {
  checkNumber(interfaceIndex, 0, MAX_INTERFACES - 1, 'interface-index', 'Interface index')
  return [
    interfaceIndex,
    `v${family}`,
    checkIp(localAddress.replace(/%.*$/, ''), family, 'Local address'),
    externalAddress === undefined ? UNKNOWN : checkIp(externalAddress, family, 'External address'),
    `tcp:${formatBehaviour(tcp)}`,
    `udp:${formatBehaviour(udp)}`
  ].join(',')
}

/** What holds for all routes of one machine together. @throws ERR_ADDRESS_INVALID */
export function checkRoutes(routes: readonly NetworkRoute[]): void {
  for (const family of [4, 6] as const) {
    const indexes = routes.filter((route) => route.family === family).map(({ interfaceIndex }) => interfaceIndex)
    if (indexes.length > MAX_INTERFACES)
      throw invalidAddress('interface-count', `There are ${indexes.length} IPv${family} routes, ${MAX_INTERFACES} are allowed`)
    if (new Set(indexes).size !== indexes.length)
      throw invalidAddress('interface-index', `Two IPv${family} routes have the same interface index`)
  }
}

function parseBehaviour(text: string, label: string): NatBehaviour {
  const fields = text.startsWith(label) ? text.slice(label.length).split('/') : []
  if (fields.length !== 3)
    throw invalidAddress('interface', `${quoted(text)} is not "${label}" with mapping, filtering and ports between slashes`)
  const [mapping, filtering, ports] = fields as [string, string, string]
  return { mapping: readTerm(MAPPINGS, mapping, 'mapping'), filtering: readTerm(FILTERS, filtering, 'filtering'), ports: parsePorts(ports) }
}

/** `eim/apdf/equal`. @throws ERR_ADDRESS_INVALID */
export function formatBehaviour({ mapping, filtering, ports }: NatBehaviour): string {
  return [writeTerm(MAPPINGS, mapping, 'mapping'), writeTerm(FILTERS, filtering, 'filtering'), formatPorts(ports)].join('/')
}

function readTerm<Term extends string>(terms: ReadonlyMap<Term, string>, text: string, what: string): Term {
  for (const [term, short] of terms) if (short === text) return term
  throw invalidAddress('nat', `The ${what} ${quoted(text)} is none of ${[...terms.values()].join(' ')}`)
}

function writeTerm<Term extends string>(terms: ReadonlyMap<Term, string>, term: Term, what: string): string {
  const short = terms.get(term)
  if (short === undefined) throw invalidAddress('nat', `The ${what} ${quoted(String(term))} is none of ${[...terms.keys()].join(' ')}`)
  return short
}

function parsePorts(text: string): PortAllocation {
  switch (text) {
    case UNKNOWN:
      return { kind: 'unknown' }
    case 'equal':
    case 'preserving':
    case 'random':
      return { kind: text }
  }
  const step = /^(independent|dependent):(-?)(\d+)$/.exec(text)
  if (step !== null) {
    const size = readNumber(step[3]!, step[2] === '' ? 0 : 1, 65535, 'delta', 'Delta')
    return { kind: step[1] as 'independent' | 'dependent', delta: step[2] === '' ? size : -size }
  }
  const range = /^range:(\d+)-(\d+)$/.exec(text)
  if (range !== null) {
    const low = readNumber(range[1]!, 1, 65535, 'delta', 'Lowest port')
    return { kind: 'range', low, high: readNumber(range[2]!, low, 65535, 'delta', 'Highest port') }
  }
  throw invalidAddress('delta', `The port allocation ${quoted(text)} is not understood`)
}

function formatPorts(ports: PortAllocation): string {
  switch (ports.kind) {
    case 'unknown':
      return UNKNOWN
    case 'equal':
    case 'preserving':
    case 'random':
      return ports.kind
    case 'independent':
    case 'dependent':
      return `${ports.kind}:${checkNumber(ports.delta, -65535, 65535, 'delta', 'Delta')}`
    case 'range':
      checkNumber(ports.low, 1, 65535, 'delta', 'Lowest port')
      return `range:${ports.low}-${checkNumber(ports.high, ports.low, 65535, 'delta', 'Highest port')}`
    default:
      throw invalidAddress('delta', `The port allocation ${quoted(String((ports as { kind: unknown }).kind))} is not understood`)
  }
}
