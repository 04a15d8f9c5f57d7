import { type ConflictMessage, type ConnectionReport, type DiagnosticError, type TrustRefusedMessage, onDiagnostic } from '@kithmesh/core'
import type { MeshLink } from '@kithmesh/mesh'
import type { ConflictNotice, DashboardEvent, MovedDocument, Problem, RefusalNotice } from '../contracts.ts'
import type { CheckedDashboardOptions } from '../options.ts'
import { clipped, problemOf } from '../problem.ts'
import { collectionPath } from './collections.ts'
import type { Counters } from './counters.ts'
import type { Notices } from './notices.ts'

const maxDocuments = 20
const maxName = 200
/** Links are looked at for errors no more often. */
const scanPauseMs = 250

export interface WatchEvents {
  /** What the state tells of may have changed. */
  changed(): void
  notice(event: Exclude<DashboardEvent, { readonly type: 'state' }>): void
  /** Somebody takes notices. */
  readonly wanted: boolean
}

type DocumentEvents = Parameters<Parameters<CheckedDashboardOptions['mesh']['onDocuments']>[0]>[1]

/** Looks at a mesh and its discovery for as long as a dashboard runs, and writes down what went wrong. */
export class Watch {
  readonly #options: CheckedDashboardOptions
  readonly #notices: Notices
  readonly #counters: Counters
  readonly #events: WatchEvents
  /** Error codes and messages of links, by device, to see new ones. */
  #linkErrors: ReadonlyMap<string, string> = new Map()
  readonly #stops: readonly (() => void)[]
  #cancelScan: (() => void) | undefined

