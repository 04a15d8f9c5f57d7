import { expect } from 'chai'
import { metadataTag } from '@kithmesh/provider-ble'
import type { Advertisement, DeviceRecord } from '@kithmesh/provider-ble'
import { SightingTable } from '../dist/provider/sighting-table.js'
import type { SightingTableOptions } from '../dist/provider/sighting-table.js'

const A = 'c0ffee000001'
const B = 'c0ffee000002'
const ttlMs = 10_000

const record = (text: string, psm = 0x80): DeviceRecord => ({ psm, metadata: Buffer.from(text), stream: false })
const tagOf = ({ psm, metadata }: DeviceRecord): number => metadataTag(psm, metadata)
const first = record('first')

function advertisement(id: string, fields: Partial<Advertisement> = {}): Advertisement {
  return { id, displayName: `device ${id}`, rssi: -50, connectable: true, tag: tagOf(first), ...fields }
}

function table(options: Partial<SightingTableOptions> = {}): SightingTable {
  return new SightingTable(
    { minRssi: -80, ttlMs, maxDevices: 100, readAttempts: 3, retryMs: 1000, refreshMs: 60_000, held: () => false, ...options },
    0
  )
}

/** A table with A, which was read and listed at time 0. */
function withA(fields: Partial<Advertisement> = {}, options: Partial<SightingTableOptions> = {}): SightingTable {
  const sightings = table(options)
  sightings.hear(advertisement(A, fields), 0)
  expect(sightings.takeRead(0)?.id).to.equal(A)
  sightings.readSucceeded(A, first, false, 0)
  expect(sightings.takeReports(0).map(({ id }) => id)).to.deep.equal([A])
  return sightings
}

