// Two hosts of bumble on our virtual controllers: whatever is wrong here is the controllers' fault, as no other code of ours takes part.
import { METADATA_CHARACTERISTIC, PORT_CHARACTERISTIC, serviceUuid } from '@kithmesh/provider-ble'
import { expect } from 'chai'
import { createStage } from './stage.mjs'

const service = serviceUuid('com.example.group')
const metadata = Buffer.alloc(500, 'metadata ')

describe('bumble with bumble on virtual controllers', () => {
  let stage

  beforeEach(() => {
    stage = createStage()
  })
  afterEach(() => stage.end())

  const meet = async (options = {}) => {
    const [central, peripheral] = await Promise.all([stage.host('central', options.central), stage.host('peripheral', options.peripheral)])
    await peripheral.bumble.ask('useChannels', { how: 'echo' })
    const { psm } = await peripheral.bumble.ask('publish', { service, name: 'Zoë', metadata: metadata.toString('hex') })
    const found = await central.bumble.ask('scan', { service, milliseconds: 30_000 })
    const { id, addressType } = found
    const { mtu } = await central.bumble.ask('connect', { id, addressType, milliseconds: 30_000, mtu: 517 })
    return {
      central: central.bumble,
      peripheral: peripheral.bumble,
      psm,
      found,
      id,
      mtu,
      controllers: [central.controller, peripheral.controller]
    }
  }

  for (const [kind, addresses, expected] of [
    ['public', [undefined, undefined], { addressType: 'public' }],
    ['random', ['C4:00:00:00:00:01', 'C4:00:00:00:00:02'], { id: 'c40000000002', addressType: 'random' }]
  ]) {
    it(`finds, connects, reads, is notified and echoes, with ${kind} addresses`, async () => {
      const { central, peripheral, psm, found, id, mtu } = await meet({
        central: { address: addresses[0] },
        peripheral: { address: addresses[1] }
      })
      expect(found).to.include({ ...expected, connectable: true, name: 'Zoë', flags: 6 })
      expect(found.rssi).to.be.within(-127, 20)
      expect(mtu).to.equal(517)
      expect((await central.ask('services', { id }))[service]).to.deep.equal({
        [PORT_CHARACTERISTIC]: ['READ'],
        [METADATA_CHARACTERISTIC]: ['READ', 'NOTIFY']
      })
      const read = (characteristic) => central.ask('read', { id, characteristic })
      expect(await read(PORT_CHARACTERISTIC)).to.equal(Buffer.of(psm & 0xff, psm >> 8).toString('hex'))
      expect(await read(METADATA_CHARACTERISTIC)).to.equal(metadata.toString('hex'))

      await central.ask('subscribe', { id, characteristic: METADATA_CHARACTERISTIC })
      await peripheral.ask('updateMetadata', { metadata: '036b3d76' })
      expect((await central.event('notification')).value).to.equal('036b3d76')

      const opened = await central.ask('openChannel', { id, psm, mtu: 2048, mps: 247, credits: 64 })
      expect(opened).to.include({ mtu: 2048, mps: 2048, credits: 256 })
      const echoed = await central.ask('echo', { channel: opened.channel, seed: kind, bytes: 300_000 })
      expect(echoed.received).to.equal(echoed.sent)
      await central.ask('closeChannel', { channel: opened.channel })
      await peripheral.event('channelClosed')
    })
  }

  it('refuses a channel to a PSM that nobody listens on', async () => {
    const { central, id, psm } = await meet()
    const failure = await central.ask('openChannel', { id, psm: psm + 1 }).catch((error) => error)
    expect(failure.code).to.equal(2)
  })

  it('carries several channels at once, of either side', async () => {
    const { central, peripheral, id, psm } = await meet()
    await central.ask('useChannels', { how: 'echo' })
    const own = await central.ask('listen', { psm: 0x91 })
    const back = await peripheral.ask('openChannel', { id: (await peripheral.event('connected')).id, psm: own.psm })
    const there = await Promise.all([1, 2, 3].map(() => central.ask('openChannel', { id, psm })))
    const echoes = await Promise.all([
      peripheral.ask('echo', { channel: back.channel, seed: 'back', bytes: 60_000 }),
      ...there.map(({ channel }) => central.ask('echo', { channel, seed: `${channel}`, bytes: 60_000 }))
    ])
    for (const { sent, received } of echoes) expect(received).to.equal(sent)
  })

  for (const fragments of [5, 'data-pdus']) {
    it(`lets hosts put together what comes in pieces (${fragments})`, async () => {
      const { central, id, psm } = await meet({ central: { fragments }, peripheral: { fragments } })
      const { channel } = await central.ask('openChannel', { id, psm })
      const echoed = await central.ask('echo', { channel, seed: 'pieces', bytes: 20_000 })
      expect(echoed.received).to.equal(echoed.sent)
    })
  }

  it('advertises again after a disconnection, and can be connected to again', async () => {
    const { central, peripheral, id } = await meet()
    for (let round = 0; round < 3; round++) {
      await central.ask('disconnect', { id })
      const { addressType } = await central.ask('scan', { service, milliseconds: 30_000 })
      await central.ask('connect', { id, addressType, milliseconds: 30_000 })
      expect(await central.ask('read', { id, characteristic: METADATA_CHARACTERISTIC })).to.equal(metadata.toString('hex'))
    }
    expect(peripheral.events.filter(({ event }) => event === 'disconnected').map(({ reason }) => reason)).to.deep.equal([0x13, 0x13, 0x13])
  })

  it('ends a link when the devices are out of reach of each other', async () => {
    const { central, peripheral, controllers: both } = await meet()
    stage.air.separate(...both)
    expect((await central.event('disconnected')).reason).to.equal(0x08)
    expect((await peripheral.event('disconnected')).reason).to.equal(0x08)
  })

  it('lets whoever did not connect disconnect', async () => {
    const { central, peripheral } = await meet()
    await peripheral.ask('disconnect', { id: (await peripheral.event('connected')).id })
    expect((await central.event('disconnected')).reason).to.equal(0x13)
  })
})
