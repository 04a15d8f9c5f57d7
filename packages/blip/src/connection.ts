import { type Logger, type MessageSocket, type SocketCloseInfo, checkInteger, checkPositive, silentLogger } from '@kithmesh/core/plugin'
import { blipErrors } from './errors.ts'
import { AwaitedReplies } from './awaited-replies.ts'
import { CloseNotice } from './close-notice.ts'
import { INTERNAL_ERROR, NORMAL_CLOSURE, PROTOCOL_ERROR, TRY_AGAIN_LATER, codeFor, cutReason } from './close-code.ts'
import type { BlipConnectionOptions } from './connection-options.ts'
import type { BlipPeer, IncomingRequest, OutgoingMessage, OutgoingRequest, Reply, RequestOptions } from './contracts.ts'
import { lazyZlib } from './deflate.ts'
import { Dispatcher, type DispatcherOwner } from './dispatcher.ts'
import { type ACK_REQUEST, type ACK_RESPONSE, ERROR, NO_REPLY, REQUEST, RESPONSE, URGENT } from './frame.ts'
import { type DecodedFrame, FrameDecoder } from './frame-decoder.ts'
import { FrameEncoder } from './frame-encoder.ts'
import { FrameWriter } from './frame-writer.ts'
import type { ReceivedRequest } from './received-request.ts'
import { Inbox, type InboxOwner } from './inbox.ts'
import { OutgoingEntry, type OutgoingListener } from './outgoing-entry.ts'
import { PendingReply } from './pending-reply.ts'
import { propertiesBlock } from './properties.ts'
import type { ReceivedMessage } from './received-message.ts'

/** Error replies above 128 000 bytes stall one implementation (blip.md §9). */
const MAX_ERROR_TEXT = 1_024
const MEBIBYTE = 1_048_576
const noFields = Object.freeze({})

/**
 * Runs BLIP 3 over an open message socket, which it takes over.
 * Errors never surface as exceptions: a violation of the protocol by the other side closes the connection with code 1002 and the violation as
 * text, and `onClosed` tells it as `error` (`ERR_BLIP_*`).
 *
 * `request` and `respond` throw a TypeError for properties that are no strings or contain NUL, ERR_BLIP_PROPERTIES for more than 100 KiB of them.
 * @throws TypeError for options that make no sense
 */
export function createBlipConnection(socket: MessageSocket, options: BlipConnectionOptions = {}): BlipPeer {
  const connection = new BlipConnection(socket, options)
  connection.start()
  return connection
}

/** One file because it is the wiring between inbox, outbox, dispatcher and socket, one short method for each thing that they tell each other. */
class BlipConnection implements BlipPeer, InboxOwner, OutgoingListener, DispatcherOwner {
  private readonly socket: MessageSocket
  private readonly logger: Logger
  private readonly compressionLevel: number
  private readonly compressFromBytes: number
  private readonly encoder: FrameEncoder
  private readonly decoder: FrameDecoder
  private readonly writer: FrameWriter
  private readonly inbox: Inbox
  private readonly dispatcher: Dispatcher
  private readonly replies: AwaitedReplies
  private paused = false
  private warnedOfUnexpected = false
  /** No frame is sent or understood any more. */
  ending = false
  private failure: Error | undefined
  private failureCode = PROTOCOL_ERROR
  private readonly closeNotice: CloseNotice

