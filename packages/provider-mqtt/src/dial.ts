/** A byte stream to a broker: TCP, TLS over it where asked for, WebSocket on top where asked for. Nagle's algorithm is off in all of them. */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '@kithmesh/core'
import { secureClient, serverTrustAuthenticator } from '@kithmesh/identity'
import { WebSocket, createWebSocketStream } from 'ws'
import { mqttErrors } from './errors.ts'
import type { CheckedBroker } from './options.ts'

/** Largest packet of a broker, and of a WebSocket message. */
export const maxPacketBytes = 64 * 1024

/**
 * @param signal ends everything; its reason becomes the cause
 * @throws ERR_MQTT_CONNECT
 */
export async function dialBroker(broker: CheckedBroker, clock: Clock, signal: AbortSignal): Promise<Duplex> {
  let stream: Duplex | undefined
  try {
    const socket = await openSocket(broker, signal)
    stream = socket
    if (broker.secure) {
      const secured = await secureClient(socket, {
        authenticator: serverTrustAuthenticator(broker.trust, { clock }),
        serverName: broker.host,
        clock,
        signal,
        ...(broker.clientIdentity === undefined ? {} : { identity: broker.clientIdentity })
      })
      stream = secured.stream
    }
    if (broker.webSocketPath !== undefined) stream = await openWebSocket(broker, broker.webSocketPath, stream, signal)
    signal.throwIfAborted()
    return stream
  } catch (cause) {
    stream?.on('error', () => {})
    stream?.destroy()
    const reason: unknown = signal.aborted ? signal.reason : cause
    throw mqttErrors.create('ERR_MQTT_CONNECT', `Cannot reach the broker ${broker.id}: ${(reason as Error).message}`, { cause: reason })
  }
}

function openSocket({ host, port }: CheckedBroker, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const socket = connect({ host, port, noDelay: true, autoSelectFamily: true })
    const settle = (finish: () => void): void => {
      signal.removeEventListener('abort', onAbort)
      socket.removeListener('connect', onConnect)
      finish()
    }
    const onAbort = (): void => {
      settle(() => {
        socket.destroy()
        reject(signal.reason as Error)
      })
    }
    const onConnect = (): void => {
      settle(() => {
        socket.removeListener('error', onError)
        resolve(socket)
      })
    }
    const onError = (error: Error): void => {
      settle(() => {
        reject(error)
      })
    }
    signal.addEventListener('abort', onAbort, { once: true })
    socket.once('connect', onConnect)
    socket.once('error', onError)
  })
}

/** MQTT over WebSocket (MQTT 5.0 §6): binary messages, sub-protocol `mqtt`. The stream under it is secured already where it has to be. */
function openWebSocket({ host, port }: CheckedBroker, path: string, below: Duplex, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const authority = host.includes(':') ? `[${host}]` : host
    const socket = new WebSocket(`ws://${authority}:${port}${path}`, ['mqtt'], {
      createConnection: () => below as Socket,
      perMessageDeflate: false,
      maxPayload: maxPacketBytes,
      followRedirects: false
    })
    const settle = (finish: () => void): void => {
      signal.removeEventListener('abort', onAbort)
      socket.removeAllListeners()
      finish()
    }
    const fail = (error: Error): void => {
      settle(() => {
        socket.on('error', () => {})
        socket.terminate()
        reject(error)
      })
    }
    const onAbort = (): void => {
      fail(signal.reason as Error)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    socket.once('error', fail)
    socket.once('open', () => {
      settle(() => {
        resolve(createWebSocketStream(socket))
      })
    })
  })
}
