import { createServer } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { messageSocketFromWebSocket } from '@kithmesh/websocket'
import { WebSocketServer } from 'ws'
import type WebSocket from 'ws'
import { createBlipConnection } from '@kithmesh/blip'
import { GatewaySession } from './session.ts'
import { GatewayStore } from './store.ts'

/** A request as it came in. */
export interface SeenRequest {
  readonly profile: string
  readonly properties: Readonly<Record<string, string>>
  readonly body: string
}

export interface ScriptedGatewayOptions {
  /** @default the default collection */
  readonly collections?: readonly string[]
  /** Accepted sub-protocols; the first of the client's list that is among them is taken. */
  readonly protocols?: readonly string[]
}

const FRAME_BYTES = 16 * 1024 + 64

/**
 * A gateway for tests: what cbmobile.md says of Sync Gateway, in small. Users log in as `alice:secret`, with the session `s1`, which is
 * renewed to `s2`, or with the token `t1`; all are the user `alice`.
 */
export class ScriptedGateway {
  readonly stores: ReadonlyMap<string, GatewayStore>
  readonly seen: SeenRequest[] = []
  /** Request headers of the connections so far. */
  readonly upgrades: IncomingMessage['headers'][] = []
  /** Answers so many connections with 503. */
  overloaded = 0
  readonly #protocols: readonly string[]
  readonly #server: Server
  readonly #sockets = new Set<WebSocket>()
  readonly #webSockets: WebSocketServer

  constructor(options: ScriptedGatewayOptions = {}) {
    const { collections = ['_default'], protocols = ['BLIP_3+CBMobile_4', 'BLIP_3+CBMobile_3', 'BLIP_3+CBMobile_2'] } = options
    this.#protocols = protocols
    this.stores = new Map(collections.map((path) => [path, new GatewayStore()]))
    this.#webSockets = new WebSocketServer({
      noServer: true,
      perMessageDeflate: false,
      handleProtocols: (offered) => [...offered].find((protocol) => this.#protocols.includes(protocol)) ?? false
    })
    this.#webSockets.on('headers', (headers: string[], request: IncomingMessage) => {
      headers.push(`X-Correlation-Id: correlation-${this.upgrades.length}`)
      if (request.headers.cookie?.includes('SyncGatewaySession=s1') === true)
        headers.push('Set-Cookie: SyncGatewaySession=s2; Path=/db; HttpOnly; Expires=Wed, 21 Oct 2099 07:28:00 GMT')
    })
    this.#server = createServer((_request, response) => {
      response.writeHead(404).end()
    })
    this.#server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
      this.#upgrade(request, stream, head)
    })
  }

  /** Of the default collection. */
  get store(): GatewayStore {
    return this.stores.get('_default') as GatewayStore
  }
  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/db`
  }
  get connections(): number {
    return this.#sockets.size
  }

  requests(profile: string): SeenRequest[] {
    return this.seen.filter((request) => request.profile === profile)
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(0, '127.0.0.1', resolve)
    })
    return this
  }

  /** Cuts all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.terminate()
  }

  async stop(): Promise<void> {
    this.cut()
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve()
      })
      this.#server.closeAllConnections()
    })
  }

  #upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    this.upgrades.push(request.headers)
    const refuse = (status: string): void => {
      stream.end(`HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
    }
    if (this.overloaded > 0) {
      this.overloaded--
      refuse('503 Service Unavailable')
    } else if (request.url !== '/db/_blipsync') refuse('404 Not Found')
    else if (!mayEnter(request.headers)) refuse('401 Unauthorized')
    else if (!offered(request).some((protocol) => this.#protocols.includes(protocol))) refuse('400 Bad Request')
    else
      this.#webSockets.handleUpgrade(request, stream, head, (socket) => {
        this.#accept(socket)
      })
  }

  #accept(socket: WebSocket): void {
    this.#sockets.add(socket)
    const blip = createBlipConnection(messageSocketFromWebSocket(socket, { description: 'client' }), { maxFrameBytes: FRAME_BYTES })
    const session = new GatewaySession({
      blip,
      stores: this.stores,
      user: 'alice',
      version: Number(socket.protocol.at(-1)),
      seen: ({ profile, properties, body }) => {
        this.seen.push({ profile, properties, body: body.toString() })
      }
    })
    blip.onClosed(() => {
      this.#sockets.delete(socket)
      session.stop()
    })
  }
}

function offered(request: IncomingMessage): string[] {
  return (request.headers['sec-websocket-protocol'] ?? '').split(',').map((protocol) => protocol.trim())
}

function mayEnter({ authorization, cookie }: IncomingMessage['headers']): boolean {
  return (
    authorization === `Basic ${Buffer.from('alice:secret').toString('base64')}` ||
    authorization === 'Bearer t1' ||
    /(^|; )SyncGatewaySession=s[12](;|$)/.test(cookie ?? '')
  )
}
