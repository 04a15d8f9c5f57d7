import { invalidAddress, quoted } from './invalid-address.ts'
import { checkIp, checkNumber, readNumber } from './literals.ts'

/** Interfaces of one family that an address may describe (seed 002). */
export const MAX_INTERFACES = 3
const MAX_SERVERS = 2
const MAX_LENGTH = 1024

/** One interface in one family, as P2PD describes it (p2pd.md §1.1, §2). */
export interface P2pdInterface {
  /** Index in the owner's list of interfaces, 0 to 2; the same for both families of an interface. */
  readonly interfaceIndex: number
  /** As servers see it. */
  readonly externalAddress: string
  /** The address of the interface itself; for IPv6 a link-local one. */
  readonly internalAddress: string
  /** Where the owner listens, 1 to 65535. */
  readonly port: number
  /** 1 open, 2 firewall, 3 full cone, 4 restricted, 5 port-restricted, 6 symmetric, 7 blocked. */
  readonly nat: number
  /** 1 none, 2 equal, 3 preserving, 4 independent, 5 dependent, 6 random. */
  readonly delta: number
  /** The step of deltas 4 and 5, 0 to 65535. */
  readonly deltaValue: number
}

/** An address of P2PD 2.1: `0,1-[0,8.8.8.8,192.168.21.21,58959,3,2,0]-0-zmUGXPOFxUBuToh` (seed 002). */
export interface P2pdAddress {
  /** One or two positions in the list of MQTT servers that both sides know. */
  readonly serverOffsets: readonly number[]
  readonly ipv4: readonly P2pdInterface[]
  readonly ipv6: readonly P2pdInterface[]
  /** 1 to 64 letters and digits; the MQTT topic of the node. */
  readonly nodeId: string
}

export interface P2pdAddressOptions {
  /** Length of the list of MQTT servers; an offset beyond it is refused. Without it, offsets up to 65535 are taken. */
  readonly serverCount?: number
}

/**
 * Reads an address of P2PD 2.1, strictly (p2pd.md §1.2): what the original drops in silence makes the whole address invalid. What it
 * accepts, {@link formatP2pdAddress} writes again as the same text. Pure.
 * @throws ERR_ADDRESS_INVALID; `details.problem` says which rule, see {@link AddressProblem}
 */
export function parseP2pdAddress(text: string, options: P2pdAddressOptions = {}): P2pdAddress {
  if (typeof text !== 'string' || text.length > MAX_LENGTH)
    throw invalidAddress('text', `An address is a text of at most ${MAX_LENGTH} characters`)
  const strange = /[^0-9A-Za-z.:,|[\]-]/u.exec(text)
  if (strange !== null) throw invalidAddress('text', `The character ${quoted(strange[0])} is in no address`)
  const parts = text.split('-')
  if (parts.length !== 4) throw wrongParts(text, parts)
  const [servers, ipv4, ipv6, nodeId] = parts as [string, string, string, string]
  const address = {
    serverOffsets: servers.split(',').map((offset) => readNumber(offset, 0, 65535, 'servers', 'Server offset')),
    ipv4: parseFamily(ipv4, 4),
    ipv6: parseFamily(ipv6, 6),
    nodeId
  }
  checkAddress(address, options)
  return address
}

/**
 * Writes an address of P2PD 2.1; the inverse of {@link parseP2pdAddress}. Pure.
 * @throws ERR_ADDRESS_INVALID for what that would refuse
 */
export function formatP2pdAddress(address: P2pdAddress, options: P2pdAddressOptions = {}): string {
  checkAddress(address, options)
  const family = (interfaces: readonly P2pdInterface[]): string =>
    interfaces.length === 0
      ? '0'
      : interfaces
          .map((each) => {
            const { interfaceIndex, externalAddress, internalAddress, port, nat, delta, deltaValue } = each
            return `[${[interfaceIndex, externalAddress, internalAddress, port, nat, delta, deltaValue].join(',')}]`
          })
          .join('|')
  return [address.serverOffsets.join(','), family(address.ipv4), family(address.ipv6), address.nodeId].join('-')
}

function parseFamily(text: string, family: 4 | 6): P2pdInterface[] {
  if (text === '0') return []
  const interfaces = text.split('|')
  checkCount(interfaces, family)
  return interfaces.map((each) => parseInterface(each, family))
}

