import type { ByteSocket } from '@kithmesh/core'

/** Makes a stream report its end twice. */
export function endsTwice(socket: ByteSocket): undefined {
  socket.once('close', () => {
    setImmediate(() => {
      socket.emit('close')
    })
  })
}

/** Makes a stream not tell the other side of a cut. */
export function cutsUnnoticed(socket: ByteSocket): undefined {
  socket.destroy = (() => {
    socket.emit('close')
    return socket
  }) as typeof socket.destroy
}
