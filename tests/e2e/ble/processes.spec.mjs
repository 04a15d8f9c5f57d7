// Processes that have no network between them, only a virtual air of Bluetooth LE, which is a process, too.
import { join } from 'node:path'
import { expect } from 'chai'
import { withItems } from '../across-nats/inventory.mjs'
import { freePorts } from '../../support/ports.mjs'
import { cleanUp, documentBecomes, done, newGroup, run, temporaryDirectory } from '../support/kithmesh.mjs'
import { becomeEqual, connectedTo, libraries, linksOf, startAir, syncOnAir } from './radio.mjs'

for (const library of libraries) {
  describe(`kithmesh sync over Bluetooth LE alone, with ${library}`, () => {
    let air
    let group
    let home

    beforeEach(async () => {
      group = newGroup()
      home = temporaryDirectory()
      const [port] = await freePorts(1)
      air = await startAir({ port })
    })
    afterEach(cleanUp)

    it('brings three devices to the same documents, and tells each what the others change', async () => {
      const names = ['anna', 'bela', 'carl']
      const directories = names.map((name) => join(home, name))
      for (const [index, directory] of directories.entries())
        await done(['import', directory], {
          stdin: Array.from({ length: 20 }, (_, n) => `{"_id":"${names[index]}:${n}","n":${n}}\n`).join('')
        })
      const syncs = names.map((name, index) => syncOnAir(air, directories[index], group, name, { library }))
      for (const [index, sync] of syncs.entries())
        for (const other of names.filter((name) => name !== names[index])) {
          const link = await connectedTo(sync, other)
          expect(link.quality).to.equal('last-resort')
          if (link.direction === 'outgoing') expect(link.route).to.match(/^BluetoothLE [0-9a-f]{12}:\d+$/)
        }
      expect(await becomeEqual(...directories)).to.equal(60)
      for (const [index, directory] of directories.entries()) {
        await done(['put', directory, 'edited', `{"by":"${names[index]}"}`])
        for (const other of directories) await documentBecomes(other, 'edited', (body) => body?.by === names[index])
      }
      expect(await becomeEqual(...directories)).to.equal(61)
      for (const sync of syncs) {
        expect(sync.events.find(({ event }) => event === 'started').port, 'no port is open').to.equal(undefined)
        expect(await sync.stop(), sync.err).to.equal(0)
        expect(sync.err).to.equal('')
      }
    })

    it('brings an inventory with pictures from either side to the other, and its edits', async () => {
      const [shop, store] = [join(home, 'shop'), join(home, 'store')]
      await withItems(shop, (items) => items.addMany('shop', 60, { pictureBytes: 20_000, everyNthPicture: 4 }))
      await withItems(store, (items) => items.addMany('store', 60, { pictureBytes: 20_000, everyNthPicture: 4 }))
      await withItems(store, (items) => items.add('large', { pictureBytes: 400_000 }))
      const [a, b] = [syncOnAir(air, shop, group, 'shop', { library }), syncOnAir(air, store, group, 'store', { library })]
      await Promise.all([connectedTo(a, 'store'), connectedTo(b, 'shop')])
      await becomeEqual(shop, store)
      await withItems(shop, async (items) => {
        for (let index = 0; index < 30; index++) items.edit(`store-${index}`, { quantity: index, by: 'shop' })
        items.delete('shop-0')
        await items.add('late', { pictureBytes: 50_000 })
      })
      await withItems(store, (items) => {
        for (let index = 20; index < 50; index++) items.edit(`store-${index}`, { quantity: -index, by: 'store' })
      })
      await documentBecomes(store, 'item:late', (body) => body !== undefined)
      expect(await becomeEqual(shop, store)).to.equal(121)
      for (const sync of [a, b]) expect(await sync.stop(), sync.err).to.equal(0)
    })

    it('goes on when the adapter comes back', async () => {
      const [shop, store] = [join(home, 'shop'), join(home, 'store')]
      const [a, b] = [syncOnAir(air, shop, group, 'shop', { library }), syncOnAir(air, store, group, 'store', { library })]
      await Promise.all([connectedTo(a, 'store'), connectedTo(b, 'shop')])
      await air.kill()
      for (const sync of [a, b]) {
        const failed = await sync.event(({ event, state }) => event === 'provider' && state === 'failed', 'that Bluetooth is gone')
        expect(failed).to.include({ name: 'BluetoothLE', code: 'ERR_BLE_ADAPTER_FAILED' })
        await sync.until(() => !['busy', 'idle'].includes([...linksOf(sync).values()][0]?.state), 'that the other one is gone')
      }
      await done(['put', shop, 'meanwhile', '{"n":1}'])
      air = await startAir({ port: air.port })
      await documentBecomes(store, 'meanwhile', (body) => body?.n === 1)
      await becomeEqual(shop, store)
      for (const sync of [a, b]) expect(await sync.stop(), sync.err).to.equal(0)
    })

    it('shows who is nearby, of its group only', async () => {
      const shop = syncOnAir(air, join(home, 'shop'), group, 'shop', { library })
      const other = syncOnAir(air, join(home, 'other'), newGroup(), 'other', { library })
      const [{ peerId }] = await Promise.all([shop, other].map((sync) => sync.event(({ event }) => event === 'started', 'the start')))
      const looking = ['peers', '--group', group, '--seconds', 8, '--no-lan', '--ble-air', air.place, '--ble-library', library, '--json']
      const { code, lines, err } = await run(looking)
      expect(code, err).to.equal(0)
      expect(err).to.equal('')
      expect(lines).to.have.lengthOf(1)
      expect(lines[0]).to.include({ name: 'shop', id: peerId })
      expect(lines[0].seen[0].url).to.match(/^l2cap:\/\/[0-9a-f]{12}:(?:12[89]|1[3-9]\d|2[0-5]\d)$/)
    })
  })
}

describe('kithmesh sync with Bluetooth LE that does not work', () => {
  afterEach(cleanUp)

  it('says why, and what can be done, when there is nothing else', async () => {
    const { code, err } = await run([
      'sync',
      join(temporaryDirectory(), 'db'),
      '--group',
      newGroup(),
      '--no-lan',
      '--ble-air',
      '127.0.0.1:9',
      '--json'
    ])
    expect(code).to.equal(1)
    const failure = JSON.parse(err.trim().split('\n').at(-1))
    expect(failure.causes.map((cause) => cause.code)).to.include('ERR_BLE_NO_ADAPTER')
    expect(failure.hint).to.not.equal('')
  })

  it('goes on over the network, and says so', async () => {
    const directory = join(temporaryDirectory(), 'db')
    const words = ['sync', directory, '--group', newGroup(), '--interface', 'lo', '--ble-adapter', '127.0.0.1:9', '--insecure', '--json']
    const sync = (await import('../support/kithmesh.mjs')).start(words)
    const failed = await sync.event(({ event }) => event === 'provider', 'that Bluetooth does not work')
    expect(failed).to.include({ name: 'BluetoothLE', state: 'failed' })
    expect(failed.hint).to.be.a('string').that.is.not.equal('')
    await sync.event(({ event }) => event === 'started', 'the start nevertheless')
    expect(await sync.stop(), sync.err).to.equal(0)
  })
})
