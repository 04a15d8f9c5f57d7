import { randomBytes } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { expect } from 'chai'
import { errorCode } from '@kithmesh/core'
import { eventually, realClock } from '@kithmesh/testkit'
import { VirtualAir } from '@kithmesh/testkit/ble'
import type { Advertisement } from '@kithmesh/provider-ble'
import type { NobleCentralOptions } from '../dist/central/noble-central.js'
import type { BleLibrary } from '../dist/library/libraries.js'
import { type AirPeer, SERVICE, airPeer, publishOn } from './support/air-peers.ts'

const { signal } = new AbortController()

for (const library of ['abandonware', 'stoprocent'] as const) {
  describe(`central over ${library} and the virtual air`, () => {
    let air: VirtualAir
    const peers: AirPeer[] = []

    beforeEach(() => {
      air = new VirtualAir({ clock: realClock })
    })
    afterEach(async () => {
      const present = peers.splice(0)
      await Promise.all(present.map((peer) => peer.stop()))
      for (const { controller } of present) expect(controller.violations).to.deep.equal([])
      await air.close()
    })

    const peer = async (options: Partial<NobleCentralOptions> = {}, of: BleLibrary = library): Promise<AirPeer> => {
      const made = await airPeer(air, of, options)
      peers.push(made)
      return made
    }

    it('finds a device, with its name, its strength and its tag, and goes on hearing it', async () => {
      const [a, b] = [await peer(), await peer()]
      await publishOn(b.host, library, { tag: 0xdeadbeef, name: 'Büro' })
      const heard: Advertisement[] = []
      await a.central.startScan(SERVICE, (advertisement) => heard.push(advertisement))
      await eventually('it to be heard three times', () => heard.length >= 3)
      expect(heard.at(-1)).to.deep.include({ id: b.id, displayName: 'Büro', connectable: true, tag: 0xdeadbeef })
      expect(heard.at(-1)?.rssi).to.be.within(-127, 20)
      await a.central.stopScan()
      const count = heard.length
      await eventually('the scan to end', () => !a.controller.scanning)
      expect(heard.length).to.be.at.most(count + 1)
    })

    it('hears only the service that was asked for', async () => {
      const [a, b, c] = [await peer(), await peer(), await peer()]
      await publishOn(b.host, library, { service: '11111111-2222-5333-8444-555555555555' })
      await publishOn(c.host, library)
      const heard = new Set<string>()
      await a.central.startScan(SERVICE, ({ id }) => heard.add(id))
      await eventually('one to be heard', () => heard.size > 0)
      expect([...heard]).to.deep.equal([c.id])
    })

    it('reads what a device says of itself, also when it is long, and goes on scanning', async () => {
      const [a, b] = [await peer(), await peer()]
      const metadata = randomBytes(500)
      const published = await publishOn(b.host, library, { metadata, stream: true })
      const heard: Advertisement[] = []
      await a.central.startScan(SERVICE, (advertisement) => heard.push(advertisement))
      await eventually('it to be heard', () => heard.length > 0)
      const record = await a.central.read(b.id, { signal })
      expect(record.psm).to.equal(published.psm)
      expect(Buffer.from(record.metadata)).to.deep.equal(metadata)
      expect(record.stream).to.equal(true)
      expect(a.controller.scanning).to.equal(true)
    })

    it('reads without having scanned, as soon as the device is heard', async () => {
      const [a, b] = [await peer(), await peer()]
      await publishOn(b.host, library, { l2cap: false })
      expect(await a.central.read(b.id, { signal })).to.deep.include({ psm: 0, stream: false })
      await eventually('the scan to end', () => !a.controller.scanning)
    })

    it('keeps one link for what follows, and drops it when nobody needs it', async () => {
      const [a, b] = [await peer({ lingerMs: 100 }), await peer()]
      const published = await publishOn(b.host, library)
      const record = await a.central.read(b.id, { signal })
      const link = a.host.linkTo(b.id)
      const stream = await a.central.openStream(b.id, record.psm, { signal })
      expect(a.host.linkTo(b.id)).to.equal(link)
      expect(await echo(stream, randomBytes(5000))).to.equal(true)
      expect(published.streams).to.have.length(1)
      stream.end()
      await eventually('the link to end', () => a.controller.links.length === 0)
    })

    it('follows the metadata, also when notifications are cut', async () => {
      const [a, b] = [await peer(), await peer()]
      const published = await publishOn(b.host, library)
      const seen: string[] = []
      const errors: Error[] = []
      const end = await a.central.watch(
        b.id,
        { metadata: (bytes) => seen.push(Buffer.from(bytes).toString()), ended: (error) => errors.push(error) },
        { signal }
      )
      expect(seen).to.deep.equal(['\x03a=1'])
      await eventually('it to be subscribed', () => published.subscribers === 1)
      published.metadata = Buffer.from('\x03a=2')
      published.notify()
      await eventually('the short value', () => seen.at(-1) === '\x03a=2')
      published.metadata = Buffer.alloc(500, 'x')
      published.notify()
      await eventually('the long value', () => seen.at(-1) === 'x'.repeat(500))
      end()
      await eventually('the subscription to end', () => published.subscribers === 0)
      expect(errors).to.deep.equal([])
    })

    it('says that a watch ended when the device is gone', async () => {
      const [a, b] = [await peer({ supervisionMs: 200 }), await peer()]
      await publishOn(b.host, library)
      const errors: Error[] = []
      await a.central.watch(b.id, { metadata: () => undefined, ended: (error) => errors.push(error) }, { signal })
      air.separate(a.controller, b.controller)
      await eventually('the watch to end', () => errors.length === 1)
      expect(errorCode(errors[0])).to.equal('ERR_BLE_LINK_LOST')
    })

    it('opens streams through the stream characteristic where there is no channel', async () => {
      const [a, b] = [await peer(), await peer()]
      const published = await publishOn(b.host, library, { l2cap: false, stream: true })
      const streams = await Promise.all([a.central.openStream(b.id, 0, { signal }), a.central.openStream(b.id, 0, { signal })])
      expect(await Promise.all(streams.map((stream) => echo(stream, randomBytes(3000))))).to.deep.equal([true, true])
      expect(published.streams).to.have.length(2)
      expect(a.controller.links).to.have.length(1)
      for (const stream of streams) stream.destroy()
    })

    it('falls back to the stream characteristic when the channel is refused', async () => {
      const [a, b] = [await peer(), await peer()]
      await publishOn(b.host, library, { psm: 0x99, stream: true })
      const stream = await a.central.openStream(b.id, 0x99, { signal })
      expect(await echo(stream, randomBytes(1000))).to.equal(true)
      stream.destroy()
    })

    it('says why there is no stream', async () => {
      const [a, b] = [await peer(), await peer()]
      await publishOn(b.host, library, { psm: 0x99 })
      expect(await code(a.central.openStream(b.id, 0x99, { signal }))).to.equal('ERR_BLE_CHANNEL_REFUSED')
      expect(await code(a.central.openStream(b.id, 0, { signal }))).to.equal('ERR_BLE_NO_STREAM')
    })

    for (const how of ['complete', 'disconnected'] as const) {
      it(`repeats attempts that fail in passing (${how})`, async () => {
        const [a, b] = [await peer(), await peer()]
        await publishOn(b.host, library)
        air.failConnections({ next: 3, how })
        expect((await a.central.read(b.id, { signal })).metadata.length).to.equal(4)
      })
    }

    it('gives up on a device that is not there any more, in time', async () => {
      const [a, b] = [await peer({ attemptMs: 300 }), await peer()]
      await publishOn(b.host, library)
      let heard = false
      await a.central.startScan(SERVICE, () => (heard = true))
      await eventually('it to be heard', () => heard)
      air.separate(a.controller, b.controller)
      expect(await code(a.central.read(b.id, { signal }))).to.be.oneOf(['ERR_BLE_TIMEOUT', 'ERR_BLE_CONNECT'])
      air.join(a.controller, b.controller)
      expect((await a.central.read(b.id, { signal })).metadata.length).to.equal(4)
    })

    it('lets callers go at once, in every phase, and works afterwards', async () => {
      const [a, b] = [await peer(), await peer()]
      await publishOn(b.host, library)
      for (const ms of [0, 1, 5, 20, 60, 110, 130, 150]) {
        const controller = new AbortController()
        const reason = new Error(`gone after ${ms}`)
        const reading = a.central.read(b.id, { signal: controller.signal })
        realClock.after(ms, () => {
          controller.abort(reason)
        })
        try {
          await reading
        } catch (error) {
          expect(error).to.equal(reason)
        }
      }
      expect((await a.central.read(b.id, { signal })).metadata.length).to.equal(4)
    })

    it('uses the link that the other side made', async () => {
      const [a, b] = [await peer(), await peer()]
      const [ofA, ofB] = [await publishOn(a.host, library), await publishOn(b.host, library)]
      const first = await a.central.openStream(b.id, ofB.psm, { signal })
      const second = await b.central.openStream(a.id, ofA.psm, { signal })
      expect(await echo(second, randomBytes(2000))).to.equal(true)
      expect(a.controller.links).to.have.length(1)
      expect((await b.central.read(a.id, { signal })).psm).to.equal(ofA.psm)
      expect(a.controller.links).to.have.length(1)
      expect(await echo(first, randomBytes(2000))).to.equal(true)
      first.destroy()
      second.destroy()
    })

    it('reads the whole of a value from a library that came to the link after the MTU was exchanged', async () => {
      const [a, b] = [await peer(), await peer()]
      const ofB = await publishOn(b.host, library)
      const other = '11111111-2222-5333-8444-555555555555'
      const first = await publishOn(a.host, library, { service: other })
      const stream = await a.central.openStream(b.id, ofB.psm, { signal })
      await b.central.startScan(other, () => undefined)
      await b.central.read(a.id, { signal })
      first.release()
      const metadata = randomBytes(200)
      await publishOn(a.host, library, { metadata })
      await b.central.startScan(SERVICE, () => undefined)
      expect(Buffer.from((await b.central.read(a.id, { signal })).metadata)).to.deep.equal(metadata)
      expect(a.controller.links).to.have.length(1)
      stream.destroy()
    })

    it('ends everything when it is stopped', async () => {
      const [a, b] = [await peer(), await peer()]
      await publishOn(b.host, library)
      const ended: Error[] = []
      await a.central.watch(b.id, { metadata: () => undefined, ended: (error) => ended.push(error) }, { signal })
      const waiting = code(a.central.read('c0ffee00ffff', { signal }))
      await a.central.stop()
      expect(await waiting).to.equal('ERR_BLE_SHUT_DOWN')
      expect(ended.map(errorCode)).to.deep.equal(['ERR_BLE_SHUT_DOWN'])
      expect(await code(a.central.read(b.id, { signal }))).to.equal('ERR_BLE_SHUT_DOWN')
    })
  })
}

async function echo(stream: Duplex, bytes: Buffer): Promise<boolean> {
  const parts: Buffer[] = []
  let length = 0
  stream.on('data', (part: Buffer) => {
    parts.push(part)
    length += part.length
  })
  stream.write(bytes)
  await eventually('all to come back', () => length >= bytes.length)
  stream.removeAllListeners('data')
  return Buffer.concat(parts).equals(bytes)
}

async function code(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => undefined,
    (error: unknown) => errorCode(error)
  )
}
