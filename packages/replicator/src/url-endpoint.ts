import { systemClock } from '@kithmesh/core'
import type { Clock } from '@kithmesh/core'
import type { Identity, PasswordCredentials, ServerTrust } from '@kithmesh/identity'
import { webSocketFactory } from '@kithmesh/transport-direct'
import type { OpenedConnection } from '@kithmesh/transport-direct'
import { CookieJar } from './cookie-jar.ts'
import type { ReplicatorEndpoint } from './endpoint.ts'
import { watchNetwork } from './network-watch.ts'
import { checkRequestHeader } from './request-headers.ts'

const SESSION_COOKIE = 'SyncGatewaySession'

export interface UrlEndpointOptions {
  /** How the server of a `wss:` URL is judged. @default certificate authorities, with the host name */
  readonly trust?: ServerTrust
  /** Our certificate, for servers that want one. */
  readonly identity?: Identity
  readonly basicAuth?: PasswordCredentials
  /** Id of a session of Sync Gateway, which goes as its cookie; a session that the gateway renews is followed. */
  readonly session?: string
  /** An OpenID Connect or other token, which goes as `Authorization: Bearer`. */
  readonly bearerToken?: string
  /** Cookies to send; what the server sets when it lets us in replaces them. */
  readonly cookies?: Readonly<Record<string, string>>
  /** Further request headers. */
  readonly headers?: Readonly<Record<string, string>>
  /** Stable name of the remote. @default the URL; give a peer id for peers whose addresses change */
  readonly uid?: string
  /** Concrete addresses for the URL's host, when discovery knows them. */
  readonly addresses?: readonly string[]
  /**
   * Name of an interface of this machine, such as `en0`, or one of its addresses, that connections come from. While it is missing, continuous
   * replicators are offline with ERR_DIRECT_INTERFACE as the cause, and others fail with it. @default the system's choice
   */
  readonly networkInterface?: string
  /** Told the server's certificate and response headers each time a connection opened. */
  readonly onOpened?: (connection: OpenedConnection) => void
  /** @default the replicator's */
  readonly clock?: Clock
}

/**
 * A listener or Sync Gateway by its URL, `ws://host:port/db` or `wss://host/db` (cbmobile.md §1).
 * @throws TypeError for another scheme, a URL without a database name, several ways to log in, or what no header may contain.
 */
export function urlEndpoint(url: string | URL, options: UrlEndpointOptions = {}): ReplicatorEndpoint {
  const target = new URL(url)
  if (target.protocol !== 'ws:' && target.protocol !== 'wss:')
    throw new TypeError(`The URL of a replication starts with ws: or wss:, not ${target.protocol}`)
  const path = target.pathname.replace(/\/+$/, '')
  if (path === '') throw new TypeError('The URL of a replication names a database, like wss://host:4984/inventory')
  const { trust, identity, session, bearerToken, cookies, headers, addresses, networkInterface, onOpened } = options
  const inUrl =
    target.username === '' ? undefined : { username: decodeURIComponent(target.username), password: decodeURIComponent(target.password) }
  const basicAuth = options.basicAuth ?? inUrl
  target.username = ''
  target.password = ''
  target.hash = ''
  target.pathname = path
  const description = target.href
  target.pathname = path.endsWith('/_blipsync') ? path : `${path}/_blipsync`
  const request = target.href
  if ([basicAuth, session, bearerToken].filter((way) => way !== undefined).length > 1)
    throw new TypeError('basicAuth (or a password in the URL), session and bearerToken exclude each other')
  const jar = new CookieJar({ ...cookies, ...(session !== undefined && { [SESSION_COOKIE]: session }) })
  const authorization = bearerToken === undefined ? {} : { Authorization: `Bearer ${bearerToken}` }
  for (const [name, value] of Object.entries({ ...headers, ...authorization })) checkRequestHeader(name, value)
  return {
    uid: options.uid ?? description,
    description,
    onReachable: (reachable, clock) => watchNetwork(options.clock ?? clock, reachable),
    open: async ({ signal, protocols, heartbeatMs, onResponse, ...given }) => {
      const clock = options.clock ?? given.clock
      const cookie = jar.header
      const factory = webSocketFactory({
        heartbeatMs,
        headers: { ...headers, ...authorization, ...(cookie !== undefined && { Cookie: cookie }) },
        ...(trust !== undefined && { trust }),
        ...(identity !== undefined && { identity }),
        ...(basicAuth !== undefined && { basicAuth }),
        ...(networkInterface !== undefined && { networkInterface }),
        onOpened: (connection) => {
          jar.take(connection.responseHeaders['set-cookie'], (clock ?? systemClock).now())
          onResponse?.(connection.responseHeaders)
          onOpened?.(connection)
        },
        ...(clock !== undefined && { clock })
      })
      return await factory.open(request, { signal, protocols, ...(addresses !== undefined && { addresses }) })
    }
  }
}