  constructor(socket: MessageSocket, options: BlipConnectionOptions) {
    this.socket = socket
    this.logger = options.logger ?? silentLogger
    this.replies = new AwaitedReplies(this.logger)
    this.closeNotice = new CloseNotice(this.logger)
    this.compressionLevel = checkInteger('compressionLevel', options.compressionLevel ?? 6, 0, 9)
    this.compressFromBytes = options.compressFromBytes ?? 1024
    if (!(this.compressFromBytes >= 0)) throw new TypeError('compressFromBytes must not be negative')
    checkPositive(options, 'maxBodyBytes', 'maxStreamedBodyBytes', 'maxIncomingMessages', 'maxBufferedBytes', 'maxConcurrentRequests')
    this.dispatcher = new Dispatcher(this, options.maxConcurrentRequests ?? 1000, this.logger)
    const zlib = options.zlib ?? lazyZlib()
    this.encoder = new FrameEncoder({
      level: Math.max(1, this.compressionLevel),
      zlib,
      inUse: socket.releasesBytes === true ? () => socket.bufferedBytes : undefined
    })
    this.decoder = new FrameDecoder({
      zlib,
      ...(options.maxFrameBytes === undefined ? noFields : { maxFrameBytes: options.maxFrameBytes })
    })
    this.writer = new FrameWriter(socket, this.encoder, (error) => {
      this.fail(error, INTERNAL_ERROR)
    })
    const maxBodyBytes = options.maxBodyBytes ?? 20 * MEBIBYTE
    this.inbox = new Inbox(
      {
        maxBodyBytes,
        maxStreamedBodyBytes: options.maxStreamedBodyBytes ?? 1024 * MEBIBYTE,
        maxIncomingMessages: options.maxIncomingMessages ?? 512,
        maxBufferedBytes: options.maxBufferedBytes ?? Math.max(128 * MEBIBYTE, ((maxBodyBytes + 64 * MEBIBYTE) * 4) / 3),
        budget: options.bufferBudget
      },
      this
    )
  }

  start(): void {
    this.socket.attach({
      message: (data) => {
        this.message(data)
      },
      drained: () => {
        this.writer.drained()
      },
      closed: (info) => {
        this.closed(info)
      }
    })
  }

  // BlipPeer

  request(request: OutgoingRequest, onReply?: (reply: Reply) => void, options?: RequestOptions): void {
    const head = propertiesBlock(request.profile, request.properties)
    const noReply = request.noReply === true
    const reply = noReply ? undefined : new PendingReply(onReply, options)
    if (this.ending) {
      if (reply !== undefined)
        queueMicrotask(() => {
          this.replies.settle(reply, { kind: 'disconnected' })
        })
      return
    }
    const entry = this.entryOf(REQUEST, 0, (request.urgent === true ? URGENT : 0) | (noReply ? NO_REPLY : 0), head, request)
    this.replies.add(entry, reply)
    this.writer.add(entry)
    if (this.paused) this.waitingChanged()
  }

  flush(): void {
    this.writer.flush()
    this.socket.flush?.()
  }

  handle(profile: string, handler: (request: IncomingRequest) => void): void {
    this.dispatcher.handle(profile, handler)
  }

  get unansweredRequests(): number {
    return this.replies.count
  }

  close(code: number = NORMAL_CLOSURE, reason = ''): void {
    if (this.ending) return
    this.writer.flush()
    this.end(code, reason)
  }

  onClosed(listener: (info: SocketCloseInfo) => void): void {
    this.closeNotice.add(listener)
  }

  // Answers, for the dispatcher

  respond(request: ReceivedRequest, reply: OutgoingMessage): void {
    if (request.noReply || this.ending) {
      if (reply.body !== undefined && 'close' in reply.body) reply.body.close()
      return
    }
    const head = propertiesBlock(undefined, reply.properties)
    const urgent = reply.urgent ?? request.urgent
    this.answer(request, this.entryOf(RESPONSE, request.number, urgent ? URGENT : 0, head, reply))
  }

  respondError(request: ReceivedRequest, domain: string, code: number, message: string): void {
    if (request.noReply || this.ending) return
    this.answer(request, this.errorEntry(request.number, request.urgent ? URGENT : 0, domain, code, message))
  }

  // OutgoingListener

  started(entry: OutgoingEntry): void {
    if (entry.type === REQUEST) this.replies.started(entry)
  }

  iceboxed(): void {
    // Its acknowledgement must be read.
    if (this.paused) this.waitingChanged()
  }

  finished(entry: OutgoingEntry): void {
    if (entry.type === REQUEST) this.replies.sent(entry)
    else this.dispatcher.answered()
  }

  abandoned(entry: OutgoingEntry): void {
    if (entry.type === REQUEST) this.replies.abandoned(entry)
  }

  bodyFailed(entry: OutgoingEntry, cause: unknown): void {
    if (entry.started) {
      this.fail(blipErrors.create('ERR_BLIP_BODY', 'The body of a message broke off', { cause }), INTERNAL_ERROR)
      return
    }
    this.logger.error('The body of a message cannot be read', { error: cause })
    if (entry.type === REQUEST) this.replies.unsendable(entry)
    else this.writer.add(this.errorEntry(entry.number, entry.flags & URGENT, 'BLIP', 501, 'The body of the reply cannot be read'))
  }

