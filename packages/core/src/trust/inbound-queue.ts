import { checkPositive } from '../check-numbers.ts'
import type { Clock } from '../contracts/clock.ts'
import type { Logger } from '../contracts/logger.ts'
import type { InboundDecision, IncomingPeer, ObservableList } from '../contracts/trust.ts'
import { coreErrors } from '../errors.ts'
import type { KithmeshError } from '../kithmesh-error.ts'
import { ListState } from './observable-list.ts'
import { addressSource } from './rate-limiter.ts'
import { WaitingPeer } from './waiting-peer.ts'

const CAPACITY = 64
const PER_ADDRESS = 8

export interface InboundQueueOptions<T extends IncomingPeer> {
  readonly clock: Clock
  readonly logger: Logger
  /**
   * Decides on each device, at once or later; the signal aborts when the decision is no longer wanted. Throwing rejects the device.
   * Without it, everybody is accepted.
   */
  readonly onIncomingPeer?: ((peer: T, options: { readonly signal: AbortSignal }) => InboundDecision | Promise<InboundDecision>) | undefined
  /** Devices that wait at a time, those on which is being decided included; one more is refused. @default 64 */
  readonly capacity?: number
  /** Those of them that come from one address (IPv6: one network of 64 bits). @default 8 */
  readonly perAddress?: number
  /** Milliseconds that `onIncomingPeer` has. @default 10000 */
  readonly decisionMs?: number
  /** Milliseconds that a device is held, and that a decision counts which was made while its connection was gone. @default 60000 */
  readonly holdMs?: number
}

/** A device that waits. */
export interface InboundEntry<T extends IncomingPeer> {
  readonly peer: T
  /** `deciding` until `onIncomingPeer` has answered. */
  readonly state: 'deciding' | 'held'
  /** Whether its connection is still there; it may come again. */
  readonly connected: boolean
  /** Wall-clock milliseconds. */
  readonly since: number
  /** When it is refused unless somebody decides, wall-clock milliseconds. */
  readonly until: number
  /** Lets it in, also before `onIncomingPeer` has answered. @returns false when it no longer waits */
  accept(): boolean
  /** @param reason for logs; the device is not told */
  reject(reason?: string): boolean
}

/**
 * The gate that devices pass once they have proven their peer id, and before anything else is done for them: nobody gets on while the
 * application has not decided. Bounded in number, in time, and for each address.
 *
 * A device waits once: when it comes again, the new connection takes the place of the one before, which ends, and what is being decided
 * goes on. It also goes on when the connection ends, as it does where the other side is not as patient as people are: the device is let in or
 * rejected when it comes next. Those that are gone make room when there is none.
 *
 * @example
 * const queue = new InboundQueue({ clock, logger, onIncomingPeer: ({ peerId }) => (friends.has(peerId) ? 'accept' : 'hold') })
 * queue.pending.onChange((entries) => show(entries))
 * await queue.admit(peer, { signal })
 */
export class InboundQueue<T extends IncomingPeer = IncomingPeer> {
  readonly #options: InboundQueueOptions<T>
  readonly #entries = new Map<string, WaitingPeer<T>>()
  readonly #list: ListState<InboundEntry<T>>
  #closed: { readonly reason: unknown } | undefined

  /** @throws TypeError for bounds that make no sense */
  constructor(options: InboundQueueOptions<T>) {
    checkPositive(options, 'capacity', 'perAddress', 'decisionMs', 'holdMs')
    this.#options = options
    this.#list = new ListState<InboundEntry<T>>(() => [...this.#entries.values()].filter(({ decided }) => !decided), options.logger)
  }

  /** Who waits, in the order of arrival. */
  get pending(): ObservableList<InboundEntry<T>> {
    return this.#list
  }

  /**
   * Resolves when the device may come in; `signal` aborts when its connection has ended.
   * @throws ERR_INBOUND_REJECTED, ERR_INBOUND_FULL, ERR_INBOUND_TIMEOUT, ERR_INBOUND_REPLACED; the signal's reason, or that of `close`
   */
  async admit(peer: T, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    signal.throwIfAborted()
    if (this.#closed !== undefined) throw this.#closed.reason
    const { onIncomingPeer } = this.#options
    if (onIncomingPeer === undefined) return
    const known = this.#entries.get(peer.peerId)
    if (known !== undefined) {
      const again = known.attach(peer, signal)
      this.#list.changed()
      await again
      return
    }
    this.#checkRoom(peer)
    const entry = new WaitingPeer<T>(peer, this.#options, {
      changed: () => {
        this.#list.changed()
      },
      ended: (ended) => {
        this.#entries.delete(ended.peer.peerId)
        this.#list.changed()
      }
    })
    this.#entries.set(peer.peerId, entry)
    const admitted = entry.attach(peer, signal)
    this.#list.changed()
    entry.ask(onIncomingPeer)
    await admitted
  }

  /** Why a device is not to be connected to either: it waits to be let in, or was rejected a moment ago. */
  refuses(peerId: string): KithmeshError | undefined {
    return this.#entries.get(peerId)?.refusal
  }

  /** Refuses everybody who waits, with the reason, and forgets what was decided. */
  clear(reason: unknown): void {
    for (const entry of [...this.#entries.values()]) entry.end(reason)
  }

  /** Refuses everybody who waits and who comes, with the reason. Idempotent. */
  close(reason: unknown): void {
    this.#closed ??= { reason }
    this.clear(reason)
    this.#list.end()
  }

  #checkRoom({ peerId, address }: T): void {
    const { capacity = CAPACITY, perAddress = PER_ADDRESS } = this.#options
    if (this.#entries.size >= capacity) [...this.#entries.values()].find(({ connected }) => !connected)?.end()
    if (this.#entries.size >= capacity)
      throw coreErrors.create('ERR_INBOUND_FULL', `${capacity} devices wait to be let in already`, { details: { peerId } })
    if (address === null) return
    const source = addressSource(address)
    const same = [...this.#entries.values()].filter(({ peer }) => peer.address !== null && addressSource(peer.address) === source)
    if (same.length < perAddress) return
    const gone = same.find(({ connected }) => !connected)
    if (gone !== undefined) gone.end()
    else
      throw coreErrors.create('ERR_INBOUND_FULL', `${perAddress} devices at ${address} wait to be let in already`, {
        details: { peerId, address }
      })
  }
}
