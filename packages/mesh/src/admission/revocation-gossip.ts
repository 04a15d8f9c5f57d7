import type { Clock, Logger } from '@kithmesh/core'
import type { Revocation, RevocationList } from '@kithmesh/identity'
import type { MeshEngine } from '../engine/mesh-engine.ts'

const NAME = 'revocations'
/** Revocations in one message, which may have 64 KiB; one takes less than 1.2 KiB. */
const PER_MESSAGE = 50
/** A neighbour is sent everything at most so often. */
const ANSWER_MS = 10_000
/** Digests are compared again, as a message may have gone down with its connection. */
const REPEAT_MS = 60_000

export interface RevocationGossipOptions {
  readonly revocations: RevocationList
  readonly engine: Pick<MeshEngine, 'onControl' | 'control' | 'neighbours' | 'channel' | 'onChanged'>
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Spreads revocations: neighbours that come to trust each other compare the digests of what they have, and send it where they differ; new
 * ones go on to all neighbours. Nothing is believed that an authority has not signed whom this device trusts, so it does not matter who
 * passes it on.
 *
 * Control message `revocations`: `{ "digest": … }`, or `{ "revocations": […] }` with at most 50.
 */
export class RevocationGossip {
  readonly #options: RevocationGossipOptions
  /** Those whose neighbours have been told, by peer id. */
  readonly #told = new Set<string>()
  /** Trusted neighbours, which have been sent a digest. */
  readonly #greeted = new Set<string>()
  /** When trusted neighbours were last sent everything. */
  readonly #answered = new Map<string, number>()

  /** @param options.engine not started yet */
  constructor(options: RevocationGossipOptions) {
    this.#options = options
    options.engine.onControl(NAME, (peerId, body) => {
      this.#received(peerId, body).catch((error: unknown) => {
        options.logger.warn('revocations could not be stored; they count nevertheless', { error })
      })
    })
  }

  /** Begins to tell neighbours. @returns ends it */
  start(): () => void {
    const { engine, revocations, clock } = this.#options
    for (const { peerId } of revocations.list.current) this.#told.add(peerId)
    const stops = [
      engine.onChanged(() => {
        this.#greet()
      }),
      clock.every(
        REPEAT_MS,
        () => {
          for (const peerId of this.#greeted) engine.control(peerId, NAME, { digest: revocations.digest })
        },
        { background: true }
      ),
      revocations.list.onChange((current) => {
        this.#pass(current)
      })
    ]
    this.#greet()
    return () => {
      for (const stop of stops) stop()
      this.#greeted.clear()
      this.#answered.clear()
      this.#told.clear()
    }
  }

  /** Sends the digest to those that have become trusted neighbours. */
  #greet(): void {
    const { engine, revocations } = this.#options
    // Before both trust each other, it would not be read.
    const now = new Set([...engine.neighbours].map(({ peerId }) => peerId).filter((peerId) => engine.channel(peerId).mutual))
    for (const peerId of [...this.#greeted]) if (!now.has(peerId)) this.#greeted.delete(peerId)
    for (const peerId of [...this.#answered.keys()]) if (!now.has(peerId)) this.#answered.delete(peerId)
    for (const peerId of now)
      if (!this.#greeted.has(peerId) && engine.control(peerId, NAME, { digest: revocations.digest }) > 0) this.#greeted.add(peerId)
  }

  #pass(current: readonly Revocation[]): void {
    const fresh = current.filter(({ peerId }) => !this.#told.has(peerId))
    for (const { peerId } of fresh) this.#told.add(peerId)
    for (const peerId of this.#greeted) this.#send(peerId, fresh)
  }

  async #received(peerId: string, body: unknown): Promise<void> {
    const { revocations, clock } = this.#options
    if (typeof body !== 'object' || body === null || body instanceof Uint8Array) return
    const { digest, revocations: passed } = body as { readonly digest?: unknown; readonly revocations?: unknown }
    if (Array.isArray(passed)) await revocations.add(passed.slice(0, PER_MESSAGE))
    if (typeof digest !== 'string' || digest === revocations.digest) return
    const now = clock.monotonic()
    if (now - (this.#answered.get(peerId) ?? Number.NEGATIVE_INFINITY) < ANSWER_MS) return
    this.#answered.set(peerId, now)
    this.#send(peerId, revocations.list.current)
  }

  #send(peerId: string, revocations: readonly Revocation[]): void {
    for (let from = 0; from < revocations.length; from += PER_MESSAGE) {
      const part = revocations.slice(from, from + PER_MESSAGE).map((revocation) => ({ ...revocation }))
      if (this.#options.engine.control(peerId, NAME, { revocations: part }) === 0) return
    }
  }
}
