/** Requests that are remembered of one peer, and of all. */
const MAX_PER_PEER = 64
const MAX_TOTAL = 512

/** A request that came in. */
export interface RememberedRequest {
  /** The answer as sent, once there is one. */
  answer: Uint8Array | undefined
}

/**
 * The requests that came in last, with their answers, so that one that comes twice is handled once. Bounded, and fair: what one peer sends
 * costs first its own older requests, then those of whoever has most.
 */
export class RememberedRequests {
  readonly #peers = new Map<string, Map<string, RememberedRequest>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get(peerId: string, id: string): RememberedRequest | undefined {
    return this.#peers.get(peerId)?.get(id)
  }

  /** @param id none that is remembered */
  add(peerId: string, id: string): RememberedRequest {
    const request: RememberedRequest = { answer: undefined }
    const own = this.#peers.get(peerId) ?? new Map<string, RememberedRequest>()
    this.#peers.set(peerId, own)
    own.set(id, request)
    this.#size++
    if (own.size > MAX_PER_PEER) this.#forgetOldest(peerId, own)
    else if (this.#size > MAX_TOTAL) this.#forgetOldest(...this.#largest())
    return request
  }

  clear(): void {
    this.#peers.clear()
    this.#size = 0
  }

  #largest(): [peerId: string, own: Map<string, RememberedRequest>] {
    return [...this.#peers].reduce((most, each) => (each[1].size > most[1].size ? each : most))
  }

  #forgetOldest(peerId: string, own: Map<string, RememberedRequest>): void {
    const [oldest] = own.keys()
    if (oldest === undefined || !own.delete(oldest)) return
    this.#size--
    if (own.size === 0) this.#peers.delete(peerId)
  }
}
