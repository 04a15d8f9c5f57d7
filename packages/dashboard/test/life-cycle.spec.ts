import { expect } from 'chai'
import { createDashboard } from '@kithmesh/dashboard'
import { errorCode } from '@kithmesh/core'
import { MeshDashboard } from '../dist/dashboard.js'
import { checkDashboardOptions } from '../dist/options.js'
import { readEvents } from './support/events.ts'
import { type TestPeer, World, ask, tokenOf } from './support/world.ts'
import { eventually } from '@kithmesh/testkit'

describe('a dashboard, started and stopped', () => {
  let world: World
  let peer: TestPeer
  beforeEach(async () => {
    world = new World()
    peer = await world.peer('Shop')
  })
  afterEach(async () => {
    await world.end()
  })
  const codeOf = async (promise: Promise<unknown>): Promise<string | undefined> => promise.then(() => 'nothing thrown', errorCode)

  it('can be started and stopped any number of times, and keeps its token', async () => {
    const dashboard = await world.dashboard(peer)
    const token = tokenOf(dashboard)
    expect(token).to.match(/^[A-Za-z0-9_-]{43}$/)
    await Promise.all([dashboard.start(), dashboard.start()])
    for (let round = 0; round < 2; round++) {
      expect((await ask(dashboard, '/api/state')).status).to.equal(200)
      const { port } = dashboard
      await Promise.all([dashboard.stop(), dashboard.stop()])
      expect(dashboard.url).to.equal(undefined)
      expect(dashboard.port).to.equal(undefined)
      const failure = await ask({ port, url: `http://127.0.0.1/?token=${token}` } as never, '/').catch(errorCode)
      expect(failure).to.equal('ECONNREFUSED')
      await dashboard.start()
      expect(tokenOf(dashboard)).to.equal(token)
    }
  })

  it('gives every one another token, and takes one that is given', async () => {
    const [one, other, given] = await Promise.all([
      world.dashboard(peer),
      world.dashboard(peer),
      world.dashboard(peer, { token: 'a-token-of-mine_0.~' })
    ])
    expect(tokenOf(one)).not.to.equal(tokenOf(other))
    expect(tokenOf(given)).to.equal('a-token-of-mine_0.~')
    expect((await ask(given, '/api/state')).status).to.equal(200)
    expect((await ask(given, '/api/state', { token: false, headers: { authorization: `Bearer ${tokenOf(one)}` } })).status).to.equal(401)
  })

  it('cuts open pages off when it stops, and leaves nothing behind', async () => {
    const dashboard = await world.dashboard(peer)
    const reader = await readEvents(dashboard)
    await dashboard.stop()
    await eventually('the reader to be cut off', () => reader.ended)
    peer.database.collection().put('after', {})
    await peer.mesh.start()
    expect(reader.of('documents')).to.deep.equal([])
  })

  it('says when the port is taken, and is stopped then', async () => {
    const first = await world.dashboard(peer)
    expect(await codeOf(world.dashboard(peer, { port: first.port ?? 0 }))).to.equal('ERR_DASHBOARD_LISTEN')
  })

  it('says when its page is missing', async () => {
    const { mesh, discovery, database } = peer
    const dashboard = new MeshDashboard(checkDashboardOptions({ mesh, discovery, database }), [
      { directory: '/nonexistent/page', extensions: ['.html'], deep: false }
    ])
    expect(await codeOf(dashboard.start())).to.equal('ERR_DASHBOARD_PAGE')
    expect(dashboard.port).to.equal(undefined)
  })

  it('is for this machine only unless that is spelt out, with a warning', async () => {
    const { mesh, discovery, database } = peer
    for (const host of ['0.0.0.0', '::', '192.168.1.4', 'shop.example', '10.127.0.0', ''])
      expect(() => createDashboard({ mesh, discovery, database, host }), host)
        .to.throw()
        .with.property('code', 'ERR_DASHBOARD_REMOTE')
    for (const host of ['127.0.0.1', '127.0.0.2', '::1', 'localhost']) createDashboard({ mesh, discovery, database, host })
    const dashboard = await world.dashboard(peer, { host: '127.0.0.1', hosts: ['Shop.Example'] })
    expect((await ask(dashboard, '/api/state', { headers: { host: 'shop.example:8443' } })).status).to.equal(200)
    const warnings = (): string[] => peer.logger.entries.filter(({ level }) => level === 'warn').map(({ message }) => message)
    const before = warnings()
    // An address of this machine that is not known to be one.
    const remote = await world.dashboard(peer, { host: '::ffff:127.0.0.1', allowRemote: true })
    expect(warnings().slice(before.length).join()).to.include('open to other machines')
    expect((await ask(remote, '/api/state')).status).to.equal(200)
    expect(before.join()).not.to.include('open to other machines')
  })

  it('takes no options that make no sense', () => {
    const { mesh, discovery, database } = peer
    const wrong = [
      { port: -1 },
      { port: 1.5 },
      { port: 65_536 },
      { token: 'short' },
      { token: 'with spaces and more' },
      { maxPages: 0 },
      { hosts: ['a:1'] },
      { hosts: ['a/b'] }
    ]
    for (const options of wrong)
      expect(() => createDashboard({ mesh, discovery, database, ...options }), JSON.stringify(options)).to.throw(TypeError)
  })
})
