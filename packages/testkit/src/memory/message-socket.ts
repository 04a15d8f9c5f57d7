import type { Duplex } from 'node:stream'
import type { Clock, MessageSocket, MessageSocketFactory, MessageSocketHandlers, SocketCloseInfo } from '@kithmesh/core'
import { realClock } from '../real-clock.ts'
import type { MemoryMedium } from './medium.ts'
import { memoryErrors } from './errors.ts'
import { openMemory } from './socket-factory.ts'

// Frames: type (1 byte), payload length (4 bytes, big-endian), payload. Client and server first exchange a hello with the protocol.
const HELLO = 0
const MESSAGE = 1
const CLOSE = 2
const CLOSING_MS = 5000

function frame(type: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(5)
  header[0] = type
  header.writeUInt32BE(payload.length, 1)
  return Buffer.concat([header, payload])
}

/** A message socket over any ordered byte stream; both sides must use it. */
class MemoryMessageSocket implements MessageSocket {
  readonly description: string
  readonly #stream: Duplex
  readonly #clock: Clock
  #protocol: string
  #handlers: MessageSocketHandlers | undefined
  #hello: ((protocol: string) => void) | undefined
  #pending: Buffer[] = []
  #pendingBytes = 0
  #paused = false
  #closing = false
  #closed: SocketCloseInfo | undefined
  #told = false
  #error: Error | undefined
  #cancelTimer: (() => void) | undefined

