import type { ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'
import { expect } from 'chai'
import { silentLogger } from '@kithmesh/core'
import { Diagnostics } from '@kithmesh/core/plugin'
import type { DashboardState } from '@kithmesh/dashboard'
import { eventually, manualClock } from '@kithmesh/testkit'
import { EventHub } from '../dist/events/event-hub.js'
import { Collections } from '../dist/state/collections.js'
import { readEvents } from './support/events.ts'
import { World, ask, get } from './support/world.ts'

describe('the events of a dashboard', () => {
  let world: World
  beforeEach(() => {
    world = new World()
  })
  afterEach(async () => {
    await world.end()
  })

  it('tell the state at once, and after every change', async () => {
    const [shop, warehouse] = await Promise.all([world.peer('Shop'), world.peer('Warehouse')])
    const dashboard = await world.dashboard(shop)
    const reader = await readEvents(dashboard)
    await eventually('the first state', () => reader.of('state')[0]?.self.meshState === 'stopped')
    expect(reader.others[0]).to.equal('retry: 2000')
    await Promise.all([shop.mesh.start(), warehouse.mesh.start()])
    await eventually('the link to be told', () => reader.of('state').at(-1)?.devices[0]?.state === 'idle')
    await warehouse.mesh.stop()
    await eventually(
      'its end to be told',
      () => reader.of('state').at(-1)?.devices[0]?.route === null || reader.of('state').at(-1)?.devices.length === 0
    )
  })

  it('tell of documents that move, with no more than a page can use', async () => {
    const [shop, warehouse] = await world.pair()
    const dashboard = await world.dashboard(shop)
    const reader = await readEvents(dashboard)
    warehouse.database.collection().putMany(Array.from({ length: 300 }, (_, n) => ({ id: `in-${n}`, body: { secret: 'content' } })))
    shop.database.collection().put('out', {})
    const sum = (field: 'in' | 'out'): number => reader.of('documents').reduce((total, notice) => total + notice[field], 0)
    await eventually('all to be told', () => sum('in') === 300 && sum('out') === 1)
    for (const notice of reader.of('documents')) {
      expect(notice.documents.length).to.be.at.most(20)
      expect(notice).to.deep.include({ deviceId: warehouse.identity.peerId, displayName: 'Warehouse', failed: 0 })
    }
    expect(JSON.stringify(reader.of('documents'))).not.to.include('content')
    await eventually('the rate to be told', () => reader.of('state').some(({ statistics }) => statistics.rate.documentsIn > 0))
    await eventually('the rate to fall', () => reader.of('state').at(-1)?.statistics.rate.documentsIn === 0)
  })

  it('come no faster than five states in a second, more slowly when they take long to make, and the last one counts', async () => {
    for (const [takesMs, most] of [
      [0, 5],
      [50, 2]
    ] as const) {
      const clock = manualClock()
      let elapsed = 0
      let now = 0
      let told = -1
      let states = 0
      // Making a state takes time of its own, which the manual clock knows nothing of.
      const slow = { ...clock, monotonic: () => clock.monotonic() + elapsed }
      const hub = new EventHub({
        clock: slow,
        logger: silentLogger,
        maxReaders: 1,
        stale: () => false,
        snapshot: () => {
          elapsed += takesMs
          states++
          told = now
          return { statistics: { rate: { documentsIn: 0, documentsOut: 0, bytesIn: 0, bytesOut: 0 } } } as DashboardState
        }
      })
      const response = Object.assign(new PassThrough().resume(), { writeHead: () => {} })
      hub.open(response as unknown as ServerResponse)
      states = 0
      for (; now < 100; now++) {
        hub.changed()
        await clock.advance(10)
      }
      expect(states, `with ${takesMs} ms each`).to.be.within(1, most + 1)
      await clock.advance(5_000)
      expect(told).to.equal(100)
      const settled = states
      await clock.advance(60_000)
      expect(states).to.equal(settled)
      hub.close()
      expect(clock.pending).to.equal(0)
    }
  })

  it('tell of conflicts and refusals of this device, and no other one', async () => {
    const shop = await world.peer('Shop')
    const dashboard = await world.dashboard(shop)
    const reader = await readEvents(dashboard)
    const remote = 'ab'.repeat(32)
    for (const [localPeerId, peerGroupId] of [
      [shop.identity.peerId, 'com.example.dashboard'],
      [shop.identity.peerId, 'another.group'],
      [remote, 'com.example.dashboard']
    ] as const) {
      const diagnostics = new Diagnostics({ localPeerId, peerGroupId, clock: { now: () => 7 } as never })
      const error = { code: 'ERR_MESH_REFUSED', name: 'KithmeshError', message: '<img src=x onerror=alert(1)>', hint: 'Ask them.' }
      diagnostics.publish('kithmesh:conflict', () => ({
        deviceId: remote,
        scope: 'shop',
        collection: 'items',
        id: 'apples',
        localRevId: '2-a',
        remoteRevId: '2-b',
        taken: 'merged' as const,
        error: undefined
      }))
      diagnostics.publish('kithmesh:trust.refused', () => ({
        by: 'remote' as const,
        direction: 'outgoing' as const,
        deviceId: remote,
        displayName: 'Till'.repeat(1_000),
        route: undefined,
        error
      }))
    }
    await eventually('both to be told', () => reader.of('conflict').length > 0 && reader.of('refused').length > 0)
    expect(reader.of('conflict')).to.deep.equal([
      {
        at: 7,
        collection: 'shop.items',
        id: 'apples',
        deviceId: remote,
        displayName: remote.slice(0, 8),
        localRevision: '2-a',
        remoteRevision: '2-b',
        taken: 'merged',
        error: null
      }
    ])
    expect(reader.of('refused')).to.have.length(1)
    expect(reader.of('refused')[0]).to.deep.include({ by: 'them', direction: 'outgoing', code: 'ERR_MESH_REFUSED', hint: 'Ask them.' })
    expect(reader.of('refused')[0]?.displayName).to.have.length.at.most(201)
    const state = await get<DashboardState>(dashboard, '/api/state')
    expect(state.conflicts).to.deep.equal(reader.of('conflict'))
    expect(state.refusals).to.deep.equal(reader.of('refused'))
  })

  it('keep the last 50 of what went wrong, and count what is repeated', async () => {
    const shop = await world.peer('Shop')
    const dashboard = await world.dashboard(shop)
    const diagnostics = new Diagnostics({
      localPeerId: shop.identity.peerId,
      peerGroupId: 'com.example.dashboard',
      clock: { now: () => 7 } as never
    })
    for (let n = 0; n < 120; n++)
      diagnostics.publish('kithmesh:trust.refused', () => ({
        by: 'local' as const,
        direction: 'incoming' as const,
        deviceId: undefined,
        displayName: undefined,
        route: `direct 10.0.0.${n}:1`,
        error: { code: 'ERR_ACCESS_REFUSED', name: 'KithmeshError', message: 'no', hint: undefined }
      }))
    const { refusals } = await get<DashboardState>(dashboard, '/api/state')
    expect(refusals).to.have.length(50)
    expect(refusals[0]?.route).to.equal('direct 10.0.0.119:1')
    expect((await ask(dashboard, '/metrics')).text).to.include('kithmesh_refusals_total{by="us"} 120\n')
  })

  it('tell of what this program or another one writes into the database', async () => {
    const shop = await world.peer('Shop')
    const dashboard = await world.dashboard(shop)
    const reader = await readEvents(dashboard)
    const told = (): unknown =>
      reader
        .of('state')
        .at(-1)
        ?.collections.map(({ collection, documents }) => `${collection} ${documents}`)
    await eventually('the first state', () => told() !== undefined)
    shop.database.collection().put('one', {})
    await eventually('the document to be told', () => String(told()) === '_default 1')
    shop.database.collection('items', 'shop', { create: true }).put('two', {})
    await eventually('the collection to be told', () => String(told()) === '_default 1,shop.items 1')
    shop.database.collection().remove('one')
    await eventually('the removal to be told', () => String(told()) === '_default 0,shop.items 1')
  })

  it('tell of documents that were purged, which leave no trace, a while later and without an end of counting', async () => {
    const clock = manualClock()
    let documents = 2
    let counted = 0
    const collection = {
      get count() {
        counted++
        return documents
      },
      lastSequence: 7
    }
    const database = { closed: false, collections: () => [{ scope: '_default', name: '_default' }], collection: () => collection }
    const collections = new Collections(database as never, clock)
    expect(collections.list[0]?.documents).to.equal(2)
    expect(collections.stale).to.equal(false)
    documents = 1
    expect(collections.stale).to.equal(false)
    await clock.advance(10_000)
    expect(collections.stale).to.equal(true)
    expect(collections.list[0]?.documents).to.equal(1)
    for (let second = 0; second < 60; second++) {
      expect(collections.stale, 'nothing has changed').to.equal(false)
      await clock.advance(1_000)
    }
    expect(counted).to.be.at.most(9)
  })

  it('are for as many readers as there may be, and free again when one leaves', async () => {
    const shop = await world.peer('Shop')
    const dashboard = await world.dashboard(shop, { maxPages: 3 })
    const readers = await Promise.all([readEvents(dashboard), readEvents(dashboard), readEvents(dashboard)])
    const refused = await readEvents(dashboard, { expected: 503 })
    expect(refused.status).to.equal(503)
    expect((await ask(dashboard, '/api/state')).status).to.equal(200)
    expect((await ask(dashboard, '/metrics')).text).to.include('kithmesh_dashboard_readers 3\n')
    readers[0]?.close()
    await eventually('its place to be free', async () => (await ask(dashboard, '/metrics')).text.includes('kithmesh_dashboard_readers 2\n'))
    await readEvents(dashboard)
  })

  it('are not answered to HEAD by a stream that never ends', async () => {
    const dashboard = await world.dashboard(await world.peer('Shop'))
    expect((await ask(dashboard, '/api/events', { method: 'HEAD' })).status).to.equal(200)
    expect((await ask(dashboard, '/metrics')).text).to.include('kithmesh_dashboard_readers 0\n')
  })
})
