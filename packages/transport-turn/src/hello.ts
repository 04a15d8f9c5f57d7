import { hkdfSync, timingSafeEqual } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { Clock } from '@kithmesh/core'
import { turnErrors } from './errors.ts'

const HELLO_BYTES = 32

/** Who has the relay, and who connects to it. */
export type Side = 'host' | 'guest'

/** What each side writes first on a stream through a relay: only who got the secret over signalling knows it. */
function hello(secret: Uint8Array, side: Side): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), `kithmesh transport-turn 1 ${side}`, HELLO_BYTES))
}

export interface HelloOptions {
  readonly secret: Uint8Array
  readonly side: Side
  readonly clock: Clock
  readonly deadlineMs: number
  readonly signal: AbortSignal
}

/**
 * Makes sure that a stream leads to the right device: the guest says its hello first, the host answers. What came after the other's hello stays
 * in the stream. Destroys the stream when it fails.
 * @throws ERR_TURN_STRANGER, what broke the stream, or the signal's reason
 */
export function exchangeHello(stream: Duplex, { secret, side, clock, deadlineMs, signal }: HelloOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const expected = hello(secret, side === 'host' ? 'guest' : 'host')
    const end = (): void => {
      cancelDeadline()
      stream.removeListener('readable', onReadable)
      stream.removeListener('end', onClose)
      stream.removeListener('close', onClose)
      signal.removeEventListener('abort', onAbort)
    }
    const fail = (error: unknown): void => {
      end()
      stream.destroy()
      reject(error as Error)
    }
    const stranger = (what: string): Error => turnErrors.create('ERR_TURN_STRANGER', `A connection through a relay was dropped: ${what}`)
    const onAbort = (): void => {
      fail(signal.reason)
    }
    let broken: Error | undefined
    const onClose = (): void => {
      fail(broken ?? stranger('it was closed before it said who it is'))
    }
    const onReadable = (): void => {
      const bytes = stream.read(HELLO_BYTES) as Buffer | null
      if (bytes === null) return
      if (bytes.length !== HELLO_BYTES || !timingSafeEqual(bytes, expected)) {
        fail(stranger('it did not say the right hello'))
        return
      }
      end()
      if (side === 'host') stream.write(hello(secret, 'host'))
      // In a later turn the stream has forgotten that anybody listened, and flows for its next owner as a fresh one would.
      setImmediate(() => {
        // Its next owner would never hear of an end that was before its time.
        if (stream.destroyed || stream.readableEnded) onClose()
        else if (signal.aborted) fail(signal.reason)
        else resolve()
      })
    }
    const cancelDeadline = clock.after(deadlineMs, () => {
      fail(stranger(`it said nothing for ${deadlineMs} ms`))
    })
    stream.on('error', (error: Error) => {
      broken ??= error
    })
    if (signal.aborted) {
      fail(signal.reason)
      return
    }
    if (stream.destroyed) {
      onClose()
      return
    }
    stream.once('end', onClose)
    stream.once('close', onClose)
    signal.addEventListener('abort', onAbort, { once: true })
    stream.on('readable', onReadable)
    if (side === 'guest') stream.write(hello(secret, 'guest'))
  })
}
