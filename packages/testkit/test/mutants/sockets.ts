import type { ByteSocketFactory, MessageSocket, MessageSocketFactory } from '@kithmesh/core'

const deaf = (): AbortSignal => new AbortController().signal

/** Cannot be cancelled. */
export const ignoresAbort = (factory: ByteSocketFactory): ByteSocketFactory => ({
  ...factory,
  open: (url) => factory.open(url, { signal: deaf() })
})

/** Says that it failed, but not how. */
export const failsWithoutCode = (factory: ByteSocketFactory): ByteSocketFactory => ({
  ...factory,
  open: (url, options) =>
    factory.open(url, options).catch((error: unknown) => {
      throw options.signal.aborted ? error : new Error('it did not work')
    })
})

/** Takes any amount without saying that it is too much. */
export const neverFull = (factory: ByteSocketFactory): ByteSocketFactory => ({
  ...factory,
  async open(url, options) {
    const socket = await factory.open(url, options)
    const write = socket.write.bind(socket) as (chunk: unknown) => boolean
    socket.write = (chunk: unknown) => {
      write(chunk)
      return true
    }
    return socket
  }
})

/** Reports the end twice. */
export const closesTwice = (factory: ByteSocketFactory): ByteSocketFactory => ({
  ...factory,
  async open(url, options) {
    const socket = await factory.open(url, options)
    socket.once('close', () => {
      setImmediate(() => {
        socket.emit('close')
      })
    })
    return socket
  }
})

function messageMutant(change: (socket: MessageSocket) => Partial<MessageSocket>): (factory: MessageSocketFactory) => MessageSocketFactory {
  return (factory) => ({
    ...factory,
    async open(url, options) {
      const socket = await factory.open(url, options)
      return {
        protocol: socket.protocol,
        description: socket.description,
        get bufferedBytes() {
          return socket.bufferedBytes
        },
        attach: (handlers) => {
          socket.attach(handlers)
        },
        send: (message) => socket.send(message),
        pause: () => {
          socket.pause()
        },
        resume: () => {
          socket.resume()
        },
        close: (code, reason) => {
          socket.close(code, reason)
        },
        terminate: (error) => {
          socket.terminate(error)
        },
        ...change(socket)
      }
    }
  })
}

/** Takes an empty message for nothing to send. */
export const skipsEmptyMessages = messageMutant((socket) => ({ send: (message) => message.length === 0 || socket.send(message) }))

/** Ends every conversation with 1000. */
export const forgetsCloseCode = messageMutant((socket) => ({
  close: () => {
    socket.close(1000, '')
  }
}))

/** Hands out the same buffer for every message. */
export const reusesBuffer = messageMutant((socket) => {
  const shared = Buffer.alloc(8_000_000)
  return {
    attach(handlers) {
      socket.attach({
        message(data) {
          data.copy(shared)
          handlers.message(shared.subarray(0, data.length))
        },
        drained() {
          handlers.drained()
        },
        closed(info) {
          handlers.closed(info)
        }
      })
    }
  }
})
