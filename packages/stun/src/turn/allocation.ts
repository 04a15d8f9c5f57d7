import { errorCode, isKithmeshError, type Clock, type Logger } from '@kithmesh/core'
import { unlessAborted } from '@kithmesh/core/plugin'
import { addressFamily, canonicalAddress, formatTransportAddress, type TransportAddress } from '../codec/transport-address.ts'
import { encodeMessage, newTransactionId } from '../codec/message.ts'
import { authenticatedRequest } from '../credentials/authenticated-request.ts'
import type { LongTermCredentials } from '../credentials/long-term.ts'
import { stunErrors } from '../errors.ts'
import { deadline } from '../transaction/deadline.ts'
import type { StunRequest, StunResponse } from '../transaction/request.ts'
import type { Allocation, TurnOperationOptions } from './contracts.ts'
import type { TurnControl } from './control.ts'
import { Leases } from './leases.ts'
import { Renewal } from './renewal.ts'
import { turnError } from './turn-error.ts'

/** What the server granted, and what an allocation needs to live. */
export interface AllocationParts {
  readonly control: TurnControl
  readonly credentials: LongTermCredentials
  readonly relayed: TransportAddress
  readonly mapped: TransportAddress
  /** Seconds. */
  readonly lifetime: number
  /** Seconds to ask for in refreshes. */
  readonly askedLifetime: number
  readonly requestTimeoutMs: number
  readonly checkIntervalMs: number
  readonly clock: Clock
  readonly logger: Logger
}

const MAX_PERMISSIONS = 64
const REFRESH_ATTEMPTS = 3
const RELEASE_TIMEOUT_MS = 1000
/** NATs forget UDP flows after as little as 30 s (RFC 4787 §4.3 asks for two minutes). */
const KEEP_ALIVE_MS = 15_000

/** What relays for datagrams and for connections share: refreshing, permissions, noticing the end. */
export abstract class BaseAllocation implements Allocation {
  readonly relayed: TransportAddress
  readonly mapped: TransportAddress
  readonly local: TransportAddress
  readonly server: TransportAddress
  readonly ended: Promise<Error | undefined>
  protected readonly parts: AllocationParts
  /** Aborts when the allocation ends. */
  protected readonly life = new AbortController()
  readonly #permissions: Leases
  readonly #refreshing: Renewal
  #lifetimeMs: number
  #stopKeepAlive: () => void = () => {}
  #end: (error: Error | undefined) => void = () => {}
  #over = false