function parseInterface(text: string, family: 4 | 6): P2pdInterface {
  const inner = /^\[([^[\]]*)\]$/.exec(text)?.[1]
  if (inner === undefined) throw invalidAddress('interface', `The IPv${family} interface ${quoted(text)} is not one pair of brackets`)
  const fields = inner.split(',')
  if (fields.length !== 7)
    throw invalidAddress(
      'interface',
      `The IPv${family} interface ${quoted(text)} has ${fields.length} fields instead of 7`,
      fields.length === 8 ? 'Eight fields are the form of P2PD 3; ask for an address of P2PD 2.1.' : undefined
    )
  const [index, externalAddress, internalAddress, port, nat, delta, value] = fields as [
    string,
    string,
    string,
    string,
    string,
    string,
    string
  ]
  return {
    interfaceIndex: readNumber(index, 0, MAX_INTERFACES - 1, 'interface-index', 'Interface index'),
    externalAddress,
    internalAddress,
    port: readNumber(port, 1, 65535, 'port', 'Port'),
    nat: readNumber(nat, 1, 7, 'nat', 'NAT type'),
    delta: readNumber(delta, 1, 6, 'delta', 'Delta type'),
    deltaValue: readNumber(value, 0, 65535, 'delta', 'Delta value')
  }
}

function checkAddress({ serverOffsets, ipv4, ipv6, nodeId }: P2pdAddress, { serverCount = 65536 }: P2pdAddressOptions): void {
  for (const offset of serverOffsets) {
    checkNumber(offset, 0, 65535, 'servers', 'Server offset')
    if (offset >= serverCount) throw invalidAddress('servers', `Server offset ${offset} is not in the list of ${serverCount}`)
  }
  if (serverOffsets.length < 1 || serverOffsets.length > MAX_SERVERS)
    throw invalidAddress('servers', `The address has ${serverOffsets.length} server offsets instead of 1 or ${MAX_SERVERS}`)
  if (new Set(serverOffsets).size !== serverOffsets.length) throw invalidAddress('servers', `Server offset ${serverOffsets[0]} comes twice`)
  checkFamily(ipv4, 4)
  checkFamily(ipv6, 6)
  if (ipv4.length + ipv6.length === 0) throw invalidAddress('interface-count', 'The address has no interface of either family')
  if (!/^[A-Za-z0-9]{1,64}$/.test(nodeId)) throw invalidAddress('id', `The node id ${quoted(nodeId)} is not 1 to 64 letters and digits`)
}

function checkFamily(interfaces: readonly P2pdInterface[], family: 4 | 6): void {
  checkCount(interfaces, family)
  const seen = new Set<number>()
  for (const each of interfaces) {
    checkNumber(each.interfaceIndex, 0, MAX_INTERFACES - 1, 'interface-index', 'Interface index')
    if (seen.has(each.interfaceIndex))
      throw invalidAddress('interface-index', `Two IPv${family} interfaces have the index ${each.interfaceIndex}`)
    seen.add(each.interfaceIndex)
    checkIp(each.externalAddress, family, 'External address')
    checkIp(each.internalAddress, family, 'Internal address')
    checkNumber(each.port, 1, 65535, 'port', 'Port')
    checkNumber(each.nat, 1, 7, 'nat', 'NAT type')
    checkNumber(each.delta, 1, 6, 'delta', 'Delta type')
    checkNumber(each.deltaValue, 0, 65535, 'delta', 'Delta value')
  }
}

function checkCount({ length }: readonly unknown[], family: 4 | 6): void {
  if (length > MAX_INTERFACES)
    throw invalidAddress('interface-count', `The address has ${length} IPv${family} interfaces, ${MAX_INTERFACES} are allowed`)
}

function wrongParts(text: string, parts: readonly string[]): Error {
  const message = `The address has ${parts.length} parts between dashes instead of 4`
  if (parts.length === 3 && (text.startsWith('[') || text.startsWith('0-[')))
    return invalidAddress('parts', message, 'Without servers in front it is the form of P2PD 1.0; ask for an address of P2PD 2.1.')
  if (/,-\d/.test(text)) return invalidAddress('parts', message, 'A number with a minus sign cannot be written in this form.')
  return invalidAddress('parts', message)
}
