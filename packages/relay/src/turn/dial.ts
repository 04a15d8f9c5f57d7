import { connect, type Socket } from 'node:net'
import type { Clock } from '@kithmesh/core'
import type { TransportAddress } from '@kithmesh/stun'

/**
 * Connects to a peer from an address of the relay. The connection is paused, and has an `error` handler.
 * @param signal gives up.
 * @throws the socket's error, or the signal's reason
 */
export function dialPeer(
  peer: TransportAddress,
  localAddress: string,
  { clock, timeoutMs, signal }: { readonly clock: Clock; readonly timeoutMs: number; readonly signal: AbortSignal }
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: peer.address, port: peer.port, localAddress, noDelay: true, allowHalfOpen: true })
    const settle = (finish: () => void): void => {
      cancel()
      signal.removeEventListener('abort', onAbort)
      finish()
    }
    const fail = (error: Error): void => {
      settle(() => {
        socket.destroy()
        reject(error)
      })
    }
    const onAbort = (): void => {
      fail(signal.reason as Error)
    }
    const cancel = clock.after(timeoutMs, () => {
      fail(new Error(`no connection within ${timeoutMs} ms`))
    })
    socket.on('error', fail)
    socket.once('connect', () => {
      settle(() => {
        socket.pause()
        resolve(socket)
      })
    })
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
  })
}
