// The wire of a replication written by hand, so that every rule of it can be broken: WebSocket frames (RFC 6455 §5) with BLIP frames in them.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { constants, crc32, deflateRawSync, inflateRawSync } from 'node:zlib'

const TYPES = ['request', 'response', 'error', 'none', 'ack', 'ack', 'none', 'none']
export const MORE_COMING = 0x40
const COMPRESSED = 0x08

function varint(value) {
  const bytes = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest])
    bytes.push((rest % 128) | 128)
  }
}

function readVarint(bytes, at) {
  let value = 0
  for (let factor = 1; ; factor *= 128) {
    const byte = bytes[at++]
    value += (byte & 127) * factor
    if (byte < 128) return [value, at]
  }
}

export function encodeProperties(properties) {
  const text = Buffer.from(
    Object.entries(properties)
      .map(([key, value]) => `${key}\0${value}\0`)
      .join('')
  )
  return Buffer.concat([varint(text.length), text])
}

const packed = new WeakMap()

/** Bytes as a part of a raw deflate stream, up to a sync flush. */
function packedOnce(bytes) {
  if (!packed.has(bytes)) packed.set(bytes, deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }))
  return packed.get(bytes)
}

/** A client that is connected and upgraded, and from there on does what it is told. */
export class HostileClient {
  /** Called with each request of the server: `{ number, properties, body }`. */
  onRequest = () => {}
  paused = false
  #socket
  #input = Buffer.alloc(0)
  #checksum = 0
  #number = 0
  #deflated = Buffer.alloc(0)
  #inflated = 0
  #waiting = new Map()
  #partial = new Map()

  /** Resolves with `closed` when the server has ended the connection. */
  ended

  constructor(socket) {
    this.#socket = socket
    this.ended = once(socket, 'close').then(() => 'closed')
  }

  /** The server has ended the connection, or begun to. */
  get over() {
    return this.#socket.destroyed || !this.#socket.writable
  }

  static async open(port, database) {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.on('error', () => {})
    const key = randomBytes(16).toString('base64')
    socket.write(
      `GET /${database}/_blipsync HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Protocol: BLIP_3+CBMobile_3\r\n\r\n`
    )
    let answer = Buffer.alloc(0)
    while (!answer.includes('\r\n\r\n')) answer = Buffer.concat([answer, (await once(socket, 'data'))[0]])
    if (!answer.toString('latin1').startsWith('HTTP/1.1 101')) throw new Error(`not upgraded: ${answer}`)
    const client = new HostileClient(socket)
    socket.on('data', (bytes) => {
      client.#received(bytes)
    })
    client.#received(answer.subarray(answer.indexOf('\r\n\r\n') + 4))
    return client
  }

