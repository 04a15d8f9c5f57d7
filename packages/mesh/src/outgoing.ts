import { type Clock, type MessageSocket, type PeerDiscovery, isKithmeshError, isPeerId } from '@kithmesh/core'
import { type Authenticator, type Identity, secureClient } from '@kithmesh/identity'
import { openWebSocket } from '@kithmesh/websocket'
import { meshErrors } from './error-catalogue.ts'

/** What all dialling of a mesh has in common. */
export interface DialSettings {
  readonly discovery: PeerDiscovery
  /** Who we are, and who is accepted. */
  readonly identity: Identity
  readonly authenticator: Authenticator
  readonly databaseName: string
  readonly clock: Clock
}

export interface DialOptions {
  readonly signal: AbortSignal
  /** Sub-protocols to offer, best first. */
  readonly protocols: readonly string[]
  readonly heartbeatMs: number
  /** Whether a relayed route will do; default true. */
  readonly allowRelayed?: boolean
}

/** An open connection to a device that proved who it is. */
export interface OutgoingConnection {
  /** Belongs to the caller. */
  readonly socket: MessageSocket
  readonly peerId: string
  /** Transport and address, e.g. `direct 192.168.1.4:4984`. */
  readonly route: string
  /** Whether it leads through a third party. */
  readonly relayed: boolean
}

/**
 * From a discovered device to an open, authenticated message socket:
 * 1. the route race of discovery gives a byte stream,
 * 2. mutual TLS over it proves that the device is the one it claims to be and that it is accepted,
 * 3. the WebSocket upgrade agrees on the replication protocol.
 * The stream is destroyed when a later step fails.
 * @throws ERR_PD_UNKNOWN_DEVICE, ERR_ROUTE_NONE, ERR_ROUTE_FAILED; ERR_IDENTITY_* when we do not accept the device;
 * ERR_MESH_REFUSED when it does not accept us; ERR_MESH_SELF; ERR_WS_*; the signal's reason.
 */
export async function dialDevice(
  deviceId: string,
  displayName: string,
  settings: DialSettings,
  { signal, protocols, heartbeatMs, allowRelayed = true }: DialOptions
): Promise<OutgoingConnection> {
  const { discovery, identity, authenticator, databaseName, clock } = settings
  const route = await discovery.connect(deviceId, { signal, allowRelayed })
  const { stream, peer } = await secureClient(route.socket, {
    identity,
    authenticator,
    clock,
    signal,
    ...(isPeerId(deviceId) ? { expectedPeerId: deviceId } : {})
  })
  const peerId = peer?.peerId ?? ''
  if (peerId === identity.peerId) {
    stream.destroy()
    throw meshErrors.create('ERR_MESH_SELF', `${displayName} is this device itself`)
  }
  try {
    const url = `wss://${peerId.slice(0, 16)}.kithmesh.invalid/${databaseName}/_blipsync`
    const { socket } = await openWebSocket(stream, { url, protocols, heartbeatMs, clock, signal })
    return { socket, peerId, route: route.route, relayed: route.relayed }
  } catch (cause) {
    if (!isKithmeshError(cause, 'ERR_WS_HTTP') || cause.details['status'] !== 403) throw cause
    throw meshErrors.create('ERR_MESH_REFUSED', `${displayName} does not accept this device`, {
      cause,
      details: { localPeerId: identity.peerId, peerId }
    })
  }
}
