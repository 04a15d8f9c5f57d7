import type { BlipPeer } from '@kithmesh/blip'
import type { Clock, IncomingTrustPolicy, Logger, PacketKind, TrustLevel, TrustProtocol, TrustVerdict } from '@kithmesh/core'
import type { ChannelBody, ReceivedBody } from './body.ts'
import type { SendFileOptions, SendStreamOptions, Transfer } from './data/contracts.ts'
import type { JsonObject, JsonValue } from './json.ts'
import type { ChannelLimits } from './limits.ts'
import type { EventListener } from './messages/events.ts'
import type { RequestCallOptions, RequestHandler } from './messages/requests.ts'
import type { ChannelMessage, PacketHandlers, RawPacket } from './packets/handlers.ts'
import type { PeerGroupPolicy, SharedPeer } from './packets/peer-group.ts'

/** What a peer said of itself when a connection began. */
export interface RemoteHello {
  /** Version of the channel protocol that it speaks. */
  readonly version: number
  /** Of the peer's channel: 32 hex digits, another one after its program was restarted. */
  readonly session: string
  /** Whether both sides still know each other's channel, so that everything goes on where it was. */
  readonly continued: boolean
  /** What its program said: whatever was given to `attach` there. From the network, so believe nothing of it unchecked. */
  readonly hello: JsonObject
}

/** What a peer said of its trust in this side. */
export interface TrustWord {
  readonly level: TrustLevel
  /** False while its trust protocol or handshake still runs, or its program has not decided. */
  readonly settled: boolean
  /** The packets that it takes from us now. */
  readonly allows: readonly PacketKind[]
  /** Why it demoted us, when its program said so. */
  readonly reason?: string
}

/** A message between the programs that keep the connection, such as the mesh; not for applications. */
export type ControlBody = JsonValue | Uint8Array

/** What {@link ChannelAttachment.onControl} is given. */
export type ControlHandler = (body: JsonValue | Buffer) => void

/** A connection as the channel uses it: given by {@link PeerChannel.attach}, over when the connection is. */
export interface ChannelAttachment {
  /**
   * What the peer said of itself; `foreign` when it knows no channels.
   * Rejects with ERR_CHANNEL_TIMEOUT, ERR_CHANNEL_PROTOCOL, or ERR_CHANNEL_DISCONNECTED when the connection ended before.
   */
  readonly hello: Promise<RemoteHello | 'foreign'>
  /**
   * Both sides trust each other: this one decided so, and the peer said so. With a foreign peer its certificate decides.
   * Rejects with ERR_CHANNEL_UNTRUSTED (this side), ERR_CHANNEL_NOT_TRUSTED (the peer), ERR_CHANNEL_FOREIGN, ERR_CHANNEL_TIMEOUT,
   * ERR_CHANNEL_PROTOCOL or ERR_CHANNEL_DISCONNECTED. Trust that comes or goes later is told by {@link ChannelObserver.trustChanged}.
   */
  readonly trusted: Promise<void>
  /** This side trusts the peer as things stand: by its certificate, a proof or a decision of the program. What the peer thinks is {@link word}. */
  readonly trusts: boolean
  /** The peer's last word. */
  readonly word: TrustWord | undefined
  /** Whether the connection has ended. */
  readonly ended: boolean
  /**
   * Receives the peer's control messages of that name, once it is trusted. One handler for each name, the last one counts. Those that nobody
   * handles are dropped and counted.
   */
  onControl(name: string, handler: ControlHandler): void
  /**
   * Sends a control message, at most `maxControlBytes` long. They arrive in order, once, as long as the connection lives.
   * @returns false when it was not sent: the connection has ended, the peer is foreign, or too many are unanswered.
   * @throws TypeError for a name or body that cannot be sent
   */
  control(name: string, body: ControlBody): boolean
}

