import { connect, type Socket } from 'node:net'
import { type Clock, limitedSignal, whenOpen } from '@kithmesh/core/plugin'
import type { TransportAddress } from '@kithmesh/stun'

/**
 * Connects to a peer from an address of the relay. The connection is paused, and has an `error` handler.
 * @param signal gives up.
 * @throws the socket's error, or the signal's reason
 */
export async function dialPeer(
  peer: TransportAddress,
  localAddress: string,
  { clock, timeoutMs, signal }: { readonly clock: Clock; readonly timeoutMs: number; readonly signal: AbortSignal }
): Promise<Socket> {
  const limit = limitedSignal(clock, timeoutMs, () => new Error(`no connection within ${timeoutMs} ms`), signal)
  const socket = connect({ host: peer.address, port: peer.port, localAddress, noDelay: true, allowHalfOpen: true })
  socket.on('error', () => {})
  try {
    return (await whenOpen(socket, limit.signal)).pause()
  } finally {
    limit.release()
  }
}
