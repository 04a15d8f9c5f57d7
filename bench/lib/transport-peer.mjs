// One process of the transport benchmark: byte links, WebSockets and handshakes, ours and bare ones. Both sides are authenticated by certificate.
import { createSocket } from 'node:dgram'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { readFileSync } from 'node:fs'
import { connect as connectTcp, createServer as createTcpServer } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { WebSocket, WebSocketServer } from 'ws'
import { silentLogger, systemClock } from '@kithmesh/core'
import { openDatagramStream, udpPath } from '@kithmesh/datagram-stream'
import { loadIdentity, pinnedPeers, secureClient, secureServer } from '@kithmesh/identity'
import { createTurnClient } from '@kithmesh/stun'
import { createTcpListener, direct } from '@kithmesh/transport-direct'
import { createWebSocketAcceptor, openWebSocket } from '@kithmesh/websocket'
import { answer, timed } from './processes.mjs'

const CHUNK = Buffer.alloc(64 * 1024, 7)
const HIGH_WATER_BYTES = 1024 * 1024
const HOST = '127.0.0.1'
const PROTOCOL = 'bench'
const ignore = () => {}
/** Links that are held open. */
const held = []
let identity
let peerId

// What servers do with a connection: they greet it with one byte, since coturn drops what a peer sends before its connection is bound. Then eight
// bytes say how many bytes the client sends (positive) or wants (negative). What was sent is confirmed with one byte.

function serveStream(stream) {
  stream.on('error', ignore)
  stream.write('.')
  stream.once('data', (first) => {
    const amount = Number(first.readBigInt64BE())
    if (amount < 0) sendBytes(stream, -amount)
    else countBytes(stream, amount, first.length - 8).then(() => stream.write('.'))
  })
}

/** Writes so many bytes as fast as they are taken. */
function sendBytes(stream, amount) {
  let left = amount
  const pump = () => {
    while (left > 0) {
      const chunk = left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK
      left -= chunk.length
      if (!stream.write(chunk)) {
        stream.once('drain', pump)
        return
      }
    }
  }
  pump()
}

function countBytes(stream, amount, already = 0) {
  return new Promise((resolve, reject) => {
    let received = already
    const onData = (chunk) => {
      received += chunk.length
      if (received < amount) return
      stream.removeListener('data', onData)
      resolve()
    }
    stream.on('data', onData)
    stream.once('error', reject)
    onData('')
  })
}

/** The same over a socket of messages: the first says how many of which size follow or are wanted. */
function serveMessages({ send, onMessage }) {
  let left
  onMessage((message) => {
    if (left === undefined) {
      const { count, bytes, want } = JSON.parse(message)
      left = want ? 0 : count
      if (want) sendMessages({ send }, count, bytes)
    } else if (--left === 0) send(Buffer.from('.'))
  })
}

function sendMessages({ send }, count, bytes) {
  const message = Buffer.alloc(bytes, 7)
  let sent = 0
  const pump = () => {
    while (sent < count) {
      sent++
      if (!send(message, pump)) return
    }
  }
  pump()
}

/** A bare WebSocket; `send` calls `drained` once when it returned false. */
const bareMessages = (socket) => ({
  send: (message, drained) => {
    const full = socket.bufferedAmount > HIGH_WATER_BYTES
    socket.send(message, full ? drained : undefined)
    return !full
  },
  onMessage: (receive) => {
    socket.on('message', receive)
  },
  close: () => {
    socket.terminate()
  }
})

/** A message socket of ours. */
function ownMessages(socket) {
  let drained = ignore
  let receive = ignore
  socket.attach({
    message: (message) => {
      receive(message)
    },
    drained: () => {
      drained()
    },
    closed: ignore
  })
  return {
    send: (message, onDrained) => {
      drained = onDrained ?? ignore
      return socket.send(message)
    },
    onMessage: (handler) => {
      receive = handler
    },
    close: () => {
      socket.terminate()
    }
  }
}

