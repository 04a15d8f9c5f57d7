import { randomBytes } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { METADATA_CHARACTERISTIC, STREAM_CHARACTERISTIC } from '@kithmesh/provider-ble'
import { silentLogger } from '@kithmesh/core'
import { realClock, within } from '@kithmesh/testkit'
import { expect } from 'chai'
import fc from 'fast-check'
import { GattTunnel } from '../dist/gatt/tunnel.js'
import { createPublisher, type StoppablePublisher } from '../dist/publisher/publisher.js'
import { FakeBleno } from './support/fake-bleno.ts'
import { received, sha256 } from './support/received.ts'

const clock = realClock
const logger = silentLogger
let signal: AbortSignal

describe('streams that a publisher accepts through the stream characteristic', () => {
  let publisher: StoppablePublisher
  let fake: FakeBleno
  let streams: Duplex[]
  let ids: (string | undefined)[]

  beforeEach(() => {
    signal = AbortSignal.timeout(50_000)
  })
  beforeEach(async () => {
    streams = []
    ids = []
    publisher = createPublisher({
      clock,
      logger,
      maxStreams: 3,
      load: () => {
        fake = new FakeBleno(true)
        return fake
      }
    })
    await publish()
  })

  afterEach(async () => {
    for (const stream of streams) stream.on('error', () => {})
    await publisher.stop()
  })

  const publish = (): Promise<void> =>
    publisher.publish({
      serviceUuid: '6b2faab9-a7d1-57da-b22e-03bbcab4689a',
      displayName: 'here',
      metadata: Buffer.from([0]),
      onStream: (stream, id) => {
        streams.push(stream)
        ids.push(id)
      }
    })

  /** The central's end: it writes without response and is notified. */
  function connect(handle: number, maxBytes = 253): GattTunnel {
    fake.accept(`c0:ff:ee:00:00:${handle}`, handle)
    const characteristic = fake.characteristic(STREAM_CHARACTERISTIC)
    const tunnel: GattTunnel = new GattTunnel({
      clock,
      logger,
      line: {
        maxBytes,
        send: (value) => {
          setImmediate(() => characteristic.onWrite?.(handle, value, 0, true, () => {}))
          return true
        },
        fail: () => {}
      }
    })
    characteristic.onSubscribe?.(handle, maxBytes, (value) => {
      expect(value.length).to.be.at.most(maxBytes)
      setImmediate(() => {
        tunnel.receive(value)
      })
    })
    return tunnel
  }

  for (const maxBytes of [20, 253]) {
    it(`carries bytes both ways in values of ${maxBytes} bytes, for several centrals at a time`, async () => {
      const tunnels = [64, 65, 66].map((handle) => connect(handle, maxBytes))
      const there = randomBytes(maxBytes * 800)
      const back = randomBytes(maxBytes * 700)
      await within(
        Promise.all(
          tunnels.map(async (tunnel, index) => {
            const mine = await tunnel.open({ signal })
            const theirs = streams[index]!
            const results = [received(mine, back.length), received(theirs, there.length)]
            mine.write(there)
            theirs.write(back)
            expect(await Promise.all(results)).to.deep.equal([sha256(back), sha256(there)])
          })
        ),
        30_000,
        'the bytes'
      )
      expect(ids).to.deep.equal(['c0ffee000064', 'c0ffee000065', 'c0ffee000066'])
    })
  }

  it('has so many and no more', async () => {
    const tunnels = [connect(64), connect(65)]
    const open = [await tunnels[0]!.open({ signal }), await tunnels[0]!.open({ signal }), await tunnels[1]!.open({ signal })]
    const another = await tunnels[1]!.open({ signal })
    await within(new Promise((resolve) => another.once('close', resolve).resume()), 30_000, 'the fourth stream to end')
    expect(streams).to.have.length(3)
    expect(open.map(({ destroyed }) => destroyed)).to.deep.equal([false, false, false])
    for (const stream of [...open, another]) stream.on('error', () => {}).destroy()
  })

  it('lets accepted ones live on when the publication is withdrawn, and takes no more until it is there again', async () => {
    const tunnel = connect(64)
    const mine = await tunnel.open({ signal })
    await publisher.unpublish()
    mine.write('still there')
    expect(String(await within(new Promise((resolve) => streams[0]!.once('data', resolve)), 30_000, 'data'))).to.equal('still there')
    const refused = await tunnel.open({ signal }).catch((error: { code?: string }) => error.code)
    expect(refused).to.equal('ERR_BLE_CHANNEL_REFUSED')
    expect(streams).to.have.length(1)
    await publish()
    await tunnel.open({ signal })
    expect(streams).to.have.length(2)
  })

  it('ends them with a reason when the central leaves', async () => {
    const tunnel = connect(64)
    await tunnel.open({ signal })
    const reason = new Promise<{ code?: string }>((resolve) => streams[0]!.once('error', resolve))
    fake.leave('c0:ff:ee:00:00:64', 64)
    expect((await within(reason, 30_000, 'the error')).code).to.equal('ERR_BLE_LINK_LOST')
  })

  it('survives whatever a central writes, and serves the others on', async () => {
    connect(64)
    const good = await connect(65).open({ signal })
    const characteristic = fake.characteristic(STREAM_CHARACTERISTIC)
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 50 }),
        fc.constantFrom(0x0005, 0x0040, 0x0041),
        (values, cid) => {
          for (const value of values) {
            characteristic.onWrite?.(64, Buffer.from(value), 0, true, () => {})
            characteristic.onWrite?.(64, Buffer.concat([Buffer.of(cid, 0), value]), 0, true, () => {})
          }
        }
      )
    )
    expect(fake.read(METADATA_CHARACTERISTIC, 0, 65).result).to.equal(0)
    good.write('hello')
    expect(String(await within(new Promise((resolve) => streams[0]!.once('data', resolve)), 30_000, 'data'))).to.equal('hello')
  })
})
