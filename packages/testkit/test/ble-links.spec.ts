import { expect } from 'chai'
import type { ControllerOptions } from '@kithmesh/testkit/ble'
import { AirFixture } from './ble-fixture.ts'
import type { HandHost } from './ble-host.ts'

/** An L2CAP frame for a channel nobody has. */
function frame(payload: number): Buffer {
  const bytes = Buffer.alloc(4 + payload, 0x61)
  bytes.writeUInt16LE(payload, 0)
  bytes.writeUInt16LE(0x40, 2)
  return bytes
}

/** How many packets Number Of Completed Packets has told of. */
function completed(host: HandHost): number {
  return host.of(0x13).reduce((sum, { parameters }) => sum + parameters.readUInt16LE(3), 0)
}

describe('virtual links', () => {
  let fixture: AirFixture
  let violations: string[]

  beforeEach(() => {
    fixture = new AirFixture()
    violations = []
  })
  afterEach(async () => {
    await fixture.close(violations)
  })

  const pair = async (a: ControllerOptions = {}, b: ControllerOptions = {}, options: Parameters<HandHost['connect']>[1] = {}) => {
    const [one, other] = [await fixture.host(a), await fixture.host(b)]
    const [ha, hb] = await fixture.link(one, other, options)
    return { a: one, b: other, ha, hb }
  }

  describe('data', () => {
    it('arrives with the flags of a controller, in order, and is completed at the sender', async () => {
      const { a, b, ha, hb } = await pair()
      a.send(ha, frame(4), 0)
      a.send(ha, Buffer.from('bcd'), 1)
      b.send(hb, frame(1), 0)
      await fixture.settle()
      expect(b.data).to.deep.equal([
        { handle: hb, flags: 2, data: frame(4) },
        { handle: hb, flags: 1, data: Buffer.from('bcd') }
      ])
      expect(a.data).to.deep.equal([{ handle: ha, flags: 2, data: frame(1) }])
      expect([completed(a), completed(b)]).to.deep.equal([2, 1])
    })
    for (const [size, pieces] of [
      [4, [4, 4, 4, 2]],
      [5, [5, 5, 4]],
      [27, [14]]
    ] as const) {
      it(`arrives in fragments of ${size}`, async () => {
        const { a, b, ha } = await pair({}, { fragments: size })
        a.send(ha, frame(10))
        await fixture.settle()
        expect(b.data.map(({ data }) => data.length)).to.deep.equal(pieces)
        expect(b.data.map(({ flags }) => flags)).to.deep.equal(pieces.map((_, index) => (index === 0 ? 2 : 1)))
        expect(Buffer.concat(b.data.map(({ data }) => data))).to.deep.equal(frame(10))
        expect(completed(a)).to.equal(1)
      })
    }
    it('arrives as data PDUs, which are longer once the data length was extended', async () => {
      const { a, b, ha, hb } = await pair({}, { fragments: 'data-pdus' })
      a.send(ha, frame(96))
      await fixture.settle()
      expect(b.data.map(({ data }) => data.length)).to.deep.equal([27, 27, 27, 19])
      expect((await a.command(0x2022, Buffer.from([ha, 0, 251, 0, 0x48, 0x08]))).toString('hex')).to.equal(`00${ha.toString(16)}00`)
      expect((await a.next(0x3e07)).toString('hex')).to.equal(`${ha.toString(16)}00fb0048081b004801`)
      expect((await b.next(0x3e07)).toString('hex')).to.equal(`${hb.toString(16)}001b004801fb004808`)
      a.send(ha, frame(96))
      await fixture.settle()
      expect(b.data.map(({ data }) => data.length).slice(4)).to.deep.equal([100])
    })
    it('starts with the data length that the host suggested', async () => {
      const [a, b] = [await fixture.host(), await fixture.host({ fragments: 'data-pdus' })]
      await a.command(0x2024, Buffer.from([100, 0, 0x00, 0x08]))
      expect((await a.command(0x2023)).toString('hex')).to.equal('0064009003')
      const [ha] = await fixture.link(a, b)
      a.send(ha, frame(100))
      await fixture.settle()
      expect(b.data.map(({ data }) => data.length)).to.deep.equal([100, 4])
    })
    it('is dropped and noted when there are no buffers or it does not fit', async () => {
      const { a, b, ha } = await pair({ aclLength: 27, aclCount: 2 })
      for (let count = 0; count < 3; count++) a.send(ha, frame(0))
      await fixture.settle()
      expect([b.data.length, a.of(0x1a).length]).to.deep.equal([2, 1])
      a.send(ha, frame(24))
      a.send(ha, frame(0), 3)
      a.send(0x123, frame(0))
      await fixture.settle()
      expect(b.data.length).to.equal(2)
      violations = ['buffers', 'acl', 'acl', 'acl']
    })
    it('goes on for ever when the host waits for its buffers', async () => {
      const { a, b, ha } = await pair({ aclCount: 2 })
      for (let count = 0; count < 20; count++) {
        a.send(ha, frame(count))
        a.send(ha, frame(count))
        await fixture.settle()
      }
      expect([b.data.length, completed(a)]).to.deep.equal([40, 40])
    })
    it('may come for a link that just ended', async () => {
      const { a, b, ha } = await pair()
      await b.disconnect(ha)
      await fixture.settle()
      a.send(ha, frame(0))
      expect(fixture.of(a).violations).to.deep.equal([])
    })
    it('frees the buffers of a link that ends', async () => {
      const { a, ha, b } = await pair({ aclCount: 2 }, {}, { timeout: 50 })
      fixture.air.separate(fixture.of(a), fixture.of(b))
      a.send(ha, frame(0))
      a.send(ha, frame(0))
      await fixture.clock.advance(600)
      expect([completed(a), a.of(0x05).length]).to.deep.equal([0, 1])
      fixture.air.join(fixture.of(a))
      const [again] = await fixture.link(a, b)
      a.send(again, frame(0))
      a.send(again, frame(0))
      await fixture.settle()
      expect(completed(a)).to.equal(2)
    })
  })

  describe('pace', () => {
    it('takes the time that the rate gives it, each way for itself', async () => {
      const { a, b, ha, hb } = await pair()
      fixture.air.setPace({ bytesPerSecond: 10_000 })
      for (let count = 0; count < 8; count++) {
        a.send(ha, frame(96))
        b.send(hb, frame(96))
      }
      await fixture.clock.advance(35)
      expect([a.data.length, b.data.length, completed(a)]).to.deep.equal([3, 3, 3])
      await fixture.clock.advance(45)
      expect([a.data.length, b.data.length, completed(a)]).to.deep.equal([8, 8, 8])
    })
    it('waits for connection events', async () => {
      const { a, b, ha } = await pair({}, {}, { interval: 80 })
      fixture.air.setPace({ connectionEvents: true })
      const from = fixture.clock.monotonic()
      a.send(ha, frame(0))
      a.send(ha, frame(1))
      await fixture.settle()
      expect(b.data).to.deep.equal([])
      await fixture.clock.advance(100)
      expect(b.data).to.have.lengthOf(2)
      await a.disconnect(ha)
      expect(b.of(0x05)).to.deep.equal([])
      await fixture.clock.advance(100)
      expect((await b.next(0x05))[3]).to.equal(0x13)
      expect(fixture.clock.monotonic() - from).to.be.at.most(200)
    })
    it('is slowed down by loss, which loses nothing', async () => {
      const { a, b, ha } = await pair({}, {}, { interval: 8, timeout: 1000 })
      fixture.air.setLoss({ data: 0.5 })
      for (let count = 0; count < 8; count++) a.send(ha, frame(count))
      await fixture.settle()
      expect(b.data.length).to.be.lessThan(8)
      await fixture.clock.advance(1000)
      expect(b.data.map(({ data }) => data.length)).to.deep.equal([4, 5, 6, 7, 8, 9, 10, 11])
    })
    it('ends the link at its supervision timeout when everything is lost', async () => {
      const { a, b, ha } = await pair({}, {}, { timeout: 50 })
      fixture.air.setLoss({ data: 1 })
      a.send(ha, frame(0))
      await fixture.clock.advance(501)
      expect([(await a.next(0x05))[3], (await b.next(0x05))[3]]).to.deep.equal([0x08, 0x08])
      expect(b.data).to.deep.equal([])
    })
  })

  describe('the end', () => {
    it('has the given reason at the other side, and 0x16 at this one', async () => {
      const { a, b, ha, hb } = await pair()
      expect((await b.disconnect(hb, 0x15))[0]).to.equal(0)
      expect((await b.next(0x05)).toString('hex')).to.equal(`00${hb.toString(16)}0016`)
      expect((await a.next(0x05)).toString('hex')).to.equal(`00${ha.toString(16)}0015`)
      expect((await b.disconnect(hb))[0]).to.equal(0x02)
      expect(fixture.controllers.flatMap(({ links }) => links)).to.deep.equal([])
    })
    it('needs a reason that hosts may give', async () => {
      const { a, ha } = await pair()
      expect((await a.disconnect(ha, 0x08))[0]).to.equal(0x12)
    })
    it('comes for both with 0x08 when they do not hear each other for the supervision timeout, not before', async () => {
      const { a, b, ha } = await pair({}, {}, { timeout: 100 })
      const [ca, cb] = [fixture.of(a), fixture.of(b)]
      fixture.air.separate(ca, cb)
      a.send(ha, frame(0))
      await fixture.clock.advance(900)
      expect(b.data).to.deep.equal([])
      fixture.air.join(ca, cb)
      await fixture.settle()
      expect(b.data).to.have.lengthOf(1)
      fixture.air.separate(ca)
      await fixture.clock.advance(999)
      expect(a.of(0x05)).to.deep.equal([])
      await fixture.clock.advance(2)
      expect([(await a.next(0x05))[3], (await b.next(0x05))[3]]).to.deep.equal([0x08, 0x08])
    })
    it('is noticed late by both when the host ends a link that is out of range', async () => {
      const { a, b, ha } = await pair({}, {}, { timeout: 100 })
      fixture.air.separate(fixture.of(a), fixture.of(b))
      expect((await a.disconnect(ha))[0]).to.equal(0)
      expect((await a.disconnect(ha))[0]).to.equal(0x0c)
      await fixture.clock.advance(990)
      expect(a.of(0x05)).to.deep.equal([])
      await fixture.clock.advance(20)
      expect([(await a.next(0x05))[3], (await b.next(0x05))[3]]).to.deep.equal([0x16, 0x08])
    })
    it('comes at once when both hear each other again', async () => {
      const { a, b, ha } = await pair({}, {}, { timeout: 100 })
      fixture.air.separate(fixture.of(a), fixture.of(b))
      await a.disconnect(ha)
      await fixture.clock.advance(500)
      fixture.air.join(fixture.of(a), fixture.of(b))
      expect([(await a.next(0x05))[3], (await b.next(0x05))[3]]).to.deep.equal([0x16, 0x13])
    })
  })

  describe('procedures', () => {
    it('updates the connection for the central, and tells both', async () => {
      const { a, b, ha, hb } = await pair()
      const wanted = (handle: number): Buffer => Buffer.from([handle, 0, 40, 0, 80, 0, 1, 0, 200, 0, 0, 0, 0, 0])
      expect((await a.command(0x2013, wanted(ha)))[0]).to.equal(0)
      expect((await a.next(0x3e03)).toString('hex')).to.equal(`00${ha.toString(16)}0050000100c800`)
      expect((await b.next(0x3e03)).toString('hex')).to.equal(`00${hb.toString(16)}0050000100c800`)
      expect((await b.command(0x2013, wanted(hb)))[0]).to.equal(0x0c)
      expect((await a.command(0x2013, Buffer.from([ha, 0, 40, 0, 80, 0, 1, 0, 10, 0, 0, 0, 0, 0])))[0]).to.equal(0x12)
      fixture.air.separate(fixture.of(a), fixture.of(b))
      await fixture.clock.advance(1999)
      expect(a.of(0x05)).to.deep.equal([])
      await fixture.clock.advance(2)
      expect(a.of(0x05)).to.have.lengthOf(1)
    })
    it('reads features and version of the other side', async () => {
      const { a, ha } = await pair()
      const handle = Uint8Array.of(ha, 0)
      expect((await a.command(0x2016, handle))[0]).to.equal(0)
      expect((await a.next(0x3e04)).toString('hex')).to.equal(`00${ha.toString(16)}002101000000000000`)
      expect((await a.command(0x041d, handle))[0]).to.equal(0)
      expect((await a.next(0x0c)).toString('hex')).to.equal(`00${ha.toString(16)}0009ffff0000`)
    })
    it('changes the PHY', async () => {
      const { a, b, ha, hb } = await pair()
      expect((await a.command(0x2032, Uint8Array.of(ha, 0, 0, 2, 2, 0, 0)))[0]).to.equal(0)
      expect((await a.next(0x3e0c)).toString('hex')).to.equal(`00${ha.toString(16)}000202`)
      expect((await b.next(0x3e0c)).toString('hex')).to.equal(`00${hb.toString(16)}000202`)
      expect((await b.command(0x2030, Uint8Array.of(hb, 0))).toString('hex')).to.equal(`00${hb.toString(16)}000202`)
      expect((await a.command(0x2032, Uint8Array.of(ha, 0, 0, 4, 4, 0, 0)))[0]).to.equal(0x11)
    })
    it('encrypts when both hosts have the same key, and says so when one has none or another', async () => {
      const { a, b, ha, hb } = await pair()
      const key = Buffer.alloc(16, 7)
      const enable = (): Promise<Buffer> =>
        a.command(0x2019, Buffer.concat([Uint8Array.of(ha, 0), Buffer.from('0102030405060708aabb', 'hex'), key]))
      expect((await b.command(0x2019, Buffer.alloc(28).fill(hb, 0, 1)))[0]).to.equal(0x0c)
      expect((await enable())[0]).to.equal(0)
      expect((await b.next(0x3e05)).toString('hex')).to.equal(`${hb.toString(16)}000102030405060708aabb`)
      expect((await b.command(0x201b, Uint8Array.of(hb, 0)))[0]).to.equal(0)
      expect((await a.next(0x08)).toString('hex')).to.equal(`06${ha.toString(16)}0000`)
      expect((await b.command(0x201b, Uint8Array.of(hb, 0)))[0]).to.equal(0x0c)
      await enable()
      await b.next(0x3e05)
      await b.command(0x201a, Buffer.concat([Uint8Array.of(hb, 0), key]))
      for (const [host, handle] of [
        [a, ha],
        [b, hb]
      ] as const)
        expect((await host.next(0x08)).toString('hex')).to.equal(`00${handle.toString(16)}0001`)
      await enable()
      await b.next(0x3e05)
      await b.command(0x201a, Buffer.concat([Uint8Array.of(hb, 0), Buffer.alloc(16)]))
      expect([(await a.next(0x05))[3], (await b.next(0x05))[3]]).to.deep.equal([0x3d, 0x3d])
    })
    it('answers for a handle that there is not with 0x02, in the shape of each command', async () => {
      const a = await fixture.host()
      expect((await a.command(0x1405, Uint8Array.of(0x44, 0))).toString('hex')).to.equal('02440000')
      expect((await a.command(0x2022, Uint8Array.of(0x44, 0, 251, 0, 0x48, 8))).toString('hex')).to.equal('024400')
      expect((await a.command(0x2016, Uint8Array.of(0x44, 0))).toString('hex')).to.equal('02')
      expect((await a.disconnect(0x44)).toString('hex')).to.equal('02')
    })
  })
})
