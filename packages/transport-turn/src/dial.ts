import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Clock, errorCode, limitedSignal, whenOpen } from '@kithmesh/core/plugin'
import { formatTransportAddress, type TransportAddress } from '@kithmesh/stun'
import { turnErrors } from './errors.ts'
import { exchangeHello } from './hello.ts'
import { RelayedStream } from './relayed-stream.ts'

const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 800
const TRY_MS = 4_000
const KEEP_ALIVE_MS = 15_000

export interface DialRelayOptions {
  readonly address: TransportAddress
  readonly secret: Uint8Array
  readonly clock: Clock
  /** Ends the tries; there is no other end. */
  readonly signal: AbortSignal
  readonly progress: (phase: string, address?: string) => void
}

/**
 * Connects to a relay for connections (RFC 6062) as anyone can, and makes sure that the device that has the relay is at its other end. A server
 * cuts such connections until the permission is there: tries again until the signal aborts.
 */
export async function dialRelay({ address, secret, clock, signal, progress }: DialRelayOptions): Promise<Duplex> {
  const where = formatTransportAddress(address)
  let last: unknown
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    const late = (): Error => turnErrors.create('ERR_TURN_CONNECT', `The relay ${where} did not answer within ${TRY_MS} ms`)
    const limit = limitedSignal(clock, TRY_MS, late, signal)
    try {
      progress('connect', where)
      const socket = await whenOpen(
        connect({ host: address.address, port: address.port, noDelay: true, autoSelectFamily: false }),
        limit.signal
      )
      progress('verify', where)
      await exchangeHello(socket, { secret, side: 'guest', clock, deadlineMs: TRY_MS, signal })
      socket.setKeepAlive(true, KEEP_ALIVE_MS)
      return new RelayedStream(socket, 'guest', clock)
    } catch (error) {
      if (!signal.aborted) last = error
    } finally {
      limit.release()
    }
    try {
      await clock.sleep(pause, { signal })
    } catch {
      throw dialFailed(where, last, signal.reason)
    }
  }
}

/** What went wrong last, with the signal's reason as its cause; the reason itself when nothing had gone wrong yet. */
function dialFailed(where: string, last: unknown, reason: unknown): unknown {
  if (last === undefined) return reason
  const code = errorCode(last)
  return turnErrors.create('ERR_TURN_CONNECT', `No way to the relay ${where}: ${(last as Error).message}`, {
    cause: last,
    details: { relay: where, ...(code !== undefined && { code }) }
  })
}
