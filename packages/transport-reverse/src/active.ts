import { randomBytes } from 'node:crypto'
import { type AttemptOptions, type ByteSocket, formatEndpoint, isKithmeshError, type TransportContext } from '@kithmesh/core/plugin'
import { reverseErrors } from './errors.ts'
import { REVERSE_CONNECT, decodeAnswer, encodeRequest, type Endpoint } from './request.ts'

/** How long a connection may take to arrive after the other device said that it is open. */
const ARRIVAL_MS = 2_000

export interface AskOptions extends AttemptOptions {
  readonly peerId: string
  readonly endpoints: readonly Endpoint[]
  /** For request and connection together. */
  readonly deadlineMs: number
}

/**
 * Asks a device to connect to this one and waits for the connection that begins with the token of the request.
 * @throws ERR_REVERSE_REFUSED, ERR_REVERSE_TIMEOUT, ERR_REVERSE_ELSEWHERE; ERR_SIGNAL_UNREACHABLE; the signal's reason
 */
export function askToConnect(
  { claims, signaling, clock }: Pick<TransportContext, 'claims' | 'signaling' | 'clock'>,
  { peerId, endpoints, deadlineMs, signal, progress }: AskOptions
): Promise<ByteSocket> {
  return new Promise<ByteSocket>((resolve, reject) => {
    signal.throwIfAborted()
    const asking = new AbortController()
    const token = randomBytes(16)
    const claim = claims.expect(token)
    let settled = false
    let cancelArrival = (): void => {}
    const end = (settle: () => void): void => {
      if (settled) return
      settled = true
      cancelDeadline()
      cancelArrival()
      signal.removeEventListener('abort', onAbort)
      claim.cancel()
      asking.abort(new DOMException('The attempt is over', 'AbortError'))
      settle()
    }
    const fail = (error: unknown): void => {
      end(() => {
        reject(error as Error)
      })
    }
    const tried = endpoints.map(formatEndpoint)
    const late = (): void => {
      fail(
        reverseErrors.create('ERR_REVERSE_TIMEOUT', `No connection came to ${tried.join(', ')} within ${deadlineMs} ms`, {
          details: { addresses: tried }
        })
      )
    }
    const onAbort = (): void => {
      fail(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    const cancelDeadline = clock.after(deadlineMs, late)
    claim.socket.then(
      ({ socket, remote }) => {
        if (!settled) progress('connected', remote)
        // Also when whoever was told of it gave the attempt up.
        if (settled) {
          socket.destroy()
          return
        }
        end(() => {
          resolve(socket)
        })
      },
      () => {}
    )
    progress('asking')
    for (const address of tried) progress('waiting', address)
    signaling.request(peerId, REVERSE_CONNECT, encodeRequest({ token, endpoints }), { signal: asking.signal, timeoutMs: deadlineMs }).then(
      (answer) => {
        if (settled) return
        const endpoint = decodeAnswer(answer)
        const where = endpoint === undefined ? 'this device' : formatEndpoint(endpoint)
        cancelArrival = clock.after(ARRIVAL_MS, () => {
          fail(
            reverseErrors.create('ERR_REVERSE_ELSEWHERE', `The other device connected to ${where}, which does not lead here`, {
              details: { address: where }
            })
          )
        })
      },
      (error: unknown) => {
        if (isKithmeshError(error, 'ERR_SIGNAL_NO_ANSWER')) late()
        else if (isKithmeshError(error, 'ERR_SIGNAL_REFUSED')) fail(refused(error))
        else fail(error)
      }
    )
  })
}

/** A peer's words, cut to what fits in a report. */
function refused(cause: { readonly details: Readonly<Record<string, unknown>> }): Error {
  const code = String(cause.details['code'] ?? 'unknown').slice(0, 64)
  const message = String(cause.details['message'] ?? '').slice(0, 200)
  return reverseErrors.create('ERR_REVERSE_REFUSED', `The other device did not connect: ${message} (${code})`, {
    cause,
    details: { code, message }
  })
}
