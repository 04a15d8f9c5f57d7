// Our central, over an unmodified noble of either family, finds and uses a bumble that knows only the two characteristics of the protocol.
import { errorCode } from '@kithmesh/core'
import { serviceUuid } from '@kithmesh/provider-ble'
import { eventually } from '@kithmesh/testkit'
import { expect } from 'chai'
import { createBackend, echo } from './ours.mjs'
import { createStage } from './stage.mjs'

const service = serviceUuid('com.example.group')
const short = Buffer.from('\x03k=v')
const long = Buffer.concat([Buffer.of(255), Buffer.alloc(255, 'k=long '), Buffer.of(243), Buffer.alloc(243, 'l=long ')])

for (const family of ['abandonware', 'stoprocent']) {
  describe(`bumble as peripheral for our central (${family})`, () => {
    let stage
    let backend

    beforeEach(() => {
      stage = createStage()
    })
    afterEach(async () => {
      await backend?.stop()
      await stage.end()
    })

    const signal = () => AbortSignal.timeout(60_000)
    const start = async (options) => {
      backend = createBackend(family, stage.controller(options))
      await backend.start((error) => {
        throw error
      })
      return backend.central
    }
    const peripheral = async (metadata, { channel = {}, ...options } = {}) => {
      const { bumble, controller } = await stage.host('seed only', { address: 'C4:00:00:00:00:09', ...options })
      await bumble.ask('useChannels', { how: 'echo' })
      const { psm } = await bumble.ask('publish', { service, name: 'Zoë', metadata: metadata.toString('hex'), ...channel })
      return { bumble, controller, psm }
    }
    const find = async (central, fits = () => true) => {
      let found
      await central.startScan(service, (advertisement) => {
        if (fits(advertisement)) found ??= advertisement
      })
      await eventually('the device', () => found !== undefined)
      return found
    }
    const meet = async (metadata = short, options) => {
      const central = await start()
      const other = await peripheral(metadata, options)
      return { central, ...other, found: await find(central) }
    }

    for (const address of ['C4:00:00:00:00:09', undefined]) {
      it(`is found without a tag, with ${address === undefined ? 'a public' : 'a random'} address`, async () => {
        const { found, controller } = await meet(short, { address })
        expect(found).to.include({ id: address === undefined ? controller.address.id : 'c40000000009', connectable: true, tag: undefined })
        expect(found.rssi).to.be.within(-127, 20)
        await eventually('its name', async () => (await find(backend.central)).displayName === 'Zoë')
      })
    }

    for (const [what, metadata] of Object.entries({ none: Buffer.alloc(0), short, 'of 500 bytes': long })) {
      it(`is read: its PSM and metadata (${what})`, async () => {
        const { central, found, psm } = await meet(metadata)
        const record = await central.read(found.id, { signal: signal() })
        expect({ ...record, metadata: Buffer.from(record.metadata) }).to.deep.equal({ psm, metadata, stream: false })
      })
    }

    it('is watched: every change of the metadata arrives whole', async () => {
      const { central, found, bumble } = await meet(long)
      const seen = []
      const end = await central.watch(
        found.id,
        { metadata: (bytes) => seen.push(Buffer.from(bytes).toString('hex')), ended: (error) => seen.push(error) },
        { signal: signal() }
      )
      for (const metadata of [short, long, Buffer.from('\x03k=w')]) {
        await bumble.ask('updateMetadata', { metadata: metadata.toString('hex') })
        await eventually('the change', () => seen.at(-1) === metadata.toString('hex'))
      }
      end()
      await bumble.event('subscription', ({ notify }) => !notify)
    })

    for (const [what, channel] of [
      ['its own limits', {}],
      ['the smallest limits', { mtu: 23, mps: 23, credits: 1 }],
      ['SDUs of many frames', { mtu: 4096, mps: 64, credits: 8 }]
    ]) {
      it(`echoes over a channel, with ${what} on bumble's side`, async () => {
        const { central, found, bumble, psm } = await meet(short, { channel })
        const stream = await central.openStream(found.id, psm, { signal: signal() })
        const { sent, received } = await echo(stream, what, 100_000)
        expect(received).to.equal(sent)
        stream.destroy()
        await bumble.event('channelClosed')
      })
    }

    it('opens several channels at once', async () => {
      const { central, found, psm } = await meet()
      const streams = await Promise.all([1, 2, 3].map(() => central.openStream(found.id, psm, { signal: signal() })))
      const echoes = await Promise.all(streams.map((stream, index) => echo(stream, `${index}`, 50_000)))
      for (const { sent, received } of echoes) expect(received).to.equal(sent)
      for (const stream of streams) stream.destroy()
    })

    it('is told of a wrong PSM, as there is no other way in', async () => {
      const { central, found, psm } = await meet()
      const error = await central.openStream(found.id, psm + 1, { signal: signal() }).catch((reason) => reason)
      expect(errorCode(error)).to.be.oneOf(['ERR_BLE_CHANNEL_REFUSED', 'ERR_BLE_NO_STREAM'])
      const none = await central.openStream(found.id, 0, { signal: signal() }).catch((reason) => reason)
      expect(errorCode(none)).to.equal('ERR_BLE_NO_STREAM')
    })

    it('sees a channel end that bumble closes, with all of its data', async () => {
      const { central, found, bumble, psm } = await meet()
      const stream = await central.openStream(found.id, psm, { signal: signal() })
      const { sent, received } = await echo(stream, 'before', 20_000)
      expect(received).to.equal(sent)
      let ended = false
      stream.once('end', () => (ended = true)).resume()
      const { channel } = await bumble.event('channel')
      await bumble.ask('closeChannel', { channel })
      await eventually('the end', () => ended)
      stream.destroy()
    })

    it('sees a link end that bumble cuts, and comes back', async () => {
      const { central, found, bumble, psm } = await meet()
      const failures = []
      const stream = await central.openStream(found.id, psm, { signal: signal() })
      stream.on('error', (error) => failures.push(errorCode(error))).resume()
      await central.watch(found.id, { metadata() {}, ended: (error) => failures.push(errorCode(error)) }, { signal: signal() })
      await bumble.ask('disconnect', { id: (await bumble.event('connected')).id })
      await eventually('both to fail', () => failures.length === 2)
      expect(failures).to.deep.equal(['ERR_BLE_LINK_LOST', 'ERR_BLE_LINK_LOST'])
      const again = await central.openStream(found.id, psm, { signal: signal() })
      const { sent, received } = await echo(again, 'again', 20_000)
      expect(received).to.equal(sent)
      again.destroy()
    })

    it('is one of several', async () => {
      const central = await start()
      const others = []
      for (const address of ['C4:00:00:00:00:0A', 'C4:00:00:00:00:0B', undefined]) others.push(await peripheral(short, { address }))
      const ids = new Set()
      await central.startScan(service, ({ id }) => ids.add(id))
      await eventually('all of them', () => ids.size === 3)
      const echoes = await Promise.all(
        [...ids].map(async (id) => {
          const { psm } = await central.read(id, { signal: signal() })
          const stream = await central.openStream(id, psm, { signal: signal() })
          const { sent, received } = await echo(stream, id, 30_000)
          stream.destroy()
          return sent === received
        })
      )
      expect(echoes).to.deep.equal([true, true, true])
    })
  })
}
