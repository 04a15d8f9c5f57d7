import type { Duplex } from 'node:stream'
import type WebSocket from 'ws'
import { errorCode, systemClock, type Clock, type MessageSocket, type MessageSocketHandlers, type SocketCloseInfo } from '@kithmesh/core'
import { webSocketErrors } from './errors.ts'
import { FrameWriter } from './frame-writer.ts'
import { ReadMemory } from './read-memory.ts'
import { isSystemSocket } from './socket.ts'

/** `send` returns false above this, `drained` is called at half of it. */
const HIGH_WATER_BYTES = 256 * 1024
/** Collected frames are handed over within a tick once there are this many bytes of them. With half of it, each write wakes the reader for less, and both take a fifth longer. */
const FLUSH_BYTES = 128 * 1024
const CLOSE_DEADLINE_MS = 5_000
const PONG_DEADLINE_MS = 20_000
const SEND_OPTIONS = { binary: true, compress: false, fin: true } as const
const OPEN = 1

export interface MessageSocketOptions {
  /** For people and logs; default: the URL. */
  readonly description?: string
  /** The byte stream beneath, so that small messages of one tick leave in one write (perf.md, finding 1). */
  readonly stream?: Duplex
  /** Ping after this much silence; the peer then has 20 s at most, and less than this, to show life (blip.md §12). @default 0, no pings */
  readonly heartbeatMs?: number
  readonly clock?: Clock
}

/**
 * Wraps an open WebSocket of the `ws` library; takes it over. Text messages close it with 1003, as the replication protocol knows only binary ones.
 * While paused, messages that were already read wait inside (at most what one read of the stream held) and so does `closed` behind them.
 * `close` while paused discards what still comes in. An exception of a handler cuts the connection with ERR_WS_HANDLER as its error.
 * @throws TypeError for a WebSocket that is not open, or options that make no sense
 *
 * One file because reading, writing, pausing and closing are states of one socket.
 */
export function messageSocketFromWebSocket(webSocket: WebSocket, options: MessageSocketOptions = {}): MessageSocket {
  return new WebSocketMessageSocket(webSocket, options)
}

class WebSocketMessageSocket implements MessageSocket {
  readonly protocol: string
  readonly description: string
  readonly releasesBytes: boolean
  readonly #webSocket: WebSocket
  readonly #stream: Duplex | undefined
  readonly #frames: FrameWriter | undefined
  /** Only sockets of the system have buffers that are nobody else's, and those of decompressed messages are zlib's. */
  readonly #read: ReadMemory | undefined
  readonly #clock: Clock
  readonly #heartbeatMs: number
  readonly #written: () => void
  #handlers: MessageSocketHandlers | undefined
  #waiting: Buffer[] = []
  #delivering = false
  #paused = false
  #closing = false
  #ended: SocketCloseInfo | undefined
  #reported = false
  #corked = false
  #needsDrain = false
  #error: Error | undefined
  #code: number | undefined
  #alive = true
  #cancelClose: (() => void) | undefined
  #cancelHeartbeat: (() => void) | undefined
  #cancelProbe: (() => void) | undefined

