import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Duplex } from 'node:stream'
import type { Advertisement, BleBackend } from '@kithmesh/provider-ble'
import { metadataTag } from '@kithmesh/provider-ble'
import { eventually, realClock, recordingLogger, within, type RecordingLogger } from '@kithmesh/testkit'
import { VirtualAir, seededRandom, type VirtualController } from '@kithmesh/testkit/ble'
import { expect } from 'chai'
import { hciBackend, type HciBackendOptions } from '../dist/backend/hci-backend.js'
import { received, sha256 } from './support/received.ts'
import { sharedAdapter } from './support/shared-adapter.ts'

const service = '6b2faab9-a7d1-57da-b22e-03bbcab4689a'

interface Device {
  readonly controller: VirtualController
  readonly backend: BleBackend
  readonly lost: Error[]
  readonly streams: { readonly stream: Duplex; readonly id: string | undefined }[]
  start(): Promise<void>
  publish(metadata?: Uint8Array): Promise<void>
  find(other: Device): Promise<Advertisement>
}

for (const library of ['abandonware', 'stoprocent'] as const) {
  describe(`backend over a controller of one's own, ${library}`, () => {
    let air: VirtualAir
    let devices: Device[]
    let logger: RecordingLogger
    const { signal } = new AbortController()

    beforeEach(() => {
      air = new VirtualAir({ clock: realClock })
      devices = []
      logger = recordingLogger()
    })

    afterEach(async () => {
      for (const { streams } of devices) for (const { stream } of streams) stream.on('error', () => {})
      await Promise.all(devices.map(({ backend }) => backend.stop()))
      for (const { controller } of devices) {
        expect([controller.inUse, controller.violations]).to.deep.equal([false, []])
      }
      await air.close()
      expect(logger.entries.filter(({ level }) => level === 'error')).to.deep.equal([])
    })

    function device(options: Partial<HciBackendOptions> = {}): Device {
      const controller = air.controller()
      const backend = hciBackend({
        adapter: options.l2cap === false ? sharedAdapter(controller) : controller,
        library,
        advertisingIntervalMs: 20,
        ...options
      })({ clock: realClock, logger })
      const lost: Error[] = []
      const streams: { stream: Duplex; id: string | undefined }[] = []
      const made: Device = {
        controller,
        backend,
        lost,
        streams,
        start: () => backend.start((error) => lost.push(error)),
        publish: async (metadata = Buffer.of(0)) => {
          await backend.publisher!.publish({
            serviceUuid: service,
            displayName: controller.address.id,
            metadata,
            onStream: (stream, id) => {
              stream.on('error', () => {})
              streams.push({ stream, id })
            }
          })
        },
        find: async (other) => {
          let found: Advertisement | undefined
          await backend.central.startScan(service, (advertisement) => {
            if (advertisement.id === other.controller.address.id && advertisement.displayName !== undefined) found = advertisement
          })
          await eventually('the device to be found', () => found !== undefined)
          await backend.central.stopScan()
          return found!
        }
      }
      devices.push(made)
      return made
    }

    async function pair(options: Partial<HciBackendOptions> = {}): Promise<[Device, Device]> {
      const there = device(options)
      const here = device()
      await Promise.all([there.start(), here.start()])
      return [there, here]
    }

    for (const l2cap of [true, false]) {
      it(`is found, read and connected to ${l2cap ? 'with L2CAP channels' : 'on a shared adapter, through the stream characteristic'}`, async () => {
        const [there, here] = await pair({ l2cap })
        expect([there.backend.capabilities, here.backend.capabilities.l2cap]).to.deep.equal([{ publishes: true, l2cap }, true])
        const metadata = randomBytes(500)
        await there.publish(metadata)
        const { id, displayName, tag } = await here.find(there)
        expect([displayName, tag]).to.deep.equal([there.controller.address.id, metadataTag(l2cap ? 0x80 : 0, metadata)])
        const record = await here.backend.central.read(id, { signal })
        expect([record.psm, record.stream, Buffer.from(record.metadata).equals(metadata)]).to.deep.equal([l2cap ? 0x80 : 0, true, true])
        for (let round = 0; round < 3; round++) {
          const mine = await here.backend.central.openStream(id, record.psm, { signal })
          const { stream: theirs, id: from } = await eventually('the stream', () => there.streams[round])
          expect(from).to.equal(here.controller.address.id)
          const [forth, back] = [randomBytes(100_000), randomBytes(90_000)]
          const results = [received(mine, back.length), received(theirs, forth.length)]
          mine.write(forth)
          theirs.write(back)
          expect(await within(Promise.all(results), 30_000, 'the bytes')).to.deep.equal([sha256(back), sha256(forth)])
          mine.on('error', () => {}).destroy()
        }
      })
    }

    it('tells those who watch of every change, up to five at a time, and serves them on', async () => {
      const there = device()
      const others = [device(), device(), device(), device(), device()]
      await Promise.all([there, ...others].map((one) => one.start()))
      await there.publish(Buffer.from('first'))
      const seen = others.map((): string[] => [])
      for (const [index, other] of others.entries()) {
        const { id } = await other.find(there)
        await other.backend.central.watch(
          id,
          {
            metadata: (bytes) => {
              seen[index]!.push(Buffer.from(bytes).toString())
            },
            ended: () => {}
          },
          { signal }
        )
      }
      const long = 'x'.repeat(480)
      for (const value of ['second', long]) {
        await there.backend.publisher!.updateMetadata(Buffer.from(value))
        await eventually(`all to see ${value.slice(0, 10)}`, () => seen.every((values) => values.at(-1) === value))
      }
      const read = await Promise.all(others.map((other) => other.backend.central.read(there.controller.address.id, { signal })))
      expect(read.map(({ metadata }) => Buffer.from(metadata).toString())).to.deep.equal(Array.from({ length: 5 }, () => long))
    })

    it('lets accepted streams live on when it no longer publishes, and takes no more', async () => {
      const [there, here] = await pair()
      await there.publish()
      const { id } = await here.find(there)
      const mine = await here.backend.central.openStream(id, 0x80, { signal })
      const { stream: theirs } = await eventually('the stream', () => there.streams[0])
      await there.backend.publisher!.unpublish()
      await eventually('the end of advertising', () => !there.controller.advertising)
      const heard = received(theirs, 5)
      mine.write('hello')
      expect(await within(heard, 30_000, 'hello')).to.equal(sha256(Buffer.from('hello')))
      const refused = await here.backend.central.openStream(id, 0x80, { signal }).then(
        () => 'opened',
        (error: { code?: string }) => error.code
      )
      expect(refused).to.match(/^ERR_BLE_/)
      expect(there.streams).to.have.length(1)
      mine.on('error', () => {})
    })

    it('publishes and connects the other way at the same time, on one link', async () => {
      const [there, here] = await pair()
      await Promise.all([there.publish(), here.publish()])
      const [a, b] = await Promise.all([there.find(here), here.find(there)])
      await Promise.all([there.backend.central.read(a.id, { signal }), here.backend.central.read(b.id, { signal })])
      const [one, two] = await Promise.all([
        there.backend.central.openStream(a.id, 0x80, { signal }),
        here.backend.central.openStream(b.id, 0x80, { signal })
      ])
      await eventually('both streams', () => there.streams.length === 1 && here.streams.length === 1)
      for (const stream of [one, two]) stream.on('error', () => {})
    })

    it('is told once that the adapter is gone, and starts again, at whatever moment that is', async () => {
      const random = seededRandom(4711)
      const [there, here] = await pair()
      for (let round = 0; round < 12; round++) {
        const before = there.lost.length
        const starting = there.start().then(
          () => undefined,
          (error: { code?: string }) => error
        )
        const given = new AbortController()
        const publishing = starting
          .then(() => there.publish(Buffer.of(1, round)))
          .then(
            () => 'ERR_BLE_nothing',
            (error: { code?: string }) => error.code
          )
        const reading = here.backend.central.read(there.controller.address.id, given).catch(() => {})
        await new Promise((resolve) => setTimeout(resolve, Math.floor(random() * 60)))
        there.controller.unplug()
        const failed = await within(starting, 30_000, 'the start')
        if (failed === undefined) await eventually('the loss to be told', () => there.lost.length === before + 1)
        else expect(failed.code, String(failed)).to.equal('ERR_BLE_ADAPTER_FAILED')
        expect(await within(publishing, 30_000, 'the publication')).to.match(/^ERR_BLE_/)
        given.abort()
        await within(reading, 30_000, 'the reading')
        await eventually('the adapter to be given up', () => !there.controller.inUse)
        there.controller.plugIn()
        await within(there.start(), 30_000, 'another start')
        await there.publish(Buffer.of(2, round))
        await eventually('advertising', () => there.controller.advertising)
        expect(there.lost.length - before).to.equal(failed === undefined ? 1 : 0)
        await there.backend.stop()
        expect(there.controller.inUse).to.equal(false)
      }
      await there.start()
      await there.publish()
      await here.backend.stop()
      await here.start()
      const { id } = await here.find(there)
      expect((await here.backend.central.read(id, { signal })).psm).to.equal(0x80)
    })

    it('says why it does not start, and starts when that is over', async () => {
      const one = device()
      one.controller.unplug()
      expect(await codeOf(one.start())).to.equal('ERR_BLE_NO_ADAPTER')
      one.controller.plugIn()
      const port = await one.controller.open({ packet: () => {}, closed: () => {} }, { signal })
      expect(await codeOf(one.start())).to.equal('ERR_BLE_ADAPTER_BUSY')
      await port.close()
      expect(await codeOf(one.backend.central.read('c0ffee000009', { signal }))).to.equal('ERR_BLE_SHUT_DOWN')
      await one.start()
      expect(one.backend.description).to.match(new RegExp(library))
    })
  })
}

describe('importing the package', () => {
  it('loads nothing of Bluetooth', async () => {
    const script =
      "import Module from 'node:module'; await import('@kithmesh/provider-ble');" +
      'console.log(JSON.stringify(Object.keys(Module._cache).filter((file) => /noble|bleno|hci-socket/.test(file))))'
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      cwd: fileURLToPath(new URL('.', import.meta.url))
    })
    expect(JSON.parse(stdout)).to.deep.equal([])
  })
})

describe('options of a backend over a controller', () => {
  it('are refused when they make no sense', () => {
    const adapter = new VirtualAir({ clock: realClock }).controller()
    for (const options of [{ advertisingIntervalMs: 5 }, { maxCentrals: 0 }, { maxStreams: 1.5 }, { library: 'other' as 'abandonware' }])
      expect(() => hciBackend({ adapter, ...options }), JSON.stringify(options)).to.throw(TypeError)
  })
})

function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => 'no error',
    (error: { code?: string }) => error.code
  )
}
