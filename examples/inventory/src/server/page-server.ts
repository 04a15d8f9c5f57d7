import { once } from 'node:events'
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isKithmeshError } from '@kithmesh/core'
import type { ErrorAnswer } from '../contracts.ts'
import { EditRefused } from '../model/edits.ts'
import type { App } from '../peer/app.ts'
import { viewOf } from '../peer/errors.ts'
import { EventStream } from './event-stream.ts'
import { Gate } from './gate.ts'
import { HttpRefusal } from './request-body.ts'
import { type Answer, type Route, routesOf } from './routes.ts'
import type { StaticFile } from './static-files.ts'

const headers = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin'
}

export interface PageServerOptions {
  readonly app: App
  readonly files: ReadonlyMap<string, StaticFile>
  /** @default 0, any free one */
  readonly port?: number
}

/** Serves the page of one peer on 127.0.0.1, to whoever has the token. */
export class PageServer {
  readonly #options: PageServerOptions
  readonly #gate = new Gate()
  readonly #routes: Readonly<Record<string, Route>>
  #server: Server | undefined
  #events: EventStream | undefined

  constructor(options: PageServerOptions) {
    this.#options = options
    this.#routes = routesOf(options.app)
  }

  /** The page's address with the token; for the person who started the program only. */
  get url(): string {
    return `http://127.0.0.1:${this.port}/?token=${this.#gate.token}`
  }

  get port(): number {
    return (this.#server?.address() as AddressInfo | null | undefined)?.port ?? 0
  }

  async start(): Promise<void> {
    if (this.#server !== undefined) return
    const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000, maxHeaderSize: 8 * 1024 }, (request, response) => {
      void this.#answer(request, response)
    })
    server.maxConnections = 128
    server.listen(this.#options.port ?? 0, '127.0.0.1')
    await once(server, 'listening')
    this.#server = server
    this.#events = new EventStream(this.#options.app)
    this.#gate.listensOn(this.port)
  }

  async stop(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    this.#events?.close()
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    try {
      await this.#route(request, response)
    } catch (error) {
      if (response.headersSent) response.destroy()
      else refuse(response, error)
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = request
    const target = url.startsWith('/') && URL.canParse(`http://page${url}`) ? new URL(`http://page${url}`) : undefined
    if (target === undefined) throw new HttpRefusal(400, 'That is no address.')
    const verdict = this.#gate.judge({
      method,
      host: request.headers.host,
      origin: request.headers.origin,
      cookie: request.headers.cookie,
      authorization: request.headers.authorization,
      token: target.searchParams.get('token') ?? undefined
    })
    if (verdict.allow === false) throw new HttpRefusal(verdict.status, verdict.message)
    if (verdict.allow === 'with-cookie') {
      response.writeHead(303, { 'Set-Cookie': verdict.setCookie, Location: '/', 'Cache-Control': 'no-store' }).end()
      return
    }
    if (method === 'GET' && target.pathname === '/api/events') {
      this.#events?.add(response)
      return
    }
    const found = method === 'GET' ? this.#options.files.get(target.pathname) : undefined
    if (found !== undefined) {
      response.writeHead(200, { 'Content-Type': found.type, 'Cache-Control': 'no-cache' }).end(found.bytes)
      return
    }
    const [route, parameter] = this.#find(method, target.pathname)
    send(response, await route(request, parameter))
  }

  #find(method: string, path: string): readonly [Route, string] {
    const exact = this.#routes[`${method} ${path}`]
    if (exact !== undefined && !path.includes('*')) return [exact, '']
    const [, api, kind, parameter, ...rest] = path.split('/')
    const pattern = this.#routes[`${method} /${[api, kind, '*', ...rest].join('/')}`]
    if (pattern === undefined || parameter === undefined) throw new HttpRefusal(404, 'There is nothing at this address.')
    try {
      return [pattern, decodeURIComponent(parameter)]
    } catch {
      throw new HttpRefusal(400, 'That is no address.')
    }
  }
}

function send(response: ServerResponse, answer: Answer): void {
  if ('json' in answer) {
    response
      .writeHead(200, { 'Content-Type': 'application/json; charset=utf-8', 'Cache-Control': 'no-store' })
      .end(JSON.stringify(answer.json))
    return
  }
  const { file, type, immutable = false, download } = answer
  response
    .writeHead(200, {
      'Content-Type': type,
      'Cache-Control': immutable ? 'private, max-age=31536000, immutable' : 'no-store',
      ...(download !== undefined && { 'Content-Disposition': `attachment; filename="${download}"` })
    })
    .end(file)
}

/** Says what was wrong; a fault of ours is 500, with its message, as this is the user's own machine. */
function refuse(response: ServerResponse, error: unknown): void {
  const known = error instanceof HttpRefusal || error instanceof EditRefused
  const status = error instanceof HttpRefusal ? error.status : known || isKithmeshError(error) ? 400 : 500
  const answer: ErrorAnswer = {
    error: known ? { code: `HTTP_${status}`, reason: `HTTP_${status}`, message: error.message, hint: '' } : viewOf(error)
  }
  response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8', 'Cache-Control': 'no-store' }).end(JSON.stringify(answer))
}