  constructor(parts: AllocationParts) {
    const { control, clock } = parts
    this.parts = parts
    this.relayed = parts.relayed
    this.mapped = parts.mapped
    this.local = control.local
    this.server = control.server
    this.#lifetimeMs = parts.lifetime * 1000
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
    this.#permissions = this.leases(MAX_PERMISSIONS, 'permissions')
    this.#refreshing = new Renewal({
      clock,
      intervalMs: () => Math.min(this.#lifetimeMs / 2, parts.checkIntervalMs),
      renew: () => this.#refresh(),
      isFinal: (error) => errorCode(error) === 'ERR_STUN_CREDENTIALS' || isMismatch(error),
      attempts: REFRESH_ATTEMPTS,
      failed: (error) => {
        this.lost(error)
      }
    })
    if (control.transport === 'udp') this.#stopKeepAlive = clock.every(KEEP_ALIVE_MS, () => control.send(bindingIndication()))
    void control.ended.then((error) => {
      this.lost(error)
    })
  }

  protected get isOver(): boolean {
    return this.#over
  }

  permit(peerAddress: string, options: TurnOperationOptions = {}): Promise<void> {
    if (addressFamily(peerAddress) === undefined) return Promise.reject(new TypeError(`${peerAddress} is no IP address`))
    const address = canonicalAddress(peerAddress)
    return this.within(`Permitting ${address}`, options, () =>
      this.#permissions.hold(address, async () => {
        await this.request({ method: 'createPermission', attributes: { xorPeerAddress: [{ address, port: 0 }] } }, `permit ${address}`)
      })
    )
  }

  async close(): Promise<void> {
    if (!this.#over) {
      this.#stop(undefined)
      try {
        await this.#send({ method: 'refresh', attributes: { lifetime: 0 } }, RELEASE_TIMEOUT_MS)
      } catch (error) {
        this.parts.logger.debug('The relay could not be given back; it expires by itself', { error })
      }
      await this.parts.control.close()
    }
    await this.ended
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  protected isPermitted(address: string): boolean {
    return this.#permissions.has(canonicalAddress(address))
  }

  protected leases(limit: number, what: string): Leases {
    return new Leases(this.parts.clock, limit, what, (key, error) => {
      this.parts.logger.warn(`The relay does not renew one of its ${what}`, { key, error })
    })
  }

  /** Runs an operation of the user within its deadline and the life of the allocation. @param late gets what came when nobody waited any more */
  protected async within<T>(
    what: string,
    { signal, deadlineMs = 10_000 }: TurnOperationOptions,
    run: (signal: AbortSignal) => Promise<T>,
    late?: (value: T) => void
  ): Promise<T> {
    if (this.#over) throw closedError()
    const limit = deadline(this.parts.clock, deadlineMs, what, signal, this.life.signal)
    try {
      return await unlessAborted(limit.signal, () => run(limit.signal), late)
    } finally {
      limit.release()
    }
  }

  /**
   * Asks the server; a success response or a typed error.
   * @param what for the message: `permit 192.0.2.1`.
   */
  protected async request(request: StunRequest, what: string, timeoutMs: number = this.parts.requestTimeoutMs): Promise<StunResponse> {
    const response = await this.#send(request, timeoutMs)
    if (response.message.messageClass === 'success') return response
    const error = turnError(response.message.attributes.errorCode, `${formatTransportAddress(this.server)} refused to ${what}`)
    if (isMismatch(error)) this.lost(error)
    throw error
  }

  /** Ends the allocation without being asked to. */
  protected lost(cause: unknown): void {
    if (this.#over) return
    const reason = cause === undefined ? 'the connection to it is gone' : (cause as Error).message
    this.#stop(stunErrors.create('ERR_TURN_LOST', `The relay at ${formatTransportAddress(this.server)} is lost: ${reason}`, { cause }))
    void this.parts.control.close()
  }

  /** Ends what the subclass has going on. */
  protected abstract stopped(): void

  #stop(error: Error | undefined): void {
    this.#over = true
    this.#refreshing.stop()
    this.#permissions.stop()
    this.#stopKeepAlive()
    this.stopped()
    this.life.abort(error ?? closedError())
    if (error === undefined) void this.parts.control.ended.then(() => this.#end(undefined))
    else this.#end(error)
  }

  async #refresh(): Promise<void> {
    const { message } = await this.request({ method: 'refresh', attributes: { lifetime: this.parts.askedLifetime } }, 'refresh')
    const seconds = message.attributes.lifetime
    if (seconds !== undefined && seconds > 0) this.#lifetimeMs = seconds * 1000
  }

  #send(request: StunRequest, deadlineMs: number): Promise<StunResponse> {
    const { control, credentials } = this.parts
    return authenticatedRequest((signed) => control.request(signed, { deadlineMs }), credentials, request)
  }
}

function isMismatch(error: unknown): boolean {
  return isKithmeshError(error, 'ERR_TURN_MISMATCH')
}

function closedError(): Error {
  return stunErrors.create('ERR_TURN_CLOSED', 'The allocation was closed')
}

/** Keeps the NAT's mapping alive, and is not answered (RFC 8489 §2). */
function bindingIndication(): Buffer {
  return encodeMessage({ method: 'binding', messageClass: 'indication', transactionId: newTransactionId(), attributes: {} })
}
