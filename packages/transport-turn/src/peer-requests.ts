import { type SignalingBody, type TransportContext, errorCode, isKithmeshError } from '@kithmesh/core'
import { turnErrors } from './errors.ts'
import { TURN_OFFER } from './offer.ts'

const MAX_FOR_PEER = 16
const MAX = 64
/** Codes by which a device says that it has too much to do. */
const BUSY = ['ERR_SIGNAL_BUSY', 'ERR_TURN_BUSY']
const BUSY_PAUSE_MS = 150

/** What peers want of this device, bounded in number, and what it wants of them. */
export class PeerRequests {
  readonly #context: TransportContext
  readonly #running = new Map<string, number>()
  #total = 0

  constructor(context: TransportContext) {
    this.#context = context
  }

  /**
   * Runs what a peer asked for. What it throws is logged.
   * @throws ERR_TURN_BUSY when too much runs already; nothing was run then
   */
  run(peerId: string, task: () => Promise<void>, failed: (error: unknown) => void = () => {}): void {
    const own = this.#running.get(peerId) ?? 0
    if (own >= MAX_FOR_PEER || this.#total >= MAX) throw turnErrors.create('ERR_TURN_BUSY', 'Too many relays are offered at a time')
    this.#total++
    this.#running.set(peerId, own + 1)
    task()
      .catch((error: unknown) => {
        this.#context.logger.info('A connection over a relay did not come about', { peerId, code: errorCode(error), error })
        failed(error)
      })
      .finally(() => {
        this.#total--
        const left = (this.#running.get(peerId) ?? 1) - 1
        if (left === 0) this.#running.delete(peerId)
        else this.#running.set(peerId, left)
      })
  }

  /** Asks a peer, again while it has too much to do. @throws ERR_TURN_SIGNAL, ERR_TURN_NONE or the signal's reason */
  async ask(
    peerId: string,
    body: SignalingBody,
    options: { readonly timeoutMs: number; readonly signal: AbortSignal }
  ): Promise<SignalingBody> {
    const { signaling, clock } = this.#context
    const { timeoutMs, signal } = options
    const until = clock.monotonic() + timeoutMs
    for (;;) {
      try {
        return await signaling.request(peerId, TURN_OFFER, body, { signal, timeoutMs: Math.max(1, until - clock.monotonic()) })
      } catch (cause) {
        signal.throwIfAborted()
        const refused = isKithmeshError(cause, 'ERR_SIGNAL_REFUSED') ? cause.details['code'] : undefined
        if (refused === 'ERR_TURN_NONE') throw turnErrors.create('ERR_TURN_NONE', 'Neither of the two devices has a relay', { cause })
        if (!BUSY.includes(refused as string) || clock.monotonic() + BUSY_PAUSE_MS >= until) throw notAgreed(cause)
      }
      await clock.sleep(BUSY_PAUSE_MS, { signal })
    }
  }
}

function notAgreed(cause: unknown): Error {
  return turnErrors.create('ERR_TURN_SIGNAL', `The other device did not agree on a relay: ${(cause as Error).message}`, { cause })
}
