// What two devices of ours do on controllers that others wrote; used with more than one kind of them.
import { errorCode } from '@kithmesh/core'
import { metadataTag, serviceUuid } from '@kithmesh/provider-ble'
import { eventually } from '@kithmesh/testkit'
import { expect } from 'chai'
import { createBackend, echo } from './ours.mjs'

const service = serviceUuid('com.example.group')
const short = Buffer.from('\x03k=v')
const long = Buffer.concat([Buffer.of(255), Buffer.alloc(255, 'k=long '), Buffer.of(243), Buffer.alloc(243, 'l=long ')])

/**
 * Registers the tests. `start()` resolves with `{ adapter(), end() }`: each call of `adapter` gives an adapter that leads to one more controller
 * on the same air, with an address of its own.
 */
export function describeForeignControllers(name, start) {
  for (const family of ['abandonware', 'stoprocent']) {
    describe(`two devices of ours on controllers of ${name} (${family})`, () => {
      let controllers
      const backends = []

      beforeEach(async () => {
        controllers = await start()
      })
      afterEach(async () => {
        await Promise.all(backends.splice(0).map((backend) => backend.stop()))
        await controllers.end()
      })

      const signal = () => AbortSignal.timeout(30_000)
      const device = async () => {
        const backend = createBackend(family, await controllers.adapter())
        backends.push(backend)
        await backend.start((error) => {
          throw error
        })
        return backend
      }
      const publish = async (metadata, streams = []) => {
        const { publisher } = await device()
        const onStream = (stream) => {
          streams.push(stream)
          stream.on('error', () => {}).pipe(stream)
        }
        await publisher.publish({ serviceUuid: service, displayName: 'Zoë', metadata, onStream })
        return publisher
      }
      const find = async (central) => {
        let found
        await central.startScan(service, (advertisement) => (found ??= advertisement))
        await eventually('the device', () => found !== undefined)
        return found
      }

      it('find and read each other', async () => {
        await publish(long)
        const { central } = await device()
        const found = await find(central)
        const record = await central.read(found.id, { signal: signal() })
        expect({ ...record, metadata: Buffer.from(record.metadata) }).to.deep.include({ metadata: long, stream: true })
        expect(record.psm).to.be.within(0x80, 0xff)
        expect(found.tag).to.equal(metadataTag(record.psm, long))
      })

      it('see changes of metadata', async () => {
        const publisher = await publish(short)
        const { central } = await device()
        const { id } = await find(central)
        const seen = []
        const ended = (error) => seen.push(error)
        const end = await central.watch(
          id,
          { metadata: (bytes) => seen.push(Buffer.from(bytes).toString('hex')), ended },
          { signal: signal() }
        )
        for (const metadata of [long, short]) {
          await publisher.updateMetadata(metadata)
          await eventually('the change', () => seen.at(-1) === metadata.toString('hex'))
        }
        end()
      })

      it('open channels, and echo', async () => {
        await publish(short)
        const { central } = await device()
        const { id } = await find(central)
        const { psm } = await central.read(id, { signal: signal() })
        const streams = await Promise.all([1, 2].map(() => central.openStream(id, psm, { signal: signal() })))
        for (const { sent, received } of await Promise.all(streams.map((stream, index) => echo(stream, `${index}`, 100_000))))
          expect(received).to.equal(sent)
        for (const stream of streams) stream.destroy()
      })

      it('go through the stream characteristic where there is no PSM', async () => {
        await publish(short)
        const { central } = await device()
        const { id } = await find(central)
        const stream = await central.openStream(id, 0, { signal: signal() })
        const { sent, received } = await echo(stream, 'tunnel', 100_000)
        expect(received).to.equal(sent)
        stream.destroy()
      })

      it('lose each other, and come back', async () => {
        const streams = []
        await publish(short, streams)
        const first = await device()
        const { central } = first
        const { id } = await find(central)
        const { psm } = await central.read(id, { signal: signal() })
        const stream = await central.openStream(id, psm, { signal: signal() })
        await echo(stream, 'first', 10_000)
        const failed = new Promise((resolve) => streams[0].once('close', () => resolve(streams[0].errored)))
        stream.on('error', () => {})
        await first.stop()
        expect(errorCode(await failed)).to.be.oneOf([undefined, 'ERR_BLE_LINK_LOST'])
        const other = await device()
        await find(other.central)
        const again = await other.central.openStream(id, psm, { signal: signal() })
        const { sent, received } = await echo(again, 'again', 20_000)
        expect(received).to.equal(sent)
        again.destroy()
      })
    })
  }
}
