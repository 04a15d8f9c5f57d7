// Every kind of listener in one process, for descriptors.spec.mjs, which starts it with few file descriptors and tells it over IPC when to take all that are left.
import { closeSync, openSync } from 'node:fs'
import { Database } from '@kithmesh/database'
import { createRelay } from '@kithmesh/relay'
import { UrlEndpointListener } from '@kithmesh/replicator'
import { createTcpListener } from '@kithmesh/transport-direct'
import { createWebSocketAcceptor } from '@kithmesh/websocket'
import { listenHttp } from '../../../packages/dashboard/dist/http/listener.js'

const host = '127.0.0.1'
let complaints = 0
const logger = Object.fromEntries(['debug', 'info'].map((level) => [level, () => {}]))
logger.warn = logger.error = () => {
  complaints++
}
logger.child = () => logger

const acceptor = createWebSocketAcceptor({ selectProtocol: () => '', onConnection: () => {}, logger })
const direct = await createTcpListener({ host, logger, onConnection: (stream) => acceptor.accept(stream, undefined) })

const database = await Database.open(':memory:')
const server = new UrlEndpointListener({ databases: { db: database }, host, tls: 'off', authenticator: 'insecure', logger })
await server.start()

const relay = createRelay({
  host,
  users: [{ username: 'team', password: 'a long secret' }],
  mqttPort: 0,
  stunPort: 0,
  alternateStunPort: 0,
  turnsPort: 0,
  logger
})
await relay.start()

const page = await listenHttp({ host, port: 0, maxConnections: 64, onRequest: (_request, response) => response.end('page') })

const portOf = (url) => Number(/:(\d+)$/.exec(url)[1])
const ports = {
  'the port of peers': direct.port,
  'the URL listener': server.port,
  "the relay's broker": portOf(relay.urls.brokers[0]),
  "the relay's TURN server": portOf(relay.urls.turn[0]),
  'the dashboard': page.port
}

let taken = []
const answers = {
  take: () => {
    for (;;) {
      try {
        taken.push(openSync('/dev/null'))
      } catch (error) {
        if (error.code !== 'EMFILE') throw error
        return {}
      }
    }
  },
  giveBack: () => {
    for (const descriptor of taken) closeSync(descriptor)
    taken = []
    return {}
  },
  complaints: () => ({ complaints }),
  connections: () => ({ connections: process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length })
}
process.on('message', (question) => process.send(answers[question]()))
process.on('disconnect', () => process.exit())
process.send({ ports })
