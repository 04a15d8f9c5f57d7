import {
  addressKind,
  type ByteSocket,
  connectionPreamble,
  errorCode,
  formatEndpoint,
  type SignalingBody,
  type TransportContext
} from '@kithmesh/core/plugin'
import { dialAny } from './dial.ts'
import { reverseErrors } from './errors.ts'
import { decodeRequest, encodeAnswer, type Endpoint } from './request.ts'

/** Requests at work at a time: in total, and of one peer. */
const MAX_DIALLING = 32
const MAX_DIALLING_PER_PEER = 8

export interface CallerOptions {
  readonly context: Pick<TransportContext, 'clock' | 'logger' | 'dialPolicy'>
  readonly deadlineMs: number
  readonly staggerMs: number
}

/** Who takes a connection that was opened for a peer, and until when. */
export interface Taker {
  readonly signal: AbortSignal
  take(socket: ByteSocket, remote: string): void
}

/** Connects to peers that ask for it, as far as the dial policy allows. */
export class Caller {
  readonly #options: CallerOptions
  readonly #dialling = new Map<string, number>()
  #total = 0

  constructor(options: CallerOptions) {
    this.#options = options
  }

  /**
   * Answers a request. What the peer learns: nothing when a private address was dialled, whether it worked or not, as it could have us look
   * for machines and open ports in networks that it cannot reach itself; where it worked it notices by the connection. Otherwise the
   * address that worked, or that none did.
   * @throws ERR_REVERSE_REQUEST, ERR_REVERSE_POLICY, ERR_REVERSE_BUSY, ERR_REVERSE_DIAL
   */
  async answer(fromPeerId: string, body: SignalingBody, { signal, take }: Taker): Promise<SignalingBody | undefined> {
    const { token, endpoints } = decodeRequest(body)
    const own = this.#dialling.get(fromPeerId) ?? 0
    if (this.#total >= MAX_DIALLING || own >= MAX_DIALLING_PER_PEER)
      throw reverseErrors.create('ERR_REVERSE_BUSY', 'Too many requests at a time')
    const allowed = this.#allowed(fromPeerId, endpoints)
    const silent = allowed.some(({ address }) => addressKind(address)?.kind !== 'global')
    this.#total++
    this.#dialling.set(fromPeerId, own + 1)
    try {
      const endpoint = await this.#connect(fromPeerId, token, allowed, { signal, take })
      return silent ? undefined : encodeAnswer(endpoint)
    } catch (error) {
      if (silent) return undefined
      throw error
    } finally {
      this.#total--
      const left = (this.#dialling.get(fromPeerId) ?? 1) - 1
      if (left === 0) this.#dialling.delete(fromPeerId)
      else this.#dialling.set(fromPeerId, left)
    }
  }

  #allowed(fromPeerId: string, endpoints: readonly Endpoint[]): readonly Endpoint[] {
    const { dialPolicy, logger } = this.#options.context
    const allowed = endpoints.filter((endpoint) => {
      const reason = dialPolicy.refuse(fromPeerId, endpoint.address, endpoint.port)
      if (reason !== undefined)
        logger.info('A peer asked for a connection that is not allowed', { peerId: fromPeerId, address: formatEndpoint(endpoint), reason })
      return reason === undefined
    })
    if (allowed.length === 0)
      throw reverseErrors.create('ERR_REVERSE_POLICY', 'None of the addresses may be dialled at the request of another device at present')
    return allowed
  }

  async #connect(fromPeerId: string, token: Uint8Array, endpoints: readonly Endpoint[], { signal, take }: Taker): Promise<Endpoint> {
    const { deadlineMs, staggerMs, context } = this.#options
    const { clock, logger } = context
    try {
      const { socket, endpoint } = await dialAny(endpoints, { clock, signal, deadlineMs, staggerMs })
      if (signal.aborted) {
        socket.destroy()
        throw signal.reason
      }
      socket.write(connectionPreamble(token))
      take(socket, formatEndpoint(endpoint))
      return endpoint
    } catch (error) {
      logger.info('A connection that a peer asked for did not come about', {
        peerId: fromPeerId,
        addresses: endpoints.map(formatEndpoint),
        code: errorCode(error),
        error
      })
      throw reverseErrors.create('ERR_REVERSE_DIAL', 'None of the addresses could be connected to', { cause: error })
    }
  }
}
