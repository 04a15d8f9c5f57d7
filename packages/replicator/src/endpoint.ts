import type { MessageSocket } from '@kithmesh/core'

export interface OpenEndpointOptions {
  /** Aborts when the replicator is stopped or the deadline passed. */
  readonly signal: AbortSignal
  /** Sub-protocols to offer, best first; a transport without negotiation ignores them. */
  readonly protocols: readonly string[]
  /** Silence after which a WebSocket is probed. */
  readonly heartbeatMs: number
}

/** Where a replicator replicates with. */
export interface ReplicatorEndpoint {
  /**
   * Stable name of the remote: checkpoints hang on it. For peers whose address changes, their peer id; for servers, the URL.
   */
  readonly uid: string
  /** For people and logs. */
  readonly description: string
  /** Opens a new connection; called for the first and for every later try. Whoever gets the socket owns it. */
  open(options: OpenEndpointOptions): Promise<MessageSocket>
}

/**
 * An endpoint over whatever message transport the application brings.
 *
 * @example
 * const endpoint = socketEndpoint({ uid: device.id, open: ({ signal }) => myTransport.connect(device, signal) })
 */
export function socketEndpoint(options: {
  readonly uid: string
  readonly description?: string
  open(options: OpenEndpointOptions): Promise<MessageSocket>
}): ReplicatorEndpoint {
  if (options.uid === '') throw new TypeError('socketEndpoint needs a uid that stays the same for the same remote')
  return { uid: options.uid, description: options.description ?? options.uid, open: (given) => options.open(given) }
}
