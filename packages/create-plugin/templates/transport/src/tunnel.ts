import { connect, type Socket } from 'node:net'
import { formatHostPort } from '@kithmesh/core/plugin'
import { __factory__Errors } from './errors.ts'
import { readResponseHead } from './response-head.ts'

export interface ProxyAddress {
  readonly host: string
  readonly port: number
}

/**
 * TO BE REPLACED by your way of getting a stream to a device. Here it is the CONNECT method of an HTTP proxy (RFC 9110 §9.3.6).
 *
 * Resolves with an open stream from which nothing of what the device sent is missing. Rejects with an error that has a code, or with the reason of the signal; no
 * socket is left behind then.
 */
export function openTunnel(proxy: ProxyAddress, target: string, signal: AbortSignal): Promise<Socket> {
  return new Promise<Socket>((resolve, reject) => {
    signal.throwIfAborted()
    const where = formatHostPort(proxy.host, proxy.port)
    const socket = connect({ host: proxy.host, port: proxy.port, noDelay: true })
    let received = Buffer.alloc(0)

    const settle = (finish: () => void): void => {
      signal.removeEventListener('abort', onAbort)
      socket.removeListener('close', onClose)
      socket.removeListener('readable', onReadable)
      finish()
    }
    const fail = (error: unknown): void => {
      settle(() => {
        socket.destroy()
        reject(error as Error)
      })
    }
    const onAbort = (): void => {
      fail(signal.reason)
    }
    const onClose = (): void => {
      fail(__factory__Errors.create('ERR___CODE___PROXY', `The proxy ${where} hung up`, { cause: socket.errored ?? undefined }))
    }
    const onReadable = (): void => {
      const chunk: Buffer | null = socket.read()
      if (chunk === null) return
      received = Buffer.concat([received, chunk])
      const head = readResponseHead(received)
      if (head === undefined) return
      if (head === 'invalid') {
        fail(__factory__Errors.create('ERR___CODE___PROTOCOL', `What is at ${where} does not answer as an HTTP proxy does`))
      } else if (head.status < 200 || head.status > 299) {
        const details = { proxy: where, target, status: head.status }
        fail(__factory__Errors.create('ERR___CODE___REFUSED', `The proxy ${where} answered ${head.status} for ${target}`, { details }))
      } else {
        settle(() => {
          // What came behind the head is the device's, and belongs to the stream's owner.
          if (head.length < received.length) socket.unshift(received.subarray(head.length))
          resolve(socket)
        })
      }
    }

    // Stays for as long as the socket lives: an error that nobody listens for ends the process.
    socket.on('error', () => {})
    socket.on('close', onClose)
    socket.on('readable', onReadable)
    socket.once('connect', () => {
      socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`)
    })
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
