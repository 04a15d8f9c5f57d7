import { decodeChannelData, encodeChannelData, FIRST_CHANNEL } from '../codec/channel-data.ts'
import type { ReceivedMessage } from '../codec/decode-message.ts'
import { encodeMessage, newTransactionId } from '../codec/message.ts'
import { addressFamily, canonicalAddress, formatTransportAddress, type TransportAddress } from '../codec/transport-address.ts'
import { Subscribers } from '../subscribers.ts'
import { BaseAllocation, type AllocationParts } from './allocation.ts'
import type { TurnOperationOptions, UdpAllocation } from './contracts.ts'
import type { Leases } from './leases.ts'

const MAX_CHANNELS = 64
/** What fits into an IPv4 packet. */
const MAX_DATAGRAM_BYTES = 65_507

/** A relay for datagrams (RFC 8656). */
export class TurnUdpAllocation extends BaseAllocation implements UdpAllocation {
  readonly #data: Subscribers<[Buffer, TransportAddress]>
  readonly #leases: Leases
  /** Channels that may be sent on, by `address port` of the peer. */
  readonly #channels = new Map<string, number>()
  readonly #peers = new Map<number, TransportAddress>()
  /** RFC 8656 §12: a number is never given to a second peer within the life of an allocation. */
  readonly #numbers = new Map<string, number>()

  constructor(parts: AllocationParts) {
    super(parts)
    const { control, logger } = parts
    this.#data = new Subscribers((error) => {
      logger.error('A handler of relayed datagrams threw', { error })
    })
    this.#leases = this.leases(MAX_CHANNELS, 'channels')
    control.onIndication((message) => {
      this.#onIndication(message)
    })
    control.onChannelData((frame) => {
      this.#onChannelData(frame)
    })
  }

  send(data: Uint8Array, peer: TransportAddress): boolean {
    if (data.length > MAX_DATAGRAM_BYTES) throw new TypeError(`A datagram has at most ${MAX_DATAGRAM_BYTES} bytes, not ${data.length}`)
    if (this.isOver) return false
    const { control } = this.parts
    const channel = this.#channels.get(`${peer.address} ${peer.port}`)
    if (channel !== undefined) return control.send(encodeChannelData({ channel, data }, control.transport !== 'udp'))
    return control.send(
      encodeMessage({
        method: 'send',
        messageClass: 'indication',
        transactionId: newTransactionId(),
        attributes: { xorPeerAddress: [peer], data }
      })
    )
  }

  bindChannel(peer: TransportAddress, options: TurnOperationOptions = {}): Promise<void> {
    if (addressFamily(peer.address) === undefined) return Promise.reject(new TypeError(`${peer.address} is no IP address`))
    const address = canonicalAddress(peer.address)
    const key = `${address} ${peer.port}`
    const name = formatTransportAddress(peer)
    return this.within(`Binding a channel to ${name}`, options, () =>
      this.#leases.hold(key, async () => {
        const known = this.#numbers.get(key)
        const channelNumber = known ?? FIRST_CHANNEL + this.#numbers.size
        this.#numbers.set(key, channelNumber)
        this.#peers.set(channelNumber, Object.freeze({ address, port: peer.port }))
        try {
          await this.request(
            { method: 'channelBind', attributes: { channelNumber, xorPeerAddress: [{ address, port: peer.port }] } },
            `bind a channel to ${name}`
          )
        } catch (error) {
          // After a renewal that failed, the channel may be gone before the permission: Send indications need only that.
          this.#channels.delete(key)
          throw error
        }
        this.#channels.set(key, channelNumber)
      })
    )
  }

  onData(receive: (data: Buffer, from: TransportAddress) => void): () => void {
    return this.#data.add(receive)
  }

  protected override stopped(): void {
    this.#leases.stop()
  }

  #onIndication({ method, attributes: { data, xorPeerAddress } }: ReceivedMessage): void {
    const from = xorPeerAddress?.[0]
    if (this.isOver || method !== 'data' || from === undefined || data === undefined) return
    if (this.isPermitted(from.address) || this.#leases.has(`${from.address} ${from.port}`))
      this.#data.tell(Buffer.from(data.buffer, data.byteOffset, data.length), from)
  }

  #onChannelData(frame: Buffer): void {
    if (this.isOver) return
    let received: ReturnType<typeof decodeChannelData>
    try {
      received = decodeChannelData(frame)
    } catch {
      return
    }
    const from = this.#peers.get(received.channel)
    const { data } = received
    if (from !== undefined) this.#data.tell(Buffer.from(data.buffer, data.byteOffset, data.length), from)
  }
}
