import { connect, type Socket } from 'node:net'
import { type Clock, errorCode, formatEndpoint, limitedSignal, staggered, whenOpen } from '@kithmesh/core/plugin'
import { reverseErrors } from './errors.ts'
import type { Endpoint } from './request.ts'

export interface DialAnyOptions {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** For all of them together. */
  readonly deadlineMs: number
  /** Head start of each over the next (RFC 8305 §5). */
  readonly staggerMs: number
}

/**
 * Connects to the first of several addresses that answers; the others are dropped. Nagle's algorithm is off.
 * @throws ERR_REVERSE_DIAL when none does, in time; the signal's reason
 */
export async function dialAny(endpoints: readonly Endpoint[], options: DialAnyOptions): Promise<{ socket: Socket; endpoint: Endpoint }> {
  const { clock, signal, deadlineMs, staggerMs } = options
  signal.throwIfAborted()
  const outcomes: string[] = []
  const failure = (what: string): Error => reverseErrors.create('ERR_REVERSE_DIAL', what, { details: { outcomes } })
  const limit = limitedSignal(clock, deadlineMs, () => failure(`No address answered within ${deadlineMs} ms`), signal)
  const ways = endpoints.map((endpoint) => async (unwanted: AbortSignal) => {
    const socket = connect({ host: endpoint.address, port: endpoint.port, noDelay: true, autoSelectFamily: false })
    // It stays for as long as the socket lives, so that one nobody listens to yet cannot end the process.
    socket.on('error', () => {})
    try {
      return { socket: await whenOpen(socket, unwanted), endpoint }
    } catch (error) {
      if (!unwanted.aborted) outcomes.push(`${formatEndpoint(endpoint)} ${errorCode(error) ?? 'ERROR'}`)
      throw error
    }
  })
  try {
    return await staggered(ways, { clock, signal: limit.signal, staggerMs, discard: ({ socket }) => void socket.destroy() })
  } catch {
    limit.signal.throwIfAborted()
    throw failure('No address accepted the connection')
  } finally {
    limit.release()
  }
}
