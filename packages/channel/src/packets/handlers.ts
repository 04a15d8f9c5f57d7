import type { PacketKind } from '@kithmesh/core'
import type { ReceivedBody } from '../body.ts'
import type { DataOffer } from '../data/contracts.ts'
import type { JsonObject } from '../json.ts'
import type { SharedPeer } from './peer-group.ts'

/** A plain message. */
export interface ChannelMessage {
  readonly peerId: string
  readonly form: 'text' | 'json' | 'binary'
  readonly body: ReceivedBody
}

/** Any packet as it came, before anything was decided about it. */
export interface RawPacket {
  readonly peerId: string
  readonly kind: PacketKind
  /** What the kind means by it; empty for the plain one. */
  readonly role: string
  /** Of events and requests. */
  readonly name: string
  readonly form: 'text' | 'json' | 'binary'
  readonly body: Buffer
  /** Whether the peer's level lets it pass; otherwise no handler sees it. */
  readonly allowed: boolean
}

/**
 * What is done with packets, kind by kind; each replaces the default of its kind. They are called one after the other, in the order in which the
 * peer sent, and a promise holds up the next: that is the back-pressure. What they throw is logged.
 */
export interface PacketHandlers {
  /** A plain message. Default: nothing. */
  message?(message: ChannelMessage): void | Promise<void>
  /** The peer describes itself. Default: it is kept as {@link PeerChannel.identity}, which it is in any case. */
  identity?(identity: JsonObject, peerId: string): void | Promise<void>
  /** The peer tells of others: those that the policy believes. Default: nothing. */
  peerGroup?(peers: readonly SharedPeer[], from: string): void | Promise<void>
  /** The peer offers a file or stream: take it, refuse it, or decide later. It holds up nothing. Default: refused. */
  data?(offer: DataOffer): void | Promise<void>
  /** The peer goes, for that reason; it can only speak of itself. Default: the connection is closed. */
  disconnect?(reason: string, peerId: string): void
}
