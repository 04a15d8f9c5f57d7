import { randomBytes } from 'node:crypto'
import { type Clock, type Logger, type PeerDiscovery, silentLogger, systemClock } from '@kithmesh/core'
import { checkInteger } from '@kithmesh/core/plugin'
import type { Database } from '@kithmesh/database'
import type { Mesh } from '@kithmesh/mesh'
import { dashboardErrors } from './errors.ts'
import { hostname, isLoopback } from './http/access.ts'

export interface DashboardOptions {
  /** What is shown. The dashboard starts and stops none of the three, and may run while the mesh is stopped. */
  readonly mesh: Mesh
  readonly discovery: PeerDiscovery
  readonly database: Database
  /** Of the page; 0 picks one that is free. @default 0 */
  readonly port?: number
  /** Address to listen on. @default '127.0.0.1' */
  readonly host?: string
  /**
   * Lets `host` be an address that other machines can reach. Token, documents and everything else then cross the network unencrypted; a proxy with
   * TLS or an SSH tunnel is better. Logged as a warning.
   */
  readonly allowRemote?: true
  /** Names, without ports, by which people reach the page through a proxy; loopback names are known. */
  readonly hosts?: readonly string[]
  /** Whoever has it may look: at least 16 characters of `A-Z a-z 0-9 - _ . ~`. @default 32 random bytes, in base64url */
  readonly token?: string
  /** Of the page. @default the display name */
  readonly title?: string
  /** What this device is called. @default 'this device' */
  readonly displayName?: string
  /** Pages, and other readers of events, at a time. @default 32 */
  readonly maxPages?: number
  readonly logger?: Logger
  readonly clock?: Clock
}

export interface CheckedDashboardOptions {
  readonly mesh: Mesh
  readonly discovery: PeerDiscovery
  readonly database: Database
  readonly port: number
  readonly host: string
  readonly remote: boolean
  readonly hosts: readonly string[]
  readonly token: string
  readonly title: string
  readonly displayName: string
  readonly maxPages: number
  readonly logger: Logger
  readonly clock: Clock
}

/** @throws TypeError for what makes no sense, ERR_DASHBOARD_REMOTE */
export function checkDashboardOptions(options: DashboardOptions): CheckedDashboardOptions {
  const {
    mesh,
    discovery,
    database,
    port = 0,
    host = '127.0.0.1',
    allowRemote,
    hosts = [],
    token = randomBytes(32).toString('base64url'),
    displayName = 'this device',
    title = displayName,
    maxPages = 32,
    logger = silentLogger,
    clock = systemClock
  } = options
  checkInteger('port', port, 0, 65_535)
  checkInteger('maxPages', maxPages, 1, 1_000)
  if (!/^[A-Za-z0-9._~-]{16,512}$/.test(token)) throw new TypeError('token has 16 to 512 characters of A-Z, a-z, 0-9, -, _, . and ~')
  for (const name of hosts) {
    if (typeof name !== 'string' || hostname(name) !== name.toLowerCase())
      throw new TypeError(`${JSON.stringify(name)} is no host name without a port`)
  }
  const remote = !isLoopback(host)
  if (remote && allowRemote !== true)
    throw dashboardErrors.create('ERR_DASHBOARD_REMOTE', `Other machines may be able to reach a dashboard at ${host}`)
  return {
    mesh,
    discovery,
    database,
    port,
    host,
    remote,
    hosts: hosts.map((name) => name.toLowerCase()),
    token,
    title,
    displayName,
    maxPages,
    logger: logger.child('dashboard'),
    clock
  }
}
