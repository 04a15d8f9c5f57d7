import type { ByteSocket } from './contracts/socket.ts'
import { waitFor } from './wait-for.ts'

/**
 * Waits until a socket that was told to connect is open. One that fails, or is not wanted any more, is destroyed.
 * @throws the error of the socket as it is, or the signal's reason
 */
export function whenOpen<T extends ByteSocket>(socket: T, signal: AbortSignal, event: 'connect' | 'secureConnect' = 'connect'): Promise<T> {
  const discard = (): void => {
    // An error may still come of what was begun.
    socket.on('error', () => {})
    socket.destroy()
  }
  if (signal.aborted) discard()
  return waitFor<T>(signal, (resolve, reject) => {
    let open = false
    const onOpen = (): void => {
      open = true
      resolve(socket)
    }
    const onClose = (): void => {
      reject(new Error('the connection was closed at once'))
    }
    socket.once(event, onOpen)
    socket.once('error', reject)
    socket.once('close', onClose)
    return () => {
      socket.removeListener(event, onOpen)
      socket.removeListener('error', reject)
      socket.removeListener('close', onClose)
      if (!open) discard()
    }
  })
}
