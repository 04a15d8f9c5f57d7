import { type Diagnostics, diagnosticError, isKithmeshError } from '@kithmesh/core/plugin'
import type { CollectionConflictEvent, DocumentEvent } from '@kithmesh/replicator'
import type { LinkTraffic, MeshLink } from '../contracts.ts'

/** Who was refused, as far as that is known. */
export interface Refused {
  readonly direction: 'incoming' | 'outgoing'
  readonly deviceId: string
  readonly displayName: string | undefined
  readonly route: string | undefined
}

/** Publishes what links do, by `node:diagnostics_channel`; see docs/diagnostics.md. Costs next to nothing while nobody listens. */
export class LinkDiagnostics {
  readonly #diagnostics: Diagnostics | undefined
  readonly #trafficOf: (deviceId: string) => LinkTraffic
  /** What was told last, by device. */
  #told: ReadonlyMap<string, MeshLink> = new Map()

  /** @param diagnostics nothing is published without. */
  constructor(diagnostics: Diagnostics | undefined, trafficOf: (deviceId: string) => LinkTraffic) {
    this.#diagnostics = diagnostics
    this.#trafficOf = trafficOf
  }

  /** Somebody wants to be told of links that change. */
  get wantsLinks(): boolean {
    return this.#diagnostics?.wants('kithmesh:link.state') === true
  }

  /** The links may have changed. */
  links(links: readonly MeshLink[]): void {
    const diagnostics = this.#diagnostics
    if (diagnostics === undefined) return
    const before = this.#told
    const now = new Map(links.map((link) => [link.deviceId, link]))
    this.#told = now
    for (const link of links) if (!same(before.get(link.deviceId), link)) this.#link(diagnostics, link, before.get(link.deviceId)?.state)
    for (const [id, link] of before)
      if (!now.has(id)) this.#link(diagnostics, { ...link, direction: undefined, route: undefined, quality: undefined }, link.state, 'gone')
  }

  /** Nobody is told any more, or the mesh stopped: whoever comes next is told everything. */
  forget(): void {
    if (this.#told.size > 0) this.#told = new Map()
  }

  documents(deviceId: string, events: readonly DocumentEvent[]): void {
    this.#diagnostics?.publish('kithmesh:documents', () => ({
      deviceId,
      documents: events.map(({ direction, collection, id, revId, deleted, error, transient }) => ({
        direction: direction === 'pull' ? ('in' as const) : ('out' as const),
        scope: collection.scope,
        collection: collection.name,
        id,
        revId,
        deleted,
        error: error === undefined ? undefined : diagnosticError(error),
        transient: transient === true
      })),
      traffic: this.#trafficOf(deviceId)
    }))
  }

  conflict(deviceId: string, { collection, id, local, remote, taken, error }: CollectionConflictEvent): void {
    this.#diagnostics?.publish('kithmesh:conflict', () => ({
      deviceId,
      scope: collection.scope,
      collection: collection.name,
      id,
      localRevId: local.revId,
      remoteRevId: remote.revId,
      taken,
      error: error === undefined ? undefined : diagnosticError(error)
    }))
  }

  refused({ direction, deviceId, displayName, route }: Refused, error: unknown): void {
    this.#diagnostics?.publish('kithmesh:trust.refused', () => ({
      by: refusedBy(error),
      direction,
      deviceId,
      displayName,
      route,
      error: diagnosticError(error)
    }))
  }

  #link(diagnostics: Diagnostics, link: MeshLink, previous: string | undefined, state: string = link.state): void {
    const { deviceId, displayName, direction, route, quality, traffic, error } = link
    diagnostics.publish('kithmesh:link.state', () => ({
      deviceId,
      displayName,
      state,
      previous,
      direction,
      route,
      quality,
      traffic,
      error: error === undefined ? undefined : diagnosticError(error)
    }))
  }
}

function same(a: MeshLink | undefined, b: MeshLink): boolean {
  return (
    a !== undefined &&
    a.state === b.state &&
    a.route === b.route &&
    a.direction === b.direction &&
    a.quality === b.quality &&
    a.displayName === b.displayName &&
    a.error?.message === b.error?.message
  )
}

function refusedBy(error: unknown): 'local' | 'remote' {
  if (isKithmeshError(error, 'ERR_MESH_REFUSED') || isKithmeshError(error, 'ERR_CHANNEL_NOT_TRUSTED')) return 'remote'
  return isKithmeshError(error, 'ERR_MESH_DISTRUSTED') && error.details['by'] === 'remote' ? 'remote' : 'local'
}
