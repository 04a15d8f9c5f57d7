/**
 * What two peers say to each other beside replication, on one connection: who they are, whether they trust each other, and small control
 * messages.
 *
 * @example
 * ```ts
 * import { createBlipConnection } from '@kithmesh/blip'
 * import { createPeerChannel } from '@kithmesh/channel'
 * import type { MessageSocket } from '@kithmesh/core'
 *
 * export async function meet(socket: MessageSocket, binding: Uint8Array, localPeerId: string, peerId: string): Promise<void> {
 *   const channel = createPeerChannel({ localPeerId, peerId })
 *   const blip = createBlipConnection(socket)
 *   const attachment = channel.attach({ blip, role: 'initiator', binding, standing: 'trusted', hello: { name: 'Till 3' } })
 *   const hello = await attachment.hello
 *   if (hello !== 'foreign') console.log(hello.hello)
 *   await attachment.trusted
 * }
 * ```
 *
 * @packageDocumentation
 */
export type { ChannelBody, ReceivedBody } from './body.ts'
export type {
  AttachOptions,
  ChannelAttachment,
  ChannelObserver,
  ChannelStatistics,
  ChannelTrustOptions,
  ControlBody,
  ControlHandler,
  HandshakeVerdict,
  PeerChannel,
  PeerChannelOptions,
  RemoteHello,
  SendOptions,
  TrustHandshake,
  TrustWord
} from './contracts.ts'
export type {
  DataOffer,
  DataSink,
  OfferOptions,
  SaveAsOptions,
  SaveOptions,
  SendFileOptions,
  SendStreamOptions,
  Transfer,
  TransferResult
} from './data/contracts.ts'
export { safeName } from './data/safe-name.ts'
export { channelErrors } from './errors.ts'
export type { JsonObject, JsonValue } from './json.ts'
export type { ChannelLimits } from './limits.ts'
export type { EventListener } from './messages/events.ts'
export type { IncomingChannelRequest, RequestCallOptions, RequestHandler } from './messages/requests.ts'
export type { ChannelMessage, PacketHandlers, RawPacket } from './packets/handlers.ts'
export type { PeerGroupPolicy, SharedPeer } from './packets/peer-group.ts'
export { createPeerChannel } from './peer-channel.ts'
