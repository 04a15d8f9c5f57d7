import { expect } from 'chai'
import type { DashboardState, DeviceReport } from '@kithmesh/dashboard'
import { eventually } from '@kithmesh/testkit'
import { World, ask, get } from './support/world.ts'

describe('the state that a dashboard tells', () => {
  let world: World
  beforeEach(() => {
    world = new World()
  })
  afterEach(async () => {
    await world.end()
  })

  it('says who this device is, who is there, by which route, and what moved', async () => {
    const [shop, warehouse] = await world.pair()
    const dashboard = await world.dashboard(shop, { title: 'The shop' })
    warehouse.database.collection().put('apples', { quantity: 7 })
    await eventually('the document to arrive', () => shop.database.collection().get('apples') !== undefined)
    const state = await get<DashboardState>(dashboard, '/api/state')
    expect(state.title).to.equal('The shop')
    expect(state.self).to.deep.include({
      peerId: shop.identity.peerId,
      displayName: 'Shop',
      peerGroupId: 'com.example.dashboard',
      meshState: 'started',
      port: shop.mesh.port,
      versioning: 'rev-trees'
    })
    expect(state.deviceCount).to.equal(1)
    const [device] = state.devices
    expect(device).to.deep.include({
      id: warehouse.identity.peerId,
      displayName: 'Warehouse',
      transport: 'direct',
      quality: 'direct',
      error: null
    })
    expect(device?.route).to.match(/^direct 127\.0\.0\.1:\d+$/)
    expect(device?.traffic.documentsIn).to.equal(1)
    expect(device?.traffic.bytesIn).to.be.greaterThan(0)
    expect(device?.sightings.map(({ provider }) => provider)).to.deep.equal(shop.discovery.providers)
    expect(state.statistics.documentsIn).to.equal(1)
    expect(state.collections).to.deep.include({
      collection: '_default',
      scope: '_default',
      name: '_default',
      documents: 1,
      lastSequence: 1
    })
    expect(state.providers[0]).to.deep.include({ browse: { state: 'online', error: null }, publish: { state: 'online', error: null } })
    expect(state.transports).to.deep.equal(['direct'])
    expect(state.topology[0]).to.deep.include({ peerId: shop.identity.peerId, displayName: 'Shop', reached: true })
  })

  it('tells why a device cannot be reached, once with how often, and nothing of a better route that there is not', async () => {
    const [shop, warehouse] = await world.pair()
    const dashboard = await world.dashboard(shop)
    const id = warehouse.identity.peerId
    const tried = async (): Promise<number> => {
      await shop.discovery.connect(id, { betterThan: 'direct' }).then(
        ({ socket }) => socket.destroy(),
        () => {}
      )
      return (await get<DashboardState>(dashboard, '/api/state')).errors.length
    }
    expect(await tried()).to.equal(0)
    await shop.mesh.stop()
    await shop.discovery.startBrowsing()
    await eventually('the device to be seen', () => shop.discovery.deviceWithId(id) !== undefined)
    expect(await tried()).to.equal(1)
    expect(await tried()).to.equal(1)
    const { errors } = await get<DashboardState>(dashboard, '/api/state')
    expect(errors[0]).to.deep.include({ area: 'connection', subject: 'Warehouse', deviceId: id, code: 'ERR_ROUTE_NONE', times: 2 })
    expect((await ask(dashboard, '/metrics')).text).to.include('kithmesh_connection_attempts_total{result="failed"} 2\n')
  })

  it('is told while the mesh is stopped, and after', async () => {
    const shop = await world.peer('Shop')
    const dashboard = await world.dashboard(shop)
    expect((await get<DashboardState>(dashboard, '/api/state')).self).to.deep.include({ meshState: 'stopped', port: null })
    await shop.mesh.start()
    expect((await get<DashboardState>(dashboard, '/api/state')).self.meshState).to.equal('started')
  })

  it('has the report of the latest connection to a device, on the side that connected', async () => {
    const peers = await world.pair()
    const answers = await Promise.all(
      peers.map(async (peer, index) => {
        const other = peers[1 - index]?.identity.peerId ?? ''
        const dashboard = await world.dashboard(peer)
        const [device] = (await get<DashboardState>(dashboard, '/api/state')).devices
        const answer = await ask(dashboard, `/api/report?device=${other}`)
        expect(answer.status).to.equal(device?.hasReport === true ? 200 : 404)
        return answer
      })
    )
    const reports = answers.filter(({ status }) => status === 200).map(({ text }) => JSON.parse(text) as DeviceReport)
    expect(reports).to.have.length(1)
    expect(reports[0]).to.deep.include({ state: 'connected' })
    expect(reports[0]?.attempts.some(({ strategy, state }) => strategy === 'direct' && state === 'won')).to.equal(true)
  })
})
