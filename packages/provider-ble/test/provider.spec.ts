import type { Duplex } from 'node:stream'
import { expect } from 'chai'
import { createPeerDiscovery, encodeTxt, peerIdMetadata, toMetadata } from '@kithmesh/core'
import type { ByteSocketFactory, PeerDiscoveryProvider } from '@kithmesh/core'
import { bleErrors, ble, serviceUuid } from '@kithmesh/provider-ble'
import type { BleOptions } from '@kithmesh/provider-ble'
import { eventually, manualClock, recordingContext } from '@kithmesh/testkit'
import type { ManualClock, RecordingContext } from '@kithmesh/testkit'
import { FakeAdapter, FakeAir } from './support/fake-air.ts'
import type { FakeDevice } from './support/fake-air.ts'

const group = 'com.example.shop'
const uuid = serviceUuid(group)
const localPeerId = 'a1'.repeat(32)
const publication = { displayName: 'till', port: 4984, metadata: toMetadata({ a: '1' }) }
const signal = new AbortController().signal
const ignore = (stream: Duplex): void => {
  stream.on('error', () => {})
}

describe('the provider of Bluetooth LE', () => {
  let air: FakeAir
  let adapter: FakeAdapter
  let clock: ManualClock
  let context: RecordingContext
  let provider: PeerDiscoveryProvider

  const make = (options: Partial<BleOptions> = {}): PeerDiscoveryProvider =>
    (provider = ble({ backend: adapter.factory, ...options }).create(context))
  const device = (metadata: Record<string, string>, fields: Partial<FakeDevice> = {}): FakeDevice & { readonly id: string } =>
    air.add(uuid, { record: { psm: 0x81, metadata: encodeTxt(toMetadata(metadata)), stream: true }, ...fields })
  /** Lets everybody advertise every 100 ms. */
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 100) {
      air.advertise()
      await clock.advance(Math.min(left, 100))
    }
    await settled()
  }
  const settled = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) await clock.advance(0)
  }
  const code = async (promise: Promise<unknown>): Promise<unknown> =>
    await promise.then(
      () => undefined,
      (error: unknown) => (error as { code?: unknown }).code
    )
  const open = (url: string): Promise<Duplex> => (provider.socketFactory() as ByteSocketFactory).open(url, { signal })

  beforeEach(() => {
    air = new FakeAir()
    adapter = new FakeAdapter(air)
    clock = manualClock()
    context = recordingContext({ peerGroupId: group, localPeerId, clock })
  })
  afterEach(async () => {
    await provider.shutdown()
    expect(adapter.running, 'the adapter was given back').to.equal(false)
    await settled()
    expect(clock.pending, 'timers left').to.equal(0)
  })

  describe('when it is started and stopped', () => {
    it('does nothing before', () => {
      make()
      expect(adapter.starts).to.equal(0)
    })

    it('uses one backend for both modes, from the first start to the last stop', async () => {
      make()
      await Promise.all([provider.startBrowsing(), provider.startPublishing(publication)])
      expect(adapter).to.include({ starts: 1, running: true, scanning: true })
      await provider.stopBrowsing()
      expect(adapter).to.include({ stops: 0, running: true, scanning: false })
      await provider.stopPublishing()
      expect(adapter).to.include({ stops: 1, running: false })
      await provider.startBrowsing()
      expect(adapter).to.include({ starts: 2, running: true })
    })

    it('reports why it cannot start, and starts when it can', async () => {
      adapter.startFailures.push(bleErrors.create('ERR_BLE_NO_ADAPTER', 'No adapter'))
      make()
      expect(await code(provider.startBrowsing())).to.equal('ERR_BLE_NO_ADAPTER')
      expect(context.status('browse')).to.equal('failed')
      await provider.startBrowsing()
      expect(context.status('browse')).to.equal('online')
    })

    it('does not wait for ever', async () => {
      adapter.startFailures.push('hang')
      make({ startTimeoutMs: 3000 })
      const started = code(provider.startBrowsing())
      await clock.advance(3000)
      expect(await started).to.equal('ERR_CORE_TIMEOUT')
      expect(context.status('browse')).to.equal('failed')
    })

    it('can be stopped while it hangs', async () => {
      adapter.startFailures.push('hang')
      make()
      const started = code(provider.startBrowsing())
      await settled()
      await provider.stopBrowsing()
      expect(await started).to.equal('ERR_BLE_SHUT_DOWN')
      expect(context.status('browse')).to.equal('offline')
      expect(adapter.running).to.equal(false)
    })

    it('publishes what was asked for last', async () => {
      make()
      await provider.startPublishing(publication)
      await provider.startPublishing({ ...publication, displayName: 'other' })
      expect(adapter.published?.displayName).to.equal('other')
      const starts = [
        provider.startPublishing({ ...publication, displayName: 'third' }),
        provider.stopPublishing(),
        provider.startPublishing({ ...publication, displayName: 'fourth' })
      ]
      await Promise.allSettled(starts)
      await starts[2]
      expect(adapter.published?.displayName).to.equal('fourth')
      await Promise.allSettled([provider.startPublishing({ ...publication, displayName: 'fifth' }), provider.stopPublishing()])
      expect(adapter.published).to.equal(undefined)
    })

    it('says so where the platform cannot publish, and browses nevertheless', async () => {
      adapter.publishes = false
      make()
      await provider.startBrowsing()
      expect(await code(provider.startPublishing(publication))).to.equal('ERR_BLE_UNSUPPORTED')
      expect(context.status('publish')).to.equal('failed')
      expect(context.status('browse')).to.equal('online')
    })

    it('refuses metadata of more than 512 bytes, and keeps what it published', async () => {
      make()
      const large = { ...publication, metadata: toMetadata({ a: 'x'.repeat(200), b: 'x'.repeat(200), c: 'x'.repeat(200) }) }
      expect(await code(provider.startPublishing(large))).to.equal('ERR_BLE_METADATA')
      await provider.startPublishing(publication)
      expect(await code(provider.updateMetadata(large.metadata))).to.equal('ERR_BLE_METADATA')
      expect(air.devices.get(adapter.id)?.record.metadata).to.deep.equal(encodeTxt(publication.metadata))
    })

    it('takes either a backend, or what one is made of', () => {
      make()
      expect(() => ble()).to.not.throw()
      expect(() => ble({ library: 'stoprocent' })).to.not.throw()
      expect(() => ble({ backend: adapter.factory, library: 'stoprocent' })).to.throw(TypeError, 'library')
      expect(() => ble({ backend: adapter as never })).to.throw(TypeError, 'backend')
      expect(() => ble({ library: 'noble' as never })).to.throw(TypeError, 'library')
    })

    for (const options of [{ ttlMs: 1 }, { minRssi: 1 }, { concurrentReads: 0 }, { readAttempts: 1.5 }] as const)
      it(`refuses ${JSON.stringify(options)}`, () => {
        make()
        expect(() => ble({ backend: adapter.factory, ...options })).to.throw(TypeError)
      })
  })

  describe('when Bluetooth is switched off', () => {
    it('fails in both modes, and can be started again', async () => {
      make()
      await provider.startBrowsing()
      await provider.startPublishing(publication)
      adapter.lose()
      expect(context.status('browse')).to.equal('failed')
      expect(context.status('publish')).to.equal('failed')
      await Promise.all([provider.startBrowsing(), provider.startPublishing(publication)])
      expect(context.status('browse')).to.equal('online')
      expect(context.status('publish')).to.equal('online')
      expect(adapter).to.include({ starts: 2, running: true, scanning: true })
      device({})
      await pass(100)
      expect(context.peers.size).to.equal(1)
    })

    it('lets one mode be started again before the other one is stopped', async () => {
      make()
      await provider.startBrowsing()
      await provider.startPublishing(publication)
      adapter.lose()
      await provider.stopBrowsing()
      await provider.startBrowsing()
      await provider.stopPublishing()
      expect(adapter).to.include({ running: true, scanning: true })
      expect(context.status('browse')).to.equal('online')
    })

    it('fails a start that was under way', async () => {
      make()
      await provider.startBrowsing()
      const publishing = code(provider.startPublishing(publication))
      adapter.lose()
      expect(await publishing).to.equal('ERR_BLE_POWERED_OFF')
      expect(context.status('publish')).to.equal('failed')
    })

    it('is found out, and started again, by who looks after a discovery', async () => {
      make()
      const discovery = createPeerDiscovery({
        peerGroupId: group,
        localPeerId,
        providers: [ble({ backend: adapter.factory })],
        transports: []
      })
      try {
        await discovery.start({ publish: { displayName: 'till', port: 4984 } })
        adapter.lose()
        expect(discovery.status('BluetoothLE', 'browse').state).to.equal('failed')
        await discovery.startBrowsing()
        await discovery.startPublishing({ displayName: 'till', port: 4984 })
        expect(discovery.status('BluetoothLE', 'browse').state).to.equal('online')
        expect(discovery.status('BluetoothLE', 'publish').state).to.equal('online')
      } finally {
        await discovery.shutdown()
      }
    })
  })

  describe('when it browses', () => {
    it('reads a device once and lists it with its metadata', async () => {
      const { id } = device({ b: '2' }, { displayName: 'shop' })
      make()
      await provider.startBrowsing()
      await pass(5000)
      expect(context.peers.get(`ble:${id}`)).to.deep.equal({
        id: `ble:${id}`,
        displayName: 'shop',
        metadata: toMetadata({ b: '2' })
      })
      expect(air.devices.get(id)?.reads).to.equal(1)
    })

    it('passes over itself', async () => {
      const { id } = device(peerIdMetadata(localPeerId))
      make()
      await provider.startBrowsing()
      await pass(5000)
      expect(air.devices.get(id)?.reads).to.equal(1)
      expect(context.peers.size).to.equal(0)
    })

    it('tries again, and lists a device without metadata when it cannot be read, saying why', async () => {
      const failure = bleErrors.create('ERR_BLE_CONNECT', 'No connection')
      const one = device({ b: '2' }, { readFailures: [failure, failure] })
      const two = device({ b: '3' }, { readFailures: Array.from({ length: 10 }, () => failure) })
      make()
      await provider.startBrowsing()
      await pass(2900)
      expect(context.peers.size).to.equal(0)
      await pass(200)
      expect([...context.peers.keys()]).to.deep.equal([`ble:${one.id}`])
      await pass(5000)
      expect(context.peers.get(`ble:${two.id}`)?.metadata.size).to.equal(0)
      const warnings = context.logger.entries.filter(({ level }) => level === 'warn')
      expect(warnings.map(({ fields }) => [fields?.['id'], fields?.['code']])).to.deep.equal([[two.id, 'ERR_BLE_CONNECT']])
    })

    it('tries again after the wait that it was given', async () => {
      device({ b: '2' }, { readFailures: [bleErrors.create('ERR_BLE_CONNECT', 'No connection')] })
      make({ retryMs: 10_000 })
      await provider.startBrowsing()
      await pass(9_900)
      expect(context.peers.size).to.equal(0)
      await pass(1_000)
      expect(context.peers.size).to.equal(1)
    })

    it('reads a device without a tag again as often as it was told to', async () => {
      const one = device({ b: '2' }, { tagged: false })
      make({ refreshMs: 20_000 })
      await provider.startBrowsing()
      await pass(19_000)
      expect(air.devices.get(one.id)?.reads).to.equal(1)
      await pass(2_000)
      expect(air.devices.get(one.id)?.reads).to.equal(2)
    })

    it('leaves a device alone whose signal is weaker than it was told', async () => {
      const [strong, weak] = [device({ b: '2' }, { rssi: -49 }), device({ b: '3' }, { rssi: -60 })]
      make({ minRssi: -50 })
      await provider.startBrowsing()
      await pass(5_000)
      expect([strong, weak].map(({ id }) => air.devices.get(id)?.reads)).to.deep.equal([1, 0])
    })

    it('remembers no more devices than it was told to', async () => {
      for (const b of ['2', '3', '4']) device({ b })
      make({ maxDevices: 2 })
      await provider.startBrowsing()
      await pass(1_000)
      expect(context.peers.size).to.equal(2)
    })

    it('gives up a read that hangs, and reads others meanwhile', async () => {
      const one = device({ b: '2' }, { readFailures: ['hang'] })
      const two = device({ b: '3' })
      make({ readTimeoutMs: 5000 })
      await provider.startBrowsing()
      await pass(300)
      expect([...context.peers.keys()]).to.deep.equal([`ble:${two.id}`])
      await pass(8000)
      expect([...context.peers.keys()]).to.deep.equal([`ble:${two.id}`, `ble:${one.id}`])
    })

    it('reads a bounded number at the same time', async () => {
      for (let count = 0; count < 10; count++) device({}, { readFailures: ['hang'] })
      make({ concurrentReads: 3 })
      await provider.startBrowsing()
      await pass(500)
      expect([...air.devices.values()].filter(({ reads }) => reads > 0)).to.have.lengthOf(3)
    })

    it('reports what is no longer heard', async () => {
      const { id } = device({})
      make({ ttlMs: 2000 })
      await provider.startBrowsing()
      await pass(500)
      ;(air.devices.get(id) as FakeDevice).advertising = false
      await pass(1800)
      expect(context.peers.size).to.equal(1)
      await pass(300)
      expect(context.peers.size).to.equal(0)
    })

    it('keeps a device that does not advertise while a stream with it is open', async () => {
      const { id } = device({}, { accept: ignore })
      make({ ttlMs: 2000 })
      await provider.startBrowsing()
      await pass(500)
      const { url } = await provider.resolveUrl(`ble:${id}`, { signal })
      const stream = await open(url)
      ;(air.devices.get(id) as FakeDevice).advertising = false
      await pass(10_000)
      expect(context.peers.size).to.equal(1)
      stream.destroy()
      await eventually('the stream to be closed', () => stream.closed)
      await pass(1900)
      expect(context.peers.size).to.equal(1)
      await pass(300)
      expect(context.peers.size).to.equal(0)
    })

    it('lists a device under its new address when it changes it, and drops the old one', async () => {
      const { id } = device({ b: '2' })
      make({ ttlMs: 2000 })
      await provider.startBrowsing()
      await pass(500)
      air.devices.delete(id)
      const next = device({ b: '2' })
      await pass(500)
      expect([...context.peers.keys()]).to.deep.equal([`ble:${id}`, `ble:${next.id}`])
      await pass(2000)
      expect([...context.peers.keys()]).to.deep.equal([`ble:${next.id}`])
    })

    it('tells that a device went too far away to connect', async () => {
      const { id } = device({})
      make()
      await provider.startBrowsing()
      await pass(500)
      ;(air.devices.get(id) as FakeDevice).rssi = -95
      await pass(5000)
      const found = context.events.flatMap((event) => (event.type === 'found' ? event.sightings : []))
      expect(found.map(({ connectable }) => connectable)).to.deep.equal([true, false])
    })
  })

  describe('when metadata is watched', () => {
    it('reads again what advertises a new tag, without a subscription', async () => {
      const { id } = device({ b: '2' })
      make()
      await provider.startBrowsing()
      await pass(500)
      provider.monitorMetadata(`ble:${id}`, true)
      const watched = air.devices.get(id) as FakeDevice
      watched.record = { ...watched.record, metadata: encodeTxt(toMetadata({ b: '3' })) }
      await pass(200)
      expect(context.peers.get(`ble:${id}`)?.metadata).to.deep.equal(toMetadata({ b: '3' }))
      expect(watched.watchers.size).to.equal(0)
    })

    it('subscribes where there is no tag, again after the link broke, and no longer when told', async () => {
      const { id } = device({ b: '2' }, { tagged: false })
      make()
      await provider.startBrowsing()
      await pass(500)
      const watched = air.devices.get(id) as FakeDevice
      expect(watched.watchers.size).to.equal(0)
      provider.monitorMetadata(`ble:${id}`, true)
      await pass(100)
      const [watcher] = watched.watchers
      watcher?.metadata(encodeTxt(toMetadata({ b: '3' })))
      expect(context.peers.get(`ble:${id}`)?.metadata).to.deep.equal(toMetadata({ b: '3' }))
      watched.watchers.clear()
      watcher?.ended(bleErrors.create('ERR_BLE_LINK_LOST', 'Lost'))
      await pass(500)
      expect(watched.watchers.size).to.equal(0)
      await pass(1000)
      expect(watched.watchers.size).to.equal(1)
      provider.monitorMetadata(`ble:${id}`, false)
      expect(watched.watchers.size).to.equal(0)
    })

    it('keeps a bounded number of links, and gives the next one its turn', async () => {
      const devices = Array.from({ length: 5 }, () => device({}, { tagged: false }))
      make()
      await provider.startBrowsing()
      await pass(500)
      for (const { id } of devices) provider.monitorMetadata(`ble:${id}`, true)
      await pass(500)
      const watched = (): string[] => devices.filter(({ id }) => air.devices.get(id)?.watchers.size === 1).map(({ id }) => id)
      expect(watched()).to.have.lengthOf(3)
      const [first] = watched()
      provider.monitorMetadata(`ble:${first}`, false)
      await pass(500)
      expect(watched()).to.have.lengthOf(3).and.not.include(first)
    })
  })

  describe('when it connects', () => {
    it('resolves to the channel, or to the stream characteristic where there is none', async () => {
      const channel = device({})
      const stream = device({}, { record: { psm: 0, metadata: Buffer.of(0), stream: true } })
      const neither = device({}, { record: { psm: 0, metadata: Buffer.of(0), stream: false } })
      const invalid = device({}, { record: { psm: 0x1234, metadata: Buffer.of(0), stream: false } })
      make()
      await provider.startBrowsing()
      await pass(1000)
      expect(await provider.resolveUrl(`ble:${channel.id}`, { signal })).to.deep.equal({ url: `l2cap://${channel.id}:129`, addresses: [] })
      expect(await provider.resolveUrl(`ble:${stream.id}`, { signal })).to.deep.equal({ url: `l2cap://${stream.id}:0`, addresses: [] })
      for (const { id } of [neither, invalid])
        expect(await code(provider.resolveUrl(`ble:${id}`, { signal }))).to.equal('ERR_BLE_NO_STREAM')
    })

    it('reads from a device that could not be read before when it is to be resolved', async () => {
      const failure = bleErrors.create('ERR_BLE_TIMEOUT', 'Too slow')
      const { id } = device({ b: '2' }, { readFailures: [failure] })
      make({ readAttempts: 1 })
      await provider.startBrowsing()
      await pass(500)
      expect(context.peers.get(`ble:${id}`)?.metadata.size).to.equal(0)
      expect((await provider.resolveUrl(`ble:${id}`, { signal })).url).to.equal(`l2cap://${id}:129`)
      expect(context.peers.get(`ble:${id}`)?.metadata).to.deep.equal(toMetadata({ b: '2' }))
    })

    it('reads a device again that refused the channel', async () => {
      const { id } = device({})
      make()
      await provider.startBrowsing()
      await pass(500)
      const { url } = await provider.resolveUrl(`ble:${id}`, { signal })
      const refusing = air.devices.get(id) as FakeDevice
      expect(await code(open(url))).to.equal('ERR_BLE_CHANNEL_REFUSED')
      refusing.record = { ...refusing.record, psm: 0x99 }
      refusing.accept = ignore
      expect((await provider.resolveUrl(`ble:${id}`, { signal })).url).to.equal(`l2cap://${id}:153`)
    })

    it('lets reads from other devices wait for it, and gives up those that hold it up', async () => {
      const hanging = device({}, { readFailures: ['hang'] })
      const other = device({}, { readFailures: ['hang'] })
      make({ concurrentReads: 1 })
      await provider.startBrowsing()
      await pass(500)
      air.slowStreams = true
      const opening = code(open(`l2cap://${hanging.id}:129`))
      await pass(1000)
      expect(air.devices.get(other.id)?.reads, 'while a stream is opened').to.equal(0)
      air.slowStreams = false
      await opening
      await pass(100)
      expect(air.devices.get(hanging.id)?.reads, 'of the device itself').to.equal(1)
      air.slowStreams = true
      const third = device({}, { accept: ignore })
      const next = open(`l2cap://${third.id}:129`)
      await pass(200)
      expect(air.devices.get(hanging.id)?.readFailures, 'given up').to.deep.equal([])
      await pass(200)
      air.slowStreams = false
      ;(await next).destroy()
      await pass(15_000)
      expect([...context.peers.keys()].sort()).to.deep.equal([hanging, other, third].map(({ id }) => `ble:${id}`).sort())
    })

    it('opens nothing while it is stopped, and nothing malformed', async () => {
      make()
      expect(await code(open('l2cap://c0ffee000001:128'))).to.equal('ERR_BLE_SHUT_DOWN')
      expect(await code(open('l2cap://c0ffee000001'))).to.equal('ERR_BLE_URL')
    })

    it('keeps Bluetooth on for streams when both modes are stopped, until the last has closed', async () => {
      const { id } = device({}, { accept: ignore })
      make()
      await provider.startBrowsing()
      const stream = await open(`l2cap://${id}:129`)
      await provider.stopBrowsing()
      expect(adapter.running).to.equal(true)
      expect(stream.destroyed).to.equal(false)
      stream.destroy()
      await eventually('the adapter to be given back', () => !adapter.running)
    })

    it('cuts its streams at the shutdown', async () => {
      const { id } = device({}, { accept: ignore })
      make()
      await provider.startBrowsing()
      const stream = await open(`l2cap://${id}:129`)
      stream.on('error', () => {})
      await provider.shutdown()
      expect(stream.destroyed).to.equal(true)
    })

    it('says who connects when that device is listed', async () => {
      const other = new FakeAdapter(air)
      const peer = recordingContext({ peerGroupId: group, localPeerId: 'b2'.repeat(32), clock })
      const dialling = ble({ backend: other.factory }).create(peer)
      try {
        context.acceptIncoming = (_id, socket) => {
          socket.on('error', () => {})
          return true
        }
        make()
        await provider.startPublishing(publication)
        await provider.startBrowsing()
        await dialling.startBrowsing()
        await pass(500)
        const factory = dialling.socketFactory() as ByteSocketFactory
        const stranger = await factory.open(`l2cap://${adapter.id}:128`, { signal })
        await dialling.startPublishing(publication)
        await pass(500)
        const known = await factory.open(`l2cap://${adapter.id}:128`, { signal })
        await settled()
        const incoming = context.events.flatMap((event) => (event.type === 'incoming' ? [event.id] : []))
        expect(incoming).to.deep.equal([undefined, `ble:${other.id}`])
        stranger.destroy()
        known.destroy()
      } finally {
        await dialling.shutdown()
      }
    })
  })
})