/** A connection for a channel. */
export interface AttachOptions {
  /** The open connection. `attach` has to be called in the turn that opened it, before anything of the peer is read. */
  readonly blip: BlipPeer
  /** The initiator is the TLS client. */
  readonly role: 'initiator' | 'responder'
  /** 32 bytes that both ends share and no other connection has. */
  readonly binding: Uint8Array
  /** What the certificate was worth: enough, or the peer has to prove itself. */
  readonly standing: 'trusted' | 'prove'
  /** Ways to prove, best first. */
  readonly protocols?: readonly TrustProtocol[]
  /** Told to the peer at once, whether or not it is trusted: at most 8 KiB of JSON. */
  readonly hello?: JsonObject
}

/** What a program's own handshake came to. */
export type HandshakeVerdict = boolean | TrustVerdict

/**
 * The program's own trust handshake, seed 003's `PeerTrustHandshake`: exchanges packets, may elevate the peer for a while, and says in the
 * end whether it is trusted; rejecting means no. Afterwards a peer that is not trusted is told so and the connection is closed.
 */
export type TrustHandshake = (channel: PeerChannel, options: { readonly signal: AbortSignal }) => Promise<HandshakeVerdict>

/** How a channel comes to trust its peer, beyond the certificate. */
export interface ChannelTrustOptions {
  /** Runs in place of the trust protocols, on both sides, when either side asks for proof. */
  readonly handshake?: TrustHandshake
  /** @default 30000 */
  readonly handshakeTimeLimitMs?: number
  /** Is told every verdict; where `remember` is kept. `how` is the name of the protocol, or `handshake`. */
  readonly onVerdict?: (verdict: TrustVerdict, how: string) => void
}

/** What there is to watch about a channel; all members optional. Observers that throw are logged and disturb nobody. */
export interface ChannelObserver {
  /** A connection is ready for packets, or there is none any more. */
  connectedChanged?(connected: boolean): void
  /** This side's trust in the peer, or the peer's in this side, changed. `mutual`: both are settled and trust each other. */
  trustChanged?(trust: { readonly level: TrustLevel; readonly word: TrustWord | undefined; readonly mutual: boolean }): void
  /** A packet of the peer was dropped, because its level does not allow that kind. */
  dropped?(kind: PacketKind | 'control'): void
  /** The peer broke the protocol or its bounds; the connection was closed. */
  violated?(error: Error): void
}

/** Numbers since the channel was made. */
export interface ChannelStatistics {
  /** Packets of the peer that its level did not allow. */
  readonly dropped: number
  /** Control messages that nobody wanted or that came too early. */
  readonly droppedControls: number
  readonly violations: number
}

/** Settings of a channel. */
export interface PeerChannelOptions {
  /** 64 lowercase hex digits. */
  readonly localPeerId: string
  /** Who is at the other end of every connection that is attached, proven by TLS. */
  readonly peerId: string
  /** What it may send before it is trusted. */
  readonly policy?: IncomingTrustPolicy
  readonly trust?: ChannelTrustOptions
  /** What is done with packets; can be replaced later, kind by kind. */
  readonly handlers?: PacketHandlers
  /** How far peers are introduced to each other. Nothing is shared and nobody believed by default. */
  readonly peerGroup?: PeerGroupPolicy
  readonly limits?: Partial<ChannelLimits>
  readonly clock?: Clock
  readonly logger?: Logger
  /** Unpredictable bytes, for sessions and ids. @default those of node:crypto */
  readonly randomBytes?: (count: number) => Uint8Array
}

/** How a packet is sent. */
export interface SendOptions {
  /** Rejects with its reason. What has not left by then never does; what has left may arrive all the same. */
  readonly signal?: AbortSignal
}

/**
 * What this program and one peer say to each other, beside replication: lives across connections, one for each peer.
 */
export interface PeerChannel {
  readonly localPeerId: string
  readonly peerId: string
  /** What the peer may do here. Without a connection: what the program decided, else `restricted`. */
  readonly level: TrustLevel
  /** Whether both sides are settled and trust each other, on the present connection. */
  readonly mutual: boolean
  /** Whether there is a connection to a peer that has said hello. */
  readonly connected: boolean
  readonly closed: boolean
  readonly statistics: ChannelStatistics
  /**
   * Uses a connection. A later one takes the place of an earlier one as soon as it is ready, and the earlier one is left as it is: whoever
   * opened it closes it.
   * @throws ERR_CHANNEL_CLOSED when the channel is closed or the peer blocked. TypeError for options that cannot be meant.
   */
  attach(options: AttachOptions): ChannelAttachment
  /** Trusts the peer from now on, whatever its proofs; tells it. Inside a handshake only until the handshake has ended. */
  elevate(): void
  /**
   * Trusts the peer no longer, and until {@link elevate} on no later connection either; tells it.
   * @param level `blocked` ends the connection too
   */
  demote(reason: string, level?: 'restricted' | 'blocked'): void
  /** @returns ends it */
  observe(observer: ChannelObserver): () => void

