import type { Duplex } from 'node:stream'
import type { ReceivedMessage } from '../codec/decode-message.ts'
import { addressFamily, canonicalAddress, formatTransportAddress, type TransportAddress } from '../codec/transport-address.ts'
import { authenticatedRequest } from '../credentials/authenticated-request.ts'
import { stunErrors } from '../errors.ts'
import type { StreamClient } from '../stream/client.ts'
import { deadline } from '../transaction/deadline.ts'
import { BaseAllocation, type AllocationParts } from './allocation.ts'
import type { TcpAllocation, TurnOperationOptions } from './contracts.ts'
import { turnError } from './turn-error.ts'

/** The server waits for ConnectionBind for 30 s (RFC 6062 §4.3, §4.4), and tries to connect for 30 s. */
const BIND_TIMEOUT_MS = 30_000
const CONNECT_TIMEOUT_MS = 40_000
/** Connections that are being accepted at a time: a peer may open as many as it likes. */
const MAX_ACCEPTING = 32

/** A relay for TCP connections (RFC 6062). */
export class TurnTcpAllocation extends BaseAllocation implements TcpAllocation {
  readonly #openStream: (signal: AbortSignal) => Promise<StreamClient>
  #accept: ((stream: Duplex, from: TransportAddress) => void) | undefined
  #accepting = 0

  /** @param openStream a new connection to the server. */
  constructor(parts: AllocationParts, openStream: (signal: AbortSignal) => Promise<StreamClient>) {
    super(parts)
    this.#openStream = openStream
    parts.control.onIndication((message) => {
      this.#onIndication(message)
    })
  }

  async connect(peer: TransportAddress, { signal, deadlineMs = CONNECT_TIMEOUT_MS }: TurnOperationOptions = {}): Promise<Duplex> {
    if (addressFamily(peer.address) === undefined) throw new TypeError(`${peer.address} is no IP address`)
    const name = formatTransportAddress(peer)
    const options = { deadlineMs, ...(signal !== undefined && { signal }) }
    const connect = async (within: AbortSignal): Promise<Duplex> => {
      await this.permit(peer.address, { signal: within, deadlineMs })
      const { message } = await this.request(
        { method: 'connect', attributes: { xorPeerAddress: [peer] } },
        `connect to ${name}`,
        Math.min(deadlineMs, CONNECT_TIMEOUT_MS)
      )
      const { connectionId } = message.attributes
      if (connectionId === undefined)
        throw stunErrors.create('ERR_STUN_RESPONSE', `The relay connected to ${name} without saying which connection it is`)
      return this.#bindConnection(connectionId, name, within)
    }
    return this.within(`Connecting to ${name} through the relay`, options, connect, (late) => {
      late.destroy()
    })
  }

  onConnection(accept: (stream: Duplex, from: TransportAddress) => void): () => void {
    this.#accept = accept
    return () => {
      if (this.#accept === accept) this.#accept = undefined
    }
  }

  protected override stopped(): void {
    this.#accept = undefined
  }

  /** Gives a relayed connection its own connection to the server (RFC 6062 §4.3, §4.4). */
  async #bindConnection(connectionId: number, name: string, signal: AbortSignal): Promise<Duplex> {
    const stream = await this.#openStream(signal)
    try {
      // The nonce is the allocation's. coturn cuts the connection after it refused a stale one: the peer's next one gets the new nonce.
      const response = await authenticatedRequest(
        (request) => stream.requestLast(request, { signal, deadlineMs: BIND_TIMEOUT_MS }),
        this.parts.credentials,
        { method: 'connectionBind', attributes: { connectionId } }
      )
      if (response.message.messageClass !== 'success')
        throw turnError(response.message.attributes.errorCode, `${formatTransportAddress(this.server)} refused the connection with ${name}`)
      return stream.detach()
    } catch (error) {
      await stream.close()
      throw error
    }
  }

  #onIndication({ method, attributes: { connectionId, xorPeerAddress } }: ReceivedMessage): void {
    const from = xorPeerAddress?.[0]
    if (this.isOver || method !== 'connectionAttempt' || from === undefined || connectionId === undefined) return
    if (this.#accept === undefined || this.#accepting >= MAX_ACCEPTING || !this.isPermitted(from.address)) {
      this.parts.logger.debug('A connection to the relay is refused', { from: formatTransportAddress(from), accepting: this.#accepting })
      return
    }
    void this.#acceptConnection(connectionId, { address: canonicalAddress(from.address), port: from.port })
  }

  async #acceptConnection(connectionId: number, from: TransportAddress): Promise<void> {
    const name = formatTransportAddress(from)
    const { clock, logger } = this.parts
    const limit = deadline(clock, BIND_TIMEOUT_MS, `Accepting a connection of ${name}`, this.life.signal)
    this.#accepting++
    try {
      const stream = await this.#bindConnection(connectionId, name, limit.signal)
      if (this.#accept === undefined) stream.destroy()
      else this.#accept(stream, from)
    } catch (error) {
      logger.warn('A connection to the relay could not be accepted', { from: name, error })
    } finally {
      this.#accepting--
      limit.release()
    }
  }
}
