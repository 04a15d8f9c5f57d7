import { expect } from 'chai'
import { type KithmeshError, PROVIDER_CONTRACT_VERSION, defineProvider } from '@kithmesh/core/plugin'
import { Database } from '@kithmesh/database'
import { passwordAuthenticator } from '@kithmesh/identity'
import { UrlEndpointListener, urlEndpoint } from '@kithmesh/replicator'
import { eventually, fastClock, within } from '@kithmesh/testkit'
import { memoryProvider } from '@kithmesh/testkit/memory'
import { type TestPeer, World, converged, isUp, linkTo, linked } from './world.ts'

const ids = ({ database }: TestPeer): string[] => [...database.collection().changes()].map(({ id }) => id).sort()

describe('what a mesh keeps in sync, and how', () => {
  let world: World
  const ends: Array<() => Promise<unknown>> = []
  beforeEach(() => {
    world = new World()
  })
  afterEach(async () => {
    await world.end()
    for (const end of ends.splice(0)) await end()
  })

  it('asks filters about every document, with the id of the peer, whoever dialled', async () => {
    const asked = new Set<string>()
    const plain = await world.peer('plain')
    const choosy = await world.peer('choosy', {
      collections: [
        {
          name: '_default',
          pushFilter: ({ id, peerId }) => {
            asked.add(`push ${peerId}`)
            return !id.startsWith('private')
          },
          pullFilter: ({ id, peerId }) => {
            asked.add(`pull ${peerId}`)
            return !id.startsWith('spam')
          }
        }
      ]
    })
    for (const id of ['private', 'public']) choosy.database.collection().put(id, {})
    for (const id of ['spam', 'letter']) plain.database.collection().put(id, {})
    await Promise.all([plain.mesh.start(), choosy.mesh.start()])
    await eventually('what may move to have moved', () => ids(plain).includes('public') && ids(choosy).includes('letter'))
    expect(ids(plain)).to.deep.equal(['letter', 'public', 'spam'])
    expect(ids(choosy)).to.deep.equal(['letter', 'private', 'public'])
    expect(asked).to.deep.equal(new Set([`push ${plain.id}`, `pull ${plain.id}`]))
  })

  it('replicates only the documents that are named, both ways, whoever dialled', async () => {
    for (let round = 0; round < 3; round++) {
      const narrow = await world.peer(`narrow ${round}`, { collections: [{ name: '_default', documentIds: ['a', 'b'] }] })
      const plain = await world.peer(`plain ${round}`)
      for (const id of ['a', 'c']) narrow.database.collection().put(id, {})
      for (const id of ['b', 'd']) plain.database.collection().put(id, {})
      await Promise.all([narrow.mesh.start(), plain.mesh.start()])
      await eventually('what may move to have moved', () => ids(plain).includes('a') && ids(narrow).includes('b'))
      await eventually('both to be idle', () => linkTo(narrow, plain)?.state === 'idle' && linkTo(plain, narrow)?.state === 'idle')
      expect([ids(narrow), ids(plain)]).to.deep.equal([
        ['a', 'b', 'c'],
        ['a', 'b', 'd']
      ])
      await world.leave(narrow)
      await world.leave(plain)
    }
  })

  it('links those only whose databases have the same name', async () => {
    const [left, right] = (await world.started(['left', 'right'], { databaseName: 'shop' })) as [TestPeer, TestPeer]
    const [other] = (await world.started(['other'])) as [TestPeer]
    await linked([left, right])
    const refused = (at: TestPeer, about: TestPeer): boolean =>
      (linkTo(at, about)?.error as KithmeshError | undefined)?.details['status'] === 404
    await eventually('the third to be refused, or to refuse, each of them', () =>
      [left, right].every((one) => refused(one, other) || refused(other, one))
    )
    expect([isUp(linkTo(left, other)), isUp(linkTo(right, other))]).to.deep.equal([false, false])
  })

  it('moves documents one way when a side wants it so, whoever dialled', async () => {
    for (const type of ['push', 'pull', 'push', 'pull'] as const) {
      const oneWay = await world.peer('one way', { type })
      const other = await world.peer('other')
      oneWay.database.collection().put('mine', {})
      other.database.collection().put('theirs', {})
      await Promise.all([oneWay.mesh.start(), other.mesh.start()])
      const [from, to] = type === 'push' ? [oneWay, other] : [other, oneWay]
      await eventually('documents to move', () => ids(to).length === 2)
      await linked([oneWay, other])
      expect(ids(from)).to.have.length(1)
      await world.leave(oneWay)
      await world.leave(other)
    }
  })

  it('links two that only give, and moves nothing', async () => {
    const peers = await world.started(['one', 'two'], { type: 'push' })
    for (const { name, database } of peers) database.collection().put(name, {})
    await linked(peers)
    await eventually('both to be idle', () => peers.every(({ mesh }) => mesh.links[0]?.state === 'idle'))
    expect(peers.map(ids)).to.deep.equal([['one'], ['two']])
  })

  it('stops by itself when it is not continuous, once it is up to date', async () => {
    const clock = fastClock(10)
    const [stays] = await world.started(['stays'])
    const visitor = await world.peer('visitor', { continuous: false, clock })
    stays!.database.collection().put('one', {})
    visitor.database.collection().put('two', {})
    await visitor.mesh.start()
    const outcome = await within(visitor.mesh.finished(), 30_000, 'the outcome')
    expect(outcome).to.deep.equal({ synced: [stays!.id], failed: [] })
    expect([ids(stays!), ids(visitor)]).to.deep.equal([
      ['one', 'two'],
      ['one', 'two']
    ])
    await eventually('it to be stopped', () => visitor.mesh.state === 'stopped')
    await visitor.mesh.start()
    await visitor.mesh.stop()
    expect((await visitor.mesh.finished()).failed).to.be.an('array')
  })

  it('bridges to a listener that is given as a member', async () => {
    const hub = await Database.open(':memory:')
    const listener = new UrlEndpointListener({
      databases: { db: hub },
      host: '127.0.0.1',
      authenticator: passwordAuthenticator((user, password) => user === 'bridge' && password === 'secret')
    })
    await listener.start()
    ends.push(
      () => listener.stop(),
      () => hub.close()
    )
    const [url] = listener.urls
    const endpoint = urlEndpoint(url!, { trust: { mode: 'self-signed' }, basicAuth: { username: 'bridge', password: 'secret' } })
    const bridge = await world.peer('bridge', { members: [{ endpoint, displayName: 'Hub' }] })
    const leaf = await world.peer('leaf')
    hub.collection().put('from the hub', {})
    leaf.database.collection().put('from the leaf', {})
    await Promise.all([bridge.mesh.start(), leaf.mesh.start()])
    await converged([bridge, leaf], 2)
    await eventually('the hub to have it', () => hub.collection().get('from the leaf') !== undefined)
    const link = bridge.mesh.links.find(({ deviceId }) => deviceId === endpoint.uid)
    expect(link).to.include({ displayName: 'Hub', direction: 'outgoing', error: undefined })
  })

  it('runs several meshes and databases in one process, with one identity', async () => {
    const shop = await world.peer('shop in stock', { group: 'com.example.stock' })
    const till = await world.peer('shop at the till', { group: 'com.example.till', identity: shop.identity })
    const [stock, cash] = [
      await world.peer('stock', { group: 'com.example.stock' }),
      await world.peer('cash', { group: 'com.example.till' })
    ]
    for (const { name, database } of [shop, till]) database.collection().put(name, {})
    await Promise.all(world.peers.map(({ mesh }) => mesh.start()))
    await converged([shop, stock], 1)
    await converged([till, cash], 1)
    expect([ids(stock), ids(cash)]).to.deep.equal([['shop in stock'], ['shop at the till']])
  })

  it('is not held up by a radio that takes its time', async () => {
    const never = new Promise<void>(() => {})
    let shut = (): void => {}
    const closed = new Promise<void>((resolve) => {
      shut = resolve
    })
    const slow = defineProvider({
      name: 'Slow radio',
      contractVersion: PROVIDER_CONTRACT_VERSION,
      capabilities: {
        publishes: true,
        metadata: false,
        metadataUpdates: false,
        reportsDisappearance: false,
        suppliesSocketFactory: false,
        incomingConnections: false
      },
      create: () => ({
        startBrowsing: () => closed,
        stopBrowsing: () => closed,
        startPublishing: () => closed,
        stopPublishing: () => closed,
        updateMetadata: () => never,
        monitorMetadata() {},
        resolveUrl: () => never as Promise<never>,
        socketFactory: () => undefined,
        shutdown: () => closed
      })
    })
    const capabilities = { suppliesSocketFactory: false, incomingConnections: false }
    const patient = await world.peer('patient', { providers: [slow, memoryProvider(world.medium, { host: '127.0.0.1', capabilities })] })
    const [quick] = await world.started(['quick'])
    const starting = patient.mesh.start().catch(() => {})
    await eventually('the others to be linked meanwhile', () => isUp(linkTo(patient, quick!)) && isUp(linkTo(quick!, patient)))
    expect(patient.mesh.state).to.equal('starting')
    expect(patient.mesh.topology[0]?.peerId).to.equal(patient.id)
    shut()
    await starting
  })
})
