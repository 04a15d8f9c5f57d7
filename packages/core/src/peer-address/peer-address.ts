import { isIPv6 } from 'node:net'
import type { PeerNetwork } from '../contracts/network.ts'
import { isPeerId } from '../peer-id.ts'
import { invalidAddress, quoted } from './invalid-address.ts'
import { checkNumber, readNumber } from './literals.ts'
import { checkRoutes, formatRoute, parseRoute } from './route-text.ts'

const MAX_LENGTH = 4096
const MAX_BROKERS = 8
const MAX_BROKER_LENGTH = 255

/** All that another device needs to call this one: who it is, where it listens for signalling, and what lies between it and the internet. */
export interface PeerAddress {
  /** 64 hex digits. */
  readonly peerId: string
  /** MQTT brokers at which the device can be asked, the first one first; at most 8 URLs without credentials. */
  readonly brokers: readonly string[]
  readonly network: PeerNetwork
}

/**
 * Reads an address that {@link formatPeerAddress} wrote, strictly: unknown, missing, doubled or misplaced parts make it invalid, so that
 * what is accepted has exactly one spelling. Bounded: at most 4 KiB, 8 brokers and 3 interfaces per family. Pure.
 * @throws ERR_ADDRESS_INVALID; `details.problem` says which rule, see {@link AddressProblem}
 */
export function parsePeerAddress(text: string): PeerAddress {
  if (typeof text !== 'string' || text.length > MAX_LENGTH)
    throw invalidAddress('text', `An address is a text of at most ${MAX_LENGTH} characters`)
  const strange = /[^0-9A-Za-z._~:;,=/()-]/u.exec(text)
  if (strange !== null) throw invalidAddress('text', `The character ${quoted(strange[0])} is in no address`)
  const [head, ...parts] = text.split(';') as [string, ...string[]]
  if (head !== 'kithmesh:1')
    throw head.startsWith('kithmesh:')
      ? invalidAddress('version', `The version of ${quoted(head)} is not 1`, 'It was written by a newer program; update this one.')
      : invalidAddress('version', `An address begins with "kithmesh:1", this one with ${quoted(head)}`)
  const values = new PartReader(parts)
  const peerId = values.one('id')
  const port = readNumber(values.one('port'), 0, 65535, 'port', 'Port')
  const brokers = values.any('broker').map((broker) => broker.replace(/^(\w+:\/\/)\((.*)\)/, '$1[$2]'))
  const routes = values.any('route').map(parseRoute)
  values.end()
  const address = { peerId, brokers, network: { port, routes } }
  checkAddress(address)
  return address
}

/**
 * Writes an address to be copied, scanned or put into a link: `kithmesh:1;id=…;port=4984;broker=mqtts://broker.example;route=0,v4,…`.
 * It is a URI (RFC 3986) of characters that need no escaping in the query of another one. Brokers are named by URL and NATs in the
 * terms of RFC 4787 (`eim` endpoint-independent mapping, `adf` address-dependent filtering, `-` unknown). Pure.
 * @throws ERR_ADDRESS_INVALID for what {@link parsePeerAddress} would refuse; a broker's URL must not carry credentials
 */
export function formatPeerAddress(address: PeerAddress): string {
  checkAddress(address)
  const { peerId, brokers, network } = address
  const text = [
    'kithmesh:1',
    `id=${peerId}`,
    `port=${network.port}`,
    ...brokers.map((broker) => `broker=${broker.replace(/\[(.*)\]/, '($1)')}`),
    ...network.routes.map((route) => `route=${formatRoute(route)}`)
  ].join(';')
  if (text.length > MAX_LENGTH) throw invalidAddress('text', `The address takes ${text.length} characters, ${MAX_LENGTH} are allowed`)
  return text
}

function checkAddress({ peerId, brokers, network: { port, routes } }: PeerAddress): void {
  if (!isPeerId(peerId)) throw invalidAddress('id', `The peer id ${quoted(String(peerId))} is not 64 lowercase hex digits`)
  checkNumber(port, 0, 65535, 'port', 'Port')
  if (brokers.length > MAX_BROKERS) throw invalidAddress('servers', `There are ${brokers.length} brokers, ${MAX_BROKERS} are allowed`)
  if (new Set(brokers).size !== brokers.length) throw invalidAddress('servers', 'A broker comes twice')
  for (const broker of brokers) checkBroker(broker)
  checkRoutes(routes)
  if (brokers.length === 0 && routes.length === 0) throw invalidAddress('parts', 'The address has neither a broker nor a route')
}

/** A URL that names a broker and nothing else, kept as it is written. @throws ERR_ADDRESS_INVALID */
export function checkBroker(url: string): void {
  const match =
    /^(?:mqtt|mqtts|ws|wss):\/\/(\[[0-9A-Fa-f:]+\]|[0-9A-Za-z](?:[0-9A-Za-z._-]*[0-9A-Za-z])?)(?::(\d+))?((?:\/[0-9A-Za-z._~-]*)*)$/.exec(
      url
    )
  if (match === null || url.length > MAX_BROKER_LENGTH)
    throw url.includes('@') || url.includes('?')
      ? invalidAddress(
          'servers',
          "A broker's URL in an address has neither credentials nor a query",
          'Everybody who is given the address could read them. Configure credentials on each device instead.'
        )
      : invalidAddress('servers', `The broker ${quoted(url)} is not mqtt, mqtts, ws or wss ://host, :port and /path`)
  const [, host, port] = match as unknown as [string, string, string | undefined]
  if (host.startsWith('[') && !isIPv6(host.slice(1, -1)))
    throw invalidAddress('servers', `The host of the broker ${quoted(url)} is not an IPv6 address`)
  if (port !== undefined) readNumber(port, 1, 65535, 'servers', "Broker's port")
}

/** Takes `name=value` parts off the front, in the one order there is. */
class PartReader {
  readonly #parts: string[]

  constructor(parts: readonly string[]) {
    this.#parts = [...parts]
  }

  one(name: string): string {
    const value = this.#next(name)
    if (value === undefined) throw invalidAddress('parts', `The address lacks "${name}=", or has it in another place`)
    return value
  }

  any(name: string): string[] {
    const values: string[] = []
    for (let value = this.#next(name); value !== undefined; value = this.#next(name)) values.push(value)
    return values
  }

  end(): void {
    if (this.#parts[0] !== undefined) throw invalidAddress('parts', `The part ${quoted(this.#parts[0])} is unknown or out of place`)
  }

  #next(name: string): string | undefined {
    return this.#parts[0]?.startsWith(`${name}=`) === true ? this.#parts.shift()!.slice(name.length + 1) : undefined
  }
}
