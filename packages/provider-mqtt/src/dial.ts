/** A byte stream to a broker: TCP, TLS over it where asked for, WebSocket on top where asked for. Nagle's algorithm is off in all of them. */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Clock, waitFor, whenOpen } from '@kithmesh/core/plugin'
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
    const { host, port } = broker
    const socket = await whenOpen(connect({ host, port, noDelay: true, autoSelectFamily: true }), signal)
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

/** MQTT over WebSocket (MQTT 5.0 §6): binary messages, sub-protocol `mqtt`. The stream under it is secured already where it has to be. */
function openWebSocket({ host, port }: CheckedBroker, path: string, below: Duplex, signal: AbortSignal): Promise<Duplex> {
  return waitFor<Duplex>(signal, (resolve, reject) => {
    const authority = host.includes(':') ? `[${host}]` : host
    const socket = new WebSocket(`ws://${authority}:${port}${path}`, ['mqtt'], {
      createConnection: () => below as Socket,
      perMessageDeflate: false,
      maxPayload: maxPacketBytes,
      followRedirects: false
    })
    socket.once('error', reject)
    socket.once('open', () => {
      socket.removeListener('error', reject)
      resolve(createWebSocketStream(socket))
    })
    return () => {
      if (socket.readyState === WebSocket.OPEN) return
      socket.removeAllListeners()
      socket.on('error', () => {})
      socket.terminate()
    }
  })
}
