/**
 * The Couchbase replication protocol: replicators, listeners, and the passive side for any message transport.
 *
 * @example
 * ```ts
 * import { Database } from '@kithmesh/database'
 * import { passwordAuthenticator } from '@kithmesh/identity'
 * import { Replicator, UrlEndpointListener, urlEndpoint } from '@kithmesh/replicator'
 *
 * const warehouse = await Database.open(':memory:')
 * const shop = await Database.open(':memory:')
 * warehouse.collection().put('pen', { name: 'Pen', quantity: 3 })
 *
 * const listener = new UrlEndpointListener({
 *   databases: { inventory: warehouse },
 *   host: '127.0.0.1',
 *   authenticator: passwordAuthenticator((user, password) => user === 'shop' && password === 'secret')
 * })
 * await listener.start()
 *
 * const replicator = new Replicator({
 *   database: shop,
 *   endpoint: urlEndpoint(listener.urls[0]!, { trust: { mode: 'self-signed' }, basicAuth: { username: 'shop', password: 'secret' } })
 * })
 * replicator.start()
 * const { error } = await replicator.finished()
 * console.log(error, shop.collection().get('pen')?.body)
 * await listener.stop()
 * ```
 *
 * @packageDocumentation
 */
export { connectError } from './connect-error.ts'
export { socketEndpoint } from './endpoint.ts'
export type { OpenEndpointOptions, ReplicatorEndpoint } from './endpoint.ts'
export { replicatorErrors } from './errors.ts'
export { acceptedProtocols, proposedProtocols, refuseProtocols } from './listener/offered-protocols.ts'
export type { OfferedProtocolsOptions } from './listener/offered-protocols.ts'
export { serveReplication } from './listener/serve-replication.ts'
export type { PassiveReplication, PassiveStatus, ServeReplicationOptions, ServedCollection } from './listener/serve-replication.ts'
export { UrlEndpointListener } from './listener/url-endpoint-listener.ts'
export type { ListenerClient, ListenerStatus } from './listener/listener-connections.ts'
export type { ServedDatabase, UrlEndpointListenerOptions } from './listener/url-endpoint-listener.ts'
export { locatedEndpoint } from './located-endpoint.ts'
export type { LocatedEndpointOptions } from './located-endpoint.ts'
export { fromCompletions } from './message-endpoint/from-completions.ts'
export type { CompletionConnection, MessagingCompletion } from './message-endpoint/from-completions.ts'
export type { MessageLinkOptions, ProtocolType } from './message-endpoint/link-options.ts'
export { Message } from './message-endpoint/message.ts'
export type { MessageEndpointConnection, ReplicatorConnection } from './message-endpoint/message-endpoint-connection.ts'
export { MessageEndpointListener } from './message-endpoint/message-endpoint-listener.ts'
export type {
  MessageEndpointListenerChange,
  MessageEndpointListenerOptions,
  MessageEndpointStatus
} from './message-endpoint/message-endpoint-listener.ts'
export { MessageEndpoint } from './message-endpoint/message-endpoint.ts'
export type { MessageEndpointDelegate } from './message-endpoint/message-endpoint.ts'
export { MessagingError } from './message-endpoint/messaging-error.ts'
export type { ReplicationConnection, WireOptions } from './connection.ts'
export { formatCollectionPath, parseCollectionPath } from './protocol/collection-path.ts'
export type { CollectionName } from './protocol/collection-path.ts'
export { defaultConflictResolver } from './protocol/conflict-resolver.ts'
export type { CollectionConflictEvent, Conflict, ConflictResolver, ConflictingRevision, Resolution } from './protocol/conflict-resolver.ts'
export type { DocumentEvent, Scheduler, SessionStatistics } from './protocol/context.ts'
export type { DocumentFilter, FilteredDocument } from './protocol/document-filter.ts'
export { SharedRequests } from './protocol/shared-requests.ts'
export { Replicator } from './replicator.ts'
export type { ReplicatorActivity, ReplicatorStatus } from './replicator-status.ts'
export type { ReplicatorCollection, ReplicatorOptions, ReplicatorType } from './replicator-options.ts'
export { classifyFailure, nextAttemptIn } from './retry-policy.ts'
export type { FailureKind, RetryLimits } from './retry-policy.ts'
export { urlEndpoint } from './url-endpoint.ts'
export type { UrlEndpointOptions } from './url-endpoint.ts'
export { warmUp } from './warm-up.ts'