  /**
   * Sends a message: a string as text, bytes as they are, anything else as JSON. It waits for a connection, goes on over the next one, and is
   * handled at the other side exactly once, in the order of sending, as long as both programs live.
   * @returns resolves when the peer's handler has taken it. Rejects with ERR_CHANNEL_FULL at once when too much waits; ERR_CHANNEL_REFUSED,
   * ERR_CHANNEL_TOO_LARGE, ERR_CHANNEL_PEER_RESTARTED, ERR_CHANNEL_CLOSED, or the signal's reason. Bytes must not change until it is settled.
   * @throws TypeError for what has no JSON
   */
  send(body: ChannelBody, options?: SendOptions): Promise<void>
  /** As {@link send}, for those who listen to events of that name. */
  emit(event: string, body?: ChannelBody, options?: SendOptions): Promise<void>
  /** @returns ends it */
  on(event: string, listener: EventListener): () => void
  /**
   * Asks the peer; resolves with its answer. Rejects also with ERR_CHANNEL_REQUEST_FAILED and ERR_CHANNEL_TIMEOUT. Who does not wait any more,
   * by signal or time, tells the peer so. @throws TypeError for a name or time that cannot be meant
   */
  request(name: string, body?: ChannelBody, options?: RequestCallOptions): Promise<ReceivedBody>
  /** Answers the peer's requests of that name, several at a time. @returns ends it @throws TypeError when they are answered already */
  answer(name: string, handler: RequestHandler): () => void
  /** The next plain message, which no handler gets then: for conversations such as a handshake. */
  nextMessage(options?: SendOptions): Promise<ChannelMessage>
  /** Describes this side to the peer: at most 16 KiB of JSON. Only between peers that trust each other, as {@link sharePeers}. */
  sendIdentity(identity: JsonObject, options?: SendOptions): Promise<void>
  /** What the peer last said of itself by {@link sendIdentity}. */
  readonly identity: JsonObject | undefined
  /** Tells the peer of others, as far as the policy shares them. Resolves with how many that were. */
  sharePeers(peers: readonly SharedPeer[], options?: SendOptions): Promise<number>
  /**
   * Offers a file; the peer's handler for data decides about it, and pulls it in chunks. Kept until the peer has all of it, also over
   * connections. The result's promise says how it ended; it need not be watched.
   * @throws ERR_CHANNEL_FULL when too many are offered, ERR_CHANNEL_CLOSED
   */
  sendFile(path: string, options?: SendFileOptions): Transfer
  /** As {@link sendFile}, for bytes from anywhere; they are asked for no faster than the peer stores them. */
  sendStream(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, options?: SendStreamOptions): Transfer
  /** All that are not over, in both directions. */
  readonly transfers: readonly Transfer[]
  /** Resolves when there is room to send again, and when the channel is closed. */
  drained(): Promise<void>
  /** Replaces what is done with packets of that kind; undefined brings the default back. */
  setHandler<Kind extends keyof PacketHandlers>(kind: Kind, handler: PacketHandlers[Kind] | undefined): void
  /** Sees every packet before it is handled, also those that are dropped. @returns ends it */
  onData(listener: (packet: RawPacket) => void): () => void
  /**
   * Tells the peer that this side goes, and closes the connection. The channel stays and takes another connection.
   * @param reason for people, at most 100 characters
   */
  disconnect(reason?: string): void
  /** {@link disconnect} for good: everything that waits is rejected with ERR_CHANNEL_CLOSED. Idempotent. */
  close(reason?: string): void
  [Symbol.asyncDispose](): Promise<void>
}
