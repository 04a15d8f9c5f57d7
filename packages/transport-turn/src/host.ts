import type { Duplex } from 'node:stream'
import { type Clock, type JoinedSignals, joinSignals, limitedSignal, type Logger, waitFor } from '@kithmesh/core/plugin'
import { openDatagramStream } from '@kithmesh/datagram-stream'
import { addressFamily, canonicalAddress, formatTransportAddress } from '@kithmesh/stun'
import type { Allocated } from './allocate.ts'
import { turnErrors } from './errors.ts'
import { exchangeHello } from './hello.ts'
import { IDLE_TIMEOUT_MS, KEEP_ALIVE_MS } from './limits.ts'
import { relayedPath } from './relayed-path.ts'
import { keepRelay, RelayedStream } from './relayed-stream.ts'

/** Addresses that one peer may have permitted. */
const MAX_PERMITTED = 16
/** Connections to a relayed port that have not said yet who they are. */
const MAX_UNKNOWN = 16
const HELLO_MS = 5_000

export interface HostOptions {
  readonly allocated: Allocated
  readonly secret: Uint8Array
  /** Who called `attempt`. */
  readonly role: 'initiator' | 'responder'
  readonly clock: Clock
  readonly logger: Logger
  /** Aborted when nobody waits for the guest any more. */
  readonly signal: AbortSignal
  readonly deadlineMs: number
  readonly progress: (phase: string, address?: string) => void
}

/** The side that has the relay: lets the guest's addresses through and waits for it. */
export class RelayHost {
  /** The guest's stream, which owns the relay from then on. Rejects with ERR_TURN_CONNECT, ERR_TURN_LOST or the signal's reason. */
  readonly stream: Promise<Duplex>
  /** Resolves, never rejects, when the guest has come, or nobody waits for it any more and the relay was given back. */
  readonly over: Promise<void>
  readonly #options: HostOptions
  readonly #permitted = new Set<string>()
  readonly #waiting: JoinedSignals
  #refused: unknown

  constructor(options: HostOptions) {
    this.#options = options
    this.#waiting = joinSignals(options.signal)
    const { allocated } = options
    let closing: Promise<void> | undefined
    this.stream = (allocated.kind === 'tcp' ? this.#acceptConnection() : this.#acceptDatagrams()).catch(async (error: unknown) => {
      closing = allocated.close()
      // Who cancels does not wait for a server that may be gone.
      if (this.#waiting.signal.aborted) throw error
      await closing
      throw this.#refused === undefined ? error : this.#withReason(error)
    })
    this.over = this.stream
      .then(
        () => {},
        () => closing
      )
      .finally(this.#waiting.release)
  }

  /** Lets the guest come from further addresses. Those that the server refuses are left out. */
  async permit(addresses: readonly string[]): Promise<void> {
    const { allocation } = this.#options.allocated
    const family = addressFamily(allocation.relayed.address)
    const fresh = [...new Set(addresses.map(canonicalAddress))].filter(
      (address) => addressFamily(address) === family && !this.#permitted.has(address)
    )
    await Promise.all(
      fresh.slice(0, MAX_PERMITTED - this.#permitted.size).map(async (address) => {
        this.#permitted.add(address)
        try {
          await allocation.permit(address)
        } catch (error) {
          this.#refused = error
          this.#options.logger.info('A relay does not let an address of the peer through', { address, error })
        }
      })
    )
  }

  /** Nobody waits any more: gives the relay back, unless the guest is here already. */
  cancel(reason: unknown): void {
    this.#waiting.abort(reason)
  }

  #withReason(error: unknown): unknown {
    const message = error instanceof Error ? error.message : String(error)
    return turnErrors.create('ERR_TURN_CONNECT', `${message}; the relay refused a permission: ${(this.#refused as Error).message}`, {
      cause: this.#refused
    })
  }

  #acceptConnection(): Promise<Duplex> {
    const { allocated, secret, clock, logger, deadlineMs, progress } = this.#options
    if (allocated.kind !== 'tcp') throw new TypeError('not a relay for connections')
    const { allocation } = allocated
    const limit = limitedSignal(clock, deadlineMs, () => noGuest(allocated, deadlineMs), this.#waiting.signal)
    const accepted = waitFor<Duplex>(limit.signal, (resolve, reject) => {
      const others = new AbortController()
      let unknown = 0
      const unsubscribe = allocation.onConnection((stream, from) => {
        if (others.signal.aborted || unknown >= MAX_UNKNOWN) {
          stream.on('error', () => {})
          stream.destroy()
          return
        }
        unknown++
        progress('verify', formatTransportAddress(from))
        exchangeHello(stream, { secret, side: 'host', clock, deadlineMs: HELLO_MS, signal: others.signal }).then(
          () => {
            if (others.signal.aborted) {
              stream.destroy()
              return
            }
            const relayed = new RelayedStream(stream, 'host', clock)
            keepRelay(stream, relayed, allocated)
            resolve(relayed)
          },
          (error: unknown) => {
            unknown--
            if (!others.signal.aborted)
              logger.info('Somebody else connected to a relayed port', { from: formatTransportAddress(from), error })
          }
        )
      })
      void allocation.ended.then((error) => {
        reject(error ?? new Error('The relay was given back'))
      })
      return () => {
        unsubscribe()
        others.abort(turnErrors.create('ERR_TURN_STRANGER', 'The peer has come on another connection'))
      }
    })
    return accepted.finally(limit.release)
  }

  async #acceptDatagrams(): Promise<Duplex> {
    const { allocated, secret, role, clock, deadlineMs } = this.#options
    const { signal } = this.#waiting
    if (allocated.kind !== 'udp') throw new TypeError('not a relay for datagrams')
    const path = relayedPath(allocated.allocation, undefined, () => void allocated.close())
    try {
      return await openDatagramStream({
        path,
        secret,
        role,
        signal,
        clock,
        openTimeoutMs: deadlineMs,
        keepAliveMs: KEEP_ALIVE_MS,
        idleTimeoutMs: IDLE_TIMEOUT_MS
      })
    } catch (cause) {
      signal.throwIfAborted()
      throw noGuest(allocated, deadlineMs, cause)
    }
  }
}

function noGuest({ relay }: Allocated, deadlineMs: number, cause?: unknown): Error {
  const where = formatTransportAddress(relay.address)
  return turnErrors.create('ERR_TURN_CONNECT', `The other device did not come to the relay ${where} within ${deadlineMs} ms`, {
    ...(cause !== undefined && { cause }),
    details: { relay: where }
  })
}
