// A database replicates through bumble, which carries the bytes between an L2CAP channel and a TCP connection without a look at them; TLS goes
// from end to end.
import { createConnection, createServer } from 'node:net'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import { Database } from '@kithmesh/database'
import { serviceUuid } from '@kithmesh/provider-ble'
import { Replicator, UrlEndpointListener, urlEndpoint } from '@kithmesh/replicator'
import { eventually } from '@kithmesh/testkit'
import { expect } from 'chai'
import { databaseDifferences, documentsOf } from '../../e2e/support/database-differences.mjs'
import { bytesOf, createBackend } from './ours.mjs'
import { createStage } from './stage.mjs'

const service = serviceUuid('com.example.group')
const metadata = Buffer.from('\x03k=v')
const signal = () => AbortSignal.timeout(60_000)

for (const family of ['abandonware', 'stoprocent']) {
  describe(`replication through bumble (${family})`, () => {
    let stage
    let backend
    let folder
    let warehouse
    let shop
    let listener
    const servers = []

    beforeEach(async () => {
      stage = createStage()
      backend = createBackend(family, stage.controller())
      await backend.start((error) => {
        throw error
      })
      folder = mkdtempSync(join(tmpdir(), 'kithmesh-bumble-'))
      warehouse = await Database.open(join(folder, 'warehouse'))
      shop = await Database.open(join(folder, 'shop'))
      listener = new UrlEndpointListener({ databases: { inventory: warehouse }, host: '127.0.0.1', authenticator: 'insecure' })
      await listener.start()
    })
    afterEach(async () => {
      for (const server of servers.splice(0)) server.close()
      await listener.stop()
      await backend.stop()
      await stage.end()
      await Promise.all([warehouse.close(), shop.close()])
      rmSync(folder, { recursive: true, force: true })
    })

    const fill = async (database, name, documents) => {
      for (let index = 0; index < documents; index++) {
        const picture = index % 10 === 0 ? await database.blobs.saveBlob(bytesOf(`${name}${index}`, 20_000), 'image/png') : undefined
        database.collection().put(`${name}-${index}`, { name, index, text: 'x'.repeat(index), ...(picture && { picture }) })
      }
    }
    const replicate = async (port, options = {}) => {
      const endpoint = urlEndpoint(`wss://127.0.0.1:${port}/inventory`, { trust: { mode: 'self-signed' } })
      const replicator = new Replicator({ database: shop, endpoint, ...options })
      replicator.start()
      return replicator
    }
    const expectSame = async (documents) => {
      expect(documentsOf(warehouse.collection()).size).to.equal(documents)
      expect(await databaseDifferences(warehouse, shop)).to.deep.equal([])
    }
    const pump = (one, other) => pipeline(one, other, one, () => {})

    /** A port that leads through bumble as central and our publisher to the listener. */
    const throughPublisher = async () => {
      const onStream = (stream) => pump(stream, createConnection(listener.port, '127.0.0.1'))
      await backend.publisher.publish({ serviceUuid: service, displayName: 'warehouse', metadata, onStream })
      const { bumble } = await stage.host('bridge', { address: 'C4:00:00:00:00:01' })
      const { id, addressType } = await bumble.ask('scan', { service, milliseconds: 30_000 })
      await bumble.ask('connect', { id, addressType, milliseconds: 30_000 })
      const psm = Buffer.from(await bumble.ask('read', { id, characteristic: 'abdd3056-28fa-441d-a470-55a75a52553a' }), 'hex')
      return { bumble, port: (await bumble.ask('bridge', { id, psm: psm.readUInt16LE() })).port }
    }
    /** A port that leads through our central and bumble as peripheral to the listener. */
    const throughCentral = async () => {
      const { bumble } = await stage.host('bridge', { address: 'C4:00:00:00:00:01' })
      await bumble.ask('useChannels', { how: 'bridge', port: listener.port })
      const { psm } = await bumble.ask('publish', { service, name: 'warehouse', metadata: metadata.toString('hex') })
      let id
      await backend.central.startScan(service, (advertisement) => (id = advertisement.id))
      await eventually('the device', () => id !== undefined)
      const server = createServer((socket) => {
        backend.central.openStream(id, psm, { signal: signal() }).then(
          (stream) => pump(socket, stream),
          () => socket.destroy()
        )
      }).listen(0, '127.0.0.1')
      servers.push(server)
      await once(server, 'listening')
      return { bumble, port: server.address().port }
    }

    for (const [how, way] of [
      ['bumble as central of our publisher', throughPublisher],
      ['bumble as peripheral for our central', throughCentral]
    ]) {
      it(`brings two databases together in both directions, with ${how}`, async () => {
        await Promise.all([fill(warehouse, 'warehouse', 150), fill(shop, 'shop', 150)])
        const { port } = await way()
        const { error, progress } = await (await replicate(port)).finished()
        expect(error, error?.message).to.equal(undefined)
        expect(progress.documents).to.equal(300)
        await expectSame(300)
      })
    }

    it('goes on after bumble has cut the link, without losing a document', async () => {
      await Promise.all([fill(warehouse, 'warehouse', 60), fill(shop, 'shop', 60)])
      const { bumble, port } = await throughCentral()
      const replicator = await replicate(port, { continuous: true, maxAttemptWaitMs: 1000 })
      try {
        await eventually('some documents', () => shop.collection().get('warehouse-20') !== undefined)
        await bumble.ask('disconnect', { id: (await bumble.event('connected')).id })
        await fill(warehouse, 'later', 20)
        await eventually(
          'all documents',
          () => shop.collection().get('later-19') !== undefined && warehouse.collection().get('shop-59') !== undefined
        )
        await eventually('nothing to do', () => replicator.status.activity === 'idle')
      } finally {
        await replicator.stop()
      }
      await expectSame(140)
    })
  })
}
