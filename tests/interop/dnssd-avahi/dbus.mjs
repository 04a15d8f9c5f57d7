// As much of the D-Bus protocol as it takes to publish a service through avahi and change its TXT data, which avahi-publish cannot.
import { once } from 'node:events'
import { connect } from 'node:net'

/** Encodes values by a signature of i, u, q, s, o, ay and aay. */
class Writer {
  bytes = []
  align(size) {
    while (this.bytes.length % size !== 0) this.bytes.push(0)
  }
  byte(value) {
    this.bytes.push(value & 255)
  }
  uint16(value) {
    this.align(2)
    this.bytes.push(value & 255, value >> 8)
  }
  uint32(value) {
    this.align(4)
    this.bytes.push(value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >> 24) & 255)
  }
  string(text) {
    const utf8 = Buffer.from(text)
    this.uint32(utf8.length)
    this.bytes.push(...utf8, 0)
  }
  signature(text) {
    this.bytes.push(text.length, ...Buffer.from(text), 0)
  }
  arrayOfBytes(items) {
    const inner = items.map((item) => Buffer.from(item))
    this.uint32(0)
    const lengthAt = this.bytes.length - 4
    const start = this.bytes.length
    for (const item of inner) {
      this.uint32(item.length)
      this.bytes.push(...item)
    }
    const length = Buffer.alloc(4)
    length.writeUInt32LE(this.bytes.length - start)
    this.bytes.splice(lengthAt, 4, ...length)
  }
  values(signature, values) {
    for (const [index, type] of (signature.match(/aay|ay|./g) ?? []).entries()) {
      const value = values[index]
      if (type === 'aay') this.arrayOfBytes(value)
      else if (type === 'ay') {
        this.uint32(value.length)
        this.bytes.push(...value)
      } else if (type === 'q') this.uint16(value)
      else if (type === 's' || type === 'o') this.string(value)
      else this.uint32(value)
    }
  }
}

export class Bus {
  #socket
  #serial = 0
  #buffer = Buffer.alloc(0)
  #waiting = new Map()

  /** @param path of the bus's socket */
  static async open(path) {
    const bus = new Bus()
    bus.#socket = connect(path)
    await once(bus.#socket, 'connect')
    bus.#socket.write(`\0AUTH EXTERNAL ${Buffer.from(String(process.getuid())).toString('hex')}\r\n`)
    const [answer] = await once(bus.#socket, 'data')
    if (!String(answer).startsWith('OK')) throw new Error(`The bus refused us: ${answer}`)
    bus.#socket.write('BEGIN\r\n')
    bus.#socket.on('data', (chunk) => bus.#receive(chunk))
    await bus.call({
      destination: 'org.freedesktop.DBus',
      path: '/org/freedesktop/DBus',
      interface: 'org.freedesktop.DBus',
      member: 'Hello'
    })
    return bus
  }

  /** Calls a method; resolves to the first string (or object path) of the answer, if there is one. */
  call({ destination, path, interface: interfaceName, member, signature = '', values = [] }) {
    const body = new Writer()
    body.values(signature, values)
    const message = new Writer()
    message.bytes.push(0x6c, 1, 0, 1)
    message.uint32(body.bytes.length)
    message.uint32(++this.#serial)
    const fields = new Writer()
    // The array of header fields begins at offset 16, so alignment within it is alignment within the message.
    const field = (code, type, value) => {
      fields.align(8)
      fields.byte(code)
      fields.signature(type)
      if (type === 'g') fields.signature(value)
      else fields.string(value)
    }
    field(1, 'o', path)
    field(2, 's', interfaceName)
    field(3, 's', member)
    field(6, 's', destination)
    if (signature !== '') field(8, 'g', signature)
    message.uint32(fields.bytes.length)
    message.bytes.push(...fields.bytes)
    message.align(8)
    message.bytes.push(...body.bytes)
    this.#socket.write(Buffer.from(message.bytes))
    const serial = this.#serial
    return new Promise((resolve, reject) => {
      this.#waiting.set(serial, { resolve, reject, member })
    })
  }

  close() {
    this.#socket.destroy()
  }

  #receive(chunk) {
    this.#buffer = Buffer.concat([this.#buffer, chunk])
    for (;;) {
      if (this.#buffer.length < 16) return
      const bodyLength = this.#buffer.readUInt32LE(4)
      const fieldsLength = this.#buffer.readUInt32LE(12)
      const bodyAt = Math.ceil((16 + fieldsLength) / 8) * 8
      if (this.#buffer.length < bodyAt + bodyLength) return
      this.#message(this.#buffer[1], this.#buffer.subarray(16, 16 + fieldsLength), this.#buffer.subarray(bodyAt, bodyAt + bodyLength))
      this.#buffer = this.#buffer.subarray(bodyAt + bodyLength)
    }
  }

  #message(type, fields, body) {
    let replyTo
    let first = ''
    for (let at = 0; at < fields.length; ) {
      at = Math.ceil(at / 8) * 8
      const code = fields[at]
      const kind = String.fromCharCode(fields[at + 2])
      at += 4
      if (kind === 'u') {
        if (code === 5) replyTo = fields.readUInt32LE(at)
        at += 4
      } else if (kind === 'g') {
        if (code === 8) first = String.fromCharCode(fields[at + 1])
        at += fields[at] + 2
      } else at += 4 + fields.readUInt32LE(at) + 1
    }
    const call = this.#waiting.get(replyTo)
    if (call === undefined || (type !== 2 && type !== 3)) return
    this.#waiting.delete(replyTo)
    const text = (first === 's' || first === 'o') && body.length > 4 ? body.subarray(4, 4 + body.readUInt32LE(0)).toString() : undefined
    if (type === 2) call.resolve(text)
    else call.reject(new Error(`${call.member}: ${text}`))
  }
}
