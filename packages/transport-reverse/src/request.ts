import { isIP } from 'node:net'
import { formatEndpoint, type SignalingBody } from '@kithmesh/core/plugin'
import { reverseErrors } from './errors.ts'

/** The kind of the signalling request (seed 002: P2P_DIRECT). */
export const REVERSE_CONNECT = 'reverse-connect'

const TOKEN_BYTES = 16
export const MAX_ADDRESSES = 8

/** Where to connect to. */
export interface Endpoint {
  /** An IP literal. */
  readonly address: string
  readonly port: number
}

/** Asks the other device to connect to any of these addresses and to begin with the token. */
export interface ReverseRequest {
  readonly token: Uint8Array
  /** One to eight, most promising first. */
  readonly endpoints: readonly Endpoint[]
}

/** `{ token: base64url, addresses: [[ip, port], …] }` */
export function encodeRequest({ token, endpoints }: ReverseRequest): SignalingBody {
  return {
    token: Buffer.from(token).toString('base64url'),
    addresses: endpoints.slice(0, MAX_ADDRESSES).map(({ address, port }) => [address, port])
  }
}

/** Reads what a peer sent, strictly. Pure. @throws ERR_REVERSE_REQUEST */
export function decodeRequest({ token, addresses }: SignalingBody): ReverseRequest {
  const bytes = typeof token === 'string' && /^[A-Za-z0-9_-]{22}$/.test(token) ? Buffer.from(token, 'base64url') : Buffer.alloc(0)
  if (bytes.length !== TOKEN_BYTES || bytes.toString('base64url') !== token)
    throw reverseErrors.create('ERR_REVERSE_REQUEST', `The token is not ${TOKEN_BYTES} bytes in base64url`)
  if (!Array.isArray(addresses) || addresses.length === 0 || addresses.length > MAX_ADDRESSES)
    throw reverseErrors.create('ERR_REVERSE_REQUEST', `The addresses are not a list of 1 to ${MAX_ADDRESSES}`)
  const endpoints = new Map<string, Endpoint>()
  for (const pair of addresses as unknown[]) {
    const endpoint = readEndpoint(pair)
    if (endpoint === undefined) throw reverseErrors.create('ERR_REVERSE_REQUEST', 'An address is not a pair of IP address and port')
    endpoints.set(formatEndpoint(endpoint), endpoint)
  }
  return { token: bytes, endpoints: [...endpoints.values()] }
}

/** What is answered when a connection was made to an address that means the same to everybody. */
export function encodeAnswer({ address, port }: Endpoint): SignalingBody {
  return { connected: [address, port] }
}

/** Undefined for what is not understood. */
export function decodeAnswer({ connected }: SignalingBody): Endpoint | undefined {
  return readEndpoint(connected)
}

function readEndpoint(pair: unknown): Endpoint | undefined {
  if (!Array.isArray(pair) || pair.length !== 2) return undefined
  const [address, port] = pair as [unknown, unknown]
  if (typeof address !== 'string' || address.length > 45 || address.includes('%') || isIP(address) === 0) return undefined
  if (!Number.isInteger(port) || (port as number) < 1 || (port as number) > 65535) return undefined
  return { address: address.toLowerCase(), port: port as number }
}