  constructor(
    options: CheckedDashboardOptions,
    { notices, counters }: { readonly notices: Notices; readonly counters: Counters },
    events: WatchEvents
  ) {
    this.#options = options
    this.#notices = notices
    this.#counters = counters
    this.#events = events
    const { mesh, discovery, logger } = options
    const ours = ({ peerGroupId, localPeerId }: ConflictMessage | TrustRefusedMessage): boolean =>
      peerGroupId === discovery.peerGroupId && localPeerId === discovery.localPeerId
    const changed = (): void => {
      events.changed()
    }
    this.#stops = [
      mesh.onChanged(() => {
        this.#scanSoon()
        changed()
      }),
      mesh.onDocuments((deviceId, documents) => {
        this.#documents(deviceId, documents)
      }),
      mesh.pending.onChange(changed),
      discovery.network.onChange(changed),
      discovery.addObserver({
        devicesChanged: changed,
        statusChanged: (provider, _mode, status) => {
          if (status.state === 'failed') {
            this.#counters.providerFailures++
            this.#error('provider', provider, null, status.error)
          }
          changed()
        },
        connectionReport: (report) => {
          this.#report(report)
          changed()
        }
      }),
      onDiagnostic(
        'kithmesh:conflict',
        (message) => {
          if (ours(message)) this.#conflict(message)
        },
        { logger }
      ),
      onDiagnostic(
        'kithmesh:trust.refused',
        (message) => {
          if (ours(message)) this.#refused(message)
        },
        { logger }
      )
    ]
  }

  /** Idempotent. */
  stop(): void {
    this.#cancelScan?.()
    for (const stop of this.#stops) stop()
  }

  /** A mesh may change thousands of times in a second, and have hundreds of links. */
  #scanSoon(): void {
    const { mesh, clock } = this.#options
    this.#cancelScan ??= clock.after(scanPauseMs, () => {
      this.#cancelScan = undefined
      this.#links(mesh.links)
    })
  }

  #links(links: readonly MeshLink[]): void {
    const errors = new Map<string, string>()
    for (const { deviceId, displayName, error } of links) {
      if (error === undefined) continue
      const text = `${problemOf(error).code ?? ''} ${error.message}`
      errors.set(deviceId, text)
      // What a race of routes came to is told by its report.
      if (this.#linkErrors.get(deviceId) !== text && !routeErrors.test(text)) this.#error('link', displayName, deviceId, error)
    }
    this.#linkErrors = errors
  }

  #report({ deviceId, displayName, state, attempts }: ConnectionReport): void {
    if (state === 'connected') this.#counters.connected++
    // Looking for a better route than the present one is not remarkable when it finds none.
    if (state !== 'failed' || this.#isUp(deviceId)) return
    this.#counters.connectionsFailed++
    const worst = attempts.find((attempt) => attempt.state === 'failed')
    const others = attempts.length > 1 ? ` (and ${attempts.length - 1} more attempts)` : ''
    this.#notices.error({
      at: this.#options.clock.now(),
      area: 'connection',
      subject: clipped(displayName, maxName),
      deviceId,
      code: worst?.code ?? 'ERR_ROUTE_NONE',
      message: clipped(worst === undefined ? 'There is no usable route' : `${worst.strategy}: ${worst.message ?? worst.phase}`) + others,
      hint: worst?.hint ?? null
    })
  }

  #documents(deviceId: string, events: DocumentEvents): void {
    const failed = events.filter(({ error, transient }) => error !== undefined && transient !== true)
    this.#counters.documentsFailed += failed.length
    for (const { id, error } of failed.slice(0, maxDocuments)) this.#error('document', id, deviceId, error)
    if (!this.#events.wanted) return
    this.#events.notice({
      type: 'documents',
      data: {
        at: this.#options.clock.now(),
        deviceId,
        displayName: this.#nameOf(deviceId),
        in: events.filter(({ direction, error }) => direction === 'pull' && error === undefined).length,
        out: events.filter(({ direction, error }) => direction === 'push' && error === undefined).length,
        failed: events.filter(({ error }) => error !== undefined).length,
        documents: events.slice(0, maxDocuments).map(
          ({ direction, collection, id, revId, deleted, error }): MovedDocument => ({
            direction: direction === 'pull' ? 'in' : 'out',
            collection: collectionPath(collection.scope, collection.name),
            id: clipped(id, 300),
            revision: clipped(revId, maxName),
            deleted,
            error: error === undefined ? null : problemOf(error)
          })
        )
      }
    })
  }

  #conflict(message: ConflictMessage): void {
    const { at, deviceId, scope, collection, id, localRevId, remoteRevId, taken, error } = message
    if (taken === undefined) this.#counters.conflictsUndecided++
    const notice: ConflictNotice = {
      at,
      collection: collectionPath(scope, collection),
      id: clipped(id, 300),
      deviceId,
      displayName: this.#nameOf(deviceId),
      localRevision: clipped(localRevId, maxName),
      remoteRevision: clipped(remoteRevId, maxName),
      taken: taken ?? 'undecided',
      error: error === undefined ? null : problem(error)
    }
    this.#notices.conflict(notice)
    this.#events.notice({ type: 'conflict', data: notice })
    this.#events.changed()
  }

  #refused({ at, by, direction, deviceId, displayName, route, error }: TrustRefusedMessage): void {
    if (by === 'local') this.#counters.refusedByUs++
    else this.#counters.refusedByThem++
    const notice: RefusalNotice = {
      at,
      by: by === 'local' ? 'us' : 'them',
      direction,
      deviceId: deviceId ?? null,
      displayName: displayName === undefined ? null : clipped(displayName, maxName),
      route: route === undefined ? null : clipped(route, maxName),
      ...problem(error)
    }
    this.#notices.refused(notice)
    this.#events.notice({ type: 'refused', data: notice })
    this.#events.changed()
  }

  #isUp(deviceId: string): boolean {
    return this.#options.mesh.links.some((link) => link.deviceId === deviceId && link.route !== undefined)
  }

  #nameOf(deviceId: string): string {
    const { mesh, discovery } = this.#options
    const name = discovery.deviceWithId(deviceId)?.displayName ?? mesh.links.find((link) => link.deviceId === deviceId)?.displayName
    return clipped(name ?? deviceId.slice(0, 8), maxName)
  }

  #error(area: 'provider' | 'link' | 'document', subject: string, deviceId: string | null, error: unknown): void {
    this.#notices.error({ at: this.#options.clock.now(), area, subject: clipped(subject, 300), deviceId, ...problemOf(error) })
  }
}

function problem({ code, message, hint }: DiagnosticError): Problem {
  return { code: code ?? null, message: clipped(message), hint: hint ?? null }
}

const routeErrors = /^ERR_ROUTE_/