  constructor(webSocket: WebSocket, options: MessageSocketOptions) {
    checkHeartbeat(options.heartbeatMs)
    if (webSocket.readyState !== OPEN) throw new TypeError('the WebSocket must be open')
    this.#webSocket = webSocket
    this.#stream = options.stream
    this.releasesBytes = isSystemSocket(options.stream)
    // Only a client has dialled an address.
    this.#frames = options.stream === undefined ? undefined : new FrameWriter(options.stream, Boolean(webSocket.url), this.releasesBytes)
    this.#read = this.releasesBytes && webSocket.extensions === '' ? new ReadMemory() : undefined
    this.#clock = options.clock ?? systemClock
    this.#heartbeatMs = options.heartbeatMs ?? 0
    this.protocol = webSocket.protocol
    this.description = options.description ?? webSocket.url ?? ''
    this.#written = () => {
      if (!this.#needsDrain || this.#ended !== undefined || webSocket.bufferedAmount > HIGH_WATER_BYTES / 2) return
      this.#needsDrain = false
      this.#guard(() => {
        this.#handlers?.drained()
      })
    }
    webSocket.binaryType = 'nodebuffer'
    webSocket.pause()
    webSocket.on('message', (data: Buffer, isBinary: boolean) => {
      this.#onMessage(data, isBinary)
    })
    webSocket.on('ping', (data) => {
      this.#alive = true
      // The answer has the same bytes.
      if (data.length > 0) this.#read?.stop()
    })
    webSocket.on('pong', () => {
      this.#alive = true
    })
    webSocket.on('error', (error) => {
      this.#onError(error)
    })
    webSocket.on('close', (code, reason) => {
      this.#end({ code: this.#code ?? code, reason: reason.toString('utf8') })
    })
    this.#stream?.on('error', (cause) => {
      this.#error ??= webSocketErrors.create('ERR_WS_CONNECTION', `The connection failed: ${cause.message}`, { cause })
    })
    this.#armHeartbeat()
  }

  get bufferedBytes(): number {
    return this.#ended === undefined ? this.#webSocket.bufferedAmount : 0
  }

  attach(handlers: MessageSocketHandlers): void {
    if (this.#handlers !== undefined) throw new TypeError('attach may be called once')
    this.#handlers = handlers
    if (this.#ended !== undefined)
      queueMicrotask(() => {
        this.#deliver()
      })
    else if (!this.#paused) this.resume()
  }

  send(message: Uint8Array): boolean {
    const webSocket = this.#webSocket
    if (this.#closing || this.#ended !== undefined || webSocket.readyState !== OPEN) return false
    const stream = this.#stream
    const frames = this.#frames
    if (stream === undefined || frames === undefined) {
      webSocket.send(message, SEND_OPTIONS, this.#written)
    } else if (this.#corked) {
      frames.write(message)
    } else {
      this.#corked = true
      stream.cork()
      process.nextTick(this.flush)
      frames.write(message, this.#written)
    }
    const buffered = webSocket.bufferedAmount
    if (this.#corked && buffered > FLUSH_BYTES) this.flush()
    if (buffered <= HIGH_WATER_BYTES) return true
    this.#needsDrain = true
    return false
  }

  readonly flush = (): void => {
    if (!this.#corked) return
    this.#corked = false
    this.#stream?.uncork()
  }

  release(message: Uint8Array): void {
    this.#read?.released(message)
  }

  pause(): void {
    if (this.#paused) return
    this.#paused = true
    if (!this.#closing) this.#webSocket.pause()
  }

  resume(): void {
    this.#paused = false
    if (this.#handlers === undefined) return
    this.#deliver()
    if (!this.#paused && this.#ended === undefined) this.#webSocket.resume()
  }

  close(code = 1000, reason = ''): void {
    if (!isSendableCode(code)) throw new TypeError(`not a close code that may be sent: ${code}`)
    if (this.#closing || this.#ended !== undefined) return
    this.#closing = true
    if (this.#paused || this.#handlers === undefined) this.#waiting = []
    this.#webSocket.close(code, shorten(reason))
    this.flush()
    this.#webSocket.resume()
    this.#armClose()
  }

  terminate(error?: Error): void {
    if (this.#ended !== undefined) return
    this.#error ??= error
    this.#closing = true
    this.#waiting = []
    this.#webSocket.terminate()
    queueMicrotask(() => {
      this.#end({ code: this.#code ?? 1006, reason: '' })
    })
  }

  probe(withinMs: number): void {
    if (this.#closing || this.#ended !== undefined || this.#paused || this.#cancelProbe !== undefined) return
    this.#alive = false
    this.#webSocket.ping()
    this.#cancelProbe = this.#clock.after(withinMs, () => {
      this.#cancelProbe = undefined
      this.#judge(withinMs, () => {})
    })
  }

  /**
   * Cuts the connection unless it showed life. A process that had no processor for a while runs its timers before it reads what has come
   * meanwhile: that comes first.
   */
  #judge(patienceMs: number, lives: () => void): void {
    setImmediate(() => {
      if (this.#ended !== undefined) return
      if (this.#alive || this.#paused) lives()
      else this.terminate(webSocketErrors.create('ERR_WS_PONG_TIMEOUT', `${this.description} answered no ping within ${patienceMs} ms`))
    })
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    this.#alive = true
    if (this.#ended !== undefined) return
    if (!isBinary) {
      this.#error ??= webSocketErrors.create('ERR_WS_TEXT', 'The peer sent a text message')
      this.#code ??= 1003
      this.close(1003, 'only binary messages')
      return
    }
    if (this.#handlers === undefined || this.#paused) {
      if (!this.#closing) this.#waiting.push(data)
    } else if (this.#delivering || this.#waiting.length > 0) {
      this.#waiting.push(data)
    } else {
      this.#delivering = true
      this.#read?.handing(data)
      try {
        this.#handlers.message(data)
      } catch (cause) {
        this.#handlerFailed(cause)
      }
      this.#delivering = false
      if (this.#waiting.length > 0 && !this.#paused) this.#deliver()
    }
  }

  /** Hands over what waits, then the end if there is one. */
  #deliver(): void {
    const handlers = this.#handlers
    if (handlers === undefined || this.#delivering) return
    this.#delivering = true
    try {
      for (let index = 0; index < this.#waiting.length; index++) {
        if (this.#paused) {
          this.#waiting = this.#waiting.slice(index)
          return
        }
        const message = this.#waiting[index]!
        this.#read?.handing(message)
        handlers.message(message)
      }
      this.#waiting = []
    } catch (cause) {
      this.#waiting = []
      this.#handlerFailed(cause)
    } finally {
      this.#delivering = false
    }
    if (this.#ended !== undefined && !this.#reported) {
      this.#reported = true
      handlers.closed(this.#ended)
    }
  }

  #guard(run: () => void): void {
    try {
      run()
    } catch (cause) {
      this.#handlerFailed(cause)
    }
  }

  #handlerFailed(cause: unknown): void {
    this.terminate(
      webSocketErrors.create('ERR_WS_HANDLER', `A handler of ${this.description} failed: ${(cause as Error)?.message}`, { cause })
    )
  }

  #onError(cause: Error): void {
    if (this.#ended !== undefined) return
    const code = errorCode(cause) ?? ''
    this.#code ??=
      code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'
        ? 1009
        : code === 'WS_ERR_TOO_MANY_BUFFERED_PARTS'
          ? 1008
          : code === 'WS_ERR_INVALID_UTF8'
            ? 1007
            : code.startsWith('WS_ERR_')
              ? 1002
              : undefined
    this.#error ??=
      this.#code === 1009
        ? webSocketErrors.create('ERR_WS_MESSAGE_TOO_LARGE', 'The peer sent a message above the limit', { cause })
        : webSocketErrors.create('ERR_WS_FRAME', `The peer broke the WebSocket protocol: ${cause.message}`, { cause })
    this.#closing = true
    this.flush()
    this.#armClose()
  }

  #end(info: SocketCloseInfo): void {
    if (this.#ended !== undefined) return
    this.#cancelClose?.()
    this.#cancelHeartbeat?.()
    this.#cancelProbe?.()
    this.#ended = this.#error === undefined ? info : { ...info, error: this.#error }
    if (this.#paused && this.#closing) this.#paused = false
    if (!this.#paused) this.#deliver()
  }

  #armClose(): void {
    this.#cancelClose ??= this.#clock.after(CLOSE_DEADLINE_MS, () => {
      this.terminate(webSocketErrors.create('ERR_WS_CLOSE_TIMEOUT', 'The peer did not answer the closing handshake'))
    })
  }

  /** One timer that looks whether anything came since, instead of one restarted by each message. */
  #armHeartbeat(): void {
    if (this.#heartbeatMs <= 0) return
    this.#alive = false
    this.#cancelHeartbeat = this.#clock.after(this.#heartbeatMs, () => {
      if (this.#alive || this.#paused || this.#handlers === undefined) {
        this.#armHeartbeat()
        return
      }
      if (this.#webSocket.readyState !== OPEN) return
      this.#webSocket.ping()
      const patience = Math.min(PONG_DEADLINE_MS, Math.max(this.#heartbeatMs - 1_000, this.#heartbeatMs / 2))
      this.#cancelHeartbeat = this.#clock.after(patience, () => {
        this.#judge(patience, () => {
          this.#armHeartbeat()
        })
      })
    })
  }
}

/** @throws TypeError */
export function checkHeartbeat(ms = 0): void {
  if (!(ms >= 0 && Number.isFinite(ms))) throw new TypeError(`heartbeatMs must be a number from 0, not ${ms}`)
}

/** RFC 6455 §7.4. */
function isSendableCode(code: number): boolean {
  return (
    Number.isInteger(code) &&
    ((code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999))
  )
}

/** A close reason fits in 123 bytes of UTF-8 (RFC 6455 §5.5.1). */
function shorten(reason: string): string {
  const bytes = Buffer.from(reason, 'utf8')
  if (bytes.length <= 123) return reason
  return new TextDecoder('utf-8').decode(bytes.subarray(0, 123), { stream: true })
}
