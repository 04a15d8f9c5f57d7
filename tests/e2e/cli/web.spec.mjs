// `kithmesh sync --web`: the page of a running sync, asked over HTTP as programs do; what browsers make of it is tested in tests/e2e/dashboard.
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { eventually } from '../../support/eventually.mjs'
import { cleanUp, done, run } from '../support/kithmesh.mjs'
import { connected, SHOP, STORE, shopAndStore, startSync } from './support.mjs'

/** The page of a sync, by its event: asks with the token, unless told otherwise. */
async function pageOf(sync) {
  const { url } = await sync.event(({ event }) => event === 'web', 'the address of the page')
  const { origin, searchParams } = new URL(url)
  const token = searchParams.get('token')
  const ask = (path, headers = { authorization: `Bearer ${token}` }) => fetch(origin + path, { headers, redirect: 'manual' })
  return { url, origin, token, ask, state: async () => (await ask('/api/state')).json() }
}

describe('kithmesh sync --web', () => {
  let group
  let shop
  let store

  beforeEach(() => {
    ;({ group, shop, store } = shopAndStore())
  })
  afterEach(cleanUp)

  it('shows the other device, what moved, documents and metrics, for as long as it runs', async () => {
    await done(['put', store, 'apples', '{"quantity":110}'])
    const a = startSync(shop, group, SHOP, { args: ['--web', 0] })
    const b = startSync(store, group, STORE)
    const page = await pageOf(a)
    await Promise.all([connected(a), connected(b)])
    // The link may be there before the name of the device is, and the document before the figures.
    const { self, devices, statistics } = await eventually('the document', async () => {
      const state = await page.state()
      const [device] = state.devices
      const isThere = state.collections.some(({ documents }) => documents === 1)
      return isThere && device?.displayName === STORE && device.traffic.documentsIn === 1 && state
    })
    expect(self).to.include({ displayName: SHOP, peerGroupId: group, meshState: 'started' })
    expect(devices).to.have.lengthOf(1)
    expect(devices[0]).to.include({ displayName: STORE, transport: 'direct', quality: 'direct' })
    expect(devices[0].traffic.documentsIn).to.equal(1)
    expect(statistics.documentsIn).to.equal(1)
    expect((await (await page.ask('/api/document?id=apples')).json()).body).to.deep.equal({ quantity: 110 })
    expect(await (await page.ask('/metrics')).text()).to.include('kithmesh_documents_total{direction="in"} 1\n')
    expect(await (await page.ask('/')).text()).to.include('<script type="module"')
    // What another program writes is shown too.
    await done(['put', shop, 'pears', '{}'])
    await eventually('the other document', async () => (await page.state()).collections.some(({ documents }) => documents === 2))
    expect(await a.stop(), a.err).to.equal(0)
    expect(await b.stop(), b.err).to.equal(0)
    await page.ask('/api/state').then(
      () => expect.fail('the page is still there'),
      (error) => expect(error.cause?.code).to.equal('ECONNREFUSED')
    )
  })

  it('is for whoever has the token, which is kept for this user alone', async () => {
    const a = startSync(shop, group, SHOP, { args: ['--web', '127.0.0.1:0'] })
    const page = await pageOf(a)
    expect(new URL(page.url).hostname).to.equal('127.0.0.1')
    for (const path of ['/', '/api/state', '/metrics'])
      for (const headers of [{}, { authorization: `Bearer ${'x'.repeat(43)}` }, { cookie: `kithmesh=${page.token}` }])
        expect((await page.ask(path, headers)).status, path).to.equal(401)
    const entered = await page.ask(`/?token=${page.token}`, {})
    expect(entered.status).to.equal(303)
    const cookie = entered.headers.get('set-cookie').split(';')[0]
    expect((await page.ask('/api/state', { cookie })).status).to.equal(200)
    const file = join(shop, 'web-token')
    expect(statSync(file).mode & 0o777).to.equal(0o600)
    expect(readFileSync(file, 'utf8').trim()).to.equal(page.token)
    expect(await a.stop(), a.err).to.equal(0)
    const again = startSync(shop, group, SHOP, { args: ['--web', 0], json: true })
    expect((await pageOf(again)).token).to.equal(page.token)
    expect(await again.stop(), again.err).to.equal(0)
  })

  it('prints the address for people once, and says when the port is taken', async () => {
    const a = startSync(shop, group, SHOP, { args: ['--web', 0] })
    const { port } = new URL((await pageOf(a)).url)
    const { code, err } = await run(['sync', store, '--group', group, '--interface', 'lo', '--first-use', '--web', port])
    expect(code).to.equal(1)
    expect(err).to.include(port).and.to.include('ERR_DASHBOARD_LISTEN')
    expect(await a.stop(), a.err).to.equal(0)
    expect(a.events.filter(({ event }) => event === 'web')).to.have.lengthOf(1)
  })
})