  constructor(stream: Duplex, description: string, protocol: string, clock: Clock) {
    this.#stream = stream
    this.#clock = clock
    this.description = description
    this.#protocol = protocol
    stream.on('error', (error) => {
      this.#error ??= error
    })
    stream.on('end', () => {
      this.#finish({ code: 1006, reason: '' })
      stream.destroy()
    })
    stream.on('close', () => {
      this.#finish({ code: 1006, reason: '', ...(this.#error === undefined ? {} : { error: this.#error }) })
    })
    stream.on('drain', () => {
      if (!this.#closing && this.#closed === undefined) this.#handlers?.drained()
    })
    stream.on('data', (chunk: Buffer) => {
      this.#pending.push(chunk)
      this.#pendingBytes += chunk.length
      this.#deliver()
    })
    stream.pause()
  }

  get protocol(): string {
    return this.#protocol
  }
  get bufferedBytes(): number {
    return this.#stream.writableLength
  }

  /** Sends our hello and resolves with the other side's. */
  async greet(protocol: string, first: boolean): Promise<void> {
    const theirs = new Promise<string>((resolve, reject) => {
      this.#hello = resolve
      this.#stream.once('close', () => {
        reject(memoryErrors.create('ERR_MEMORY_CONNECT', 'The connection ended before it was open', { cause: this.#error }))
      })
    })
    if (first) this.#stream.write(frame(HELLO, Buffer.from(protocol)))
    this.#stream.resume()
    const answer = await theirs
    this.#protocol = answer
    if (!first) this.#stream.write(frame(HELLO, Buffer.from(answer)))
  }

  attach(handlers: MessageSocketHandlers): void {
    if (this.#handlers !== undefined) throw new TypeError('The socket is attached already')
    this.#handlers = handlers
    setImmediate(() => {
      this.#deliver()
      if (this.#closed !== undefined) this.#tell()
      else if (!this.#paused) this.#stream.resume()
    })
  }

  send(message: Uint8Array): boolean {
    if (this.#closing || this.#closed !== undefined) return false
    return this.#stream.write(frame(MESSAGE, message))
  }

  pause(): void {
    this.#paused = true
    if (!this.#closing) this.#stream.pause()
  }

  resume(): void {
    this.#paused = false
    if (this.#handlers === undefined) return
    this.#deliver()
    this.#stream.resume()
  }

  close(code = 1000, reason = ''): void {
    if (this.#closing || this.#closed !== undefined) return
    this.#sendClose(code, reason)
    this.#cancelTimer = this.#clock.after(CLOSING_MS, () => {
      this.#stream.destroy()
    })
    // The other side's answer has to be read, whoever is paused.
    this.#stream.resume()
  }

  terminate(error?: Error): void {
    if (this.#closed !== undefined) {
      this.#stream.destroy()
      return
    }
    this.#error ??= error
    this.#closing = true
    this.#stream.destroy(error)
  }

  #sendClose(code: number, reason: string): void {
    this.#closing = true
    const payload = Buffer.alloc(2 + Buffer.byteLength(reason))
    payload.writeUInt16BE(code)
    payload.write(reason, 2)
    this.#stream.write(frame(CLOSE, payload))
  }

  #deliver(): void {
    while (this.#pendingBytes >= 5 && this.#closed === undefined) {
      if (this.#hello === undefined && (this.#handlers === undefined || (this.#paused && !this.#closing))) {
        this.#stream.pause()
        return
      }
      if ((this.#pending[0] as Buffer).length < 5) this.#pending = [Buffer.concat(this.#pending)]
      const length = 5 + (this.#pending[0] as Buffer).readUInt32BE(1)
      if (this.#pendingBytes < length) return
      const all = this.#pending.length === 1 ? (this.#pending[0] as Buffer) : Buffer.concat(this.#pending)
      this.#pending = all.length === length ? [] : [all.subarray(length)]
      this.#pendingBytes -= length
      this.#receive(all[0] as number, all.subarray(5, length))
    }
  }

  #receive(type: number, payload: Buffer): void {
    if (type === HELLO) {
      this.#stream.pause()
      this.#hello?.(payload.toString())
      this.#hello = undefined
    } else if (type === MESSAGE) {
      this.#handlers?.message(payload)
    } else {
      const answered = this.#closing
      if (!answered) this.#sendClose(payload.readUInt16BE(), payload.subarray(2).toString())
      this.#finish({ code: payload.readUInt16BE(), reason: payload.subarray(2).toString() })
      this.#stream.end()
      this.#stream.resume()
    }
  }

  #finish(info: SocketCloseInfo): void {
    if (this.#closed !== undefined) return
    this.#closed = info
    this.#cancelTimer?.()
    if (this.#handlers !== undefined) this.#tell()
  }

  #tell(): void {
    if (this.#told) return
    this.#told = true
    this.#handlers?.closed(this.#closed as SocketCloseInfo)
  }
}

export interface MemoryMessageOptions {
  /** The machine that dials. @default 'localhost' */
  readonly host?: string
  /** Bounds the closing handshake. */
  readonly clock?: Clock
}

/** The reference message-socket factory: `memory://host:port/…` where {@link listenMemoryMessages} accepts. */
export function memoryMessageSocketFactory(
  medium: MemoryMedium,
  { host = 'localhost', clock = realClock }: MemoryMessageOptions = {}
): MessageSocketFactory {
  return {
    framing: 'messages',
    schemes: ['memory'],
    async open(url, { signal, protocols }) {
      const stream = await openMemory(medium, host, url, signal)
      const cut = (): void => {
        stream.destroy()
      }
      signal.addEventListener('abort', cut, { once: true })
      try {
        const socket = new MemoryMessageSocket(stream, url, '', clock)
        await socket.greet(protocols[0] ?? '', true)
        signal.throwIfAborted()
        return socket
      } catch (error) {
        stream.destroy()
        throw signal.aborted ? signal.reason : error
      } finally {
        signal.removeEventListener('abort', cut)
      }
    }
  }
}

/** Accepts message sockets at a port of a host; port 0 picks a free one. Connections that end before their hello are dropped. @throws EADDRINUSE */
export function listenMemoryMessages(
  medium: MemoryMedium,
  host: string,
  port: number,
  accept: (socket: MessageSocket) => void
): { readonly port: number; close(): void } {
  return medium.listen(host, port, (stream, from) => {
    const socket = new MemoryMessageSocket(stream, `memory://${from}`, '', realClock)
    socket.greet('', false).then(
      () => {
        accept(socket)
      },
      () => {
        stream.destroy()
      }
    )
  })
}
