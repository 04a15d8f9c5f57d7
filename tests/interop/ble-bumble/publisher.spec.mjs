// Bumble finds and uses what we publish, over an unmodified bleno of either family.
import { METADATA_CHARACTERISTIC, metadataTag, PORT_CHARACTERISTIC, STREAM_CHARACTERISTIC, serviceUuid } from '@kithmesh/provider-ble'
import { eventually } from '@kithmesh/testkit'
import { expect } from 'chai'
import { createBackend } from './ours.mjs'
import { createStage } from './stage.mjs'

const service = serviceUuid('com.example.group')
const short = Buffer.from('\x03k=v')
const long = Buffer.concat([Buffer.of(255), Buffer.alloc(255, 'k=long '), Buffer.of(243), Buffer.alloc(243, 'l=long ')])

for (const family of ['abandonware', 'stoprocent']) {
  describe(`bumble as central of our publisher (${family})`, () => {
    let stage
    let backend
    let streams

    beforeEach(() => {
      stage = createStage()
      streams = []
    })
    afterEach(async () => {
      await backend?.stop()
      await stage.end()
    })

    const publish = async (metadata, options) => {
      backend = createBackend(family, stage.controller(options))
      await backend.start((error) => {
        throw error
      })
      await backend.publisher.publish({
        serviceUuid: service,
        displayName: 'Zoë',
        metadata,
        onStream(stream, id) {
          const entry = { stream, id, ended: false }
          streams.push(entry)
          stream.on('error', () => {}).once('close', () => (entry.ended = true))
          stream.pipe(stream)
        }
      })
    }
    const central = async (name = 'central', options = { address: 'C4:00:00:00:00:01' }) => {
      const { bumble } = await stage.host(name, options)
      return bumble
    }
    const connect = async (bumble) => {
      const found = await bumble.ask('scan', { service, milliseconds: 30_000 })
      const { id, addressType } = found
      const { mtu } = await bumble.ask('connect', { id, addressType, milliseconds: 30_000, mtu: 517 })
      const psm = Buffer.from(await bumble.ask('read', { id, characteristic: PORT_CHARACTERISTIC }), 'hex')
      return { found, id, mtu, psm: psm.readUInt16LE() }
    }
    const echo = async (bumble, { id, psm }, seed, bytes = 100_000, options = {}) => {
      const opened = await bumble.ask('openChannel', { id, psm, ...options })
      const { sent, received, surplus } = await bumble.ask('echo', { channel: opened.channel, seed, bytes })
      expect({ received, surplus }).to.deep.equal({ received: sent, surplus: 0 })
      return opened
    }

    it('is found, with its name and its tag', async () => {
      await publish(short)
      const bumble = await central()
      const { found, psm } = await connect(bumble)
      const tag = Buffer.alloc(4)
      tag.writeUInt32LE(metadataTag(psm, short))
      expect(found).to.include({ connectable: true, name: 'Zoë', flags: 6 })
      expect(found.manufacturer).to.deep.equal([0xffff, tag.toString('hex')])
    })

    it('has the characteristics of the protocol, and one of its own', async () => {
      await publish(short)
      const bumble = await central()
      const { id, mtu, psm } = await connect(bumble)
      expect(mtu).to.be.within(23, 256)
      expect(psm).to.be.within(0x80, 0xff)
      expect((await bumble.ask('services', { id }))[service]).to.deep.equal({
        [PORT_CHARACTERISTIC]: ['READ'],
        [METADATA_CHARACTERISTIC]: ['READ', 'NOTIFY'],
        [STREAM_CHARACTERISTIC]: ['WRITE_WITHOUT_RESPONSE', 'NOTIFY']
      })
    })

    it('shows metadata of 500 bytes, tells when it changed, and lets the new be read', async () => {
      await publish(long)
      const bumble = await central()
      const { id, mtu } = await connect(bumble)
      const read = async () => await bumble.ask('read', { id, characteristic: METADATA_CHARACTERISTIC })
      expect(await read()).to.equal(long.toString('hex'))
      await bumble.ask('subscribe', { id, characteristic: METADATA_CHARACTERISTIC })
      await backend.publisher.updateMetadata(short)
      const { value } = await bumble.event('notification')
      expect(value).to.equal(short.toString('hex'))
      expect(await read()).to.equal(short.toString('hex'))
      const from = bumble.events.length
      await backend.publisher.updateMetadata(long)
      const { value: beginning } = await bumble.event('notification', () => true, from)
      expect(beginning).to.equal(long.subarray(0, mtu - 3).toString('hex'))
      expect(await read()).to.equal(long.toString('hex'))
    })

    for (const [what, options] of [
      ['its own limits', {}],
      ['the smallest limits', { mtu: 23, mps: 23, credits: 1 }],
      ['SDUs of many frames', { mtu: 4096, mps: 64, credits: 8 }]
    ]) {
      it(`echoes over a channel, with ${what} on bumble's side`, async () => {
        await publish(short)
        const bumble = await central()
        const device = await connect(bumble)
        const opened = await echo(bumble, device, what, 100_000, options)
        expect(opened.mtu).to.be.at.least(512)
        expect(streams[0].id).to.equal('c40000000001')
        await bumble.ask('closeChannel', { channel: opened.channel })
        await eventually('the stream to end', () => streams[0].ended)
      })
    }

    it('refuses channels to other PSMs, and goes on', async () => {
      await publish(short)
      const bumble = await central()
      const device = await connect(bumble)
      for (const psm of [device.psm === 0xff ? 0x80 : device.psm + 1, 0x25]) {
        const failure = await bumble.ask('openChannel', { id: device.id, psm }).catch((error) => error)
        expect(failure.code).to.equal(2)
      }
      await echo(bumble, device, 'still')
      expect(streams).to.have.length(1)
    })

    it('closes a channel from our side', async () => {
      await publish(short)
      const bumble = await central()
      const { channel } = await echo(bumble, await connect(bumble), 'first')
      streams[0].stream.destroy()
      await bumble.event('channelClosed', (event) => event.channel === channel)
    })

    it('serves several channels and several centrals at once', async () => {
      await publish(short)
      const hosts = await Promise.all([central('one'), central('two', { address: 'C4:00:00:00:00:02' }), central('three', {})])
      const devices = []
      for (const bumble of hosts) devices.push(await connect(bumble))
      await Promise.all(hosts.flatMap((bumble, index) => [1, 2].map((turn) => echo(bumble, devices[index], `${index}${turn}`, 50_000))))
      expect(new Set(streams.map(({ id }) => id)).size).to.equal(3)
    })

    it('is found and served again after a central has left, however it left', async () => {
      await publish(short)
      const bumble = await central()
      for (let round = 0; round < 2; round++) {
        const device = await connect(bumble)
        await echo(bumble, device, `round ${round}`, 20_000)
        await bumble.ask('disconnect', { id: device.id })
        await eventually('the stream to end', () => streams.every(({ ended }) => ended))
      }
      await connect(bumble)
      const { bumble: other, controller } = await stage.host('other', { address: 'C4:00:00:00:00:02' })
      await echo(other, await connect(other), 'other', 20_000)
      stage.air.separate(controller)
      await eventually('the stream to end', () => streams.every(({ ended }) => ended))
      stage.air.join(controller)
      await eventually("bumble's link to end", async () => (await other.ask('links')).length === 0)
      await echo(other, await connect(other), 'other', 20_000)
    })

    it('survives malformed PDUs, and serves the others on', async () => {
      await publish(short)
      const bumble = await central()
      const device = await connect(bumble)
      const { channel } = await echo(bumble, device, 'before', 10_000)
      for (const [cid, pdus] of Object.entries({ 4: ['02', '0a', '10', '12', '16', '5201'], 5: ['', '14', '140a'], 6: ['', '03'] }))
        for (const pdu of pdus) {
          const attacker = await central(`${cid} ${pdu}`, { address: 'C4:00:00:00:00:0F' })
          const { id } = await connect(attacker)
          await attacker.ask('sendPdu', { id, cid: Number(cid), pdu })
          // Whether that ends the link is up to us; the program must not end.
          await attacker.ask('disconnect', { id }).catch(() => {})
          await attacker.end()
        }
      const { sent, received } = await bumble.ask('echo', { channel, seed: 'after', bytes: 10_000 })
      expect(received).to.equal(sent)
      const late = await central('late', { address: 'C4:00:00:00:00:02' })
      await echo(late, await connect(late), 'late', 10_000)
    })

    it('is no longer found once it has withdrawn', async () => {
      await publish(short)
      const bumble = await central()
      await bumble.ask('scan', { service, milliseconds: 30_000 })
      await backend.publisher.unpublish()
      const failure = await bumble.ask('scan', { service, milliseconds: 1000 }).catch((error) => error)
      expect(failure.message).to.match(/TimeoutError/)
    })
  })
}
