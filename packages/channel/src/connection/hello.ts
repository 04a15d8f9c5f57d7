import { channelErrors } from '../errors.ts'
import { type JsonObject, type JsonValue, isJsonObject, jsonBytes, parseJsonObject } from '../json.ts'
import { MAX_HELLO_BYTES, MAX_PROGRAM_HELLO_BYTES, MAX_TRUST_MS, MAX_WINDOW } from '../limits.ts'

/** The first message of each side on each connection. */
export interface Hello {
  readonly version: number
  /** The sender's channel: 32 hex digits. */
  readonly session: string
  /** The receiver's channel as the sender knows it, with what follows about it. */
  readonly peer: string | undefined
  /** Packets of that channel that the sender has handled, in a row from the first. */
  readonly received: number
  /** Those of the last ones that it refused, with a code as in HTTP. */
  readonly refused: readonly (readonly [number, number])[]
  /** Whether the sender asks for proof. */
  readonly proof: boolean
  /** Names of the trust protocols that the sender can run, best first. */
  readonly protocols: readonly string[]
  /** How long its verdict may take; undefined when its program decides by itself, whenever that is. */
  readonly trustMs: number | undefined
  /** How many packets, and how many bytes of them, the sender of the hello takes before it has answered the first. */
  readonly window: number
  readonly windowBytes: number
  /** The longest packet it takes. */
  readonly maxPacketBytes: number
  readonly hello: JsonObject
}

/** @throws TypeError when what the program says is too long */
export function encodeHello(hello: Hello): Buffer {
  const program = jsonBytes(hello.hello)
  if (program.length > MAX_PROGRAM_HELLO_BYTES)
    throw new TypeError(`The hello has ${program.length} bytes of JSON, ${MAX_PROGRAM_HELLO_BYTES} are allowed`)
  // JSON leaves out what is undefined.
  return jsonBytes(hello as unknown as JsonValue)
}

/** @throws ERR_CHANNEL_PROTOCOL */
export function parseHello(bytes: Buffer): Hello {
  const json = parseJsonObject(bytes, MAX_HELLO_BYTES, 'The hello')
  const { version, session, peer, hello, proof, protocols } = json
  if (!isCount(version, 1_000_000) || version < 1) throw malformed('version')
  if (!isSession(session)) throw malformed('session')
  if (peer !== undefined && !isSession(peer)) throw malformed('peer')
  if (!isJsonObject(hello)) throw malformed('hello')
  if (typeof proof !== 'boolean') throw malformed('proof')
  if (!Array.isArray(protocols) || protocols.length > 16 || !protocols.every(isProtocolName)) throw malformed('protocols')
  return {
    version,
    session,
    peer,
    received: count(json, 'received', Number.MAX_SAFE_INTEGER),
    refused: refusals(json['refused']),
    proof,
    protocols: protocols as string[],
    trustMs: json.trustMs === undefined ? undefined : Math.min(count(json, 'trustMs', Number.MAX_SAFE_INTEGER), MAX_TRUST_MS),
    window: Math.max(1, count(json, 'window', 65_536)),
    windowBytes: Math.max(1, count(json, 'windowBytes', 2 ** 31)),
    maxPacketBytes: Math.max(1, count(json, 'maxPacketBytes', 2 ** 31)),
    hello
  }
}

function refusals(value: JsonValue | undefined): [number, number][] {
  if (value === undefined) return []
  const valid = (pair: JsonValue): boolean =>
    Array.isArray(pair) && pair.length === 2 && isCount(pair[0] as JsonValue, Number.MAX_SAFE_INTEGER) && isCount(pair[1] as JsonValue, 999)
  if (!Array.isArray(value) || value.length > MAX_WINDOW || !value.every(valid)) throw malformed('refused')
  return value as [number, number][]
}

function isProtocolName(value: unknown): boolean {
  return typeof value === 'string' && value.length > 0 && value.length <= 64
}

function isSession(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && /^[0-9a-f]{32}$/.test(value)
}

function isCount(value: JsonValue | undefined, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max
}

function count(json: JsonObject, key: string, max: number): number {
  const value = json[key]
  if (!isCount(value, max)) throw malformed(key)
  return value
}

function malformed(key: string): Error {
  return channelErrors.create('ERR_CHANNEL_PROTOCOL', `The hello has no valid ${JSON.stringify(key)}`)
}
