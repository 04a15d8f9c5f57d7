import type { Clock, Rate } from '@kithmesh/core'
import { TokenBucket } from '@kithmesh/core/plugin'

const MAX_PEERS = 1024

/**
 * How many guesses at a secret are answered: of one peer, and of all together, since a peer id costs a stranger nothing. A peer that guessed right
 * once has its own allowance only, so that strangers who use up that of all do not keep it out.
 */
export class TryLimit {
  readonly #perPeer: Rate
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #total: TokenBucket
  readonly #peers = new Map<string, TokenBucket>()
  readonly #proven = new Set<string>()

  constructor(rates: { readonly perPeer: Rate; readonly total: Rate }, clock: Pick<Clock, 'monotonic'>) {
    for (const { burst, perMinute } of [rates.perPeer, rates.total])
      if (!(burst >= 1 && perMinute > 0 && Number.isFinite(burst + perMinute)))
        throw new TypeError('a rate of tries needs a burst of at least 1 and some per minute')
    this.#perPeer = rates.perPeer
    this.#clock = clock
    this.#total = new TokenBucket(rates.total, clock)
  }

  /** Why a try would not be allowed now; undefined when it would. */
  objection(peerId: string): string | undefined {
    const own = this.#peers.get(peerId)?.waitMs ?? 0
    const total = this.#proven.has(peerId) ? 0 : this.#total.waitMs
    if (own === 0 && total === 0) return undefined
    const who = own >= total ? 'by this device' : 'by strangers'
    return `too many tries in vain ${who}; the next one is possible in ${Math.ceil(Math.max(own, total) / 1000)} s`
  }

  /** Spends a try; undefined when none is allowed. The function returned says that the guess was right. */
  spend(peerId: string): (() => void) | undefined {
    if (this.objection(peerId) !== undefined) return undefined
    const shares = this.#proven.has(peerId) ? [this.#of(peerId)] : [this.#of(peerId), this.#total]
    for (const each of shares) each.take()
    return () => {
      for (const each of shares) each.giveBack()
      this.#proven.add(peerId)
      if (this.#proven.size > MAX_PEERS) this.#proven.delete(this.#proven.values().next().value as string)
    }
  }

  #of(peerId: string): TokenBucket {
    const known = this.#peers.get(peerId)
    if (known !== undefined) return known
    if (this.#peers.size >= MAX_PEERS) this.#forget()
    const allowance = new TokenBucket(this.#perPeer, this.#clock)
    this.#peers.set(peerId, allowance)
    return allowance
  }

  /** Makes room: those that have recovered, or else the oldest; the allowance of all bounds what newcomers can do anyway. */
  #forget(): void {
    for (const [peerId, allowance] of this.#peers) if (allowance.full) this.#peers.delete(peerId)
    if (this.#peers.size >= MAX_PEERS) this.#peers.delete(this.#peers.keys().next().value as string)
  }
}