  /** Bytes as they are. */
  raw(bytes) {
    if (this.#socket.writable) this.#socket.write(bytes)
  }

  /** The head of a WebSocket message of so many bytes, and a little of it. */
  announce(length) {
    const head = Buffer.alloc(14)
    head[0] = 0x82
    head[1] = 0xff
    head.writeBigUInt64BE(length, 2)
    this.raw(Buffer.concat([head, Buffer.alloc(1000)]))
  }

  /** One WebSocket message, masked with zeros. */
  message(bytes, first = 0x82) {
    const head = bytes.length < 126 ? Buffer.alloc(6) : Buffer.alloc(14)
    head[0] = first
    if (bytes.length < 126) head[1] = 0x80 | bytes.length
    else {
      head[1] = 0xff
      head.writeBigUInt64BE(BigInt(bytes.length), 2)
    }
    this.raw(Buffer.concat([head, bytes]))
  }

  /** One BLIP frame with a correct checksum. */
  frame(number, flags, content) {
    this.#checksum = crc32(content, this.#checksum)
    const end = Buffer.alloc(4)
    end.writeUInt32BE(this.#checksum)
    this.message(Buffer.concat([varint(number), Buffer.from([flags]), content, end]))
  }

  /** The same, compressed: one frame of several pieces, each of which is compressed once however often it is sent. Returns the frame's size. */
  compressedFrame(number, flags, ...pieces) {
    for (const piece of pieces) this.#checksum = crc32(piece, this.#checksum)
    const end = Buffer.alloc(4)
    end.writeUInt32BE(this.#checksum)
    const packed = Buffer.concat(pieces.map(packedOnce))
    const frame = Buffer.concat([varint(number), Buffer.from([flags | COMPRESSED]), packed.subarray(0, -4), end])
    this.message(frame)
    return frame.length
  }

  /** The number of the next request, for one that is sent in frames by hand. Resolves `reply` like `ask`. */
  begin() {
    const number = ++this.#number
    const reply = new Promise((resolve) => {
      this.#waiting.set(number, resolve)
    })
    return { number, reply: Promise.race([reply, this.ended]) }
  }

  /** A request in frames of 16 kB; resolves with its reply, rejects when the connection ends before. */
  async ask(properties, body) {
    const number = ++this.#number
    const reply = new Promise((resolve) => {
      this.#waiting.set(number, resolve)
    })
    await this.#send(number, 0, Buffer.concat([encodeProperties(properties), Buffer.from(body)]))
    const result = await Promise.race([reply, this.ended])
    if (result === 'closed') throw new Error(`the connection ended before the answer to ${JSON.stringify(properties).slice(0, 200)}`)
    return result
  }

  answer(number, body) {
    void this.#send(number, 1, Buffer.concat([Buffer.from([0]), Buffer.from(body)]))
  }

  refuse(number) {
    void this.#send(number, 2, encodeProperties({ 'Error-Domain': 'HTTP', 'Error-Code': '404' }))
  }

  get buffered() {
    return this.#socket.writableLength
  }

  async drained() {
    if (this.#socket.writableNeedDrain) await Promise.race([new Promise((resolve) => this.#socket.once('drain', resolve)), this.ended])
  }

  /** Reads no more. */
  pause() {
    this.paused = true
    this.#socket.pause()
  }

  destroy() {
    this.#socket.destroy()
  }

  async #send(number, type, content) {
    for (let at = 0; at === 0 || at < content.length; at += 16_000) {
      const last = at + 16_000 >= content.length
      this.frame(number, type | (last ? 0 : MORE_COMING), content.subarray(at, at + 16_000))
      if (!last && this.buffered > 1024 * 1024) await this.drained()
    }
  }

  #received(bytes) {
    this.#input = Buffer.concat([this.#input, bytes])
    for (;;) {
      const input = this.#input
      if (input.length < 2) return
      const [short] = [input[1] & 0x7f]
      const head = short < 126 ? 2 : short === 126 ? 4 : 10
      if (input.length < head) return
      const length = short < 126 ? short : short === 126 ? input.readUInt16BE(2) : Number(input.readBigUInt64BE(2))
      if (input.length < head + length) return
      this.#input = input.subarray(head + length)
      if ((input[0] & 0x0f) === 2) this.#blip(input.subarray(head, head + length))
      else if ((input[0] & 0x0f) === 8) this.#socket.end()
    }
  }

  /** All compressed frames are one deflate stream (blip.md §7); small as it is here, it is read from its beginning each time. */
  #inflate(payload) {
    this.#deflated = Buffer.concat([this.#deflated, payload, Buffer.from([0, 0, 0xff, 0xff])])
    const whole = inflateRawSync(this.#deflated, { finishFlush: constants.Z_SYNC_FLUSH })
    const piece = whole.subarray(this.#inflated)
    this.#inflated = whole.length
    return piece
  }

  #blip(frame) {
    if (this.paused) return
    const [number, at] = readVarint(frame, 0)
    const [flags, content] = readVarint(frame, at)
    const type = TYPES[flags & 7]
    if (type === 'ack') return
    const payload = frame.subarray(content, -4)
    const key = `${type === 'request'} ${number}`
    const pieces = [...(this.#partial.get(key) ?? []), (flags & COMPRESSED) === 0 ? payload : this.#inflate(payload)]
    if ((flags & MORE_COMING) !== 0) {
      this.#partial.set(key, pieces)
      return
    }
    this.#partial.delete(key)
    const whole = Buffer.concat(pieces)
    const [length, start] = readVarint(whole, 0)
    const strings = whole
      .subarray(start, start + length)
      .toString()
      .split('\0')
      .slice(0, -1)
    const properties = Object.fromEntries(strings.flatMap((text, n) => (n % 2 === 0 ? [[text, strings[n + 1]]] : [])))
    const body = whole.subarray(start + length)
    if (type === 'request') this.onRequest({ number, properties, body })
    else
      this.#waiting.get(number)?.({
        type,
        number,
        properties,
        body,
        domain: properties['Error-Domain'],
        code: Number(properties['Error-Code'])
      })
  }
}
