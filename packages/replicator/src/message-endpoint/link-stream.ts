import { createHash } from 'node:crypto'
import { Duplex } from 'node:stream'
import type { MessageLink } from './message-link.ts'

/** RFC 6455 §1.3 */
const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const REQUEST =
  'GET /_blipsync HTTP/1.1\r\nHost: x-msg-endpt\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'
const END_OF_HEAD = Buffer.from('\r\n\r\n')

/**
 * A link as a byte stream for a WebSocket, whose opening handshake takes place inside: Couchbase Lite sends WebSocket frames over a byte
 * stream from the first byte on, the active side masked, without HTTP before them (discovery-api.md §A8, §B1, §C). As a client it answers the
 * request itself; as a server it hands out a request and keeps the answer. Only frames reach the link.
 */
export class LinkStream extends Duplex {
  readonly #link: MessageLink
  readonly #role: 'client' | 'server'
  #end = { code: 1000, reason: '' }
  /** The local end's HTTP head, until it is complete. */
  #head: Buffer | undefined = Buffer.alloc(0)

  constructor(link: MessageLink, role: 'client' | 'server') {
    super({ writableHighWaterMark: 256 * 1024, decodeStrings: true })
    this.#link = link
    this.#role = role
    if (role === 'server') this.push(REQUEST)
  }

  /** Why the WebSocket above is being closed by us, for the application's connection, which sees only bytes. */
  endsWith(code: number, reason: string): void {
    this.#end = { code, reason }
  }

  override _read(): void {
    if (this.#head === undefined) this.#link.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const frames = this.#head === undefined ? chunk : this.#handshake(chunk)
    if (frames.length === 0) done()
    else this.#link.send(frames, done)
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'binary' as BufferEncoding, done)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#link.finish(this.#end.code, this.#end.reason)
    void this.#link.ended.then(() => {
      done()
      if (!this.destroyed) this.destroy()
    })
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#link.abort(error ?? undefined)
    void this.#link.ended.then(() => {
      done(error)
    })
  }

  /** Returns what follows the head. */
  #handshake(chunk: Buffer): Buffer {
    const head = Buffer.concat([this.#head!, chunk])
    const end = head.indexOf(END_OF_HEAD)
    if (end === -1) {
      this.#head = head
      return Buffer.alloc(0)
    }
    this.#head = undefined
    if (this.#role === 'client') {
      const key = /^sec-websocket-key:\s*(\S+)/im.exec(head.toString('latin1', 0, end))?.[1] ?? ''
      const accept = createHash('sha1')
        .update(key + ACCEPT_SUFFIX)
        .digest('base64')
      this.push(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
    }
    this.#link.attach({
      received: (data) => {
        if (!this.push(data)) this.#link.pause()
      },
      sent() {},
      ended: ({ code, error }) => {
        if (this.destroyed) return
        if (code === 1000) this.push(null)
        else this.destroy(error)
      }
    })
    return head.subarray(end + END_OF_HEAD.length)
  }
}
