import { packetAllowed } from '@kithmesh/core'
import type { ChannelBody, ReceivedBody } from './body.ts'
import type { SendOptions } from './contracts.ts'
import type { SendFileOptions, SendStreamOptions, Transfer } from './data/contracts.ts'
import { dataConnection } from './data/gate.ts'
import { Transfers } from './data/transfers.ts'
import { channelErrors } from './errors.ts'
import type { Attachment } from './connection/attachment.ts'
import type { JsonObject } from './json.ts'
import type { EventListener } from './messages/events.ts'
import { type RequestCallOptions, type RequestHandler, checkName } from './messages/requests.ts'
import { Exchange, type ExchangeOptions } from './packets/exchange.ts'
import type { ChannelMessage, PacketHandlers, RawPacket } from './packets/handlers.ts'
import type { SharedPeer } from './packets/peer-group.ts'

/** What the connections' side of a channel gives its messages' side. */
export interface MessagingOptions extends Omit<ExchangeOptions, 'data'> {
  /** The connection that packets take. */
  readonly current: () => Attachment | undefined
  /** Whether it leads to the program that is the peer now. */
  readonly isOfPresent: (attachment: Attachment) => boolean
}

/** All that a program says over a channel, and hears. */
export class Messaging {
  readonly exchange: Exchange
  readonly fileTransfers: Transfers
  closed = false

  constructor(options: MessagingOptions) {
    const { peerId, limits, clock, logger, policy, current, isOfPresent } = options
    this.fileTransfers = new Transfers({
      peerId,
      limits,
      clock,
      logger,
      handler: () => this.exchange.handlers.data,
      send: (packet, sending) => this.exchange.outbox.add(packet, sending),
      connection: () => dataConnection(current(), policy),
      serves: (attachment) => isOfPresent(attachment) && packetAllowed('data', policy, attachment.standing.level === 'trusted')
    })
    this.exchange = new Exchange({ ...options, data: (packet) => this.fileTransfers.receive(packet) })
  }

  send(body: ChannelBody, options?: SendOptions): Promise<void> {
    return this.#refusal ?? this.exchange.send(body, options)
  }

  emit(event: string, body: ChannelBody = null, options: SendOptions = {}): Promise<void> {
    checkName(event)
    return this.#refusal ?? this.exchange.emit(event, body, options)
  }

  on(event: string, listener: EventListener): () => void {
    return this.exchange.events.on(event, listener)
  }

  request(name: string, body: ChannelBody = null, options: RequestCallOptions = {}): Promise<ReceivedBody> {
    return this.#refusal ?? this.exchange.requests.call(name, body, options)
  }

  answer(name: string, handler: RequestHandler): () => void {
    return this.exchange.requests.answer(name, handler)
  }

  nextMessage({ signal }: SendOptions = {}): Promise<ChannelMessage> {
    return this.#refusal ?? this.exchange.nextMessage(signal)
  }

  get identity(): JsonObject | undefined {
    return this.exchange.identity
  }

  sendIdentity(identity: JsonObject, options: SendOptions = {}): Promise<void> {
    return this.#refusal ?? this.exchange.sendIdentity(identity, options)
  }

  sharePeers(peers: readonly SharedPeer[], options: SendOptions = {}): Promise<number> {
    return this.#refusal ?? this.exchange.sharePeers(peers, options)
  }

  sendFile(path: string, options: SendFileOptions = {}): Transfer {
    this.checkOpen()
    return this.fileTransfers.sendFile(path, options)
  }

  sendStream(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, options: SendStreamOptions = {}): Transfer {
    this.checkOpen()
    return this.fileTransfers.sendStream(source, options)
  }

  get transfers(): readonly Transfer[] {
    return this.fileTransfers.all
  }

  drained(): Promise<void> {
    return this.exchange.outbox.drained()
  }

  setHandler<Kind extends keyof PacketHandlers>(kind: Kind, handler: PacketHandlers[Kind] | undefined): void {
    this.exchange.handlers[kind] = handler
  }

  onData(listener: (packet: RawPacket) => void): () => void {
    return this.exchange.onData(listener)
  }

  /** Everything that waits is rejected. */
  end(): void {
    this.closed = true
    const error = closedError()
    this.exchange.close(error)
    this.fileTransfers.close(error)
  }

  /** The peer's program is another one. */
  restart(): void {
    const error = channelErrors.create('ERR_CHANNEL_PEER_RESTARTED', 'The program of the peer was restarted')
    this.exchange.restart(error)
    this.fileTransfers.restart(error)
  }

  /** @throws ERR_CHANNEL_CLOSED */
  checkOpen(): void {
    if (this.closed) throw closedError()
  }

  /** Rejects when the channel is closed. */
  get #refusal(): Promise<never> | undefined {
    return this.closed ? Promise.reject(closedError()) : undefined
  }
}

function closedError(): Error {
  return channelErrors.create('ERR_CHANNEL_CLOSED', 'The channel was closed')
}
