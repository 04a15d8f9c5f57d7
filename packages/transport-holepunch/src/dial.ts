import { connect, createServer, type Server, type Socket } from 'node:net'
import { errorCode } from '@kithmesh/core'
import type { Endpoint } from './candidate.ts'

/** A connection being opened from a punch port. */
export interface PendingDial {
  /** Gives up; nothing is called afterwards. */
  abandon(): void
}

/**
 * Sends a SYN from a given port. Address literals and both local values are needed, or the port cannot be used again (nat-lab.md §3).
 * @param failed gets Node's code, e.g. `ECONNREFUSED`
 */
export function dialFrom(local: Endpoint, target: Endpoint, opened: (socket: Socket) => void, failed: (code: string) => void): PendingDial {
  const socket = connect({
    host: target.address,
    port: target.port,
    localAddress: local.address,
    localPort: local.port,
    autoSelectFamily: false,
    noDelay: true
  })
  const onError = (error: Error): void => {
    stop()
    socket.on('error', ignore)
    failed(errorCode(error) ?? 'ERROR')
  }
  const onConnect = (): void => {
    stop()
    opened(socket)
  }
  const stop = (): void => {
    socket.removeListener('error', onError)
    socket.removeListener('connect', onConnect)
  }
  socket.once('error', onError)
  socket.once('connect', onConnect)
  return {
    abandon: () => {
      stop()
      socket.on('error', ignore)
      discardSocket(socket)
    }
  }
}

/** Accepts on a punch port until closed; what goes wrong with the listener is told once. Accepted sockets live on. */
export function listenFrom(local: Endpoint, accepted: (socket: Socket) => void, failed: (code: string) => void): { close(): void } {
  const server: Server = createServer({ noDelay: true }, accepted)
  server.once('error', (error) => {
    server.on('error', ignore)
    failed(errorCode(error) ?? 'ERROR')
  })
  server.listen({ host: local.address, port: local.port, exclusive: true })
  return {
    close: () => {
      server.removeAllListeners('error')
      server.on('error', ignore)
      server.close()
    }
  }
}

/** Ends a connection with a reset, so that its pair of ports is free at once and the other side notices at once (nat-lab.md §3). */
export function discardSocket(socket: Socket): void {
  // One that is not open yet has nothing to reset; it would be kept until it opens.
  if (socket.connecting) socket.destroy()
  else socket.resetAndDestroy()
}

function ignore(): void {}
