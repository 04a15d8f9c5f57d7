/**
 * What the dashboard's server tells a page, as JSON: the one contract between the two. Types only, and nothing of Node or of the other
 * packages, so that pages and programs in any environment can use it.
 *
 * - All times are wall-clock milliseconds since 1970, as the mesh's device sees them. What is not known is `null`, never absent.
 * - All text that comes from other devices, names and error messages included, is theirs to choose: insert it as text.
 * - Lists are bounded; where one may be cut off, a number beside it tells how many there are.
 *
 * Within one `version` fields are only added. A page that finds another version than its own reloads itself.
 *
 * One file because pages copy or import all of it, or nothing.
 */

/** `GET /api/state`, and the data of the SSE event `state`. */
export interface DashboardState {
  readonly version: 1
  /** When this snapshot was made. */
  readonly at: number
  /** When the dashboard was started. */
  readonly startedAt: number
  readonly title: string
  readonly self: ThisDevice
  /** Devices that discovery sees or that are linked; at most 500, connected ones first to be kept. */
  readonly devices: readonly DashboardDevice[]
  readonly deviceCount: number
  /** Who is in the mesh and linked with whom, this device first; at most 500. Lags behind by seconds. */
  readonly topology: readonly TopologyNode[]
  readonly topologyCount: number
  /** Devices that wait to be let in, oldest first; at most 100. */
  readonly pending: readonly PendingDevice[]
  readonly providers: readonly ProviderState[]
  /** Names of the transports, in their order. */
  readonly transports: readonly string[]
  readonly statistics: MeshTotals
  readonly collections: readonly CollectionSummary[]
  /** Last 50 conflicts that this device decided, newest first. */
  readonly conflicts: readonly ConflictNotice[]
  /** Last 50 things that went wrong, newest first. */
  readonly errors: readonly ErrorNotice[]
  /** Last 50 devices turned away by either side, newest first. */
  readonly refusals: readonly RefusalNotice[]
  readonly network: NetworkState
}

/** The device whose page this is. */
export interface ThisDevice {
  readonly peerId: string
  readonly displayName: string
  readonly peerGroupId: string
  readonly meshState: 'stopped' | 'starting' | 'started' | 'stopping'
  /** Port that devices connect to. */
  readonly port: number | null
  readonly databaseName: string
  readonly versioning: string
}

/** As `LinkState` of `@kithmesh/mesh`; an unknown value is one of a later version. */
export type DeviceState = 'standby' | 'waiting' | 'connecting' | 'offline' | 'busy' | 'idle' | 'restricted' | 'quarantined'

/** One device and the link with it. */
export interface DashboardDevice {
  /** Peer id, 64 hex digits; for a device that claims none, what discovery calls it; for a member at a fixed place, its URL's id. */
  readonly id: string
  readonly displayName: string
  readonly state: DeviceState
  /** When the state was last seen to change, since the dashboard was started. */
  readonly since: number
  readonly direction: 'outgoing' | 'incoming' | null
  /** Transport and address, e.g. `direct 192.168.1.4:4984`; null while not connected. */
  readonly route: string | null
  /** The first word of the route, e.g. `direct`, `reverse`, `holepunch`, `turn`, `BluetoothLE`. */
  readonly transport: string | null
  readonly quality: 'direct' | 'relayed' | 'last-resort' | null
  readonly traffic: Traffic
  /** Of the last 5 seconds. */
  readonly rate: Rate
  /** Why it is not connected, or why no documents move. */
  readonly error: Problem | null
  /** How discovery sees it: one entry per provider and service; at most 8. */
  readonly sightings: readonly Sighting[]
  /** What known peers say of it; null when this device has not met it. */
  readonly trust: string | null
  /** There is a report of connection attempts: `GET /api/report?device=<id>`. */
  readonly hasReport: boolean
}

export interface Sighting {
  readonly provider: string
  readonly displayName: string
  readonly connectable: boolean
}

/** Totals since the mesh was made. */
export interface Traffic {
  readonly documentsIn: number
  readonly documentsOut: number
  readonly bytesIn: number
  readonly bytesOut: number
}

/** Per second. */
export type Rate = Traffic

/** Of all links, those that have ended included. */
export interface MeshTotals extends Traffic {
  readonly conflicts: number
  readonly rate: Rate
}

/** Something that went wrong, as Kithmesh's errors tell it. */
export interface Problem {
  /** Stable, e.g. `ERR_ROUTE_FAILED`; see docs/errors.md. */
  readonly code: string | null
  readonly message: string
  /** What a person can do about it. */
  readonly hint: string | null
}

export interface TopologyNode {
  readonly peerId: string
  readonly displayName: string | null
  /** Peer ids, or the first 16 digits where no more is known; compare by prefix. */
  readonly neighbours: readonly string[]
  /** It hangs together with this device, over however many others. */
  readonly reached: boolean
}

export interface PendingDevice {
  readonly peerId: string
  readonly name: string
  readonly address: string | null
  readonly since: number
}

export interface ProviderState {
  readonly name: string
  readonly browse: ProviderModeState
  readonly publish: ProviderModeState
  /** Sightings that it has at the moment. */
  readonly sightings: number
}

export interface ProviderModeState {
  readonly state: 'offline' | 'starting' | 'online' | 'failed'
  readonly error: Problem | null
}

/** `GET /api/collections` is the list of these. */
export interface CollectionSummary {
  /** `name`, or `scope.name`; what `collection=` of the other requests takes. */
  readonly collection: string
  readonly scope: string
  readonly name: string
  readonly documents: number
  readonly lastSequence: number
}

