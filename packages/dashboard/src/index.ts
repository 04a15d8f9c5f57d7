/**
 * A web page that shows a running mesh: who is there and by which route, what moves, what went wrong, the documents; and `/metrics` for
 * Prometheus. It only shows, is for this machine only unless told otherwise, and wants a token.
 *
 * @example
 * ```ts
 * import type { PeerDiscovery } from '@kithmesh/core'
 * import { createDashboard } from '@kithmesh/dashboard'
 * import type { Database } from '@kithmesh/database'
 * import type { Mesh } from '@kithmesh/mesh'
 *
 * export async function show (mesh: Mesh, discovery: PeerDiscovery, database: Database): Promise<void> {
 *   const dashboard = createDashboard({ mesh, discovery, database, title: 'Shop' })
 *   await dashboard.start()
 *   process.stdout.write(`open ${dashboard.url ?? ''}\n`)
 *   process.once('SIGINT', () => { void dashboard.stop() })
 * }
 * ```
 *
 * @packageDocumentation
 */
import { fileURLToPath } from 'node:url'
import { MeshDashboard } from './dashboard.ts'
import type { StaticFolder } from './http/static-files.ts'
import { type DashboardOptions, checkDashboardOptions } from './options.ts'

export type * from './contracts.ts'
export { dashboardErrors } from './errors.ts'
export type { DashboardOptions } from './options.ts'

/** A page about a mesh, and its server. `start` and `stop` are idempotent and restartable; they concern the page alone. */
export interface Dashboard extends AsyncDisposable {
  /**
   * Opens the server.
   * @throws ERR_DASHBOARD_LISTEN when the address or port cannot be used, ERR_DASHBOARD_PAGE when files are missing
   */
  start(): Promise<void>
  /** Cuts all pages off; resolves when nothing listens any more. */
  stop(): Promise<void>
  /** For people, with the token: to be opened, and not to be given to anybody. Undefined while stopped. */
  readonly url: string | undefined
  /** Undefined while stopped. */
  readonly port: number | undefined
}

/**
 * Makes a dashboard; nothing happens before `start`.
 * @throws TypeError for options that make no sense; ERR_DASHBOARD_REMOTE for a `host` that other machines can reach, unless `allowRemote` is given
 */
export function createDashboard(options: DashboardOptions): Dashboard {
  return new MeshDashboard(checkDashboardOptions(options), pageFolders())
}

/** The compiled scripts of the page, and what needs no compiling. */
function pageFolders(): readonly StaticFolder[] {
  const folder = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
  return [
    { directory: folder('./page/'), extensions: ['.js'], deep: true },
    { directory: folder('../page/'), extensions: ['.html', '.css', '.svg', '.png', '.ico', '.webmanifest'], deep: false }
  ]
}
