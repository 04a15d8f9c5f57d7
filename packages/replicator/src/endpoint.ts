import type { Clock } from '@kithmesh/core'
import type { ReplicationConnection } from './connection.ts'

export interface OpenEndpointOptions {
  /** Aborts when the replicator is stopped or the deadline passed. */
  readonly signal: AbortSignal
  /** Sub-protocols to offer, best first; a transport without negotiation ignores them. */
  readonly protocols: readonly string[]
  /** Silence after which a WebSocket is probed. */
  readonly heartbeatMs: number
  /** The replicator's, for deadlines. */
  readonly clock?: Clock
  /** To be told the headers of the server's answer when there is one, names in lower case; for logs. */
  readonly onResponse?: (headers: Readonly<Record<string, string | readonly string[] | undefined>>) => void
}

/** Where a replicator replicates with. */
export interface ReplicatorEndpoint {
  /**
   * Stable name of the remote: checkpoints hang on it. For peers whose address changes, their peer id; for servers, the URL.
   */
  readonly uid: string
  /** For people and logs. */
  readonly description: string
  /**
   * Opens a new connection; called for the first and for every later try. Whoever gets the socket owns it. When the signal aborts it cleans up
   * and rejects within a few seconds.
   *
   * In place of a socket it may give BLIP that is open already, with other things beside replication on it: the replication uses its own
   * profiles only, but closes the connection when it ends. What the options say of the wire holds for sockets only.
   */
  open(options: OpenEndpointOptions): Promise<ReplicationConnection>
  /**
   * Calls back when the remote may have become reachable, until the returned function is called. A continuous replicator uses it while it is
   * offline, and tries again at once. Without it only time and `retryNow` end a wait.
   */
  onReachable?(reachable: () => void, clock: Clock): () => void
}

/**
 * An endpoint over whatever message transport the application brings.
 *
 * @example
 * const endpoint = socketEndpoint({ uid: device.id, open: ({ signal }) => myTransport.connect(device, signal) })
 *
 * @example A `MessageSocketFactory` of one's own for URLs
 * const endpoint = socketEndpoint({ uid: url, open: ({ signal, protocols }) => factory.open(url, { signal, protocols }) })
 *
 * @example Beside others on a connection
 * const endpoint = socketEndpoint({ uid: device.id, open: async () => ({ blip, protocol: 'BLIP_3+CBMobile_3', description: device.name }) })
 *
 * @throws TypeError for an empty uid.
 */
export function socketEndpoint(options: {
  readonly uid: string
  readonly description?: string
  open(options: OpenEndpointOptions): Promise<ReplicationConnection>
  /** See {@link ReplicatorEndpoint.onReachable}. */
  onReachable?(reachable: () => void, clock: Clock): () => void
}): ReplicatorEndpoint {
  if (options.uid === '') throw new TypeError('socketEndpoint needs a uid that stays the same for the same remote')
  return {
    uid: options.uid,
    description: options.description ?? options.uid,
    open: (given) => options.open(given),
    ...(options.onReachable !== undefined && { onReachable: options.onReachable.bind(options) })
  }
}
