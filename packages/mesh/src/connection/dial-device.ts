import { type ByteSocket, type Clock, type Logger, type PeerDiscovery, isKithmeshError, isPeerId } from '@kithmesh/core'
import { type Authenticator, type Identity, secureClient } from '@kithmesh/identity'
import { openWebSocket } from '@kithmesh/websocket'
import type { Admission } from '../admission/admission.ts'
import type { ConnectorDialOptions, MeshConnection } from '../engine/contracts.ts'
import { meshErrors } from '../errors.ts'
import { heartbeatMs } from './heartbeat.ts'
import { overSocket } from './over-socket.ts'

/** What all dialling of a mesh has in common. */
export interface DialSettings {
  readonly discovery: PeerDiscovery
  /** Who we are, and who is accepted. */
  readonly identity: Identity
  readonly authenticator: Authenticator
  readonly admission: Pick<Admission, 'checkOutgoing'>
  /** A connection is open. @param address null when it has none */
  readonly onOpen: (connection: MeshConnection, address: string | null, stream: ByteSocket) => void
  readonly databaseName: string
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * From a discovered device to an open, authenticated message socket:
 * 1. the route race of discovery gives a byte stream,
 * 2. mutual TLS over it proves that the device is the one it claims to be and that it is accepted,
 * 3. the WebSocket upgrade agrees on the replication protocol.
 * The stream is destroyed when a later step fails.
 * @throws ERR_PD_UNKNOWN_DEVICE, ERR_ROUTE_NONE, ERR_ROUTE_FAILED; ERR_IDENTITY_* when we do not accept the device;
 * ERR_ACCESS_REFUSED, ERR_MESH_BLOCKED, ERR_MESH_REVOKED, ERR_INBOUND_REJECTED when it is not welcome; ERR_MESH_REFUSED when it does not accept us; ERR_MESH_SELF; ERR_WS_*; the signal's reason.
 */
export async function dialDevice(
  deviceId: string,
  displayName: string,
  settings: DialSettings,
  { signal, protocols, betterThan }: ConnectorDialOptions
): Promise<MeshConnection> {
  const { discovery, identity, authenticator, admission, onOpen, databaseName, clock, logger } = settings
  const route = await discovery.connect(deviceId, { signal, ...(betterThan === undefined ? {} : { betterThan }) })
  const { route: way, quality } = route
  const {
    stream,
    peer,
    binding,
    standing,
    protocols: proofs
  } = await secureClient(route.socket, {
    proofs: true,
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
  const address = quality === 'direct' ? addressOf(route.socket) : null
  try {
    admission.checkOutgoing({ peerId, name: displayName, address, route: way })
  } catch (refusal) {
    stream.destroy()
    throw refusal
  }
  try {
    const url = `wss://${peerId.slice(0, 16)}.kithmesh.invalid/${databaseName}/_blipsync`
    const { socket } = await openWebSocket(stream, { url, protocols, heartbeatMs: heartbeatMs(quality), clock, signal })
    const connection = overSocket(socket, logger, {
      peerId,
      displayName,
      direction: 'outgoing',
      route: way,
      quality,
      binding: binding(),
      standing,
      protocols: proofs
    })
    onOpen(connection, address, route.socket)
    return connection
  } catch (cause) {
    if (!isKithmeshError(cause, 'ERR_WS_HTTP') || cause.details['status'] !== 403) throw cause
    throw meshErrors.create('ERR_MESH_REFUSED', `${displayName} does not accept this device`, {
      cause,
      details: { localPeerId: identity.peerId, peerId }
    })
  }
}

function addressOf(socket: ByteSocket): string | null {
  const { remoteAddress } = socket as { readonly remoteAddress?: unknown }
  return typeof remoteAddress === 'string' ? remoteAddress : null
}