const credentials = () => ({ key: identity.privateKeyPem, cert: identity.chainPem, minVersion: 'TLSv1.2' })
const secured = () => ({ identity, authenticator: pinnedPeers([peerId]), expectedPeerId: peerId })
/** TLS of a server that asks for a certificate, and looks at it as little as possible. */
const bareServerOptions = () => ({ ...credentials(), requestCert: true, rejectUnauthorized: false, noDelay: true })

async function listening(server) {
  server.listen(0, HOST)
  await once(server, 'listening')
  return server.address().port
}

/** Accepts connections with the strategy of the package and puts TLS on them. */
async function listenOwn(onStream) {
  const { port } = await createTcpListener({
    host: HOST,
    maxConnections: 5_000,
    maxConnectionsPerAddress: 5_000,
    onConnection: (socket) => {
      secureServer(socket, secured()).then(({ stream }) => onStream(stream), ignore)
    }
  })
  return port
}

function bareWebSockets(server) {
  new WebSocketServer({ server, perMessageDeflate: false }).on('connection', (socket) => {
    serveMessages(bareMessages(socket))
  })
  return listening(server)
}

function ownAcceptor() {
  return createWebSocketAcceptor({
    selectProtocol: () => PROTOCOL,
    onConnection: (socket) => {
      held.push(socket)
      serveMessages(ownMessages(socket))
    }
  })
}

const servers = {
  tls: () => listening(createTlsServer(bareServerOptions(), serveStream)),
  link: () => listenOwn(serveStream),
  ws: () => bareWebSockets(createHttpServer()),
  wss: () => bareWebSockets(createHttpsServer(bareServerOptions())),
  'websocket plain': async () => {
    const acceptor = ownAcceptor()
    const { port } = await createTcpListener({ host: HOST, onConnection: (stream) => acceptor.accept(stream, undefined) })
    return port
  },
  websocket: () => {
    const acceptor = ownAcceptor()
    return listenOwn((stream) => acceptor.accept(stream, undefined))
  },
  /** Moves bytes between this port and another, as a relay does. */
  pipe: ({ to }) =>
    listening(
      createTcpServer({ noDelay: true }, (near) => {
        const far = connectTcp({ host: HOST, port: to, noDelay: true })
        near.on('error', ignore).pipe(far).on('error', ignore).pipe(near)
      })
    ),
  tcp: () => listening(createTcpServer({ noDelay: true }, serveStream)),
  /** A relay for connections (RFC 6062). */
  'tcp relay': async ({ uri, username, credential }) => {
    const allocation = await createTurnClient({ uri, username, credential }).allocateTcp()
    await allocation.permit(HOST)
    allocation.onConnection(serveStream)
    return allocation.relayed.port
  },
  /** A UDP port for one stream; who is to use it says so with the first datagram. */
  udp: async () => {
    const socket = createSocket('udp4').bind(0, HOST)
    await once(socket, 'listening')
    const secret = randomBytes(32)
    socket.once('message', (_first, { port }) => {
      openDatagramStream({ path: udpPath(socket, { address: HOST, port }), secret, role: 'responder' }).then(serveStream, ignore)
    })
    return { port: socket.address().port, secret }
  },
  /** The same at a relay. */
  'udp relay': async ({ uri, username, credential }) => {
    const client = createTurnClient({ uri, username, credential })
    const allocation = await client.allocateUdp()
    await allocation.permit(HOST)
    const secret = randomBytes(32)
    const end = allocation.onData((_first, peer) => {
      end()
      allocation
        .bindChannel(peer)
        .then(() => openDatagramStream({ path: relayPath(allocation, peer, client), secret, role: 'responder' }))
        .then(serveStream, ignore)
    })
    return { port: allocation.relayed.port, secret }
  }
}

function relayPath(allocation, peer, client) {
  let end = ignore
  return {
    open({ datagram, closed }) {
      end = allocation.onData(datagram)
      allocation.ended.then((error) => closed(error ?? new Error('closed')))
    },
    send: (datagram) => {
      allocation.send(datagram, peer)
    },
    close: () => {
      end()
      void client.close()
    }
  }
}

function dialDirect(port) {
  const strategy = direct().create({ logger: silentLogger, clock: systemClock })
  const target = { resolved: { url: `tls://${HOST}:${port}`, addresses: [HOST] } }
  return strategy.attempt(target, { signal: new AbortController().signal, progress: ignore })
}

