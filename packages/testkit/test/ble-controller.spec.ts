import { expect } from 'chai'
import { AirFixture } from './ble-fixture.ts'

describe('virtual controllers', () => {
  let fixture: AirFixture
  let violations: string[]

  beforeEach(() => {
    fixture = new AirFixture()
    violations = []
  })
  afterEach(async () => {
    await fixture.close(violations)
  })

  it('answer what hosts ask first', async () => {
    const a = await fixture.host({ aclLength: 200, aclCount: 3 })
    const answer = async (opcode: number, ...parameters: number[]): Promise<string> =>
      (await a.command(opcode, Uint8Array.from(parameters))).toString('hex')
    expect(await answer(0x1001)).to.equal('00090000' + '09ffff0000')
    expect(await answer(0x1003)).to.equal('000000000060000000')
    expect(await answer(0x1005)).to.equal('00c8000003000000')
    expect(await answer(0x1009)).to.equal('00010000eeffc0')
    expect(await answer(0x0c6c)).to.equal('000100')
    expect(await answer(0x0c6d, 1, 0)).to.equal('00')
    expect(await answer(0x2002)).to.equal('00c80003')
    expect(await answer(0x2003)).to.equal('002101000000000000')
    expect(await answer(0x2007)).to.equal('0000')
    expect(await answer(0x200f)).to.equal('0010')
    expect(await answer(0x202f)).to.equal('00fb004808fb004808')
    expect((await answer(0x2018)).length).to.equal(18)
    const supported = await a.command(0x1002)
    expect(supported.length).to.equal(65)
    // Octets and bits of the Core Specification, vol. 4, part E, §6.27: Disconnect, Reset, LE Create Connection, LE Set PHY.
    for (const [octet, bit] of [
      [0, 5],
      [5, 7],
      [26, 4],
      [35, 6]
    ] as const)
      expect((supported[1 + octet]! >> bit) & 1).to.equal(1)
  })
  it('tell shared buffers by Read Buffer Size only', async () => {
    const a = await fixture.host({ sharedBuffers: true })
    expect((await a.command(0x2002)).toString('hex')).to.equal('00000000')
    expect((await a.command(0x1005)).toString('hex')).to.equal('00fb000008000000')
  })
  it('encrypt a block as the Core Specification has it', async () => {
    // Vol. 6, part C, §1: LTK and SKD give the session key; most significant byte first there.
    const a = await fixture.host()
    const reversed = (hex: string): Buffer => Buffer.from(hex, 'hex').reverse()
    const answer = await a.command(
      0x2017,
      Buffer.concat([reversed('4C68384139F574D836BCF34E9DFB01BF'), reversed('0213243546576879acbdcedfe0f10213')])
    )
    expect(answer[0]).to.equal(0)
    expect(Buffer.from(answer.subarray(1)).reverse().toString('hex')).to.equal('99ad1b5226a37e3e058e3b8e27c2c666')
  })
  it('answer commands they do not know with 0x01', async () => {
    const a = await fixture.host()
    for (const opcode of [0x2036, 0x2041, 0xfc01, 0x0401])
      expect((await a.command(opcode, Uint8Array.of(1))).toString('hex')).to.equal('01')
  })
  it('disallow what is not possible now', async () => {
    const a = await fixture.host()
    const status = async (opcode: number, hex: string): Promise<number> => (await a.command(opcode, Buffer.from(hex, 'hex')))[0] as number
    await a.advertise()
    expect(await status(0x2006, 'a000a000000000000000000000' + '0700')).to.equal(0x0c)
    expect(await status(0x2005, '010203040506')).to.equal(0x0c)
    expect(await status(0x200a, '01')).to.equal(0)
    await a.command(0x200a, Uint8Array.of(0))
    await a.scan()
    expect(await status(0x200b, '01100010000000')).to.equal(0x0c)
    await a.command(0x200c, Uint8Array.of(0, 0))
    await a.connect('c0ffee000009')
    expect(await status(0x2005, '010203040506')).to.equal(0x0c)
    expect(await status(0x2010, '')).to.equal(0x0c)
  })
  it('refuse parameters out of range', async () => {
    const a = await fixture.host()
    const status = async (opcode: number, hex: string): Promise<number> => (await a.command(opcode, Buffer.from(hex, 'hex')))[0] as number
    expect(await a.advertise({ interval: 0x1f })).to.equal(0x12)
    expect(await a.advertise({ type: 5 })).to.equal(0x12)
    expect(await a.advertise({ type: 1 })).to.equal(0x11)
    expect(await a.advertise({ ownType: 1 })).to.equal(0x12)
    expect(await status(0x2008, `20${'00'.repeat(31)}`)).to.equal(0x12)
    expect(await status(0x200a, '02')).to.equal(0x12)
    expect(await status(0x200b, '01100011000000')).to.equal(0x12)
    expect(await status(0x200c, '0200')).to.equal(0x12)
    expect(await a.connect('c0ffee000009', { interval: 5 })).to.equal(0x12)
    expect(await a.connect('c0ffee000009', { interval: 800, timeout: 200 })).to.equal(0x12)
    expect(await a.connect('c0ffee000009', { ownType: 1 })).to.equal(0x12)
    expect(await status(0x2024, '1a004801')).to.equal(0x12)
  })
  it('note malformed packets and commands, and go on', async () => {
    const a = await fixture.host()
    for (const hex of ['', '01', '010310', '01030c01', '0203', '02400005000000', '03000000', '04']) a.port.send(Buffer.from(hex, 'hex'))
    expect((await a.command(0x200a, Uint8Array.of(1, 1)))[0]).to.equal(0x12)
    expect((await a.command(0x200d, Uint8Array.of(1))).toString('hex')).to.equal('12')
    expect((await a.command(0x1009))[0]).to.equal(0)
    violations = Array.from({ length: 10 }, () => 'malformed')
  })
  it('note a command before the one before was answered', async () => {
    const a = await fixture.host()
    await Promise.all([a.command(0x1009), a.command(0x1001)])
    expect(fixture.of(a).violations.map(({ detail }) => detail)).to.deep.equal(['0x1001 before the command before it was answered'])
    violations = ['commands']
  })
  it('keep a hundred violations', async () => {
    const a = await fixture.host()
    for (let count = 0; count < 300; count++) a.port.send(Uint8Array.of(9))
    expect(fixture.of(a).violations).to.have.lengthOf(100)
    violations = Array.from({ length: 100 }, () => 'malformed')
  })
  it('keep back events that the host masked', async () => {
    const [a, b] = [await fixture.host(), await fixture.host()]
    await a.command(0x2001, Buffer.from('1d00000000000000', 'hex'))
    await b.advertise()
    await a.scan()
    await fixture.clock.advance(120)
    expect(a.of(0x3e02)).to.deep.equal([])
    await a.command(0x2001, Buffer.from('1f00000000000000', 'hex'))
    await fixture.clock.advance(120)
    expect(a.of(0x3e02)).not.to.deep.equal([])
    await a.command(0x0c01, Buffer.from('ffffffffffff1f00', 'hex'))
    a.events.length = 0
    await fixture.clock.advance(120)
    expect(a.of(0x3e02)).to.deep.equal([])
  })
})
