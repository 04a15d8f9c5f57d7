import { expect } from 'chai'
import fc from 'fast-check'
import { InboundFlow } from '../../dist/l2cap/inbound-flow.js'
import { OutboundFlow } from '../../dist/l2cap/outbound-flow.js'
import { noise } from './traffic.js'

function frame(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex')
}

describe('frames of a channel', () => {
  it('carry the bytes in order, in frames and SDUs that the other side takes, one credit each', () => {
    const sizes = fc.integer({ min: 23, max: 80 })
    fc.assert(
      fc.property(
        sizes,
        sizes,
        fc.integer({ min: 18, max: 100 }),
        fc.array(fc.nat(120), { maxLength: 12 }),
        (mtu, mps, carrier, lengths) => {
          const terms = { mtu, mps, credits: 65_535 }
          const [outbound, inbound] = [new OutboundFlow(terms), new InboundFlow(terms)]
          const chunks = lengths.map((length, index) => noise(length, index))
          for (const chunk of chunks) outbound.queue(chunk)
          const received: Buffer[] = []
          let frames = 0
          while (outbound.sendable) {
            const payload = Buffer.concat(outbound.nextFrame(carrier))
            frames++
            expect(payload.length).to.be.within(1, Math.min(mps, carrier))
            expect(inbound.receive(payload)).to.equal(undefined)
            for (let sdu = inbound.take(); sdu !== undefined; sdu = inbound.take()) {
              expect(sdu.length).to.be.within(1, mtu)
              received.push(sdu)
            }
          }
          expect(Buffer.concat(received)).to.deep.equal(Buffer.concat(chunks))
          expect(inbound.partial).to.equal(false)
          expect(outbound.credits).to.equal(65_535 - frames)
        }
      )
    )
  })

  it('hold what is queued when an SDU begins, not more', () => {
    const outbound = new OutboundFlow({ mtu: 100, mps: 30, credits: 10 })
    outbound.queue(noise(40))
    expect(Buffer.concat(outbound.nextFrame(1_000)).readUInt16LE(0)).to.equal(40)
    outbound.queue(noise(200))
    expect(Buffer.concat(outbound.nextFrame(1_000))).to.have.length(12)
    expect(Buffer.concat(outbound.nextFrame(1_000)).readUInt16LE(0)).to.equal(100)
  })

  it('are not copied when they are cut', () => {
    const outbound = new OutboundFlow({ mtu: 2_048, mps: 247, credits: 64 })
    const chunk = noise(1_000)
    outbound.queue(chunk)
    const parts = [...outbound.nextFrame(1_000), ...outbound.nextFrame(1_000)].filter((part) => part.length > 2)
    for (const part of parts) expect(part.buffer).to.equal(chunk.buffer)
  })

  it('wait for credits, of which there are 65,535 at most', () => {
    const outbound = new OutboundFlow({ mtu: 100, mps: 30, credits: 0 })
    outbound.queue(noise(10))
    expect(outbound.sendable).to.equal(false)
    expect(outbound.addCredits(0)).to.equal(false)
    expect(outbound.addCredits(65_535)).to.equal(true)
    expect(outbound.addCredits(1)).to.equal(false)
    expect(outbound.credits).to.equal(65_535)
    expect(outbound.sendable).to.equal(true)
  })

  for (const [what, frames, rule] of [
    ['a frame without a credit', ['0100aa', '0100aa', '0100aa', '0100aa', '0100aa'], /without a credit/],
    ['a frame longer than the MPS', [`3000${'00'.repeat(29)}`], /MPS of 30/],
    ['an SDU longer than the MTU', ['6500aa'], /MTU of 100/],
    ['more than the SDU has, in its first frame', ['0100aabb'], /more bytes/],
    ['more than the SDU has, in a later frame', ['0300aa', 'bbcc', '0300aa', 'bbccdd'], /more bytes/],
    ['an empty SDU with bytes', ['0000aa'], /more bytes/],
    ['an SDU without its length', ['01'], /without its length/],
    ['an empty frame', [''], /without its length/]
  ] as const)
    it(`are refused: ${what}`, () => {
      const inbound = new InboundFlow({ mtu: 100, mps: 30, credits: 4 })
      const verdicts = frames.map((hex) => inbound.receive(frame(hex)))
      expect(verdicts.pop()).to.match(rule)
      expect(verdicts.filter((verdict) => verdict !== undefined)).to.deep.equal([])
    })

  it('may be empty', () => {
    const inbound = new InboundFlow({ mtu: 100, mps: 30, credits: 4 })
    for (const hex of ['0000', '0100', '', 'aa']) expect(inbound.receive(frame(hex))).to.equal(undefined)
    expect(inbound.take()).to.deep.equal(Buffer.of(0xaa))
    expect(inbound.take()).to.equal(undefined)
  })

  it('are replaced when half of the credits are used up, also within an SDU', () => {
    for (const credits of [1, 2, 3, 5, 64, 65_535]) {
      const inbound = new InboundFlow({ mtu: 65_535, mps: 30, credits })
      const half = Math.ceil(credits / 2)
      expect(inbound.receive(frame('ffff'))).to.equal(undefined)
      for (let received = 1; received < half; received++) {
        expect(inbound.replenish()).to.equal(0)
        expect(inbound.receive(Buffer.alloc(1))).to.equal(undefined)
      }
      expect(inbound.replenish(), `of ${credits}`).to.equal(half)
      expect(inbound.replenish()).to.equal(0)
    }
  })

  it('never throw, whatever comes', () => {
    const garbage = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 })
    fc.assert(
      fc.property(garbage, (frames) => {
        const inbound = new InboundFlow({ mtu: 60, mps: 30, credits: 8 })
        let bytes = 0
        for (const bytesOfFrame of frames) {
          if (inbound.receive(Buffer.from(bytesOfFrame)) !== undefined) break
          bytes += bytesOfFrame.length
          inbound.replenish()
        }
        let taken = 0
        for (let sdu = inbound.take(); sdu !== undefined; sdu = inbound.take()) taken += sdu.length
        expect(taken).to.be.at.most(bytes)
      }),
      { numRuns: 500 }
    )
  })
})
