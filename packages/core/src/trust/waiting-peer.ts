import type { IncomingPeer } from '../contracts/trust.ts'
import { coreErrors } from '../errors.ts'
import type { KithmeshError } from '../kithmesh-error.ts'
import type { InboundEntry, InboundQueueOptions } from './inbound-queue.ts'

const DECISION_MS = 10_000
const HOLD_MS = 60_000

/** The queue. */
interface Owner<T extends IncomingPeer> {
  changed(): void
  ended(entry: WaitingPeer<T>): void
}

/** A connection whose owner waits. */
interface Waiter {
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

/** One device that waits, or on which was decided while its connection was gone; ends once. */
export class WaitingPeer<T extends IncomingPeer> implements InboundEntry<T> {
  readonly since: number
  readonly #options: InboundQueueOptions<T>
  readonly #owner: Owner<T>
  /** Aborts when there is nothing to decide any more. */
  readonly #over = new AbortController()
  #peer: T
  #state: 'deciding' | 'held' = 'deciding'
  #until = 0
  #cancelDeadline = (): void => {}
  #waiter: Waiter | undefined
  /** What was decided, for when the device comes again. */
  #outcome: { readonly refusal: KithmeshError | undefined } | undefined
  #ended = false

  constructor(peer: T, options: InboundQueueOptions<T>, owner: Owner<T>) {
    const { clock, decisionMs = DECISION_MS } = options
    this.#peer = peer
    this.#options = options
    this.#owner = owner
    this.since = clock.now()
    this.#expect(decisionMs, `Nobody decided on it within ${decisionMs} ms`)
  }

  get peer(): T {
    return this.#peer
  }
  get state(): 'deciding' | 'held' {
    return this.#state
  }
  get connected(): boolean {
    return this.#waiter !== undefined
  }
  get until(): number {
    return this.#until
  }
  get decided(): boolean {
    return this.#outcome !== undefined
  }
  get refusal(): KithmeshError | undefined {
    if (this.#outcome !== undefined) return this.#outcome.refusal
    return coreErrors.create('ERR_INBOUND_REJECTED', 'It waits to be let in, and nobody has decided yet', { details: this.#details })
  }

  accept(): boolean {
    return this.#decide(undefined)
  }

  reject(reason = 'The application rejected it'): boolean {
    return this.#decide(coreErrors.create('ERR_INBOUND_REJECTED', reason, { details: this.#details }))
  }

  /** A connection of the device waits, instead of the one before. */
  attach(peer: T, signal: AbortSignal): Promise<void> {
    const former = this.#waiter
    this.#waiter = undefined
    this.#peer = peer
    former?.reject(coreErrors.create('ERR_INBOUND_REPLACED', 'The device came again, and waits over its new connection'))
    return new Promise<void>((resolve, reject) => {
      const release = (): void => {
        signal.removeEventListener('abort', onAbort)
      }
      const waiter: Waiter = {
        resolve: () => {
          release()
          resolve()
        },
        reject: (reason) => {
          release()
          reject(reason as Error)
        }
      }
      const onAbort = (): void => {
        if (this.#waiter === waiter) this.#waiter = undefined
        waiter.reject(signal.reason)
        this.#owner.changed()
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiter = waiter
      if (this.#outcome !== undefined) this.end(this.#outcome.refusal)
    })
  }

  ask(onIncomingPeer: NonNullable<InboundQueueOptions<T>['onIncomingPeer']>): void {
    new Promise<unknown>((resolve) => {
      resolve(onIncomingPeer(this.#peer, { signal: this.#over.signal }))
    }).then(
      (decision) => {
        if (decision === 'accept') this.accept()
        else if (decision === 'hold') this.#hold()
        else if (decision === 'reject') this.reject()
        else this.reject(`onIncomingPeer answered ${String(decision).slice(0, 40)} instead of accept, reject or hold`)
      },
      (error: unknown) => {
        if (this.#over.signal.aborted) return
        this.#options.logger.error('onIncomingPeer failed, the device is rejected', { peerId: this.#peer.peerId, error })
        this.#decide(coreErrors.create('ERR_INBOUND_REJECTED', 'The decision on it failed', { cause: error, details: this.#details }))
      }
    )
  }

  /** Forgets the device; a connection that waits is refused with the reason, or let in when there is none. */
  end(refusal?: unknown): void {
    if (this.#ended) return
    this.#ended = true
    this.#over.abort(new DOMException('There is nothing to decide any more', 'AbortError'))
    this.#cancelDeadline()
    this.#owner.ended(this)
    if (refusal === undefined) this.#waiter?.resolve()
    else this.#waiter?.reject(refusal)
    this.#waiter = undefined
  }

  get #details(): { readonly peerId: string } {
    return { peerId: this.#peer.peerId }
  }

  #decide(refusal: KithmeshError | undefined): boolean {
    if (this.#over.signal.aborted) return false
    if (this.#waiter !== undefined) {
      this.end(refusal)
      return true
    }
    const { clock, holdMs = HOLD_MS } = this.#options
    this.#over.abort(new DOMException('It is decided', 'AbortError'))
    this.#outcome = { refusal }
    this.#cancelDeadline()
    this.#cancelDeadline = clock.after(holdMs, () => {
      this.end()
    })
    this.#owner.changed()
    return true
  }

  #hold(): void {
    if (this.#over.signal.aborted) return
    const { holdMs = HOLD_MS } = this.#options
    this.#state = 'held'
    this.#expect(holdMs, `It was held for ${holdMs} ms and nobody decided`)
    this.#owner.changed()
  }

  #expect(ms: number, otherwise: string): void {
    const { clock } = this.#options
    this.#cancelDeadline()
    this.#until = clock.now() + ms
    this.#cancelDeadline = clock.after(ms, () => {
      this.end(coreErrors.create('ERR_INBOUND_TIMEOUT', otherwise, { details: this.#details }))
    })
  }
}
