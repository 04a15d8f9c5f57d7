import type { Clock } from './contracts/clock.ts'
import type { ClaimedStream, IncomingClaims } from './contracts/incoming.ts'
import type { ByteSocket } from './contracts/socket.ts'

const PREFIX = Buffer.from('KITHMESH ')
const TOKEN_BYTES = 16
const PREAMBLE_BYTES = PREFIX.length + 2 * TOKEN_BYTES + 1
/** A stream that says nothing for so long opened of its own accord. */
const PREAMBLE_DEADLINE_MS = 5_000
/** Streams whose first bytes are waited for at a time; one more, and the oldest is no longer waited for. */
const MAX_UNDECIDED = 128

/**
 * What a device writes first on a connection that it opened because a peer asked it to: `KITHMESH`, a space, the token in lowercase hex and a
 * line feed. Neither TLS nor HTTP begins like that.
 * @param token 16 bytes
 */
export function connectionPreamble(token: Uint8Array): Uint8Array {
  if (token.length !== TOKEN_BYTES) throw new TypeError(`A token has ${TOKEN_BYTES} bytes`)
  return Buffer.concat([PREFIX, Buffer.from(`${Buffer.from(token).toString('hex')}\n`)])
}

/** See {@link IncomingClaims}; the listening side hands over every stream that comes in. */
export class ClaimTable implements IncomingClaims {
  readonly #clock: Clock
  readonly #waiting = new Map<string, (socket: ByteSocket, remote: string) => void>()
  readonly #cancels = new Set<(reason: unknown) => void>()
  /** Gives up waiting for the first bytes of a stream; in the order of their arrival. */
  readonly #undecided = new Map<ByteSocket, () => void>()
  #closed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  expect(token: Uint8Array): ClaimedStream {
    if (token.length !== TOKEN_BYTES) throw new TypeError(`A token has ${TOKEN_BYTES} bytes`)
    const key = Buffer.from(token).toString('hex')
    if (this.#waiting.has(key)) throw new TypeError('The token is in use')
    let cancel: (reason?: unknown) => void = () => {}
    const socket = new Promise<{ readonly socket: ByteSocket; readonly remote: string }>((resolve, reject) => {
      this.#waiting.set(key, (claimed, remote) => {
        this.#cancels.delete(cancel)
        resolve({ socket: claimed, remote })
      })
      cancel = (reason) => {
        this.#cancels.delete(cancel)
        if (this.#waiting.delete(key)) reject((reason as Error | undefined) ?? new DOMException('No longer waited for', 'AbortError'))
      }
    })
    this.#cancels.add(cancel)
    socket.catch(() => {})
    if (this.#closed) cancel()
    return { socket, cancel }
  }

  /** Nobody waits for anything any more; streams of which it is not known yet what they are are destroyed. Idempotent. */
  close(reason: unknown): void {
    this.#closed = true
    for (const cancel of [...this.#cancels]) cancel(reason)
    for (const socket of [...this.#undecided.keys()]) socket.destroy()
  }

  /**
   * Gives a stream to whoever waits for its token, or to `otherwise` when it has none. While nobody waits, that happens at once; otherwise
   * its first bytes are waited for and put back. Streams that say nothing are bounded in time and number.
   */
  sort(socket: ByteSocket, remote: string, otherwise: () => void): void {
    if (this.#closed) {
      socket.destroy()
      return
    }
    if (this.#waiting.size === 0) {
      otherwise()
      return
    }
    let held: Buffer = Buffer.alloc(0)
    const end = (): void => {
      cancelDeadline()
      this.#undecided.delete(socket)
      socket.removeListener('readable', onReadable)
      socket.removeListener('close', end)
    }
    const pass = (next: () => void): void => {
      end()
      if (held.length > 0) socket.unshift(held)
      // In a later turn the stream has forgotten that anybody listened, and flows for its next owner as a fresh one would.
      setImmediate(next)
    }
    const onReadable = (): void => {
      const chunk = socket.read() as Buffer | null
      if (chunk === null) return
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
      const compared = Math.min(held.length, PREFIX.length)
      if (!held.subarray(0, compared).equals(PREFIX.subarray(0, compared))) {
        pass(otherwise)
        return
      }
      if (held.length < PREAMBLE_BYTES) return
      const line = held.subarray(0, PREAMBLE_BYTES)
      held = held.subarray(PREAMBLE_BYTES)
      const key = line.subarray(PREFIX.length, PREAMBLE_BYTES - 1).toString('latin1')
      const claim = line[PREAMBLE_BYTES - 1] === 0x0a ? this.#waiting.get(key) : undefined
      if (claim === undefined) {
        end()
        socket.destroy()
        return
      }
      this.#waiting.delete(key)
      pass(() => {
        claim(socket, remote)
      })
    }
    const giveUp = (): void => {
      if (held.length === 0) {
        pass(otherwise)
        return
      }
      end()
      socket.destroy()
    }
    const cancelDeadline = this.#clock.after(PREAMBLE_DEADLINE_MS, giveUp)
    if (this.#undecided.size >= MAX_UNDECIDED) this.#undecided.values().next().value?.()
    this.#undecided.set(socket, giveUp)
    socket.on('error', () => {})
    socket.once('close', end)
    socket.on('readable', onReadable)
  }
}
