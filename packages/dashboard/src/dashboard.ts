import { Lifecycle, formatHostPort } from '@kithmesh/core/plugin'
import { EventHub, eventsType } from './events/event-hub.ts'
import { Access } from './http/access.ts'
import { type HttpListener, listenHttp } from './http/listener.ts'
import { jsonReply } from './http/reply.ts'
import { type Route, Routes } from './http/routes.ts'
import { type StaticFolder, readStaticFiles } from './http/static-files.ts'
import { dashboardErrors } from './errors.ts'
import type { Dashboard } from './index.ts'
import type { CheckedDashboardOptions } from './options.ts'
import { Documents } from './documents/documents.ts'
import { sendBlob } from './documents/blob-reply.ts'
import { exposition, expositionType } from './metrics/exposition.ts'
import { meshMetrics } from './metrics/metrics.ts'
import { Counters } from './state/counters.ts'
import { Collections } from './state/collections.ts'
import { Notices } from './state/notices.ts'
import { Rates } from './state/rates.ts'
import { deviceReport } from './state/reports.ts'
import { Snapshots } from './state/snapshot.ts'
import { Watch } from './state/watch.ts'

/** Connections beside those of open pages: a browser opens some for the files and requests of each. */
const furtherConnections = 32

interface Run {
  readonly listener: HttpListener
  readonly hub: EventHub
  readonly watch: Watch
}

/** See {@link Dashboard}; made by `createDashboard`. */
export class MeshDashboard implements Dashboard {
  readonly #options: CheckedDashboardOptions
  readonly #folders: readonly StaticFolder[]
  readonly #lifecycle: Lifecycle
  #run: Run | undefined

  constructor(options: CheckedDashboardOptions, folders: readonly StaticFolder[]) {
    this.#options = options
    this.#folders = folders
    this.#lifecycle = new Lifecycle({ start: () => this.#doStart(), stop: () => this.#doStop() })
  }

  get port(): number | undefined {
    return this.#run?.listener.port
  }

  get url(): string | undefined {
    const { host, token } = this.#options
    const { port } = this
    if (port === undefined) return undefined
    // A wildcard is no address to go to; on this machine loopback is.
    const shown = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
    return `http://${formatHostPort(shown, port)}/?token=${token}`
  }

  start(): Promise<void> {
    return this.#lifecycle.start()
  }

  stop(): Promise<void> {
    return this.#lifecycle.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #doStart(): Promise<void> {
    const { host, port, remote, token, hosts, maxPages, clock, logger, database } = this.#options
    const files = await readStaticFiles(this.#folders)
    const collections = new Collections(database, clock)
    const notices = new Notices()
    const counters = new Counters()
    const documents = new Documents(database)
    const snapshots = new Snapshots(this.#options, { rates: new Rates(clock), notices, collections })
    const hub = new EventHub({ clock, logger, maxReaders: maxPages, snapshot: () => snapshots.take(), stale: () => collections.stale })
    const access = new Access({ token, hosts, remote })
    let routes: Routes | undefined
    const listener = await listenHttp({
      host,
      port,
      maxConnections: maxPages + furtherConnections,
      onRequest: (request, response) => {
        routes?.handle(request, response)
      }
    })
    routes = new Routes({
      access,
      files,
      logger,
      // Browsers keep the cookies of all ports of a host together.
      cookieName: `kithmesh-${listener.port}`,
      routes: new Map<string, Route>([
        ['/api/state', () => jsonReply(JSON.stringify(snapshots.take()))],
        [
          '/api/events',
          ({ request, response }) => {
            if (request.method === 'HEAD') return { status: 200, headers: { 'Content-Type': eventsType }, body: '' }
            hub.open(response)
            return undefined
          }
        ],
        ['/api/collections', () => jsonReply(JSON.stringify(collections.list))],
        ['/api/documents', ({ parameters }) => jsonReply(documents.page(parameters))],
        ['/api/document', ({ parameters }) => jsonReply(documents.detail(parameters))],
        [
          '/api/blob',
          async ({ parameters, request, response }) => {
            await sendBlob(database, parameters, request, response)
            return undefined
          }
        ],
        [
          '/metrics',
          () => {
            const text = exposition(meshMetrics(this.#options, { counters, collections, readers: () => hub.readers }))
            return { status: 200, headers: { 'Content-Type': expositionType }, body: text }
          }
        ],
        ['/api/report', ({ parameters }) => this.#report(parameters)]
      ])
    })
    const watch = new Watch(this.#options, { notices, counters }, hub)
    this.#run = { listener, hub, watch }
    if (remote) logger.warn('the dashboard is open to other machines, and what it shows is not encrypted', { host, port: listener.port })
  }

  async #doStop(): Promise<void> {
    const run = this.#run
    this.#run = undefined
    run?.watch.stop()
    run?.hub.close()
    await run?.listener.close()
  }

  #report(parameters: URLSearchParams): ReturnType<Route> {
    const device = parameters.get('device') ?? ''
    const report = this.#options.discovery.explain(device)
    if (report === undefined) throw dashboardErrors.create('ERR_DASHBOARD_NOT_FOUND', 'No connection to this device was tried')
    return jsonReply(JSON.stringify(deviceReport(report)))
  }
}
