import { Deferred } from '@kithmesh/core/plugin'
import type { TrustExchange } from '@kithmesh/core'
import { channelErrors } from '../errors.ts'
import { MAX_PROOFS, MAX_PROOFS_WAITING, MAX_PROOF_BYTES } from '../limits.ts'

/** The peer's messages of a trust protocol, from the first on, whether or not ours runs already. */
export class ProofInbox {
  #waiting: Uint8Array[] = []
  #reader: Deferred<Uint8Array> | undefined
  #count = 0
  #over = false

  /** Takes a message of the peer. @throws ERR_CHANNEL_PROTOCOL when it is too long or there are too many */
  push(message: Buffer): void {
    if (message.length > MAX_PROOF_BYTES) throw tooMuch(`has ${message.length} bytes`)
    if (++this.#count > MAX_PROOFS) throw tooMuch(`is number ${this.#count} of them`)
    if (this.#over) return
    if (this.#reader !== undefined) {
      this.#reader.resolve(message)
      this.#reader = undefined
      return
    }
    if (this.#waiting.length >= MAX_PROOFS_WAITING) throw tooMuch(`came while ${this.#waiting.length} others wait`)
    this.#waiting.push(message)
  }

  /** The next message; rejects with the signal's reason. One at a time. */
  async next(signal: AbortSignal): Promise<Uint8Array> {
    const message = this.#waiting.shift()
    if (message !== undefined) return message
    signal.throwIfAborted()
    if (this.#reader !== undefined) throw new TypeError('receive was called before its last call was done')
    const reader = new Deferred<Uint8Array>()
    this.#reader = reader
    const onAbort = (): void => {
      reader.reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      return await reader.promise
    } finally {
      signal.removeEventListener('abort', onAbort)
      if (this.#reader === reader) this.#reader = undefined
    }
  }

  /** What comes now is for nobody. */
  end(): void {
    this.#over = true
    this.#waiting = []
  }
}

/** What a trust protocol is given. */
export function proofExchange(
  facts: Pick<TrustExchange, 'role' | 'localPeerId' | 'remotePeerId' | 'binding'>,
  signal: AbortSignal,
  inbox: ProofInbox,
  transmit: (message: Uint8Array) => void
): TrustExchange {
  return {
    ...facts,
    signal,
    send: (message) => {
      if (!(message instanceof Uint8Array) || message.length > MAX_PROOF_BYTES)
        throw new TypeError(`A message of a trust protocol is a Uint8Array of at most ${MAX_PROOF_BYTES} bytes`)
      if (!signal.aborted) transmit(message)
    },
    receive: () => inbox.next(signal)
  }
}

function tooMuch(how: string): Error {
  return channelErrors.create('ERR_CHANNEL_PROTOCOL', `A message of the trust protocol ${how}`)
}
