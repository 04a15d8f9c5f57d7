import { encodeMessage, newTransactionId, type TransportAddress } from '@kithmesh/stun'
import { encodeChannelFrame } from './channel-frames.ts'
import { Channels } from './channels.ts'
import type { RelayCommon, RelayPort } from './contracts.ts'
import type { UdpPort } from './sockets.ts'

/** Datagrams between one client and its peers (RFC 8656 §11, §12). */
export class UdpRelay implements RelayPort {
  readonly kind = 'udp'
  readonly relayed: TransportAddress
  readonly channels: Channels
  readonly #port: UdpPort
  readonly #common: RelayCommon

  constructor(port: UdpPort, common: RelayCommon) {
    this.#port = port
    this.#common = common
    this.relayed = common.names.outside(port.local)
    this.channels = new Channels(common.limits.channelsPerAllocation, common.clock)
  }

  /** From the client to a peer it has a permission for; what may not be sent is dropped (RFC 8656 §11.2). */
  send(data: Uint8Array, to: TransportAddress): void {
    const { permissions, policy, traffic, username, names } = this.#common
    if (!permissions.has(to.address) || policy.whyNotRelay(to) !== undefined || !traffic.datagram(username, data.length)) return
    this.#port.send(data, names.inside(to))
  }

  /** From somebody to the client. */
  receive(data: Buffer, sender: TransportAddress): void {
    const { permissions, traffic, username, names, path } = this.#common
    const from = names.outside(sender)
    if (!permissions.has(from.address) || !traffic.datagram(username, data.length)) return
    const channel = this.channels.numberOf(from)
    path.send(
      channel === undefined
        ? encodeMessage({
            method: 'data',
            messageClass: 'indication',
            transactionId: newTransactionId(),
            attributes: { xorPeerAddress: [from], data }
          })
        : encodeChannelFrame({ channel, data }, path.transport === 'tcp')
    )
  }

  close(): void {
    void this.#port.close()
  }
}
