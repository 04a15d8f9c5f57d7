import type { ByteSocket, ByteSocketFactory, MessageSocket, MessageSocketFactory } from '@kithmesh/core'
import { cutsUnnoticed, endsTwice } from './streams.ts'

const deaf = (): AbortSignal => new AbortController().signal

/** Cannot be cancelled. */
const ignoresAbort = (factory: ByteSocketFactory): ByteSocketFactory => ({
  ...factory,
  open: (url) => factory.open(url, { signal: deaf() })
})

/** Says that it failed, but not how. */
const failsWithoutCode = (factory: ByteSocketFactory): ByteSocketFactory => ({
  ...factory,
  open: (url, options) =>
    factory.open(url, options).catch((error: unknown) => {
      throw options.signal.aborted ? error : new Error('it did not work')
    })
})

/** Takes any amount without saying that it is too much. */
const neverFull = (factory: ByteSocketFactory): ByteSocketFactory => ({
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

const ignore = (): void => {}

const streaming =
  (change: (socket: ByteSocket) => void): ByteSocketMutation =>
  (factory) => ({
    ...factory,
    async open(url, options) {
      const socket = await factory.open(url, options)
      change(socket)
      return socket
    }
  })

export type ByteSocketMutation = (factory: ByteSocketFactory) => ByteSocketFactory

/** Byte socket factories that are broken in one place each, with a check that must catch it. */
export const byteSocketMutants: Readonly<Record<string, { readonly mutate: ByteSocketMutation; readonly caughtBy: string }>> = {
  'cannot be cancelled': {
    mutate: ignoresAbort,
    caughtBy: 'opening > rejects with the reason of a signal that has aborted, and connects nowhere'
  },
  'fails without a code': { mutate: failsWithoutCode, caughtBy: 'opening > rejects with a code and a cause when nobody listens' },
  'opens two connections and gives one': {
    mutate: (factory) => ({
      ...factory,
      async open(url, options) {
        const spare = await factory.open(url, options)
        spare.on('error', ignore)
        return await factory.open(url, options)
      }
    }),
    caughtBy: 'opening > gives one connection per call'
  },
  'throws for what is no URL': {
    mutate: (factory) => ({
      ...factory,
      open(url, options) {
        if (!/^memory:\/\/\w+:\d/.test(url)) throw new TypeError('that is no URL')
        return factory.open(url, options)
      }
    }),
    caughtBy: 'opening > rejects, and does not throw, for what is no URL'
  },
  'obeys a signal for ever': {
    mutate: (factory) => ({
      ...factory,
      async open(url, options) {
        const socket = await factory.open(url, options)
        options.signal.addEventListener('abort', () => {
          socket.destroy()
        })
        return socket
      }
    }),
    caughtBy: 'opening > does not mind a signal that aborts later'
  },
  'garbles a byte': {
    mutate: streaming((socket) => {
      const write = socket.write.bind(socket) as (bytes: Uint8Array) => boolean
      socket.write = ((bytes: Uint8Array) => write(Uint8Array.from(bytes, (byte) => (byte === 0x80 ? 0 : byte)))) as typeof socket.write
    }),
    caughtBy: 'transfer from the dialled side > carries 5 MB intact'
  },
  'is never full': {
    mutate: neverFull,
    caughtBy: 'transfer from the dialled side > is held back by a reader that pauses, and goes on when it resumes'
  },
  'loses what comes before it is read': {
    mutate: streaming((socket) => {
      socket.once('readable', () => {
        if (socket.readableFlowing !== true) socket.read()
      })
    }),
    caughtBy: 'transfer from the accepted side > is held back by a reader that has not begun, and delivers to it later'
  },
  'does not tell the other side of a cut': {
    mutate: streaming(cutsUnnoticed),
    caughtBy: 'ending from the dialled side > by a cut: the other side notices, both are closed once'
  },
  'drops what is under way when it ends': {
    mutate: streaming((socket) => {
      socket.end = (() => {
        socket.destroy()
        return socket
      }) as typeof socket.end
    }),
    caughtBy: 'ending from the dialled side > orderly: everything sent before arrives, then both are closed once'
  },
  'reports the end twice': { mutate: streaming(endsTwice), caughtBy: 'ends from both sides at once' }
}
