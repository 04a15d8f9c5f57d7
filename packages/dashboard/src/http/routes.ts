import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from '@kithmesh/core'
import { dashboardErrors } from '../errors.ts'
import type { Access, AccessRequest } from './access.ts'
import { type Reply, failureReply, securityHeaders, slowReaderMs } from './reply.ts'
import type { StaticFile } from './static-files.ts'

/** One request that may be answered. */
export interface RouteRequest {
  readonly parameters: URLSearchParams
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** Answers, or takes the response over and returns undefined. May throw; what is no error of the dashboard is answered 500. */
export type Route = (request: RouteRequest) => Reply | undefined | Promise<Reply | undefined>

export interface RoutesOptions {
  readonly access: Access
  readonly cookieName: string
  readonly files: ReadonlyMap<string, StaticFile>
  /** By path. */
  readonly routes: ReadonlyMap<string, Route>
  readonly logger: Logger
}

/** How long a browser keeps the cookie, which is of no use once the token is another one. */
const cookieSeconds = 30 * 24 * 3_600

/** Every request passes here: whether it may, and to whom it goes. */
export class Routes {
  readonly #options: RoutesOptions
  #failures = 0

  constructor(options: RoutesOptions) {
    this.#options = options
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => {})
    this.#answer(request, response).then(
      (reply) => {
        if (reply !== undefined) send(request, response, reply)
      },
      (error: unknown) => {
        this.#failed(request, error)
        if (response.headersSent) response.destroy()
        else send(request, response, failureReply(error, wantsPage(request)))
      }
    )
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<Reply | undefined> {
    const { access, cookieName, files, routes } = this.#options
    const asked = accessRequest(request)
    access.checkHost(asked)
    checkShape(request)
    const url = parsed(request.url ?? '')
    // Browsers ask for it on their own, before they have the cookie.
    if (url.pathname === '/favicon.ico') return { status: 204, headers: {}, body: '' }
    const token = url.pathname === '/' ? url.searchParams.get('token') : null
    if (token !== null) return this.#enter(token)
    access.checkToken(asked, cookieName)
    const file = files.get(url.pathname)
    if (file !== undefined) return fileReply(request, file)
    access.checkSite(asked)
    const route = routes.get(url.pathname)
    if (route === undefined) throw dashboardErrors.create('ERR_DASHBOARD_NOT_FOUND', 'There is no such page')
    return await route({ parameters: url.searchParams, request, response })
  }

  /** Puts the token where it is neither seen over a shoulder nor kept in the history. */
  #enter(token: string): Reply {
    const { access, cookieName } = this.#options
    if (!access.isToken(token)) throw dashboardErrors.create('ERR_DASHBOARD_TOKEN', 'The token is not that of this dashboard')
    const cookie = `${cookieName}=${access.cookieValue}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${cookieSeconds}`
    return { status: 303, headers: { Location: '/', 'Set-Cookie': cookie }, body: '' }
  }

  /** Whoever may not ask is not to fill the log. */
  #failed({ method, url = '' }: IncomingMessage, error: unknown): void {
    const path = url.split('?')[0]?.slice(0, 200)
    if (failureReply(error, false).status < 500) this.#options.logger.debug('a request was refused', { method, path, error })
    else if (this.#failures++ === 0)
      this.#options.logger.warn('a request failed; further failures are logged at debug level', { method, path, error })
    else this.#options.logger.debug('a request failed', { method, path, error })
  }
}

function accessRequest({ headers }: IncomingMessage): AccessRequest {
  const fetchSite = headers['sec-fetch-site']
  return {
    host: headers.host,
    origin: headers.origin,
    fetchSite: Array.isArray(fetchSite) ? fetchSite.join() : fetchSite,
    authorization: headers.authorization,
    cookie: headers.cookie
  }
}

/** @throws ERR_DASHBOARD_REQUEST */
function checkShape({ method, headers }: IncomingMessage): void {
  if (method !== 'GET' && method !== 'HEAD') throw dashboardErrors.create('ERR_DASHBOARD_METHOD', 'The dashboard only shows')
  if ((headers['content-length'] ?? '0') !== '0' || headers['transfer-encoding'] !== undefined)
    throw dashboardErrors.create('ERR_DASHBOARD_REQUEST', 'Requests to the dashboard have no body')
}

/** @throws ERR_DASHBOARD_REQUEST */
function parsed(url: string): URL {
  try {
    if (url.startsWith('/')) return new URL(`http://dashboard.invalid${url}`)
  } catch {
    // Told below.
  }
  throw dashboardErrors.create('ERR_DASHBOARD_REQUEST', 'The path of the request is not one')
}

function fileReply({ headers }: IncomingMessage, { content, contentType, etag }: StaticFile): Reply {
  const shared = { ETag: etag, 'Cache-Control': 'private, no-cache' }
  if (headers['if-none-match'] === etag) return { status: 304, headers: shared, body: '' }
  return { status: 200, headers: { ...shared, 'Content-Type': contentType }, body: content }
}

function wantsPage({ url = '', headers }: IncomingMessage): boolean {
  return !url.startsWith('/api/') && (headers.accept ?? '').includes('text/html')
}

function send(request: IncomingMessage, response: ServerResponse, { status, headers, body }: Reply): void {
  const length = Buffer.byteLength(body)
  const bodyless = status === 204 || status === 304
  // Whoever sends what is not read is not worth a connection.
  const close = status >= 400 && request.method !== 'GET' && request.method !== 'HEAD'
  response.writeHead(status, {
    ...securityHeaders,
    ...headers,
    ...(bodyless ? {} : { 'Content-Length': length }),
    ...(status === 405 && { Allow: 'GET, HEAD' }),
    ...(close && { Connection: 'close' })
  })
  response.setTimeout(slowReaderMs, () => response.destroy())
  response.end(request.method === 'HEAD' || bodyless ? undefined : body)
}
