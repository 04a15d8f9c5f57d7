import { setMaxListeners } from 'node:events'
import { expect } from 'chai'
import { errorCode, silentLogger } from '@kithmesh/core'
import { type ManualClock, manualClock } from '@kithmesh/testkit'
import { NobleCentral, type NobleCentralOptions } from '../dist/central/noble-central.js'
import { whenPowerLost, whenPoweredOn } from '../dist/central/power.js'
import { SERVICE } from './support/air-peers.ts'
import {
  FakeCharacteristic,
  type FakeLoadedNoble,
  FakeNoble,
  FakePeripheral,
  FakeService,
  deviceService,
  digits,
  fakeLoadedNoble,
  metadataCharacteristic,
  portCharacteristic,
  streamCharacteristic
} from './support/fake-noble.ts'

const ID = 'c0ffee000001'
const OTHER = 'c0ffee000002'
const THIRD = 'c0ffee000003'
const { signal } = new AbortController()
setMaxListeners(0, signal)

const status = (code: number): Error => new Error(`The controller says so (0x${code.toString(16)})`)

describe('a central over noble', () => {
  let clock: ManualClock
  let loaded: FakeLoadedNoble
  let central: NobleCentral

  const make = (peripherals: FakePeripheral[], options: Partial<NobleCentralOptions> = {}): void => {
    clock = manualClock()
    loaded = fakeLoadedNoble(...peripherals)
    central = new NobleCentral({ loaded, clock, logger: silentLogger, random: () => 0.5, ...options })
  }
  /** Devices are heard again and again while somebody scans. */
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 10) {
      for (const peripheral of loaded.peripherals.values()) loaded.noble.hear(peripheral)
      await clock.advance(10)
    }
  }
  const settle = async <T>(promise: Promise<T>, ms = 20_000): Promise<T> => {
    let settled = false
    const end = (): void => {
      settled = true
    }
    promise.then(end, end)
    for (let passed = 0; !settled && passed < ms; passed += 10) await pass(10)
    if (!settled) throw new Error(`not settled after ${ms} ms`)
    return promise
  }
  const failure = async (
    promise: Promise<unknown>,
    ms?: number
  ): Promise<{ code: string | undefined; details: Record<string, unknown> }> => {
    try {
      await settle(promise, ms)
    } catch (error) {
      if (errorCode(error) === undefined) throw error
      return { code: errorCode(error), details: (error as { details: Record<string, unknown> }).details }
    }
    throw new Error('it did not fail')
  }
  const read = (id = ID): Promise<unknown> => central.read(id, { signal })

  afterEach(async () => {
    await settle(central.stop())
    expect(clock.pending, 'timers').to.equal(0)
    expect(loaded.listeners(), 'listeners').to.equal(0)
  })

  describe('connecting', () => {
    it('asks for a supervision timeout that outlives a moment of silence', async () => {
      const device = new FakePeripheral(ID)
      make([device])
      await settle(read())
      expect(device.parameters).to.deep.equal({ timeout: 200 })
    })

    it('ends an attempt that does not end by itself, and is free for the next', async () => {
      const device = new FakePeripheral(ID)
      device.connects = ['never', 'ok']
      make([device])
      expect((await failure(read())).code).to.equal('ERR_BLE_TIMEOUT')
      expect(device.cancelled).to.equal(1)
      expect(device.state).to.equal('disconnected')
      await settle(read())
    })

    it('is free for the next even when the library never reports the end', async () => {
      const device = new FakePeripheral(ID)
      device.connects = ['never', 'ok']
      device.onCancel = 'nothing'
      make([device])
      expect((await failure(read())).code).to.equal('ERR_BLE_TIMEOUT')
      await settle(read())
    })

    it('cuts a link that came about when it was given up', async () => {
      const device = new FakePeripheral(ID)
      device.connects = ['never', 'ok']
      device.onCancel = 'succeeds'
      make([device])
      expect((await failure(read())).code).to.equal('ERR_BLE_TIMEOUT')
      expect(device.disconnects).to.equal(1)
      await settle(read())
    })

    it('repeats what fails in passing, but not for ever', async () => {
      const device = new FakePeripheral(ID)
      device.connects = [status(0x3e), status(0x0c), 'ok']
      make([device])
      await settle(read())
      expect(device.attempts).to.equal(3)
      device.lose()
      device.connects = [status(0x3e)]
      const { code, details } = await failure(read())
      expect(code).to.equal('ERR_BLE_CONNECT')
      expect(details['status']).to.equal(0x3e)
      expect(device.attempts).to.equal(9)
    })

    it('does not repeat what will not change', async () => {
      const device = new FakePeripheral(ID)
      device.connects = [status(0x09)]
      make([device])
      expect(await failure(read())).to.deep.include({ code: 'ERR_BLE_CONNECT' })
      expect(device.attempts).to.equal(1)
    })

    it('takes what the library throws as a failure', async () => {
      const device = new FakePeripheral(ID)
      device.connect = () => {
        throw new TypeError('internal')
      }
      make([device])
      expect((await failure(read())).code).to.equal('ERR_BLE_CONNECT')
    })

    it('tries again while the other side holds the link, until time is up', async () => {
      const device = new FakePeripheral(ID)
      device.connects = [...Array.from({ length: 9 }, () => status(0x0b)), 'ok']
      make([device])
      await settle(read())
      expect(device.attempts).to.equal(10)
      device.lose()
      device.connects = [status(0x0b)]
      expect((await failure(read())).code).to.equal('ERR_BLE_TIMEOUT')
    })

    it('makes one attempt at a time, in the order of the wishes, while the scan pauses', async () => {
      const devices = [ID, OTHER, THIRD].map((id) => new FakePeripheral(id))
      make(devices)
      await settle(central.startScan(SERVICE, () => undefined))
      await pass(50)
      const order: string[] = []
      let most = 0
      for (const device of devices) {
        const connect = device.connect.bind(device)
        device.connect = (parameters) => {
          order.push(device.id)
          connect(parameters)
          most = Math.max(most, devices.filter(({ connecting }) => connecting).length)
          expect(loaded.noble.scanning).to.equal(undefined)
        }
      }
      await settle(Promise.all([read(THIRD), read(ID), read(OTHER), read(ID)]))
      expect(order).to.deep.equal([THIRD, ID, OTHER])
      expect(most).to.equal(1)
      expect(loaded.noble.scanning).to.deep.equal([digits(SERVICE)])
    })

    it('lets the scan breathe between attempts that fail', async () => {
      const devices = [ID, OTHER].map((id) => new FakePeripheral(id))
      for (const device of devices) device.connects = ['never']
      make(devices)
      const heard: number[] = []
      await settle(central.startScan(SERVICE, () => heard.push(clock.monotonic())))
      await pass(50)
      const before = heard.length
      await Promise.all([failure(read(ID)), failure(read(OTHER))])
      expect(heard.slice(before).length).to.be.at.least(150)
    })

    it('does not let any number wait', async () => {
      const devices = Array.from({ length: 70 }, (_value, index) => new FakePeripheral(`c0ffee0001${index.toString(16).padStart(2, '0')}`))
      for (const device of devices) device.connects = ['never']
      make(devices, { maxLinks: 100 })
      await settle(central.startScan(SERVICE, () => undefined))
      await pass(50)
      const codes = devices.map(({ id }) => failure(read(id), 60_000))
      expect((await codes[69])?.code).to.equal('ERR_BLE_LIMIT')
      await settle(central.stop())
      await Promise.all(codes)
    })

    it('says that a device was not heard', async () => {
      make([])
      expect((await failure(read('c0ffee009999'))).code).to.equal('ERR_BLE_CONNECT')
      await pass(20)
      expect(loaded.noble.scanning).to.equal(undefined)
    })
  })

  describe('links', () => {
    it('stay for a while, for what follows', async () => {
      const device = new FakePeripheral(ID)
      make([device], { lingerMs: 1000 })
      await settle(read())
      await pass(500)
      await settle(read())
      expect(device.attempts).to.equal(1)
      await pass(900)
      expect(device.state).to.equal('connected')
      await pass(200)
      expect(device.state).to.equal('disconnected')
    })

    it('give way to new ones when there are too many, those first that were not used the longest', async () => {
      const devices = [ID, OTHER, THIRD].map((id) => new FakePeripheral(id))
      make(devices, { maxLinks: 2, lingerMs: 10_000 })
      await settle(read(ID))
      await settle(read(OTHER))
      await settle(read(ID))
      await settle(read(THIRD))
      expect(devices.map(({ state }) => state)).to.deep.equal(['connected', 'disconnected', 'connected'])
    })

    it('in use are not given up: who comes waits', async () => {
      const devices = [ID, OTHER].map((id) => new FakePeripheral(id))
      make(devices, { maxLinks: 1, lingerMs: 10_000 })
      const end = await settle(central.watch(ID, { metadata: () => undefined, ended: () => undefined }, { signal }))
      const waiting = read(OTHER)
      await pass(1000)
      expect(devices[1]?.attempts).to.equal(0)
      end()
      await settle(waiting)
      expect(devices[0]?.state).to.equal('disconnected')
    })

    it('count as ended when the controller does not end them', async () => {
      const device = new FakePeripheral(ID)
      device.ignoresDisconnect = true
      make([device], { lingerMs: 100 })
      await settle(read())
      await pass(3000)
      await settle(read())
      expect(device.attempts).to.equal(2)
    })

    it('that break before anybody has noticed them are made again', async () => {
      const device = new FakePeripheral(ID)
      make([device])
      let breaks = 2
      device.on('connect', () => {
        if (breaks-- > 0) device.lose(0x3e)
      })
      await settle(read())
      expect(device.attempts).to.equal(3)
      device.removeAllListeners('connect')
    })

    it('that break at once are made again', async () => {
      const device = new FakePeripheral(ID)
      device.services = 'never'
      make([device])
      const reading = read()
      await pass(100)
      device.services = [deviceService()]
      device.lose(0x3e)
      await settle(reading)
      expect(device.attempts).to.equal(2)
    })
  })

  describe('reading', () => {
    it('tells what a device says', async () => {
      make([new FakePeripheral(ID, [deviceService([portCharacteristic(), metadataCharacteristic(), streamCharacteristic()])])])
      expect(await settle(central.read(ID, { signal }))).to.deep.equal({ psm: 0x80, metadata: Buffer.from('\x03a=1'), stream: true })
    })

    for (const [what, port, psm] of [
      ['no channel', [0, 0], 0],
      ['a PSM below those that are free', [0x7f, 0], 0],
      ['a PSM above those that are free', [0, 1], 0],
      ['a PSM that looks right in one byte', [0x80, 1], 0],
      ['the last one', [0xff, 0], 0xff]
    ] as const) {
      it(`takes a port for what it is: ${what}`, async () => {
        make([new FakePeripheral(ID, [deviceService([portCharacteristic(Buffer.from(port)), metadataCharacteristic()])])])
        expect(await settle(central.read(ID, { signal }))).to.deep.include({ psm })
      })
    }

    for (const [what, services, code] of [
      ['a port of no bytes', [deviceService([portCharacteristic(Buffer.alloc(0)), metadataCharacteristic()])], 'ERR_BLE_GATT'],
      ['a port of three bytes', [deviceService([portCharacteristic(Buffer.alloc(3)), metadataCharacteristic()])], 'ERR_BLE_GATT'],
      ['an error at the port', [deviceService([portCharacteristic(new Error('no')), metadataCharacteristic()])], 'ERR_BLE_GATT'],
      ['metadata that is too long', [deviceService([portCharacteristic(), metadataCharacteristic(Buffer.alloc(513))])], 'ERR_BLE_GATT'],
      ['no port', [deviceService([metadataCharacteristic()])], 'ERR_BLE_NO_SERVICE'],
      ['no metadata', [deviceService([portCharacteristic()])], 'ERR_BLE_GATT'],
      ['no service', [], 'ERR_BLE_NO_SERVICE'],
      ['services by the thousand, none of them known', manyServices(1000), 'ERR_BLE_NO_SERVICE'],
      ['no answer about services', 'never', 'ERR_BLE_TIMEOUT'],
      ['an error about services', new Error('no'), 'ERR_BLE_GATT'],
      ['no answer about characteristics', [new FakeService(SERVICE, 'never')], 'ERR_BLE_TIMEOUT'],
      ['no answer about the port', [deviceService([portCharacteristic('never'), metadataCharacteristic()])], 'ERR_BLE_TIMEOUT'],
      ['no answer about the metadata', [deviceService([portCharacteristic(), metadataCharacteristic('never')])], 'ERR_BLE_TIMEOUT']
    ] as const) {
      it(`puts up with a device that has ${what}`, async () => {
        const device = new FakePeripheral(ID, [])
        device.services = services
        make([device])
        expect((await failure(read())).code).to.equal(code)
        if (Array.isArray(services)) expect(services.filter(({ discoveries }) => discoveries > 0).length).to.be.at.most(8)
        // Whatever it was, the next device and the next time are not affected.
        device.services = [deviceService()]
        device.lose()
        await settle(read())
      })
    }

    it('looks into the service that was scanned for, and into no other one', async () => {
      const other = new FakeService('11111111-2222-4333-8444-555555555555', [portCharacteristic(), metadataCharacteristic()])
      const device = new FakePeripheral(ID, [other, deviceService([metadataCharacteristic()])])
      make([device])
      await settle(central.startScan(SERVICE, () => undefined))
      expect((await failure(read())).code).to.equal('ERR_BLE_GATT')
      expect(other.discoveries).to.equal(0)
    })

    it('asks a device that owes an answer on another link', async () => {
      const device = new FakePeripheral(ID, [deviceService([portCharacteristic('never'), metadataCharacteristic()])])
      make([device], { requestMs: 1000 })
      expect((await failure(read())).code).to.equal('ERR_BLE_TIMEOUT')
      device.services = [deviceService()]
      await settle(read())
      expect(device.attempts).to.equal(2)
    })

    for (const phase of ['services', 'characteristics', 'port', 'metadata', 'subscription'] as const) {
      const stuck = (): { device: FakePeripheral; free: () => void } => {
        const [port, metadata] = [portCharacteristic(), metadataCharacteristic()]
        const service = new FakeService(SERVICE, [port, metadata])
        const device = new FakePeripheral(ID, [service])
        if (phase === 'services') device.services = 'never'
        if (phase === 'characteristics') service.characteristics = 'never'
        if (phase === 'port') port.answer = 'never'
        if (phase === 'metadata') metadata.answer = 'never'
        if (phase === 'subscription') metadata.subscription = 'never'
        return {
          device,
          free: () => {
            device.services = [deviceService()]
          }
        }
      }
      const begin = (signalOf: AbortSignal): Promise<unknown> =>
        phase === 'subscription'
          ? central.watch(ID, { metadata: () => undefined, ended: () => undefined }, { signal: signalOf })
          : central.read(ID, { signal: signalOf })

      it(`reports the loss of the link while it waits for the ${phase}`, async () => {
        const { device, free } = stuck()
        make([device])
        const reading = begin(signal)
        await pass(200)
        device.lose(0x08)
        const { code, details } = await failure(reading)
        expect(code).to.equal('ERR_BLE_LINK_LOST')
        expect(details['reason']).to.equal(0x08)
        free()
        await settle(read())
      })

      it(`lets the caller go while it waits for the ${phase}`, async () => {
        const { device, free } = stuck()
        make([device], { requestMs: 1000 })
        const controller = new AbortController()
        const reason = new Error('enough')
        const reading = begin(controller.signal)
        await pass(200)
        controller.abort(reason)
        expect(
          await settle(
            reading.catch((error: unknown) => error),
            50
          )
        ).to.equal(reason)
        await pass(1500)
        free()
        await settle(read())
      })
    }

    it('lets the caller go while others are connected to, and while it connects', async () => {
      const devices = [ID, OTHER].map((id) => new FakePeripheral(id))
      for (const device of devices) device.connects = ['never', 'ok']
      make(devices)
      const controllers = [new AbortController(), new AbortController()] as const
      const reasons = [new Error('first'), new Error('second')] as const
      const readings = [central.read(ID, { signal: controllers[0].signal }), central.read(OTHER, { signal: controllers[1].signal })].map(
        (reading) => reading.catch((error: unknown) => error)
      )
      await pass(200)
      controllers[1].abort(reasons[1])
      controllers[0].abort(reasons[0])
      expect(await settle(Promise.all(readings), 100)).to.deep.equal([...reasons])
      expect(devices.map(({ attempts }) => attempts)).to.deep.equal([1, 0])
      await settle(read(ID))
    })

    it('shares a link and goes on for those that are left', async () => {
      const device = new FakePeripheral(ID)
      make([device])
      const controller = new AbortController()
      const gone = central.read(ID, { signal: controller.signal }).catch((error: unknown) => error)
      const stays = read()
      controller.abort(new Error('gone'))
      await settle(stays)
      expect(await gone).to.be.an('error')
      expect(device.attempts).to.equal(1)
    })
  })

  describe('watching', () => {
    it('reads again for a notification that may have been cut, once for however many', async () => {
      const metadata = metadataCharacteristic()
      const device = new FakePeripheral(ID, [deviceService([portCharacteristic(), metadata])])
      make([device])
      const seen: string[] = []
      const end = await settle(
        central.watch(ID, { metadata: (bytes) => seen.push(Buffer.from(bytes).toString()), ended: () => undefined }, { signal })
      )
      metadata.emit('data', Buffer.from('short'), true)
      expect(seen.at(-1)).to.equal('short')
      const before = metadata.reads
      metadata.answer = Buffer.from('the whole of it')
      for (let count = 0; count < 100; count++) metadata.emit('data', Buffer.alloc(253, 'x'), true)
      metadata.emit('data', Buffer.alloc(0), true)
      await pass(100)
      expect(seen.at(-1)).to.equal('the whole of it')
      expect(metadata.reads - before).to.be.at.most(2)
      metadata.emit('data', Buffer.from('an answer, not a notification'), false)
      expect(seen.at(-1)).to.equal('the whole of it')
      end()
      metadata.emit('data', Buffer.from('late'), true)
      expect(seen.at(-1)).to.equal('the whole of it')
    })

    it('keeps the link as long as anybody watches', async () => {
      const device = new FakePeripheral(ID)
      make([device], { lingerMs: 100 })
      const errors: Error[] = []
      const handlers = { metadata: () => undefined, ended: (error: Error) => errors.push(error) }
      const ends = await settle(Promise.all([central.watch(ID, handlers, { signal }), central.watch(ID, handlers, { signal })]))
      await pass(1000)
      ends[0]?.()
      ends[0]?.()
      await pass(1000)
      expect(device.state).to.equal('connected')
      ends[1]?.()
      await pass(200)
      expect(device.state).to.equal('disconnected')
      expect(errors).to.deep.equal([])
    })

    it('ends when reading again fails', async () => {
      const metadata = metadataCharacteristic()
      make([new FakePeripheral(ID, [deviceService([portCharacteristic(), metadata])])])
      const errors: Error[] = []
      await settle(central.watch(ID, { metadata: () => undefined, ended: (error) => errors.push(error) }, { signal }))
      metadata.answer = 'never'
      metadata.emit('data', Buffer.alloc(253), true)
      await pass(6000)
      expect(errors.map(errorCode)).to.deep.equal(['ERR_BLE_TIMEOUT'])
    })

    it('does not begin where the device does not notify', async () => {
      const silent = new FakeCharacteristic(metadataCharacteristic().uuid, ['read'], Buffer.alloc(1))
      make([new FakePeripheral(ID, [deviceService([portCharacteristic(), silent])])])
      expect((await failure(central.watch(ID, { metadata: () => undefined, ended: () => undefined }, { signal }))).code).to.equal(
        'ERR_BLE_GATT'
      )
    })
  })

  describe('streams without a host', () => {
    it('go through the stream characteristic, whatever the PSM', async () => {
      const stream = streamCharacteristic()
      const device = new FakePeripheral(ID, [deviceService([portCharacteristic(), metadataCharacteristic(), stream])])
      make([device])
      const opening = central.openStream(ID, 0x80, { signal }).catch((error: unknown) => error)
      await pass(100)
      expect(stream.written.length).to.equal(1)
      expect(stream.written[0]?.readUInt16LE(0)).to.equal(5)
      device.lose(0x13)
      expect(errorCode(await settle(opening))).to.equal('ERR_BLE_LINK_LOST')
    })

    it('are not there where the characteristic is missing or cannot be used', async () => {
      const broken = new FakeCharacteristic(streamCharacteristic().uuid, ['read'], Buffer.alloc(1))
      make([new FakePeripheral(ID), new FakePeripheral(OTHER, [deviceService([portCharacteristic(), metadataCharacteristic(), broken])])])
      expect((await failure(central.openStream(ID, 0x80, { signal }))).code).to.equal('ERR_BLE_NO_STREAM')
      expect((await failure(central.openStream(OTHER, 0, { signal }))).code).to.equal('ERR_BLE_NO_STREAM')
    })
  })

  describe('scanning', () => {
    it('begins again by itself when somebody else ended it', async () => {
      make([new FakePeripheral(ID)])
      await settle(central.startScan(SERVICE, () => undefined))
      loaded.noble.scanning = undefined
      loaded.noble.emit('scanStop')
      await pass(1500)
      expect(loaded.noble.scanning).to.deep.equal([digits(SERVICE)])
    })

    it('says that the adapter does not scan', async () => {
      make([])
      loaded.noble.startError = new Error('no')
      expect((await failure(central.startScan(SERVICE, () => undefined))).code).to.equal('ERR_BLE_ADAPTER_FAILED')
    })

    it('says so as well when the library does not answer', async () => {
      make([])
      loaded.noble.startScanning = () => undefined
      expect((await failure(central.startScan(SERVICE, () => undefined))).code).to.equal('ERR_BLE_ADAPTER_FAILED')
    })

    it('tells nothing after its end, and one at a time', async () => {
      make([new FakePeripheral(ID)])
      const first: unknown[] = []
      const second: unknown[] = []
      await settle(central.startScan(SERVICE, (advertisement) => first.push(advertisement)))
      await pass(20)
      await settle(central.startScan(SERVICE, (advertisement) => second.push(advertisement)))
      const count = first.length
      await pass(20)
      expect(first.length).to.equal(count)
      expect(second.length).to.be.greaterThan(0)
      await settle(central.stopScan())
      await settle(central.stopScan())
      expect(loaded.noble.scanning).to.equal(undefined)
    })

    it('reports what a hostile device advertises, cleaned', async () => {
      const device = new FakePeripheral(ID.toUpperCase())
      device.advertisement = { localName: `\u0007a\u0000${'n'.repeat(1000)}`, manufacturerData: Buffer.from('ffff01020304', 'hex') }
      device.rssi = Number.NaN
      make([device])
      const heard: Array<{ id: string; displayName: string | undefined; rssi: number; tag: number | undefined }> = []
      await settle(central.startScan(SERVICE, (advertisement) => heard.push(advertisement)))
      await pass(20)
      expect(heard[0]).to.deep.include({ id: ID, rssi: 127, tag: 0x04030201 })
      expect(heard[0]?.displayName).to.equal(`a${'n'.repeat(247)}`)
      device.advertisement = { manufacturerData: Buffer.from('4c0001020304', 'hex') }
      await pass(20)
      expect(heard.at(-1)).to.deep.include({ tag: undefined, displayName: undefined })
    })

    it('forgets devices before they fill the memory, but none that is connected', async () => {
      const device = new FakePeripheral(ID)
      make([device], { lingerMs: 60_000 })
      await settle(central.startScan(SERVICE, () => undefined))
      await settle(read())
      loaded.peripherals.delete(ID)
      for (let count = 0; count < 600; count++) loaded.noble.hear(new FakePeripheral(`aa${count.toString(16).padStart(10, '0')}`))
      expect(loaded.forgotten.length).to.equal(89)
      expect(loaded.forgotten).not.to.include(ID)
      loaded.peripherals.set(ID, device)
    })

    it('wants the UUID of a service', async () => {
      make([])
      await central
        .startScan('nonsense', () => undefined)
        .then(
          () => expect.fail('it did not fail'),
          (error: unknown) => expect(error).to.be.instanceOf(TypeError)
        )
    })
  })

  describe('power', () => {
    const { signal: never } = new AbortController()
    beforeEach(() => {
      make([])
    })

    it('is waited for', async () => {
      const noble = new FakeNoble()
      noble.state = 'unknown'
      const waiting = whenPoweredOn({ name: 'noble', library: noble }, { clock, ms: 1000, signal: never })
      noble.state = 'poweredOn'
      noble.emit('stateChange', 'poweredOn')
      await waiting
      expect(noble.listenerCount('stateChange')).to.equal(0)
    })

    for (const [state, code] of [
      ['poweredOff', 'ERR_BLE_POWERED_OFF'],
      ['unauthorized', 'ERR_BLE_NOT_PERMITTED'],
      ['unsupported', 'ERR_BLE_UNSUPPORTED'],
      ['resetting', 'ERR_BLE_ADAPTER_FAILED']
    ] as const) {
      it(`says what is the matter: ${state}`, async () => {
        const noble = new FakeNoble()
        noble.state = state
        const waiting = whenPoweredOn({ name: 'noble', library: noble }, { clock, ms: 1000, signal: never })
        expect((await failure(waiting)).code).to.equal(code)
        const lost: Error[] = []
        whenPowerLost({ name: 'noble', library: noble }, (error) => lost.push(error))
        noble.emit('stateChange', state)
        noble.emit('stateChange', state)
        expect(lost.map(errorCode)).to.deep.equal([code])
        expect(noble.listenerCount('stateChange')).to.equal(0)
      })
    }
  })
})

function manyServices(count: number): FakeService[] {
  return Array.from(
    { length: count },
    (_value, index) => new FakeService(`aaaaaaaa-bbbb-4ccc-8ddd-${index.toString(16).padStart(12, '0')}`, [])
  )
}
