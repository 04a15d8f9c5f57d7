import type { Clock, MessageSocket, MessageSocketHandlers, SocketCloseInfo } from '@kithmesh/core'
import { createWebSocketAcceptor, openWebSocket } from '@kithmesh/websocket'
import type { MessageLink } from './message-link.ts'
import { LinkStream } from './link-stream.ts'

export interface FramedSocketOptions {
  readonly heartbeatMs: number
  readonly clock: Clock
}

/** A byte stream: WebSocket frames over an open link, as the active side (masked) or the passive one. */
export async function framedSocket(
  link: MessageLink,
  role: 'client' | 'server',
  { heartbeatMs, clock, signal }: FramedSocketOptions & { readonly signal?: AbortSignal }
): Promise<MessageSocket> {
  const stream = new LinkStream(link, role)
  try {
    const socket =
      role === 'client'
        ? (
            await openWebSocket(stream, {
              url: 'ws://x-msg-endpt/_blipsync',
              protocols: [],
              heartbeatMs,
              clock,
              ...(signal !== undefined && { signal })
            })
          ).socket
        : await new Promise<MessageSocket>((resolve, reject) => {
            const acceptor = createWebSocketAcceptor<undefined>({ selectProtocol: () => '', heartbeatMs, clock, onConnection: resolve })
            stream.once('close', () => {
              reject(new Error('The connection ended'))
            })
            acceptor.accept(stream, undefined)
          })
    return withEndOf(link, stream, socket)
  } catch (error) {
    stream.destroy()
    const end = await link.ended
    throw end.error ?? error
  }
}

/** Tells the end of the link instead of the missing close frame, and not before the application's connection is closed. */
function withEndOf(link: MessageLink, stream: LinkStream, socket: MessageSocket): MessageSocket {
  const closed = async (handlers: MessageSocketHandlers, info: SocketCloseInfo): Promise<void> => {
    link.finish(1000, '')
    const { code, reason, error, local } = await link.ended
    const framed = info.code !== 1006 && info.code !== 1005
    handlers.closed(framed || local ? info : { code, reason, ...(error !== undefined && { error }) })
  }
  return {
    protocol: '',
    description: link.description,
    get bufferedBytes() {
      return socket.bufferedBytes
    },
    attach: (handlers) => {
      socket.attach({
        message: (data) => {
          handlers.message(data)
        },
        drained: () => {
          handlers.drained()
        },
        closed: (info) => {
          void closed(handlers, info)
        }
      })
    },
    send: (message) => socket.send(message),
    pause: () => {
      socket.pause()
    },
    resume: () => {
      socket.resume()
    },
    close: (code = 1000, reason = '') => {
      stream.endsWith(code, reason)
      socket.close(code, reason)
    },
    terminate: (error) => {
      socket.terminate(error)
    }
  }
}
