import type { Clock } from '@kithmesh/core'
import { canonicalAddress, formatTransportAddress, type TransportAddress } from '@kithmesh/stun'
import { FIRST_CHANNEL, LAST_CHANNEL } from './channel-frames.ts'

/** RFC 8656 §12. */
const LIFETIME_MS = 600_000

interface Binding {
  readonly number: number
  readonly peer: TransportAddress
  until: number
}

/** The channels of one allocation: numbers in place of peers. */
export class Channels {
  readonly #most: number
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #byNumber = new Map<number, Binding>()
  readonly #byPeer = new Map<string, Binding>()

  constructor(most: number, clock: Pick<Clock, 'monotonic'>) {
    this.#most = most
    this.#clock = clock
  }

  get size(): number {
    return this.#byNumber.size
  }

  /** Binds or renews. `conflict`: number or peer are bound otherwise, or it is no number for channels (RFC 8656 §12.2). */
  bind(number: number, peer: TransportAddress): 'bound' | 'conflict' | 'full' {
    this.sweep()
    const [same, other] = [this.#byNumber.get(number), this.#byPeer.get(keyOf(peer))]
    if (number < FIRST_CHANNEL || number > LAST_CHANNEL || same !== other) return 'conflict'
    const until = this.#clock.monotonic() + LIFETIME_MS
    if (same !== undefined) {
      same.until = until
      return 'bound'
    }
    if (this.#byNumber.size >= this.#most) return 'full'
    const binding: Binding = { number, peer: { address: canonicalAddress(peer.address), port: peer.port }, until }
    this.#byNumber.set(number, binding)
    this.#byPeer.set(keyOf(peer), binding)
    return 'bound'
  }

  peerOf(number: number): TransportAddress | undefined {
    return this.#live(this.#byNumber.get(number))?.peer
  }

  numberOf(peer: TransportAddress): number | undefined {
    return this.#live(this.#byPeer.get(keyOf(peer)))?.number
  }

  sweep(): void {
    for (const binding of this.#byNumber.values()) {
      if (this.#live(binding) !== undefined) continue
      this.#byNumber.delete(binding.number)
      this.#byPeer.delete(keyOf(binding.peer))
    }
  }

  #live(binding: Binding | undefined): Binding | undefined {
    return binding !== undefined && binding.until > this.#clock.monotonic() ? binding : undefined
  }
}

function keyOf({ address, port }: TransportAddress): string {
  return formatTransportAddress({ address: canonicalAddress(address), port })
}
