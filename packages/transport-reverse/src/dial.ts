import { connect, type Socket } from 'node:net'
import { type Clock, errorCode, formatEndpoint } from '@kithmesh/core/plugin'
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
  const queue = [...endpoints]
  const running = new Set<Socket>()
  const outcomes: string[] = []
  let settled = false
  let cancelStagger = (): void => {}
  let cancelDeadline = (): void => {}
  let onAbort = (): void => {}
  try {
    return await new Promise<{ socket: Socket; endpoint: Endpoint }>((resolve, reject) => {
      const fail = (what: string): void => {
        reject(reverseErrors.create('ERR_REVERSE_DIAL', what, { details: { outcomes } }))
      }
      onAbort = () => {
        reject(signal.reason as Error)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      cancelDeadline = clock.after(deadlineMs, () => {
        fail(`No address answered within ${deadlineMs} ms`)
      })
      const next = (): void => {
        cancelStagger()
        if (settled) return
        const endpoint = queue.shift()
        if (endpoint === undefined) {
          if (running.size === 0) fail('No address accepted the connection')
          return
        }
        const socket = connect({ host: endpoint.address, port: endpoint.port, noDelay: true, autoSelectFamily: false })
        running.add(socket)
        // It stays for as long as the socket lives, so that one nobody listens to yet cannot end the process.
        socket.on('error', (error) => {
          if (!running.delete(socket)) return
          outcomes.push(`${formatEndpoint(endpoint)} ${errorCode(error) ?? 'ERROR'}`)
          next()
        })
        socket.once('connect', () => {
          if (settled) return
          settled = true
          running.delete(socket)
          resolve({ socket, endpoint })
        })
        if (queue.length > 0) cancelStagger = clock.after(staggerMs, next)
      }
      next()
    })
  } finally {
    settled = true
    cancelStagger()
    cancelDeadline()
    signal.removeEventListener('abort', onAbort)
    for (const socket of running) socket.destroy()
  }
}