describe('the table of sightings', () => {
  describe('decides what is read', () => {
    it('reads a new device once', () => {
      const sightings = withA()
      for (let now = 100; now < 5000; now += 100) {
        sightings.hear(advertisement(A), now)
        expect(sightings.takeRead(now)).to.equal(undefined)
      }
    })

    it('does not read a device while it is being read', () => {
      const sightings = table()
      sightings.hear(advertisement(A), 0)
      expect(sightings.takeRead(0)?.id).to.equal(A)
      sightings.hear(advertisement(A, { tag: 7 }), 10)
      expect(sightings.takeRead(10)).to.equal(undefined)
    })

    it('reads again when the tag has changed', () => {
      const sightings = withA()
      const second = record('second')
      expect(sightings.hear(advertisement(A, { tag: tagOf(second) }), 1000).news).to.equal(true)
      expect(sightings.takeRead(1000)?.id).to.equal(A)
      expect(sightings.readSucceeded(A, second, false, 1100)).to.equal(true)
      sightings.hear(advertisement(A, { tag: tagOf(second) }), 1200)
      expect(sightings.takeRead(1200)).to.equal(undefined)
    })

    it('reads again when the tag changed during the reading and what was read is older', () => {
      const sightings = table()
      sightings.hear(advertisement(A), 0)
      sightings.takeRead(0)
      sightings.hear(advertisement(A, { tag: tagOf(record('second')) }), 50)
      sightings.readSucceeded(A, first, false, 100)
      expect(sightings.takeRead(100)?.id).to.equal(A)
    })

    it('does not when what was read is what the new tag stands for', () => {
      const sightings = table()
      sightings.hear(advertisement(A), 0)
      sightings.takeRead(0)
      const second = record('second')
      sightings.hear(advertisement(A, { tag: tagOf(second) }), 50)
      sightings.readSucceeded(A, second, false, 100)
      expect(sightings.takeRead(100)).to.equal(undefined)
    })

    it('takes a tag that fits nothing for what it is: one that has not changed', () => {
      const sightings = table()
      sightings.hear(advertisement(A, { tag: 99 }), 0)
      sightings.takeRead(0)
      sightings.readSucceeded(A, first, false, 100)
      sightings.hear(advertisement(A, { tag: 99 }), 200)
      expect(sightings.takeRead(200)).to.equal(undefined)
    })

    it('reads a device without a tag again when its record is old', () => {
      const sightings = withA({ tag: undefined })
      for (let now = 0; now < 60_000; now += 5000) {
        sightings.hear(advertisement(A, { tag: undefined }), now)
        expect(sightings.takeRead(now), `at ${now}`).to.equal(undefined)
      }
      expect(sightings.nextDue(59_000, true)).to.equal(60_000)
      expect(sightings.takeRead(60_000)?.id).to.equal(A)
    })

    it('reads again when what is known has proved wrong, and trusts it no longer', () => {
      const sightings = withA()
      expect(sightings.trusted(A)).to.equal(first)
      sightings.markStale(A)
      expect(sightings.trusted(A)).to.equal(undefined)
      expect(sightings.takeRead(10)?.id).to.equal(A)
    })

    it('waits for a device to come near and to be connectable', () => {
      const sightings = table()
      sightings.hear(advertisement(A, { rssi: -95 }), 0)
      sightings.hear(advertisement(B, { connectable: false }), 0)
      expect(sightings.takeRead(0)).to.equal(undefined)
      for (let now = 0; now < 20; now++) sightings.hear(advertisement(A, { rssi: -50 }), now)
      expect(sightings.takeRead(20)?.id).to.equal(A)
      sightings.hear(advertisement(B), 20)
      expect(sightings.takeRead(20)?.id).to.equal(B)
    })

    it('limits the reads from one address, however often its tag changes', () => {
      const sightings = table()
      let reads = 0
      for (let now = 0; now < 60_000; now += 20) {
        sightings.hear(advertisement(A, { tag: now }), now)
        if (sightings.takeRead(now) === undefined) continue
        reads++
        sightings.readSucceeded(A, record(String(now)), false, now)
      }
      expect(reads).to.be.within(30, 40)
    })

    it('limits the reads from all addresses together', () => {
      const sightings = table({ maxDevices: 10_000 })
      let reads = 0
      for (let now = 0; now < 10_000; now++) {
        const id = now.toString(16).padStart(12, '0')
        sightings.hear(advertisement(id), now)
        if (sightings.takeRead(now) === undefined) continue
        reads++
      }
      expect(reads).to.be.within(150, 165)
    }).timeout(20_000)
  })

  describe('after failures', () => {
    it('waits longer each time, and reports how often it was', () => {
      const sightings = table({ readAttempts: 5 })
      const at: number[] = []
      for (let now = 0; now < 20_000; now += 100) {
        sightings.hear(advertisement(A), now)
        if (sightings.takeRead(now) === undefined) continue
        at.push(now)
        expect(sightings.readFailed(A, false, now)).to.equal(at.length)
      }
      expect(at).to.deep.equal([0, 1000, 3000, 7000, 15_000])
    })

    it('lists a device without metadata after the last try, and tries once a minute from then on', () => {
      const sightings = table()
      for (let now = 0; now < 200_000; now += 1000) {
        sightings.hear(advertisement(A), now)
        if (sightings.takeRead(now) !== undefined) sightings.readFailed(A, false, now)
        const reports = sightings.takeReports(now)
        if (now === 3000) {
          expect(reports.map(({ id }) => id)).to.deep.equal([A])
          expect(reports[0]?.record).to.equal(undefined)
        } else expect(reports, `at ${now}`).to.deep.equal([])
      }
      expect(sightings.takeRead(243_000)?.id).to.equal(A)
    })

    it('does not try again before the device was heard again', () => {
      const sightings = table()
      sightings.hear(advertisement(A), 0)
      sightings.takeRead(0)
      sightings.readFailed(A, false, 500)
      expect(sightings.takeRead(9000)).to.equal(undefined)
      expect(sightings.nextDue(500, true)).to.equal(ttlMs)
      expect(sightings.hear(advertisement(A), 9000).news).to.equal(true)
      expect(sightings.takeRead(9000)?.id).to.equal(A)
    })

    it('does not count a reading that gave way', () => {
      const sightings = table()
      sightings.hear(advertisement(A), 0)
      sightings.takeRead(0)
      sightings.readGaveWay(A, 500)
      expect(sightings.takeRead(1499)).to.equal(undefined)
      expect(sightings.takeRead(1500)?.id).to.equal(A)
      expect(sightings.readFailed(A, false, 1600)).to.equal(1)
    })

    it('does not list what turned out to be no peer', () => {
      const sightings = table()
      for (let now = 0; now < 10_000; now += 1000) {
        sightings.hear(advertisement(A), now)
        if (sightings.takeRead(now) !== undefined) sightings.readFailed(A, true, now)
        expect(sightings.takeReports(now)).to.deep.equal([])
      }
    })

    it('prefers who did not fail', () => {
      const sightings = table()
      sightings.hear(advertisement(A), 0)
      sightings.takeRead(0)
      sightings.readFailed(A, false, 0)
      sightings.hear(advertisement(A), 2000)
      for (let now = 2000; now < 2003; now++) sightings.hear(advertisement(B), now)
      expect(sightings.takeRead(2003)?.id).to.equal(B)
    })
  })

  describe('decides what is listed', () => {
    it('does not list a device before it was read', () => {
      const sightings = table()
      sightings.hear(advertisement(A), 0)
      expect(sightings.takeReports(5000)).to.deep.equal([])
    })

    it('never lists this device itself, and takes it off when it turns out to be', () => {
      const sightings = table()
      sightings.hear(advertisement(A), 0)
      sightings.takeRead(0)
      sightings.readSucceeded(A, first, true, 0)
      expect(sightings.takeReports(5000)).to.deep.equal([])
      const listed = withA()
      listed.hear(advertisement(A, { tag: 5 }), 10)
      listed.takeRead(10)
      listed.readSucceeded(A, record('own'), true, 10)
      expect(listed.takeLost(10)).to.deep.equal([A])
      expect(listed.takeReports(60_000)).to.deep.equal([])
    })

    it('waits a moment for the name, and lists without one when none comes', () => {
      const sightings = table()
      sightings.hear(advertisement(A, { displayName: undefined }), 0)
      sightings.takeRead(0)
      sightings.readSucceeded(A, first, false, 0)
      expect(sightings.takeReports(1999)).to.deep.equal([])
      expect(sightings.nextDue(1999, true)).to.equal(2000)
      expect(sightings.takeReports(2000).map(({ name }) => name)).to.deep.equal([undefined])
      sightings.hear(advertisement(A, { displayName: 'late' }), 5000)
      expect(sightings.takeReports(5000).map(({ name }) => name)).to.deep.equal(['late'])
    })

    it('keeps a name that is not in every advertisement, and cleans it', () => {
      const sightings = withA({ displayName: 'Käthe\u0007\n店' })
      sightings.hear(advertisement(A, { displayName: undefined }), 10)
      sightings.hear(advertisement(A, { displayName: '\u0000' }), 10)
      expect(sightings.get(A)?.name).to.equal('Käthe 店')
    })

    it('reports changes of a device once a second at most', () => {
      const sightings = withA()
      let reports = 0
      for (let now = 1; now <= 10_000; now += 10) {
        sightings.hear(advertisement(A, { displayName: `name ${now}` }), now)
        reports += sightings.takeReports(now).length
      }
      expect(reports).to.be.within(9, 10)
    })

    it('reports that a device is no longer near', () => {
      const sightings = withA()
      for (let now = 1000; now < 1100; now++) sightings.hear(advertisement(A, { rssi: -99 }), now)
      const [report] = sightings.takeReports(1100)
      expect(report?.id).to.equal(A)
      expect(sightings.connectable(report as never)).to.equal(false)
    })
  })

  describe('forgets', () => {
    it('who was not heard for too long', () => {
      const sightings = withA()
      sightings.hear(advertisement(A), 500)
      expect(sightings.nextDue(500, true)).to.equal(500 + ttlMs)
      expect(sightings.takeLost(499 + ttlMs)).to.deep.equal([])
      expect(sightings.takeLost(500 + ttlMs)).to.deep.equal([A])
      expect(sightings.size).to.equal(0)
      expect(sightings.nextDue(500 + ttlMs, true)).to.equal(Infinity)
    })

    it('nobody with whom a stream is open, and counts from its end', () => {
      let open = true
      const sightings = withA({}, { held: () => open })
      expect(sightings.takeLost(10 * ttlMs)).to.deep.equal([])
      open = false
      sightings.touch(A, 10 * ttlMs)
      expect(sightings.takeLost(11 * ttlMs - 1)).to.deep.equal([])
      expect(sightings.takeLost(11 * ttlMs)).to.deep.equal([A])
    })

    it('nobody who is being read', () => {
      const sightings = table()
      sightings.hear(advertisement(A), 0)
      sightings.takeRead(0)
      sightings.takeLost(2 * ttlMs)
      expect(sightings.readSucceeded(A, first, false, 2 * ttlMs)).to.equal(true)
      sightings.takeLost(2 * ttlMs)
      expect(sightings.size).to.equal(0)
    })
  })

  describe('in a flood of forged advertisements', () => {
    it('does not grow, keeps those who were read, and finds those who are really there', () => {
      const sightings = withA({}, { maxDevices: 200 })
      let readAt = 0
      let forged = 0
      // A thousand forged addresses a second, whose reads fail; A and, from the third second on, B advertise ten times a second.
      const pending: { id: string; until: number }[] = []
      for (let now = 1; now < 10_000 && readAt === 0; now++) {
        sightings.hear(advertisement((++forged).toString(16).padStart(12, '0')), now)
        if (now % 100 === 0) {
          sightings.hear(advertisement(A), now)
          if (now > 3000) sightings.hear(advertisement(B), now)
        }
        expect(sightings.size).to.be.at.most(200)
        while (pending[0] !== undefined && pending[0].until <= now) sightings.readFailed((pending.shift() as { id: string }).id, false, now)
        while (pending.length < 2) {
          const id = sightings.takeRead(now)?.id
          if (id === undefined) break
          if (id === B) readAt = now
          pending.push({ id, until: now + 300 })
        }
        expect(sightings.takeLost(now)).to.deep.equal([])
      }
      expect(readAt).to.be.within(3000, 5000)
      expect(sightings.get(A)?.listed).to.equal(true)
    })

    it('takes nobody in when everybody in the table is known to be there', () => {
      const sightings = withA({}, { maxDevices: 1 })
      expect(sightings.hear(advertisement(B), 10)).to.deep.equal({ news: false, dropped: undefined })
      expect(sightings.get(A)?.id).to.equal(A)
    })

    it('drops a listed device that never could be read, and says so', () => {
      const sightings = table({ maxDevices: 1, readAttempts: 1 })
      sightings.hear(advertisement(A), 0)
      sightings.takeRead(0)
      sightings.readFailed(A, false, 0)
      sightings.takeReports(0)
      expect(sightings.hear(advertisement(B), 10)).to.deep.equal({ news: true, dropped: A })
    })
  })
})
