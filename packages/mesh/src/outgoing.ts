import type { Clock, Device, MessageSocket, PeerDiscovery } from '@kithmesh/core'
import { type Authenticator, type Identity, secureClient } from '@kithmesh/identity'
import { openWebSocket } from '@kithmesh/websocket'

export interface DialOptions {
  readonly discovery: PeerDiscovery
  readonly identity: Identity
  readonly authenticator: Authenticator
  readonly databaseName: string
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Sub-protocols to offer, best first. */
  readonly protocols: readonly string[]
  readonly heartbeatMs: number
  readonly onRoute: (route: string) => void
}

/**
 * From a discovered device to an open, authenticated message socket:
 * 1. the route race of discovery gives a byte stream,
 * 2. mutual TLS over it proves that the device is the one it claims to be and that it is accepted,
 * 3. the WebSocket upgrade agrees on the replication protocol.
 * The stream is destroyed when a later step fails.
 */
export async function dialDevice (device: Device, options: DialOptions): Promise<MessageSocket> {
  const { discovery, identity, authenticator, databaseName, clock, signal, protocols, heartbeatMs } = options
  const route = await discovery.connect(device, { signal })
  const secure = await secureClient(route.socket, {
    identity, authenticator, clock, signal,
    ...(/^[0-9a-f]{64}$/.test(device.id) ? { expectedPeerId: device.id } : {})
  })
  const { socket } = await openWebSocket(secure.stream, {
    url: `wss://${device.id.slice(0, 16)}.kithmesh.invalid/${databaseName}/_blipsync`,
    protocols, heartbeatMs, clock, signal
  })
  options.onRoute(route.route)
  return socket
}
