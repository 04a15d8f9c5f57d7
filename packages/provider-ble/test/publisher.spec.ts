import { Duplex } from 'node:stream'
import { METADATA_CHARACTERISTIC, PORT_CHARACTERISTIC, STREAM_CHARACTERISTIC, metadataTag } from '@kithmesh/provider-ble'
import type { BlePublication, ChannelListener, HciHost } from '@kithmesh/provider-ble'
import { manualClock, recordingLogger, type ManualClock } from '@kithmesh/testkit'
import { expect } from 'chai'
import fc from 'fast-check'
import { readAdvertisement } from '../dist/gatt/advertising-data.js'
import { createPublisher, type PublisherOptions, type StoppablePublisher } from '../dist/publisher/publisher.js'
import { FakeBleno } from './support/fake-bleno.ts'

const service = '6b2faab9-a7d1-57da-b22e-03bbcab4689a'
const metadata = Buffer.from('04a=bc')
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('a publisher over bleno', () => {
  let clock: ManualClock
  let publisher: StoppablePublisher
  let loaded: FakeBleno[]
  let logger: ReturnType<typeof recordingLogger>

  function create(
    options: Partial<PublisherOptions> & {
      readonly manyCentrals?: boolean
      readonly prepare?: (fake: FakeBleno, index: number) => void
    } = {}
  ) {
    const { manyCentrals = false, prepare, ...rest } = options
    logger = recordingLogger()
    publisher = createPublisher({
      clock,
      logger,
      load: ({ refused, notified }) => {
        const fake = new FakeBleno(manyCentrals)
        fake.refuse = refused
        fake.notified = notified
        prepare?.(fake, loaded.length)
        loaded.push(fake)
        return fake
      },
      ...rest
    })
    return publisher
  }

  const publication = (changes: Partial<BlePublication> = {}): BlePublication => ({
    serviceUuid: service,
    displayName: 'Zoë',
    metadata,
    onStream: () => {},
    ...changes
  })

  const last = (): FakeBleno => loaded.at(-1) as FakeBleno

  async function codeOf(promise: Promise<unknown>): Promise<string> {
    const settled = promise.then(
      () => 'no error',
      (error: unknown) => (error as { code?: string }).code ?? String(error)
    )
    await clock.advance(20_000)
    return settled
  }

  const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => undefined,
      (error: unknown) => error
    )

  beforeEach(() => {
    clock = manualClock()
    loaded = []
  })

  afterEach(async () => {
    await publisher.stop()
    expect(
      loaded.every(({ released }) => released),
      'everything released'
    ).to.equal(true)
    expect(clock.pending, 'timers').to.equal(0)
  })

  it('advertises the service, the name and the tag, and is read from', async () => {
    await create().publish(publication())
    expect(readAdvertisement(Buffer.concat([last().advertisement, last().scanResponse]))).to.deep.equal({
      serviceUuids: [service],
      displayName: 'Zoë',
      tag: metadataTag(0, metadata)
    })
    last().accept('c0:ff:ee:00:00:01')
    expect(loaded[0]!.read(PORT_CHARACTERISTIC)).to.deep.equal({ result: 0, value: Buffer.of(0, 0) })
    expect(loaded[0]!.read(METADATA_CHARACTERISTIC)).to.deep.equal({ result: 0, value: metadata })
  })

  it('reads a record to its end as it was at its beginning', async () => {
    const long = Buffer.alloc(500, 'a')
    await create().publish(publication({ metadata: long }))
    last().accept('c0:ff:ee:00:00:01')
    const first = loaded[0]!.read(METADATA_CHARACTERISTIC)
    await publisher.updateMetadata(Buffer.alloc(400, 'b'))
    expect(first.value?.equals(long)).to.equal(true)
    expect(loaded[0]!.read(METADATA_CHARACTERISTIC, 255).value?.equals(long.subarray(255))).to.equal(true)
    expect(loaded[0]!.read(METADATA_CHARACTERISTIC, 500)).to.deep.equal({ result: 0, value: Buffer.alloc(0) })
    expect(loaded[0]!.read(METADATA_CHARACTERISTIC, 501).result).to.equal(0x07)
    expect(loaded[0]!.read(METADATA_CHARACTERISTIC).value?.toString()).to.equal('b'.repeat(400))
  })

  it('changes the tag and tells subscribers when the metadata changes', async () => {
    const told: Buffer[] = []
    await create().publish(publication())
    last().accept('c0:ff:ee:00:00:01')
    loaded[0]!.characteristic(METADATA_CHARACTERISTIC).onSubscribe?.(undefined, 20, (value) => told.push(value))
    await publisher.updateMetadata(Buffer.from('new'))
    await turn()
    expect(told.map(String)).to.deep.equal(['new'])
    expect(readAdvertisement(last().advertisement).tag).to.equal(metadataTag(0, Buffer.from('new')))
    loaded[0]!.characteristic(METADATA_CHARACTERISTIC).onUnsubscribe?.(undefined)
    await publisher.updateMetadata(Buffer.from('newer'))
    expect(told).to.have.length(1)
  })

  it('refuses metadata that no characteristic can hold, and updates of nothing', async () => {
    create()
    expect(await codeOf(publisher.publish(publication({ metadata: Buffer.alloc(513) })))).to.equal('ERR_BLE_METADATA')
    expect(await codeOf(publisher.updateMetadata(metadata))).to.equal('ERR_BLE_PUBLISH')
    await publisher.publish(publication({ metadata: Buffer.alloc(512) }))
    expect(await codeOf(publisher.updateMetadata(Buffer.alloc(513)))).to.equal('ERR_BLE_METADATA')
    expect(loaded[0]!.advertising).to.equal(true)
  })

  describe('with a library that serves one central', () => {
    it('advertises on with a fresh instance after every accepted central, and gives it up when that leaves', async () => {
      await create().publish(publication())
      for (let index = 0; index < 5; index++) {
        last().accept(`c0:ff:ee:00:00:0${index}`)
        await clock.advance(0)
        expect(loaded).to.have.length(index + 2)
        expect(last().advertising).to.equal(true)
      }
      expect(loaded.slice(0, 5).map((one) => one.read(METADATA_CHARACTERISTIC).result)).to.deep.equal([0, 0, 0, 0, 0])
      loaded[2]!.leave('c0:ff:ee:00:00:02')
      await clock.advance(0)
      expect(loaded.map(({ released }) => released)).to.deep.equal([false, false, true, false, false, false])
      expect(loaded.filter(({ advertising }) => advertising)).to.have.length(1)
    })

    it('pauses at the limit and goes on when a central leaves', async () => {
      await create({ maxCentrals: 2 }).publish(publication())
      last().accept('c0:ff:ee:00:00:01')
      await clock.advance(0)
      last().accept('c0:ff:ee:00:00:02')
      await clock.advance(60_000)
      expect(loaded).to.have.length(2)
      loaded[0]!.leave('c0:ff:ee:00:00:01')
      await clock.advance(0)
      expect(loaded).to.have.length(3)
      expect(last().advertising).to.equal(true)
    })

    it('cuts two centrals off that got to one instance, since the library has lost the first', async () => {
      await create().publish(publication())
      last().accept('c0:ff:ee:00:00:01')
      await clock.advance(0)
      const armed = last()
      loaded[0]!.accept('c0:ff:ee:00:00:02')
      await clock.advance(0)
      expect(loaded[0]!.released).to.equal(true)
      expect(armed.calls.filter((call) => call === 'advertise')).to.have.length(2)
    })

    it('takes a central for an answer that it advertises, when the library forgets to give one', async () => {
      create({ prepare: (fake, index) => index === 0 && fake.mute.add('advertise') })
      const published = publisher.publish(publication())
      await clock.advance(0)
      loaded[0]!.accept('c0:ff:ee:00:00:01')
      await published
      await clock.advance(0)
      expect(loaded[1]!.advertising).to.equal(true)
    })

    it('tries again, in growing pauses, when advertising cannot go on', async () => {
      const refused = new Error('Command Disallowed')
      create({ prepare: (fake, index) => index > 0 && index < 4 && fake.errors.set('advertise', refused) })
      await publisher.publish(publication())
      last().accept('c0:ff:ee:00:00:01')
      await clock.advance(0)
      expect(loaded[1]!.released).to.equal(true)
      await clock.advance(500)
      expect(loaded).to.have.length(3)
      await clock.advance(999)
      expect(loaded).to.have.length(3)
      await clock.advance(1)
      expect(loaded).to.have.length(4)
      await clock.advance(2000)
      expect(last().advertising).to.equal(true)
      expect(logger.entries.filter(({ level }) => level !== 'debug').map(({ level }) => level)).to.deep.equal(['warn', 'info'])
    })
  })

  describe('with a library that serves many', () => {
    it('keeps one instance and tells centrals apart', async () => {
      await create({ manyCentrals: true }).publish(publication())
      for (let handle = 64; handle < 69; handle++) last().accept(`c0:ff:ee:00:00:${handle}`, handle)
      await clock.advance(0)
      expect(loaded).to.have.length(1)
      const told: number[] = []
      for (let handle = 64; handle < 69; handle++)
        last()
          .characteristic(METADATA_CHARACTERISTIC)
          .onSubscribe?.(handle, 20, () => told.push(handle))
      last().leave('c0:ff:ee:00:00:65', 65)
      await publisher.updateMetadata(Buffer.from('new'))
      expect(told).to.deep.equal([64, 66, 67, 68])
    })

    it('pauses at the limit and goes on when a central leaves', async () => {
      await create({ manyCentrals: true, maxCentrals: 2 }).publish(publication())
      last().accept('c0:ff:ee:00:00:01', 1)
      expect(last().advertising).to.equal(true)
      last().accept('c0:ff:ee:00:00:02', 2)
      await clock.advance(0)
      expect(last().advertising).to.equal(false)
      await publisher.updateMetadata(Buffer.from('new'))
      expect(last().advertising).to.equal(false)
      last().leave('c0:ff:ee:00:00:01', 1)
      await clock.advance(0)
      expect(last().advertising).to.equal(true)
      expect(readAdvertisement(last().advertisement).tag).to.equal(metadataTag(0, Buffer.from('new')))
    })

    it('begins again when the adapter refused what the library began by itself, and keeps the centrals', async () => {
      await create({ manyCentrals: true }).publish(publication())
      const fake = last()
      fake.accept('c0:ff:ee:00:00:01', 1)
      fake.advertising = false
      fake.refuse()
      fake.errors.set('advertise', new Error('Connection Limit Exceeded'))
      await clock.advance(3000)
      await publisher.updateMetadata(Buffer.from('new'))
      expect([loaded.length, fake.advertising, String(fake.read(METADATA_CHARACTERISTIC, 0, 1).value)]).to.deep.equal([1, false, 'new'])
      fake.errors.clear()
      await clock.advance(5000)
      expect(fake.advertising).to.equal(true)
      expect(readAdvertisement(fake.advertisement).tag).to.equal(metadataTag(0, Buffer.from('new')))
    })

    it('makes room for a central, where the platform does not tell when one leaves', async () => {
      await create({ manyCentrals: true, maxCentrals: 2, advertisesBytes: false }).publish(publication())
      const subscribe = (key: string) =>
        last()
          .characteristic(METADATA_CHARACTERISTIC)
          .onSubscribe?.(key as never, 20, () => {})
      expect(last().read(PORT_CHARACTERISTIC, 0, 'aa' as never).result).to.equal(0)
      subscribe('bb')
      expect(last().read(PORT_CHARACTERISTIC, 0, 'cc' as never).result).to.equal(0)
      subscribe('cc')
      expect(last().read(PORT_CHARACTERISTIC, 0, 'dd' as never).result).to.equal(0x11)
      expect(last().advertisedName).to.equal('Zoë')
    })
  })

  describe('when the library does not do as it should', () => {
    const cases: [string, (fake: FakeBleno) => void, string][] = [
      ['never comes on', (fake) => fake.mute.add('start'), 'ERR_BLE_PUBLISH'],
      ['is switched off', (fake) => (fake.stateAfterStart = 'poweredOff'), 'ERR_BLE_POWERED_OFF'],
      ['is not permitted', (fake) => (fake.stateAfterStart = 'unauthorized'), 'ERR_BLE_NOT_PERMITTED'],
      ['is not supported', (fake) => (fake.stateAfterStart = 'unsupported'), 'ERR_BLE_UNSUPPORTED'],
      ['throws at the start', (fake) => (fake.startError = new Error('no')), 'ERR_BLE_PUBLISH'],
      ['never sets the services', (fake) => fake.mute.add('setServices'), 'ERR_BLE_PUBLISH'],
      ['fails to set the services', (fake) => fake.errors.set('setServices', new Error('no')), 'ERR_BLE_PUBLISH'],
      ['never advertises', (fake) => fake.mute.add('advertise'), 'ERR_BLE_PUBLISH'],
      ['fails to advertise', (fake) => fake.errors.set('advertise', new Error('no')), 'ERR_BLE_PUBLISH']
    ]
    for (const [what, prepare, code] of cases) {
      it(`says so when it ${what}, and nothing is left`, async () => {
        create({ prepare: (fake) => void prepare(fake) })
        expect(await codeOf(publisher.publish(publication()))).to.equal(code)
        await clock.advance(60_000)
        expect(loaded).to.have.length(1)
        expect(last().released).to.equal(true)
      })
    }

    it('says what an error event says that comes instead of an answer', async () => {
      create({ prepare: (fake) => fake.mute.add('advertise') })
      const published = errorOf(publisher.publish(publication()))
      await clock.advance(0)
      last().emit('advertisingStartError', new Error('too long'))
      expect(String(await published)).to.match(/too long/)
    })

    it('makes a new instance when an update fails', async () => {
      await create().publish(publication())
      loaded[0]!.errors.set('advertise', new Error('no'))
      await publisher.updateMetadata(Buffer.from('new'))
      expect(loaded[0]!.released).to.equal(true)
      expect(readAdvertisement(loaded[1]!.advertisement).tag).to.equal(metadataTag(0, Buffer.from('new')))
    })

    it('unpublishes within the deadline even if advertising never ends', async () => {
      await create().publish(publication())
      last().mute.add('stopAdvertising')
      expect(await codeOf(publisher.unpublish())).to.equal('no error')
      expect(last().released).to.equal(true)
    })

    it('is stopped at any moment', async () => {
      create({ prepare: (fake) => fake.mute.add('setServices') })
      const published = errorOf(publisher.publish(publication()))
      await turn()
      await publisher.stop()
      expect(((await published) as { code?: string }).code).to.equal('ERR_BLE_SHUT_DOWN')
    })
  })

  it('is published ten times, and serves who stayed connected', async () => {
    create()
    for (let round = 0; round < 10; round++) {
      await publisher.publish(publication({ metadata: Buffer.from(`round ${round}`) }))
      expect(last().advertising).to.equal(true)
      if (round === 0) {
        last().accept('c0:ff:ee:00:00:01')
        await clock.advance(0)
      }
      expect(loaded[0]!.read(METADATA_CHARACTERISTIC).value?.toString()).to.equal(`round ${round}`)
      await publisher.unpublish()
      await publisher.unpublish()
      expect(loaded.some(({ advertising }) => advertising)).to.equal(false)
      expect(loaded[0]!.read(METADATA_CHARACTERISTIC).result).to.equal(0x0e)
    }
    expect(loaded[0]!.released).to.equal(false)
    loaded[0]!.leave('c0:ff:ee:00:00:01')
    expect(loaded[0]!.released).to.equal(true)
  })

  describe('when a central does not take what it is told', () => {
    it('tells it no more than fits, and then the latest', async () => {
      const told: string[] = []
      await create({ paced: true }).publish(publication())
      const fake = last()
      fake.accept('c0:ff:ee:00:00:01')
      fake.characteristic(METADATA_CHARACTERISTIC).onSubscribe?.(undefined, 20, (value) => told.push(String(value)))
      for (let count = 0; count < 200; count++) await publisher.updateMetadata(Buffer.from(`${count}`))
      expect(told).to.have.length(8)
      for (let count = 0; count < 40; count++) fake.notified(0x40)
      expect(told.slice(8)).to.deep.equal(['199'])
      await publisher.updateMetadata(Buffer.from('on'))
      expect(told.at(-1)).to.equal('on')
    })

    it('cuts it off when it takes nothing for long', async () => {
      await create({ paced: true }).publish(publication())
      const fake = last()
      fake.accept('c0:ff:ee:00:00:01')
      fake.characteristic(METADATA_CHARACTERISTIC).onSubscribe?.(undefined, 20, () => {})
      for (let count = 0; count < 10; count++) await publisher.updateMetadata(Buffer.from(`${count}`))
      await clock.advance(4_999)
      fake.notified(0x40)
      await clock.advance(4_999)
      expect(fake.calls.filter((call) => call.startsWith('disconnect'))).to.deep.equal([])
      await clock.advance(1)
      expect(fake.calls.filter((call) => call.startsWith('disconnect'))).to.deep.equal(['disconnect undefined'])
    })

    it('cuts it off when it goes on asking all the same, and nobody else', async () => {
      await create({ paced: true, manyCentrals: true }).publish(publication())
      const fake = last()
      const told = { 64: 0, 65: 0 }
      for (const handle of [64, 65] as const) {
        fake.accept(`c0:ff:ee:00:00:${handle}`, handle)
        fake.characteristic(STREAM_CHARACTERISTIC).onSubscribe?.(handle, 20, () => {
          told[handle]++
          if (handle === 65) fake.notified(65)
        })
      }
      // A command that L2CAP does not know, which has to be answered.
      for (let count = 0; count < 1000; count++)
        for (const handle of [64, 65])
          fake.characteristic(STREAM_CHARACTERISTIC).onWrite?.(handle, Buffer.of(5, 0, 0x40, 1, 0, 0), 0, true, () => {})
      expect(fake.calls.filter((call) => call.startsWith('disconnect'))).to.deep.equal(['disconnect 64'])
      expect(told).to.deep.equal({ 64: 8, 65: 1000 })
    })
  })

  describe('with L2CAP', () => {
    class Channel extends Duplex {
      override _read(): void {}
    }
    let open: ((channel: Duplex, id: string) => void) | undefined
    const listen: HciHost['listen'] = ({ onChannel }): ChannelListener => {
      open = (channel, id) => {
        onChannel(channel, { peer: { id, type: 'public' } } as Parameters<typeof onChannel>[1])
      }
      return {
        psm: 0x0085,
        close: () => {
          open = undefined
        }
      }
    }

    it('tells the PSM, hands channels over, and closes the PSM when it is withdrawn; accepted ones live on', async () => {
      const streams: [Duplex, string | undefined][] = []
      await create({ listen }).publish(publication({ onStream: (stream, id) => streams.push([stream, id]) }))
      expect(readAdvertisement(last().advertisement).tag).to.equal(metadataTag(0x85, metadata))
      const channel = new Channel()
      open?.(channel, 'c0ffee000001')
      expect(streams).to.deep.equal([[channel, 'c0ffee000001']])
      last().accept('c0:ff:ee:00:00:01')
      expect(loaded[0]!.read(PORT_CHARACTERISTIC).value).to.deep.equal(Buffer.of(0x85, 0))
      await publisher.unpublish()
      expect(open).to.equal(undefined)
      expect(channel.destroyed).to.equal(false)
      await publisher.stop()
      expect(channel.destroyed).to.equal(true)
    })

    it('takes so many streams and no more, until one has ended', async () => {
      let count = 0
      await create({ listen, maxStreams: 2 }).publish(publication({ onStream: () => count++ }))
      const channels = [new Channel(), new Channel(), new Channel()]
      for (const channel of channels) open?.(channel, 'c0ffee000001')
      expect(channels.map(({ destroyed }) => destroyed)).to.deep.equal([false, false, true])
      channels[0]!.destroy()
      await turn()
      const another = new Channel()
      open?.(another, 'c0ffee000001')
      expect([another.destroyed, count]).to.deep.equal([false, 3])
    })

    it('survives whoever gets a stream and throws', async () => {
      await create({ listen }).publish(
        publication({
          onStream: () => {
            throw new Error('not today')
          }
        })
      )
      const channel = new Channel()
      open?.(channel, 'c0ffee000001')
      expect(channel.destroyed).to.equal(true)
    })
  })

  it('lets nothing out that a central causes, whatever it writes in whatever order', async () => {
    await create().publish(publication())
    last().accept('c0:ff:ee:00:00:01')
    const fake = loaded[0]!
    const throwing = (): never => {
      throw new Error('the link is gone')
    }
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            what: fc.constantFrom('read', 'write', 'subscribe', 'unsubscribe', 'mute subscribe'),
            uuid: fc.constantFrom(PORT_CHARACTERISTIC, METADATA_CHARACTERISTIC, STREAM_CHARACTERISTIC),
            data: fc.uint8Array({ maxLength: 600 }),
            number: fc.nat(0xffff)
          }),
          { maxLength: 20 }
        ),
        (requests) => {
          for (const { what, uuid, data, number } of requests) {
            const characteristic = fake.characteristic(uuid)
            if (what === 'read') characteristic.onRead?.(undefined, number, throwing)
            else if (what === 'write') characteristic.onWrite?.(undefined, Buffer.from(data), number, true, throwing)
            else if (what === 'unsubscribe') characteristic.onUnsubscribe?.(undefined)
            else characteristic.onSubscribe?.(undefined, number % 600, what === 'subscribe' ? () => {} : throwing)
          }
        }
      )
    )
    await publisher.updateMetadata(Buffer.from('still there'))
    expect(fake.read(METADATA_CHARACTERISTIC).value?.toString()).to.equal('still there')
  })
})