export interface ConflictNotice {
  readonly at: number
  readonly collection: string
  readonly id: string
  /** The neighbour that the rival revision came from, who need not have written it. */
  readonly deviceId: string
  readonly displayName: string
  readonly localRevision: string
  readonly remoteRevision: string
  /** What was decided. */
  readonly taken: 'local' | 'remote' | 'merged' | 'deleted' | 'undecided'
  /** Why it is undecided. */
  readonly error: Problem | null
}

export interface ErrorNotice extends Problem {
  readonly at: number
  /** What it concerns, e.g. `provider`, `connection`, `link`, `document`. */
  readonly area: 'provider' | 'connection' | 'link' | 'document'
  /** Provider, document or device that it is about, for people. */
  readonly subject: string
  readonly deviceId: string | null
  /** How often in a row the same happened. */
  readonly times: number
}

export interface RefusalNotice extends Problem {
  readonly at: number
  /** `us`: this device refused; `them`: the other one did. */
  readonly by: 'us' | 'them'
  readonly direction: 'incoming' | 'outgoing'
  readonly deviceId: string | null
  readonly displayName: string | null
  /** Where it is, as far as that is known, e.g. `direct 192.168.1.4:50312`. */
  readonly route: string | null
}

export interface NetworkState {
  readonly measuredAt: number
  readonly routes: readonly NetworkRouteState[]
}

export interface NetworkRouteState {
  readonly family: 4 | 6
  readonly localAddress: string
  readonly externalAddress: string | null
  /** NAT mapping, e.g. `endpoint-independent`, `none`, `unknown`. */
  readonly tcp: string
  readonly udp: string
}

/** `GET /api/events`: server-sent events. `event:` is the type, `data:` the JSON of the rest. */
export type DashboardEvent =
  | { readonly type: 'state'; readonly data: DashboardState }
  | { readonly type: 'documents'; readonly data: DocumentsNotice }
  | { readonly type: 'conflict'; readonly data: ConflictNotice }
  | { readonly type: 'refused'; readonly data: RefusalNotice }

/** Documents that moved over one link, or failed to. What is too much for a page is only counted. */
export interface DocumentsNotice {
  readonly at: number
  readonly deviceId: string
  readonly displayName: string
  readonly in: number
  readonly out: number
  readonly failed: number
  /** The first 20 of them. */
  readonly documents: readonly MovedDocument[]
}

export interface MovedDocument {
  readonly direction: 'in' | 'out'
  readonly collection: string
  readonly id: string
  readonly revision: string
  readonly deleted: boolean
  readonly error: Problem | null
}

/** `GET /api/documents?collection=&after=&limit=`: documents in the order of their ids, `limit` at most 200 (default 50). */
export interface DocumentPage {
  readonly collection: string
  readonly documents: readonly DocumentSummary[]
  /** What `after=` of the next page is; null when this is the last. */
  readonly next: string | null
}

export interface DocumentSummary {
  readonly id: string
  readonly revision: string
  readonly sequence: number
  /** Bytes of the JSON body. */
  readonly size: number
  readonly conflicted: boolean
  /** The beginning of the JSON, at most 200 characters. */
  readonly preview: string
}

/** `GET /api/document?collection=&id=`. */
export interface DocumentDetail {
  readonly collection: string
  readonly id: string
  readonly revision: string
  readonly sequence: number
  readonly deleted: boolean
  readonly size: number
  /** JSON; null when it is larger than 1 MiB, which `tooLarge` tells. */
  readonly body: unknown
  readonly tooLarge: boolean
  /** Both sides of a conflict that nobody has decided yet. */
  readonly conflict: DocumentConflict | null
  /** Blobs that the body mentions, at most 100; of a body that is too large none. */
  readonly blobs: readonly BlobSummary[]
}

export interface DocumentConflict {
  readonly local: ConflictSide
  readonly remote: ConflictSide
}

export interface ConflictSide {
  readonly revision: string
  readonly deleted: boolean
  /** null when it is larger than 1 MiB. */
  readonly body: unknown
}

export interface BlobSummary {
  readonly digest: string
  /** As the document says. */
  readonly length: number | null
  readonly contentType: string | null
  /** Where in the body it is, e.g. `picture` or `pages.3.scan`. */
  readonly path: string
  /** `/api/blob?digest=…&type=…`: shown in the page for pictures of common kinds (PNG, JPEG, GIF, WebP, AVIF), otherwise a download. */
  readonly url: string
  readonly picture: boolean
  /** The bytes are here. */
  readonly present: boolean
}

/** `GET /api/report?device=<id>`: what was tried in the latest connection to a device. 404 when nothing was. */
export interface DeviceReport {
  readonly deviceId: string
  readonly displayName: string
  readonly state: 'connecting' | 'connected' | 'failed'
  readonly startedAt: number
  readonly elapsedMs: number
  readonly route: string | null
  readonly attempts: readonly DeviceReportAttempt[]
}

export interface DeviceReportAttempt {
  readonly strategy: string
  readonly provider: string
  readonly peerId: string
  readonly address: string | null
  readonly phase: string
  readonly state: 'running' | 'won' | 'lost' | 'failed' | 'skipped'
  readonly startedAt: number
  readonly elapsedMs: number
  readonly code: string | null
  readonly message: string | null
  readonly hint: string | null
}

/** The body of every answer with a status of 400 or more. */
export interface DashboardFailure {
  readonly error: Problem
}
