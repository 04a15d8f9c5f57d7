import type { ProviderMode } from './provider.ts'
import type { ConnectionReport } from './report.ts'
import type { RouteQuality } from './transport.ts'

/** Said in every message: who tells it, and when. */
export interface DiagnosticSource {
  readonly peerGroupId: string
  /** Peer id of the device that tells it; a program may have several. */
  readonly localPeerId: string
  /** Wall-clock milliseconds. */
  readonly at: number
}

/** Something that went wrong. */
export interface DiagnosticError {
  /** Stable, e.g. `ERR_ROUTE_FAILED` or `ECONNREFUSED`; undefined for errors without one. */
  readonly code: string | undefined
  readonly name: string
  readonly message: string
  /** What a person can do about it. */
  readonly hint: string | undefined
}

/** `kithmesh:provider.status`: one half of a provider went online, offline or failed. */
export interface ProviderStatusMessage extends DiagnosticSource {
  readonly provider: string
  readonly mode: ProviderMode
  readonly state: 'offline' | 'starting' | 'online' | 'failed'
  readonly error: DiagnosticError | undefined
}

/** A device as discovery lists it. */
export interface DiagnosticDevice {
  /** Peer id, or `sighting:…` for a device that claims none. */
  readonly deviceId: string
  readonly displayName: string
  /** Names of the providers that see it. */
  readonly providers: readonly string[]
}

/** `kithmesh:device.changed`: devices appeared, changed (name, sightings) or vanished. */
export interface DeviceChangedMessage extends DiagnosticSource {
  readonly added: readonly DiagnosticDevice[]
  readonly changed: readonly DiagnosticDevice[]
  readonly removed: readonly DiagnosticDevice[]
}

/**
 * The context of `kithmesh:connect`, a tracing channel: the same object for `start`, `end`, `asyncStart`, `asyncEnd` and `error` of one connection
 * attempt, so that a span may be kept with it. `report`, `route` and `error` are there from the end of the attempt on.
 */
export interface ConnectMessage extends DiagnosticSource {
  readonly deviceId: string
  readonly displayName: string
  /** There is a connection of this quality, and only a better one is wanted: that it fails is not remarkable. */
  readonly betterThan: RouteQuality | undefined
  /** Everything that was tried. */
  report: ConnectionReport | undefined
  /** The winning route, e.g. `direct 192.168.1.4:4984`. */
  route: string | undefined
  error: DiagnosticError | undefined
}

/** What moved between two devices since the mesh was created. */
export interface DiagnosticTraffic {
  readonly documentsIn: number
  readonly documentsOut: number
  /** Of document bodies and blobs. */
  readonly bytesIn: number
  readonly bytesOut: number
}

/** `kithmesh:link.state`: the link with a device is in another state, on another route, or has another error. */
export interface LinkStateMessage extends DiagnosticSource {
  readonly deviceId: string
  readonly displayName: string
  /** A `LinkState` of `@kithmesh/mesh`, or `gone`: the device is neither seen nor linked any more. */
  readonly state: string
  /** Undefined for a device that was not known before. */
  readonly previous: string | undefined
  readonly direction: 'outgoing' | 'incoming' | undefined
  /** Transport and address; undefined while not connected. */
  readonly route: string | undefined
  readonly quality: RouteQuality | undefined
  readonly traffic: DiagnosticTraffic
  readonly error: DiagnosticError | undefined
}

/** One document of {@link DocumentsMessage}. Never its content. */
export interface DiagnosticDocument {
  /** `in`: from the device; `out`: to it. */
  readonly direction: 'in' | 'out'
  readonly scope: string
  readonly collection: string
  readonly id: string
  readonly revId: string
  readonly deleted: boolean
  /** It did not move. */
  readonly error: DiagnosticError | undefined
  /** It is tried again by itself. */
  readonly transient: boolean
}

/** `kithmesh:documents`: documents that moved over a link, or failed to; in batches. */
export interface DocumentsMessage extends DiagnosticSource {
  readonly deviceId: string
  readonly documents: readonly DiagnosticDocument[]
  /** Totals with this device, this batch included: bytes are known for all documents together. */
  readonly traffic: DiagnosticTraffic
}

/** `kithmesh:conflict`: this device decided a conflict, or could not. */
export interface ConflictMessage extends DiagnosticSource {
  /** The neighbour that the rival revision came from, who need not have written it. */
  readonly deviceId: string
  readonly scope: string
  readonly collection: string
  readonly id: string
  readonly localRevId: string
  readonly remoteRevId: string
  /** Undefined when it was not decided, for the reason in `error`. */
  readonly taken: 'local' | 'remote' | 'merged' | 'deleted' | undefined
  readonly error: DiagnosticError | undefined
}

/** `kithmesh:trust.refused`: a device was turned away, by this one or by the other. */
export interface TrustRefusedMessage extends DiagnosticSource {
  readonly by: 'local' | 'remote'
  /** Who had connected: `incoming`, the device did. */
  readonly direction: 'incoming' | 'outgoing'
  /** Proven by TLS; undefined when it was turned away before. */
  readonly deviceId: string | undefined
  readonly displayName: string | undefined
  /** Where it is, e.g. `direct 192.168.1.4:50312`, as far as that is known. */
  readonly route: string | undefined
  readonly error: DiagnosticError
}

/** The channels of `node:diagnostics_channel` that Kithmesh publishes, and what comes over each; see docs/diagnostics.md. */
export interface DiagnosticMessages {
  readonly 'kithmesh:provider.status': ProviderStatusMessage
  readonly 'kithmesh:device.changed': DeviceChangedMessage
  readonly 'kithmesh:link.state': LinkStateMessage
  readonly 'kithmesh:documents': DocumentsMessage
  readonly 'kithmesh:conflict': ConflictMessage
  readonly 'kithmesh:trust.refused': TrustRefusedMessage
}

/** Name of a channel with plain messages. `kithmesh:connect` is a tracing channel beside them. */
export type DiagnosticChannelName = keyof DiagnosticMessages