  // InboxOwner

  get lastRequestNumber(): number {
    return this.writer.outbox.lastRequestNumber
  }

  expected(number: number): PendingReply | undefined {
    return this.replies.expected(number)
  }

  unexpected(number: number): void {
    if (this.warnedOfUnexpected) return
    this.warnedOfUnexpected = true
    this.logger.warn('A response came to a request that awaits none; more of the kind are not reported', {
      number,
      peer: this.socket.description
    })
  }

  requestReceived(message: ReceivedMessage): void {
    this.dispatcher.receive(message)
  }

  replyReceived(message: ReceivedMessage): void {
    if (this.replies.received(message) && this.dispatcher.hasWaiting) this.waitingChanged()
  }

  acknowledge(number: number, type: typeof ACK_REQUEST | typeof ACK_RESPONSE, bytes: number, canWait: boolean): void {
    if (!this.ending) this.writer.acknowledge(number, type, bytes, canWait)
  }

  evicted(error: Error): void {
    this.fail(error, TRY_AGAIN_LATER)
  }

  // DispatcherOwner

  hold(bytes: number): void {
    this.inbox.hold(bytes)
  }

  release(bytes: number): void {
    this.inbox.release(bytes)
  }

  /** Reading stops while requests wait, unless answers or acknowledgements of the other side are needed to get on. */
  waitingChanged(): void {
    const pause = this.dispatcher.hasWaiting && this.unansweredRequests === 0 && this.writer.outbox.iceboxedCount === 0 && !this.ending
    if (pause === this.paused) return
    this.paused = pause
    if (pause) this.socket.pause()
    else this.socket.resume()
  }

  private entryOf(type: number, number: number, flags: number, head: string, message: OutgoingMessage): OutgoingEntry {
    const { body } = message
    const bodyBytes = body === undefined ? 0 : Symbol.asyncIterator in body ? Infinity : body.length
    const compress = message.compress === true && this.compressionLevel > 0 && bodyBytes >= this.compressFromBytes
    return new OutgoingEntry(type, number, flags, head, body, compress, this)
  }

  private errorEntry(number: number, flags: number, domain: string, code: number, message: string): OutgoingEntry {
    const head = propertiesBlock(undefined, { 'Error-Domain': domain, 'Error-Code': String(code) })
    return new OutgoingEntry(ERROR, number, flags, head, Buffer.from(message.slice(0, MAX_ERROR_TEXT)), false, this)
  }

  private answer(request: ReceivedRequest, entry: OutgoingEntry): void {
    request.answered = true
    this.writer.add(entry)
  }

  private message(data: Buffer): void {
    if (this.ending) return
    try {
      const frame: DecodedFrame = this.decoder.decode(data, this.inbox.allowance)
      let released = frame.content !== data
      if (frame.type <= ERROR) released = this.inbox.frame(frame) || released
      else if (!frame.ignored) {
        this.writer.acknowledged(frame.number, frame.type, frame.ackBytes)
        if (this.dispatcher.hasWaiting) this.waitingChanged()
      }
      if (released) this.socket.release?.(data)
    } catch (error) {
      this.fail(error, codeFor(error))
    }
  }

  private fail(error: unknown, code: number): void {
    if (this.ending) return
    this.failureCode = code
    this.failure = error instanceof Error ? error : new Error(String(error))
    this.logger.warn('A BLIP connection is closed because of an error', { peer: this.socket.description, error })
    this.end(code, this.failure.message)
  }

  private end(code: number, reason: string): void {
    this.drop()
    this.waitingChanged()
    this.socket.close(code, cutReason(reason))
  }

  private drop(): void {
    this.ending = true
    this.writer.stop()
    this.inbox.clear()
    this.dispatcher.clear()
  }

  private closed(info: SocketCloseInfo): void {
    if (this.closeNotice.given) return
    if (!this.ending) this.drop()
    this.encoder.close()
    this.decoder.close()
    this.replies.disconnected()
    this.closeNotice.give(this.failure === undefined ? info : { code: this.failureCode, reason: this.failure.message, error: this.failure })
  }
}
