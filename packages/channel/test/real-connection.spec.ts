import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { type BlipPeer, createBlipConnection } from '@kithmesh/blip'
import { type ChannelAttachment, type PeerChannel, createPeerChannel } from '@kithmesh/channel'
import type { MessageSocket } from '@kithmesh/core'
import { Database } from '@kithmesh/database'
import {
  type Authenticator,
  type Identity,
  type SecureStream,
  createIdentity,
  groupKey,
  secureClient,
  secureServer
} from '@kithmesh/identity'
import { Replicator, serveReplication, socketEndpoint } from '@kithmesh/replicator'
import { eventually, rejection, within } from '@kithmesh/testkit'
import { createWebSocketAcceptor, openWebSocket } from '@kithmesh/websocket'

const PROTOCOL = 'BLIP_3+CBMobile_3'

interface Side {
  readonly identity: Identity
  readonly database: Database
  channel: PeerChannel
  blip: BlipPeer
  attachment: ChannelAttachment
}

describe('a channel over TLS and WebSocket on loopback', () => {
  let directory: string
  let server: Server
  const sockets = new Set<Socket>()
  const ends: (() => unknown)[] = []

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kithmesh-channel-real-'))
  })

  after(async () => {
    await rm(directory, { recursive: true, force: true })
  })

  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
    for (const socket of sockets) socket.destroy()
    sockets.clear()
    await new Promise((resolve) => {
      server.close(resolve)
    })
  })

  async function side(name: string): Promise<Side> {
    const identity = await createIdentity({ commonName: name })
    const database = await Database.open(':memory:')
    ends.push(() => database.close())
    return { identity, database } as Side
  }

  function attach(
    side: Side,
    { peer, binding, standing, protocols }: SecureStream,
    socket: MessageSocket,
    role: 'initiator' | 'responder'
  ): void {
    const { peerId } = peer!
    const { identity } = side
    side.channel ??= createPeerChannel({ localPeerId: identity.peerId, peerId })
    side.blip = createBlipConnection(socket)
    side.attachment = side.channel.attach({ blip: side.blip, role, binding: binding(), standing, protocols })
  }

  /** Two sides; `join` connects them over new sockets. */
  async function world(here: Authenticator, there: Authenticator): Promise<{ shop: Side; depot: Side; join: () => Promise<void> }> {
    const [shop, depot] = [await side('shop'), await side('depot')]
    let met = (): void => {}
    server = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      void secureServer(socket, { identity: depot.identity, authenticator: there, proofs: true }).then((secured) => {
        const acceptor = createWebSocketAcceptor({
          selectProtocol: (offered) => offered[0],
          onConnection: (webSocket) => {
            attach(depot, secured, webSocket, 'responder')
            met()
          }
        })
        acceptor.accept(secured.stream, undefined)
      })
    })
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    const join = async (): Promise<void> => {
      const accepted = new Promise<void>((resolve) => {
        met = resolve
      })
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
      sockets.add(socket)
      socket.on('error', () => {})
      const secured = await secureClient(socket, { identity: shop.identity, authenticator: here, proofs: true })
      const opened = await openWebSocket(secured.stream, {
        url: 'wss://depot.invalid/db/_blipsync',
        protocols: [PROTOCOL],
        signal: AbortSignal.timeout(30_000)
      })
      attach(shop, secured, opened.socket, 'initiator')
      await accepted
    }
    ends.push(
      () => shop.channel?.close(),
      () => depot.channel?.close()
    )
    return { shop, depot, join }
  }

  it('proves a group key, and then carries replication, a file and requests side by side', async () => {
    const secret = randomBytes(32).toString('base64url')
    const { shop, depot, join: meet } = await world(groupKey(secret), groupKey(secret))
    await meet()
    await within(Promise.all([shop.attachment.trusted, depot.attachment.trusted]), 30_000, 'trust')

    const content = randomBytes(8 * 1024 * 1024)
    await writeFile(join(directory, 'catalogue.pdf'), content)
    for (let i = 0; i < 2_000; i++) depot.database.collection().put(`doc-${i}`, { number: i, text: 'x'.repeat(200) })
    const served = serveReplication({ blip: depot.blip, protocol: PROTOCOL, description: 'shop' }, { database: depot.database })
    const replicator = new Replicator({
      database: shop.database,
      endpoint: socketEndpoint({ uid: 'depot', open: async () => ({ blip: shop.blip, protocol: PROTOCOL, description: 'depot' }) }),
      continuous: true
    })
    ends.push(
      () => replicator.stop(),
      () => served.stop()
    )
    replicator.start()
    depot.channel.answer('price', (body) => ({ of: body as string, cents: 199 }))
    depot.channel.setHandler('data', (offer) => {
      offer.save({ directory: join(directory) })
    })
    const sent = shop.channel.sendFile(join(directory, 'catalogue.pdf'))
    expect(await shop.channel.request('price', 'apples')).to.deep.equal({ of: 'apples', cents: 199 })
    const { sha256 } = await sent.finished
    expect(sha256).to.equal(createHash('sha256').update(content).digest('hex'))
    expect((await readFile(join(directory, 'catalogue (1).pdf'))).equals(content)).to.equal(true)
    await eventually('all documents', () => shop.database.collection().get('doc-1999') !== undefined)
  })

  it('does not trust who has another key', async () => {
    const {
      shop,
      depot,
      join: meet
    } = await world(groupKey(randomBytes(32).toString('base64url')), groupKey(randomBytes(32).toString('base64url')))
    await meet()
    for (const { attachment } of [shop, depot])
      expect(((await rejection(attachment.trusted)) as { code: string }).code).to.be.oneOf([
        'ERR_CHANNEL_UNTRUSTED',
        'ERR_CHANNEL_NOT_TRUSTED'
      ])
  })

  it('goes on over the next connection when one is lost', async () => {
    const secret = randomBytes(32).toString('base64url')
    const { shop, depot, join: meet } = await world(groupKey(secret), groupKey(secret))
    await meet()
    const heard: unknown[] = []
    depot.channel.setHandler('message', ({ body }) => {
      heard.push(body)
    })
    const content = randomBytes(6 * 1024 * 1024)
    let copy: Buffer[] = []
    depot.channel.setHandler('data', (offer) => {
      copy = []
      offer.accept({ write: (bytes) => void copy.push(bytes) })
    })
    const file = shop.channel.sendStream([content], { size: content.length })
    const messages: Promise<void>[] = []
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 50; i++) messages.push(shop.channel.send({ number: messages.length }))
      await eventually('the file to get on', () => file.transferred > round * 1_000_000 || file.state === 'done')
      for (const socket of sockets) socket.destroy()
      sockets.clear()
      await meet()
    }
    await within(Promise.all([...messages, file.finished]), 30_000, 'everything')
    expect(heard).to.deep.equal(messages.map((_, number) => ({ number })))
    expect(Buffer.concat(copy).equals(content)).to.equal(true)
  })
})
