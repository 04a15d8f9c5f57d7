import { expect } from 'chai'
import { Database } from '@kithmesh/database'
import { Replicator, UrlEndpointListener, socketEndpoint, urlEndpoint } from '@kithmesh/replicator'
import type { ReplicatorOptions } from '@kithmesh/replicator'
import { BlipPair } from './support/blip-pair.ts'
import { GatewayClient } from './support/gateway-client.ts'
import { MemoryStore } from './support/memory-store.ts'
import { activeSession, passiveSession } from './support/sessions.ts'

const LEGACY = 'BLIP_3+CBMobile_2'

describe('replication without collections (CBMobile_2)', () => {
  describe('with an older gateway', () => {
    let client: GatewayClient

    beforeEach(async () => {
      client = await GatewayClient.open({ protocols: [LEGACY] })
      client.gateway.store.syncFunction = () => ['all']
      client.gateway.store.grant('alice', 'all')
    })
    afterEach(async () => {
      await client.close()
    })

    it('is offered only when asked for, and after everything else', async () => {
      expect((await client.run()).error?.code).to.equal('ERR_REPL_HTTP')
      expect((await client.run({ legacy: true })).error).to.equal(undefined)
      const offers = client.gateway.upgrades.map((headers) => headers['sec-websocket-protocol'])
      expect(offers).to.deep.equal(['BLIP_3+CBMobile_3', `BLIP_3+CBMobile_3,${LEGACY}`])
    })

    it('goes both ways, with deletions and blobs, and resumes from its checkpoint', async () => {
      const { store } = client.gateway
      const here = client.database.collection()
      const bytes = Buffer.from('a photo')
      const photo = { '@type': 'blob', digest: store.attach(bytes), length: bytes.length }
      const { '@type': _, ...shadow } = photo
      store.put('theirs', { photo }, { attachments: { 'blob_/photo': { ...shadow, stub: true, revpos: 1 } } as never })
      store.put('gone', {})
      here.put('mine', { picture: await client.database.blobs.saveBlob(Buffer.from('another')) })
      expect((await client.run({ legacy: true })).error).to.equal(undefined)
      expect(client.documents).to.have.keys('theirs', 'gone', 'mine')
      expect(client.documents['theirs']).to.deep.equal({ photo })
      expect(await client.database.blobs.readBlob(photo.digest)).to.deep.equal(bytes)
      expect(store.attachments.size).to.equal(2)
      store.put('gone', {}, { deleted: true })
      here.remove('mine')
      client.gateway.seen.length = 0
      expect((await client.run({ legacy: true })).error).to.equal(undefined)
      expect(client.documents).to.have.keys('theirs')
      expect(store.currentOf('mine')?.deleted).to.equal(true)
      expect(client.gateway.seen[0]?.profile).to.equal('getCheckpoint')
      // Ours may have been announced to us, or not.
      expect(client.gateway.requests('subChanges')[0]?.properties['since']).to.be.oneOf(['3', '4'])
      expect(client.gateway.requests('setCheckpoint').map(({ properties }) => properties['rev'])).to.deep.equal(['0-1'])
      expect(
        client.gateway.seen.every(({ profile, properties }) => profile !== 'getCollections' && !('collection' in properties))
      ).to.equal(true)
      expect(client.errors()).to.deep.equal([])
    })

    it('cannot replicate another collection, and says which', async () => {
      client.database.collection('items', 'shop', { create: true })
      const { error } = await client.run({ legacy: true, collections: [{}, { name: 'items', scope: 'shop' }] })
      expect(error?.code).to.equal('ERR_REPL_COLLECTION_MISSING')
      expect(error?.message).to.include('shop.items').and.to.include('CBMobile_2')
      expect(client.gateway.seen).to.have.length(0)
    })
  })

  it('is not chosen by a gateway that knows better', async () => {
    const client = await GatewayClient.open()
    try {
      expect((await client.run({ legacy: true })).error).to.equal(undefined)
      expect(client.gateway.seen[0]?.profile).to.equal('getCollections')
    } finally {
      await client.close()
    }
  })

  describe('on the answering side', () => {
    let here: Database
    let there: Database
    let listener: UrlEndpointListener
    const protocols: string[] = []

    beforeEach(async () => {
      here = await Database.open(':memory:')
      there = await Database.open(':memory:')
      listener = new UrlEndpointListener({ databases: { db: there }, host: '127.0.0.1', tls: 'off', authenticator: 'insecure' })
      await listener.start()
      protocols.length = 0
    })
    afterEach(async () => {
      await listener.stop()
      await here.close()
      await there.close()
    })

    /** A client that knows no more than these protocols. */
    const run = async (known: readonly string[], options: Partial<ReplicatorOptions> = {}): Promise<string | undefined> => {
      const url = urlEndpoint(listener.urls[0] ?? '')
      const endpoint = socketEndpoint({
        uid: 'listener',
        open: async (given) => {
          const socket = await url.open({ ...given, protocols: known })
          protocols.push(socket.protocol)
          return socket
        }
      })
      const replicator = new Replicator({ database: here, endpoint, legacy: true, maxAttempts: 1, ...options })
      replicator.start()
      return (await replicator.finished()).error?.code
    }

    it('serves clients that know nothing else, deletions and blobs included', async () => {
      here.collection().put('mine', { photo: await here.blobs.saveBlob(Buffer.from('photo')) })
      there.collection().put('theirs', { photo: await there.blobs.saveBlob(Buffer.from('another')) })
      there.collection().put('gone', {})
      expect(await run([LEGACY])).to.equal(undefined)
      there.collection().remove('gone')
      expect(await run([LEGACY])).to.equal(undefined)
      expect(protocols).to.deep.equal([LEGACY, LEGACY])
      const ids = (database: Database): string[] => [...database.collection().documents()].map(({ id }) => id)
      expect(ids(here)).to.deep.equal(['mine', 'theirs'])
      expect(ids(there)).to.deep.equal(['mine', 'theirs'])
      expect(here.collection().get('gone', { deleted: true })?.deleted).to.equal(true)
      for (const database of [here, there]) {
        const body = database.collection().get('mine')?.body as { photo: { digest: string } } | undefined
        expect(await database.blobs.readBlob(body?.photo ?? '')).to.deep.equal(Buffer.from('photo'))
      }
    })

    it('takes what the client likes best', async () => {
      expect(await run([LEGACY, 'BLIP_3+CBMobile_3'])).to.equal(undefined)
      expect(await run(['BLIP_3+CBMobile_3', LEGACY])).to.equal(undefined)
      expect(await run(['BLIP_3+CBMobile_9', LEGACY])).to.equal(undefined)
      expect(protocols).to.deep.equal([LEGACY, 'BLIP_3+CBMobile_3', LEGACY])
    })
  })

  describe('in messages', () => {
    it('announces deletions as booleans there, and as numbers elsewhere', async () => {
      for (const legacy of [true, false]) {
        const store = new MemoryStore()
        store.default.put('doc', {})
        store.default.delete('doc')
        store.default.put('alive', {})
        const pair = new BlipPair()
        passiveSession(pair.b, store, { legacy })
        const announced = await new Promise<unknown[][]>((resolve) => {
          pair.a.handle('changes', (request) => {
            resolve(JSON.parse(request.body.toString()) as unknown[][])
          })
          pair.a.request({ profile: 'subChanges' })
        })
        expect(announced.map((row) => row[3])).to.deep.equal(legacy ? [true, false] : [1, 0])
        pair.cut()
      }
    })

    it('getCollections is an unknown message there', async () => {
      const pair = new BlipPair()
      passiveSession(pair.b, new MemoryStore(), { legacy: true })
      const body = Buffer.from('{"checkpoint_ids":["cp-a"],"collections":["_default"]}')
      const reply = await new Promise((resolve) => {
        pair.a.request({ profile: 'getCollections', body }, resolve)
      })
      expect(reply).to.include({ kind: 'error', domain: 'BLIP', code: 404 })
      pair.cut()
    })

    it('is fallen back to where nothing was negotiated and the peer knows no collections, if that is allowed', async () => {
      for (const legacyFallback of [true, false]) {
        const [a, b] = [new MemoryStore(), new MemoryStore()]
        a.default.put('mine', {})
        b.default.put('theirs', {})
        const pair = new BlipPair()
        passiveSession(pair.b, b, { legacy: true })
        const active = activeSession(pair.a, a, { legacyFallback })
        active.session.start()
        const { error } = await active.ended
        expect(error?.code).to.equal(legacyFallback ? undefined : 'ERR_REPL_REMOTE')
        if (legacyFallback) expect(a.default.snapshot()).to.deep.equal(b.default.snapshot())
        expect(b.default.snapshot()).to.have.keys(legacyFallback ? ['mine', 'theirs'] : ['theirs'])
      }
    })
  })
})
