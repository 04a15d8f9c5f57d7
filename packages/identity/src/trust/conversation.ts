import { type TrustExchange, type TrustVerdict, unlessAborted } from '@kithmesh/core/plugin'

/** The other end gives up; no more is said than that. */
const REFUSAL = 0

/** Ends a run without trust, for a reason that our own side is told. */
export class NotTrusted extends Error {}

/**
 * The messages of one run of a trust protocol: the number of the step (one byte, from 1) and what the step carries. Each side knows which step comes next
 * and how long it is; anything else ends the run. Step 0 says that the other side has given up.
 */
export interface Conversation {
  /** Never waits. */
  send(step: number, ...content: readonly Uint8Array[]): void
  /**
   * The content of the next message.
   * @throws NotTrusted when it is another step, shorter or longer, or the other side gave up; the signal's reason
   */
  receive(step: number, sizes: { readonly min: number; readonly max: number }): Promise<Buffer>
}

/**
 * Runs a protocol. Whatever the peer does wrong becomes a verdict; the peer is told no more than that it is over.
 * @throws the signal's reason, and what `run` throws on its own account
 */
export async function converse(exchange: TrustExchange, run: (talk: Conversation) => Promise<TrustVerdict>): Promise<TrustVerdict> {
  const { signal, localPeerId, remotePeerId, binding } = exchange
  if (binding.length < 32) throw new TypeError('the binding of a connection must have 32 bytes')
  signal.throwIfAborted()
  if (localPeerId === remotePeerId) return { trusted: false, reason: 'it is this device itself' }
  let over = false
  const talk: Conversation = {
    send(step, ...content) {
      if (!over) exchange.send(Buffer.concat([Buffer.of(step), ...content]))
    },
    async receive(step, { min, max }) {
      const message = Buffer.from(await unlessAborted(signal, exchange.receive()))
      if (message.length === 1 && message[0] === REFUSAL) {
        over = true
        throw new NotTrusted('the other device refused')
      }
      if (message[0] !== step) throw new NotTrusted('the other device sent a message that is not due')
      if (message.length - 1 < min || message.length - 1 > max) throw new NotTrusted('the other device sent a message of the wrong length')
      return message.subarray(1)
    }
  }
  try {
    const verdict = await run(talk)
    if (!verdict.trusted) talk.send(REFUSAL)
    return verdict
  } catch (error) {
    if (signal.aborted) throw signal.reason
    talk.send(REFUSAL)
    if (error instanceof NotTrusted) return { trusted: false, reason: error.message }
    throw error
  }
}
