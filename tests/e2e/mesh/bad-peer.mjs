// A member of a group that misbehaves: node bad-peer.mjs MODE GROUP NAME, with MODE
// - silent: takes connections and makes them, and says nothing
// - after-tls: proves who it is, and says nothing then
// - garbage: opens the WebSocket of replication, and sends what is no BLIP
import { randomBytes } from 'node:crypto'
import { createPeerDiscovery } from '@kithmesh/core'
import { createIdentity, insecureAcceptAnyone, secureClient, secureServer } from '@kithmesh/identity'
import { dnssd } from '@kithmesh/provider-dnssd'
import { direct } from '@kithmesh/transport-direct'
import { createWebSocketAcceptor, openWebSocket } from '@kithmesh/websocket'

const [mode, group, displayName] = process.argv.slice(2)
const PROTOCOL = 'BLIP_3+CBMobile_3'
const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`)

const identity = await createIdentity({ commonName: displayName })
const authenticator = insecureAcceptAnyone()
const discovery = createPeerDiscovery({
  peerGroupId: group,
  localPeerId: identity.peerId,
  providers: [dnssd({ interfaces: ['lo'] })],
  transports: [direct({ host: '127.0.0.1' })]
})

/** Sends messages that are no frames until the other side has had enough. */
function spray(socket) {
  say({ event: 'met' })
  const timer = setInterval(() => {
    socket.send(randomBytes(2000))
  }, 20)
  socket.attach({
    message() {},
    drained() {},
    closed() {
      clearInterval(timer)
    }
  })
}
const acceptor = createWebSocketAcceptor({
  selectProtocol: (offered) => offered[0],
  onConnection: spray
})

const taken = {
  silent: () => say({ event: 'met' }),
  'after-tls': async (socket) => {
    const { stream } = await secureServer(socket, { identity, authenticator })
    stream.on('error', () => {})
    say({ event: 'met' })
  },
  garbage: async (socket) => {
    const { stream } = await secureServer(socket, { identity, authenticator })
    acceptor.accept(stream, undefined)
  }
}
const made = {
  silent: () => say({ event: 'met' }),
  'after-tls': async (socket) => {
    const { stream } = await secureClient(socket, { identity, authenticator })
    stream.on('error', () => {})
    say({ event: 'met' })
  },
  garbage: async (socket) => {
    const { stream } = await secureClient(socket, { identity, authenticator })
    const { socket: opened } = await openWebSocket(stream, { url: 'wss://kithmesh.invalid/db/_blipsync', protocols: [PROTOCOL] })
    spray(opened)
  }
}

const { port } = await discovery.listen({
  onConnection: (socket) => {
    socket.on('error', () => {})
    Promise.resolve(taken[mode](socket)).catch(() => {})
  }
})
/** Connects to everybody, and again when that is over. */
async function haunt(id) {
  while (discovery.deviceWithId(id) !== undefined) {
    try {
      const { socket } = await discovery.connect(id)
      socket.on('error', () => {})
      const closed = new Promise((resolve) => {
        socket.once('close', resolve)
      })
      await made[mode](socket)
      await closed
    } catch {
      /* that it is refused is what it is for */
    }
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
}
discovery.addObserver({
  devicesChanged: ({ added }) => {
    for (const { id } of added) void haunt(id)
  }
})
await discovery.start({ publish: { displayName, port } })
say({ event: 'started', peerId: identity.peerId })
