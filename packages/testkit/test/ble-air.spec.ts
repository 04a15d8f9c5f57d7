import { expect } from 'chai'
import { eventually } from '@kithmesh/testkit'
import { AirFixture } from './ble-fixture.ts'

const A = 'c0ffee000001'
const B = 'c0ffee000002'
const FLAGS = '020106'

describe('virtual air', () => {
  let fixture: AirFixture

  beforeEach(() => {
    fixture = new AirFixture()
  })
  afterEach(async () => {
    await fixture.close()
  })

  const reportsOf = (host: { of(code: number): { parameters: Buffer }[] }): string[] =>
    host.of(0x3e02).map(({ parameters }) => parameters.toString('hex'))

  describe('advertising and scanning', () => {
    it('reports advertisements and scan responses, every interval and up to 10 ms', async () => {
      const [a, b] = [await fixture.host(), await fixture.host()]
      await b.advertise({ answer: Buffer.from('0309616263', 'hex') })
      await a.scan()
      const times: number[] = []
      a.onPacket = () => times.push(fixture.clock.monotonic())
      await fixture.clock.advance(1050)
      const reports = reportsOf(a)
      expect(reports.length).to.be.within(18, 22)
      expect(reports[0]).to.equal(`010000020000eeffc003${FLAGS}ce`)
      expect(reports[1]).to.equal('010400020000eeffc0050309616263ce')
      const gaps = times.filter((_, index) => index % 2 === 0).map((time, index, all) => time - (all[index - 1] ?? time))
      expect(Math.min(...gaps.slice(1))).to.be.at.least(99.9)
      expect(Math.max(...gaps.slice(1))).to.be.at.most(110.1)
      expect(new Set(gaps).size).to.be.greaterThan(5)
    })
    it('asks for no scan response when scanning passively, and gets none of what is not scannable', async () => {
      const [a, b, c] = [await fixture.host(), await fixture.host(), await fixture.host()]
      await b.advertise()
      await c.advertise({ type: 3 })
      await a.scan({ active: false })
      await fixture.clock.advance(120)
      expect(new Set(reportsOf(a).map((report) => report.slice(0, 4)))).to.deep.equal(new Set(['0100', '0103']))
      await a.command(0x200c, Uint8Array.of(0, 0))
      a.events.length = 0
      await a.scan()
      await fixture.clock.advance(120)
      expect(new Set(reportsOf(a).map((report) => report.slice(0, 18)))).to.deep.equal(
        new Set(['010000020000eeffc0', '010400020000eeffc0', '010300030000eeffc0'])
      )
    })
    it('tells each device once while duplicates are filtered, and again after scanning is enabled anew', async () => {
      const [a, b] = [await fixture.host(), await fixture.host()]
      await b.advertise()
      await a.scan({ filter: true })
      await fixture.clock.advance(1000)
      expect(reportsOf(a)).to.have.lengthOf(2)
      await a.command(0x200c, Uint8Array.of(1, 1))
      await fixture.clock.advance(1000)
      expect(reportsOf(a)).to.have.lengthOf(4)
    })
    it('shows new data from the next advertisement on, and the random address that the host chose', async () => {
      const [a, b] = [await fixture.host(), await fixture.host()]
      await b.command(0x2005, Buffer.from('f60302010fc0', 'hex'))
      await b.advertise({ ownType: 1 })
      await a.scan({ active: false })
      await fixture.clock.advance(20)
      await b.command(0x2008, Buffer.concat([Uint8Array.of(2, 1, 0xff), Buffer.alloc(29)]))
      await fixture.clock.advance(110)
      expect(reportsOf(a)).to.deep.equal([`010001f60302010fc003${FLAGS}ce`, '010001f60302010fc00201ffce'])
    })
    it('lets a device whose only address is random appear as such', async () => {
      const [a] = [await fixture.host(), await fixture.host({ address: 'c0:00:00:00:00:0b', addressType: 'random' })]
      const b = fixture.hosts[1]
      await b?.advertise()
      await a.scan({ active: false })
      await fixture.clock.advance(20)
      expect(reportsOf(a)).to.deep.equal([`0100010b00000000c003${FLAGS}ce`])
      expect(await a.connect('c0000000000b', { type: 0 })).to.equal(0)
      await fixture.clock.advance(500)
      expect(a.of(0x3e01)).to.deep.equal([])
      await a.command(0x200e)
      expect(await a.refused()).to.equal(0x02)
      expect(await a.connect('c0000000000b', { type: 1 })).to.equal(0)
      await fixture.clock.advance(120)
      await a.linked()
    })
    it('loses advertisements', async () => {
      const [a, b] = [await fixture.host(), await fixture.host()]
      fixture.air.setLoss({ advertising: 0.5 })
      await b.advertise()
      await a.scan({ active: false })
      await fixture.clock.advance(10_500)
      expect(reportsOf(a).length).to.be.within(30, 70)
      fixture.air.setLoss({ advertising: 1 })
      a.events.length = 0
      await fixture.clock.advance(1000)
      expect(reportsOf(a)).to.deep.equal([])
    })
    it('hears as much as the scan window is of the interval', async () => {
      const [a, b] = [await fixture.host(), await fixture.host()]
      await b.advertise()
      await a.command(0x200b, Uint8Array.of(0, 0x40, 0, 0x10, 0, 0, 0))
      await a.command(0x200c, Uint8Array.of(1, 0))
      await fixture.clock.advance(10_500)
      expect(reportsOf(a).length).to.be.within(12, 40)
    })
  })

  describe('range', () => {
    const rssis = async (move: () => void): Promise<(number | undefined)[]> => {
      const [a, b] = fixture.hosts
      await b?.advertise()
      await a?.scan({ active: false })
      move()
      await fixture.clock.advance(120)
      return a?.of(0x3e02).map(({ parameters }) => parameters.readInt8(parameters.length - 1)) ?? []
    }
    beforeEach(async () => {
      await fixture.host()
      await fixture.host()
    })

    it('weakens signals with the distance and ends at the range', async () => {
      const [a, b] = fixture.controllers
      fixture.air.setRange(50)
      fixture.air.place(a!, { x: 0, y: 0 })
      expect((await rssis(() => fixture.air.place(b!, { x: 0, y: 1 })))[0]).to.equal(-59)
      fixture.hosts[0]!.events.length = 0
      expect((await rssis(() => fixture.air.place(b!, { x: 6, y: 8 })))[0]).to.equal(-84)
      fixture.hosts[0]!.events.length = 0
      expect(await rssis(() => fixture.air.place(b!, { x: 30, y: 41 }))).to.deep.equal([])
    })
    it('takes a fixed RSSI for a pair, which Read RSSI tells as well', async () => {
      const [a, b] = fixture.controllers
      expect((await rssis(() => fixture.air.setRssi(b!, a!, -93)))[0]).to.equal(-93)
      const [handle] = await fixture.link(fixture.hosts[0]!, fixture.hosts[1]!)
      expect((await fixture.hosts[0]!.command(0x1405, Uint8Array.of(handle, 0))).toString('hex')).to.equal(`00${handle.toString(16)}00a3`)
      fixture.air.setRssi(a!, b!, undefined)
      expect((await fixture.hosts[0]!.command(0x1405, Uint8Array.of(handle, 0)))[3]).to.equal(0xce)
    })
    it('separates and joins pairs, and one from all', async () => {
      const [a, b] = fixture.controllers
      expect(await rssis(() => fixture.air.separate(a!, b!))).to.deep.equal([])
      expect(await rssis(() => fixture.air.join(b!, a!))).not.to.deep.equal([])
      fixture.hosts[0]!.events.length = 0
      expect(await rssis(() => fixture.air.separate(b!))).to.deep.equal([])
      expect(await rssis(() => fixture.air.join(b!))).not.to.deep.equal([])
    })
  })

  describe('connecting', () => {
    it('tells both sides and ends advertising', async () => {
      const [a, b] = [await fixture.host(), await fixture.host()]
      await b.advertise()
      expect(await a.connect(B, { interval: 24, timeout: 100 })).to.equal(0)
      await fixture.clock.advance(120)
      expect(a.of(0x3e01).map(({ parameters }) => parameters.toString('hex'))).to.deep.equal([
        '00' + '4000' + '00' + '00020000eeffc0' + '1800' + '0000' + '6400' + '00'
      ])
      expect(b.of(0x3e01).map(({ parameters }) => parameters.toString('hex'))).to.deep.equal([
        '00' + '4000' + '01' + '00010000eeffc0' + '1800' + '0000' + '6400' + '00'
      ])
      expect(fixture.of(b).advertising).to.equal(false)
      expect(fixture.of(a).links).to.deep.equal([{ handle: 0x40, peer: { id: B, type: 'public' }, role: 'central' }])
      expect(fixture.of(b).links).to.deep.equal([{ handle: 0x40, peer: { id: A, type: 'public' }, role: 'peripheral' }])
    })
    it('waits until the target advertises as connectable, and can be cancelled', async () => {
      const [a, b] = [await fixture.host(), await fixture.host()]
      await b.advertise({ type: 2 })
      await a.connect(B)
      await fixture.clock.advance(1000)
      expect(await a.connect(B)).to.equal(0x0c)
      expect((await a.command(0x200e))[0]).to.equal(0)
      expect(await a.refused()).to.equal(0x02)
      expect((await a.command(0x200e))[0]).to.equal(0x0c)
      await b.command(0x200a, Uint8Array.of(0))
      await b.advertise()
      await fixture.clock.advance(1000)
      expect([...fixture.of(a).links, ...fixture.of(b).links]).to.deep.equal([])
    })
    it('connects to whoever of the filter accept list advertises', async () => {
      const [a, b, c] = [await fixture.host(), await fixture.host(), await fixture.host()]
      await a.command(0x2011, Buffer.from('00030000eeffc0', 'hex'))
      await b.advertise()
      await c.advertise()
      await a.connect('000000000000', { policy: 1 })
      await fixture.clock.advance(120)
      await a.linked()
      expect(fixture.of(a).links.map(({ peer }) => peer.id)).to.deep.equal([fixture.of(c).address.id])
    })
    it('has one link for each pair of addresses: the second fails with 0x0b, in either direction', async () => {
      const [a, b] = [await fixture.host(), await fixture.host()]
      await fixture.link(a, b)
      expect(await a.connect(B)).to.equal(0)
      expect(await a.refused()).to.equal(0x0b)
      expect(await b.connect(A)).to.equal(0)
      expect(await b.refused()).to.equal(0x0b)
      expect(fixture.of(a).links).to.have.lengthOf(1)
    })
    it('settles connects that cross: one makes the link, the other fails with 0x0b', async () => {
      const [a, b] = [await fixture.host(), await fixture.host()]
      await a.advertise()
      await b.advertise()
      expect([await a.connect(B), await b.connect(A)]).to.deep.equal([0, 0])
      await fixture.clock.advance(300)
      const statuses = (host: typeof a): number[] => host.of(0x3e01).map(({ parameters }) => parameters[0] as number)
      expect([...statuses(a), ...statuses(b)].sort()).to.deep.equal([0, 0, 0x0b])
      expect(fixture.of(a).links).to.have.lengthOf(1)
    })
    it('fails with 0x3e as often as it is told, in the way it is told', async () => {
      const [a, b] = [await fixture.host(), await fixture.host()]
      fixture.air.failConnections({ next: 2 })
      await b.advertise()
      for (let attempt = 0; attempt < 2; attempt++) {
        await a.connect(B)
        await fixture.clock.advance(120)
        expect(await a.refused()).to.equal(0x3e)
      }
      expect([b.of(0x3e01).length, fixture.of(b).advertising]).to.deep.equal([0, true])
      fixture.air.failConnections({ next: 1, how: 'disconnected' })
      await a.connect(B)
      await fixture.clock.advance(120)
      for (const host of [a, b]) {
        await host.linked()
        expect((await host.next(0x05)).toString('hex')).to.match(/^00..003e$/)
      }
      fixture.air.failConnections({ rate: 1 })
      await b.advertise()
      await a.connect(B)
      await fixture.clock.advance(120)
      expect(await a.refused()).to.equal(0x3e)
      fixture.air.failConnections({})
      await fixture.link(a, b)
    })
    it('has no more links than the controller can have', async () => {
      const a = await fixture.host({ maxLinks: 1 })
      const [b, c] = [await fixture.host(), await fixture.host()]
      await fixture.link(a, b)
      expect(await a.connect(fixture.of(c).address.id)).to.equal(0x09)
      expect(await a.advertise()).to.equal(0x09)
      expect(await a.advertise({ type: 3 })).to.equal(0)
    })
    it('gives the connection to one of several that want it', async () => {
      const a = await fixture.host()
      const others = [await fixture.host(), await fixture.host(), await fixture.host()]
      for (const other of others) await other.connect(A)
      await a.advertise()
      await fixture.clock.advance(20)
      expect(others.map((other) => fixture.of(other).links.length).sort()).to.deep.equal([0, 0, 1])
      await a.linked()
    })
  })

  describe('life', () => {
    it('opens a controller again after it was closed, for one host at a time', async () => {
      const controller = fixture.air.controller()
      const handlers = { packet: () => {}, closed: () => {} }
      const signal = new AbortController().signal
      const port = await controller.open(handlers, { signal })
      const busy = await controller.open(handlers, { signal }).catch((error: unknown) => error)
      expect(busy).to.include({ code: 'ERR_BLE_ADAPTER_BUSY' })
      await port.close()
      await port.close()
      const again = await controller.open(handlers, { signal })
      await port.close()
      expect(controller.inUse).to.equal(true)
      await again.close()
      const reason = new Error('no more')
      expect(await controller.open(handlers, { signal: AbortSignal.abort(reason) }).catch((error: unknown) => error)).to.equal(reason)
    })
    it('tells the host once when it is unplugged, and the other side at the supervision timeout', async () => {
      const [a, b] = [await fixture.host(), await fixture.host()]
      await fixture.link(a, b, { timeout: 100 })
      const controller = fixture.of(a)
      controller.unplug()
      controller.unplug()
      await fixture.settle()
      expect(a.closed).to.include({ code: 'ERR_BLE_ADAPTER_FAILED' })
      const missing = await controller
        .open({ packet: () => {}, closed: () => {} }, { signal: new AbortController().signal })
        .catch((error: unknown) => error)
      expect(missing).to.include({ code: 'ERR_BLE_NO_ADAPTER' })
      await fixture.clock.advance(999)
      expect(b.of(0x05)).to.deep.equal([])
      await fixture.clock.advance(2)
      expect((await b.next(0x05))[3]).to.equal(0x08)
      controller.plugIn()
      a.port.send(Uint8Array.of(1, 3, 0x0c, 0))
      expect(controller.links).to.deep.equal([])
    })
    it('forgets everything with Reset, and the other side notices by itself', async () => {
      const [a, b] = [await fixture.host(), await fixture.host()]
      await fixture.link(a, b)
      await a.advertise()
      await a.scan()
      await a.command(0x0c03)
      expect([fixture.of(a).advertising, fixture.of(a).scanning, fixture.of(a).links.length]).to.deep.equal([false, false, 0])
      await b.advertise()
      await a.connect(B)
      await fixture.clock.advance(120)
      expect(a.of(0x3e01), 'LE events are masked again').to.deep.equal([])
      await fixture.clock.advance(2000)
      expect((await b.next(0x05))[3]).to.equal(0x08)
    })
    it('lets nobody connect to a device that still believes in the link before', async () => {
      const [a, b] = [await fixture.host(), await fixture.host()]
      await fixture.link(a, b, { timeout: 300 })
      await a.command(0x0c03)
      await a.command(0x0c01, Buffer.alloc(8, 0xff))
      await b.advertise()
      await a.connect(B)
      await a.command(0x0c03)
      await a.command(0x0c01, Buffer.alloc(8, 0xff))
      expect(await a.connect(B)).to.equal(0)
      await fixture.clock.advance(120)
      expect(await a.refused()).to.equal(0x3e)
      await fixture.clock.advance(3000)
      expect((await b.next(0x05))[3]).to.equal(0x08)
      await a.connect(B)
      await fixture.clock.advance(120)
      await a.linked()
    })
    it('reports a host that throws without harming the others', async () => {
      const [a, b] = [await fixture.host(), await fixture.host()]
      await b.advertise()
      await a.scan()
      const thrown: unknown[] = []
      const listeners = process.listeners('uncaughtException')
      process.removeAllListeners('uncaughtException').once('uncaughtException', (error) => thrown.push(error))
      const defect = new Error('a defect of the host')
      a.onPacket = () => {
        a.onPacket = undefined
        throw defect
      }
      try {
        await fixture.clock.advance(500)
        await eventually('the error', () => thrown.length > 0)
      } finally {
        process.removeAllListeners('uncaughtException')
        for (const listener of listeners) process.on('uncaughtException', listener)
      }
      expect(thrown).to.deep.equal([defect])
      expect(reportsOf(a).length).to.be.greaterThan(3)
    })
    it('refuses what makes no sense', async () => {
      const { air } = fixture
      air.controller({ address: 'c0ffee000001' })
      expect(() => air.controller({ address: 'C0:FF:EE:00:00:01' })).to.throw(TypeError, 'already')
      expect(air.controller().address.id).to.equal('c0ffee000002')
      expect(() => air.controller({ address: 'nonsense' })).to.throw(TypeError)
      expect(() => air.controller({ aclLength: 26 })).to.throw(TypeError)
      expect(() => air.controller({ aclCount: 0 })).to.throw(TypeError)
      expect(() => air.controller({ maxLinks: 1000 })).to.throw(TypeError)
      expect(() => air.controller({ fragments: 3 })).to.throw(TypeError)
      await air.close()
      await air.close()
      expect(() => air.controller()).to.throw(TypeError)
    })
  })
})
