import type { SocketCloseInfo } from '@kithmesh/core'
import type { OutgoingMessage, OutgoingRequest, Properties, Reply, RequestOptions } from '@kithmesh/blip'

/** What is undefined is not sent. */
export function sentProperties({ properties }: OutgoingMessage): Properties {
  if (properties === undefined) return NO_PROPERTIES
  return Object.fromEntries(Object.entries(properties).filter((entry): entry is [string, string] => entry[1] !== undefined))
}

/** A request on its way, or waiting for its answer. */
export class Request {
  readonly profile: string
  readonly properties: Properties
  readonly body: Buffer
  readonly noReply: boolean
  readonly urgent: boolean
  readonly number: number
  readonly onReply: ((reply: Reply) => void) | undefined
  readonly options: RequestOptions | undefined

  constructor(number: number, message: OutgoingRequest, body: Buffer, onReply?: (reply: Reply) => void, options?: RequestOptions) {
    this.number = number
    this.profile = message.profile
    this.properties = sentProperties(message)
    this.body = body
    this.noReply = message.noReply === true
    this.urgent = message.urgent === true
    this.onReply = onReply
    this.options = options
  }
}

/** An answer on its way. */
export class Answer {
  readonly to: Request
  readonly reply: Reply

  constructor(to: Request, reply: Reply) {
    this.to = to
    this.reply = reply
  }
}

/** The closing handshake, or its answer. */
export class Close {
  readonly info: SocketCloseInfo

  constructor(info: SocketCloseInfo) {
    this.info = info
  }
}

/** A question for a sign of life, and the sign. */
export const PING = Symbol('ping')
export const PONG = Symbol('pong')
/** The stream was cut by the other side. */
export const RESET = Symbol('reset')

const NO_PROPERTIES: Properties = Object.freeze({})
export const NO_BODY = Buffer.alloc(0)
/** Per message: number, flags and checksum of one frame, the header of a WebSocket message, TLS record and TCP/IP headers in part. */
export const OVERHEAD_BYTES = 40
/** Bodies that are received in pieces come in pieces of this size. */
const PIECE_BYTES = 64 * 1024
const MAX_PROPERTIES_BYTES = 100 * 1024

/** Bytes of properties on the wire: each key and value ends with a zero. */
export function sizeOf(properties: Properties | undefined): number {
  if (properties === undefined) return 0
  let bytes = 0
  for (const key in properties) {
    const value = properties[key]
    if (typeof value !== 'string' || key.includes('\0') || value.includes('\0'))
      throw new TypeError('BLIP properties are strings without zeros')
    bytes += key.length + value.length + 2
  }
  if (bytes > MAX_PROPERTIES_BYTES) throw new RangeError(`BLIP properties have ${bytes} bytes, more than ${MAX_PROPERTIES_BYTES}`)
  return bytes
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

export async function collect(body: Exclude<OutgoingMessage['body'], Uint8Array | undefined>): Promise<Buffer> {
  if ('read' in body) {
    const bytes = Buffer.alloc(body.length)
    try {
      body.read(bytes, 0, bytes.length, 0)
    } finally {
      body.close()
    }
    return bytes
  }
  const pieces: Uint8Array[] = []
  for await (const piece of body) pieces.push(piece)
  return Buffer.concat(pieces)
}

export async function inPieces(body: Buffer, take: (piece: Buffer) => void | Promise<void>): Promise<void> {
  for (let at = 0; at < body.length; at += PIECE_BYTES) await take(body.subarray(at, at + PIECE_BYTES))
}