const dialers = {
  tls: async (port) => {
    const socket = connectTls({ host: HOST, port, ...credentials(), rejectUnauthorized: false })
    socket.setNoDelay(true)
    await once(socket, 'secureConnect')
    return socket
  },
  link: async (port) => (await secureClient(await dialDirect(port), secured())).stream,
  tcp: async (port) => {
    const socket = connectTcp({ host: HOST, port, noDelay: true })
    await once(socket, 'connect')
    return socket
  }
}

const openers = {
  ws: (port) => openBare(`ws://${HOST}:${port}`, {}),
  wss: (port) => openBare(`wss://${HOST}:${port}`, { ...credentials(), rejectUnauthorized: false }),
  'websocket plain': async (port) => await openOwn(await dialDirect(port)),
  websocket: async (port) => await openOwn(await dialers.link(port))
}

async function openBare(url, options) {
  const socket = new WebSocket(url, { ...options, perMessageDeflate: false })
  await once(socket, 'open')
  return bareMessages(socket)
}

async function openOwn(stream) {
  return ownMessages((await openWebSocket(stream, { url: `ws://${HOST}/${PROTOCOL}`, protocols: [PROTOCOL] })).socket)
}

/** Sends so many bytes to `serveStream`, or has it send them. */
async function transfer(stream, bytes, wanted) {
  stream.write(order(wanted ? -bytes : bytes))
  if (!wanted) sendBytes(stream, bytes)
  await countBytes(stream, wanted ? bytes : 1)
}

const order = (amount) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(BigInt(amount))
  return bytes
}

function residentMegabytes() {
  globalThis.gc?.()
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024
}

answer({
  async identify({ pem, peer }) {
    identity = await loadIdentity({ pem })
    peerId = peer
  },
  serve: ({ kind, ...options }) => servers[kind](options),
  /** What moving so many bytes took, over an established link. */
  async move({ kind, port, bytes, wanted }) {
    const stream = await dialers[kind](port)
    stream.on('error', ignore)
    await once(stream, 'data')
    const result = await timed(() => transfer(stream, bytes, wanted))
    stream.destroy()
    return result
  },
  /** The same over a stream of datagrams. */
  async moveDatagrams({ offer, bytes, wanted }) {
    const socket = createSocket('udp4').bind(0, HOST)
    await once(socket, 'listening')
    const to = { address: HOST, port: offer.port }
    socket.send('first', to.port, to.address)
    const stream = await openDatagramStream({ path: udpPath(socket, to), secret: offer.secret, role: 'initiator' })
    stream.on('error', ignore)
    await once(stream, 'data')
    const result = await timed(() => transfer(stream, bytes, wanted))
    stream.destroy()
    return result
  },
  /** What so many messages took, over an established WebSocket. */
  async messages({ kind, port, count, bytes, wanted }) {
    const socket = await openers[kind](port)
    let left = wanted ? count : 1
    const result = await timed(async () => {
      await new Promise((resolve) => {
        socket.onMessage(() => {
          if (--left === 0) resolve()
        })
        socket.send(Buffer.from(JSON.stringify({ count, bytes, want: wanted })))
        if (!wanted) sendMessages(socket, count, bytes)
      })
    })
    socket.close()
    return result
  },
  /** Milliseconds of each of so many connections, one after the other; with `greeted` until the server's first byte is here. */
  async dial({ kind, port, count, greeted }) {
    const times = []
    for (let number = 0; number < count; number++) {
      const startedAt = performance.now()
      const stream = await dialers[kind](port)
      if (greeted) await once(stream, 'data')
      times.push(performance.now() - startedAt)
      stream.on('error', ignore)
      stream.destroy()
    }
    return times
  },
  /** Opens links and keeps them. */
  async hold({ kind, port, count }) {
    const parallel = 20
    for (let number = 0; number < count; number += parallel)
      held.push(...(await Promise.all(Array.from({ length: Math.min(parallel, count - number) }, () => openers[kind](port)))))
  },
  resident: residentMegabytes,
  /** Milliseconds of processor time since the start. */
  cpu() {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  }
})
