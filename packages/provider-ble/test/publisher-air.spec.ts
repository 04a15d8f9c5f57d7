import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { eventually, within } from '@kithmesh/testkit'
import { seededRandom } from '@kithmesh/testkit/ble'
import { expect } from 'chai'
import { readAdvertisement } from '../dist/gatt/advertising-data.js'
import { lowHandles } from './support/low-handles.ts'
import { publishedAir, u16, type PublishedAir, type ReadingCentral } from './support/published-air.ts'

const listeners = (): number[] => ['SIGINT', 'exit', 'uncaughtException', 'SIGTERM'].map((event) => process.listenerCount(event))

for (const library of ['abandonware', 'stoprocent'] as const) {
  it(`a process ends by itself after it has published with ${library}`, async () => {
    const script = fileURLToPath(new URL('./support/publish-and-stop.js', import.meta.url))
    const { stdout } = await promisify(execFile)(process.execPath, [script, library], { timeout: 50_000 })
    expect(JSON.parse(stdout)).to.deep.equal({ listeners: 0, timers: 0 })
  })

  describe(`a publisher over an unmodified ${library} bleno, on the air`, () => {
    let site: PublishedAir
    let before: number[]

    beforeEach(() => {
      before = listeners()
    })

    afterEach(async () => {
      await site.close()
      expect(site.controller.violations).to.deep.equal([])
      expect(listeners()).to.deep.equal(before)
    })

    it('serves five centrals at a time, and tells all of them of changes', async () => {
      site = await publishedAir(library)
      const first = randomBytes(500)
      await site.publish(first)
      const centrals: ReadingCentral[] = []
      for (let index = 0; index < 5; index++) centrals.push(await site.central())
      for (const central of centrals) await central.subscribe(central.handles.metadata)
      for (let round = 0; round < 3; round++) {
        const read = await Promise.all(centrals.map((central) => central.readMetadata()))
        for (const metadata of read) expect(metadata.equals(first)).to.equal(true)
      }
      expect(await Promise.all(centrals.map((central) => central.readPort()))).to.deep.equal([0x80, 0x80, 0x80, 0x80, 0x80])
      const second = randomBytes(512)
      await site.publisher.updateMetadata(second)
      await eventually('all to be told', () => centrals.every(({ att }) => att.notifications.length === 1))
      for (const { att } of centrals) expect(att.notifications[0]?.equals(second.subarray(0, 253))).to.equal(true)
      for (const central of centrals) expect((await central.readMetadata()).equals(second)).to.equal(true)
    })

    it('advertises its name as much as fits, and the tag of its metadata', async () => {
      site = await publishedAir(library)
      await site.publish(Buffer.of(0), 'Zoës Gerät im Großen Saal, ganz hinten 🎻')
      const central = await site.central()
      await central.att.disconnect()
      const heard = (await central.att.scan(site.controller.address.id, 120)).map((data) => readAdvertisement(data))
      expect(heard.find(({ displayName }) => displayName !== undefined)?.displayName).to.equal('Zoës Gerät im Großen Saal, ga'.slice(0, -3))
      const { tag } = heard.find(({ serviceUuids }) => serviceUuids.length > 0)!
      await site.publisher.updateMetadata(Buffer.of(1, 65))
      const later = (await central.att.scan(site.controller.address.id, 120)).map((data) => readAdvertisement(data))
      expect(later.find(({ serviceUuids }) => serviceUuids.length > 0)!.tag).to.not.equal(tag)
    })

    it('goes on advertising when centrals leave, and pauses while there are too many', async () => {
      site = await publishedAir(library, { maxCentrals: 2 })
      await site.publish(Buffer.of(0))
      const [one, two] = [await site.central(), await site.central()]
      await eventually('the pause', () => !site.controller.advertising)
      for (let round = 0; round < 5; round++) {
        const leaving = round % 2 === 0 ? one : two
        await leaving.att.disconnect()
        await eventually('advertising', () => site.controller.advertising)
        await leaving.att.connect(site.controller.address.id)
        await leaving.att.mtu(256)
        expect(await one.readMetadata()).to.deep.equal(Buffer.of(0))
        expect(await two.readMetadata()).to.deep.equal(Buffer.of(0))
      }
    })

    it('goes on advertising when an adapter without room for more has some again', async () => {
      site = await publishedAir(library, { maxLinks: 2 })
      await site.publish(Buffer.of(7))
      const [one, two] = [await site.central(), await site.central()]
      for (let round = 0; round < 3; round++) {
        expect(await one.readMetadata()).to.deep.equal(Buffer.of(7))
        expect(await two.readMetadata()).to.deep.equal(Buffer.of(7))
        expect(site.controller.advertising).to.equal(false)
        await one.att.disconnect()
        await eventually('advertising', () => site.controller.advertising)
        await one.att.connect(site.controller.address.id)
        await one.att.mtu(256)
      }
    })

    it('serves its centrals also on an adapter whose handles begin with 0, and cuts off only the one that breaks rules', async () => {
      const stuck = new Set<number>()
      site = await publishedAir(library, { wrap: (adapter) => lowHandles(adapter, stuck) })
      await site.publish(Buffer.of(7))
      const centrals: ReadingCentral[] = []
      for (let index = 0; index < 8; index++) centrals.push(await site.central())
      for (const central of centrals) expect(await central.readMetadata()).to.deep.equal(Buffer.of(7))
      const offender = centrals[0]!
      await offender.subscribe(offender.handles.stream)
      stuck.add(0)
      // Commands without end, whose answers it does not take.
      const command = Uint8Array.from([0x52, ...u16(offender.handles.stream), 5, 0, 0x40, 1, 0, 0])
      for (let count = 0; count < 2000 && offender.att.connected; count++) {
        offender.att.write(command)
        if (count % 50 === 0) for (const central of centrals.slice(1)) expect(await central.readMetadata()).to.deep.equal(Buffer.of(7))
      }
      await eventually('the offender to be cut off', () => !offender.att.connected)
      for (const central of centrals.slice(1)) expect(await central.readMetadata()).to.deep.equal(Buffer.of(7))
    })

    it('tells who connects its own name, and not that of the computer', async () => {
      site = await publishedAir(library)
      await site.publish(Buffer.of(0), 'Zoës Gerät')
      const central = await site.central()
      const name = (await central.att.values()).get('2a00')!
      expect(String((await central.att.request(Uint8Array.from([0x0a, ...u16(name)]))).subarray(1))).to.equal('Zoës Gerät')
    })

    it('tells who wants to pair that there is no need for that', async () => {
      site = await publishedAir(library)
      await site.publish(Buffer.of(7))
      const central = await site.central()
      central.att.write(Uint8Array.from([1, 3, 0, 1, 16, 0, 1]), 6)
      await eventually('an answer', () => central.att.pairing.length > 0)
      expect(central.att.pairing).to.deep.equal([Buffer.of(5, 5)])
      expect(await central.readMetadata()).to.deep.equal(Buffer.of(7))
    })

    it('is published ten times', async () => {
      site = await publishedAir(library)
      let staying: ReadingCentral | undefined
      for (let round = 0; round < 10; round++) {
        await site.publish(Buffer.from(`round ${round}`))
        staying ??= await site.central()
        await eventually('advertising', () => site.controller.advertising)
        expect(String(await staying.readMetadata())).to.equal(`round ${round}`)
        if (round % 3 === 0) {
          const passing = await site.central()
          expect(String(await passing.readMetadata())).to.equal(`round ${round}`)
          await passing.att.disconnect()
        }
        await site.publisher.unpublish()
        expect(site.controller.advertising).to.equal(false)
        expect((await staying.att.request(Buffer.from([0x0a, ...u16(staying.handles.metadata)])))[0]).to.equal(0x01)
      }
    })

    it('is there again after its adapter was unplugged', async () => {
      site = await publishedAir(library)
      for (let round = 0; round < 3; round++) {
        await site.publish(Buffer.of(round))
        const central = await site.central()
        expect(await central.readMetadata()).to.deep.equal(Buffer.of(round))
        const lost = new Promise((resolve) => site.host.onLost(resolve))
        site.controller.unplug()
        await within(lost, 30_000, 'the loss of the adapter')
        await site.publisher.stop()
        site.controller.plugIn()
        await site.host.start()
      }
    })

    it('survives what a hostile central writes, in whatever order, and serves the others on', async () => {
      site = await publishedAir(library)
      const metadata = randomBytes(300)
      await site.publish(metadata)
      const good = await site.central()
      const random = seededRandom(20261121)
      const below = (limit: number): number => Math.floor(random() * limit)
      const bytes = (length: number): number[] => Array.from({ length }, () => below(256))
      for (let round = 0; round < 12; round++) {
        const hostile = await site.central()
        const handles = Object.values(hostile.handles)
        const handle = (): number => (below(3) === 0 ? below(0x40) : handles[below(handles.length)]! + below(3) - 1)
        // Subscribes and never reads what comes of it.
        for (const subscribed of [hostile.handles.metadata, hostile.handles.stream])
          hostile.att.write(Uint8Array.from([0x12, ...u16(subscribed + 1), 1, 0]))
        for (let count = 0; count < 150 && hostile.att.connected; count++) {
          const kind = below(8)
          if (kind === 0) hostile.att.write(Uint8Array.from([0x52, ...u16(hostile.handles.stream), ...bytes(below(254))]))
          else if (kind === 1)
            hostile.att.write(Uint8Array.from([0x52, ...u16(hostile.handles.stream), 5, 0, below(24), below(256), ...bytes(below(12))]))
          else if (kind === 2) hostile.att.write(Uint8Array.from([0x12, ...u16(handle()), ...bytes(below(510))]))
          else if (kind === 3) hostile.att.write(Uint8Array.from([0x16, ...u16(handle()), ...u16(below(0x10000)), ...bytes(below(250))]))
          else if (kind === 4) hostile.att.write(Uint8Array.from([0x18, below(3)]))
          else if (kind === 5) hostile.att.write(Uint8Array.from([0x0c, ...u16(handle()), ...u16(below(0x10000))]))
          else if (kind === 6)
            hostile.att.write(Uint8Array.from([0x08, ...u16(below(40)), ...u16(below(0x10000)), ...bytes(below(2) * 14 + 2)]))
          else hostile.att.write(Uint8Array.from(bytes(below(30))), below(4) === 0 ? 6 : 4)
        }
        if (round % 4 === 0) await site.publisher.updateMetadata(metadata)
        expect((await within(good.readMetadata(), 30_000, 'the reading of another')).equals(metadata)).to.equal(true)
        if (hostile.att.connected) await hostile.att.disconnect()
        await eventually('room for the next', () => site.controller.advertising)
      }
      expect(good.att.connected).to.equal(true)
    })
  })
}
