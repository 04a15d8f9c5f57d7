import { expect } from 'chai'
import fc from 'fast-check'
import { ACK, ackBytes, DATA, decodePacket, HEADER_BYTES, MAX_ACK_RANGES, writeAck, writeHeader } from '../dist/packet.js'
import { RangeSet } from '../dist/range-set.js'
import { ReceiveBuffer } from '../dist/receive-buffer.js'
import { SendBuffer } from '../dist/send-buffer.js'

describe('range set', () => {
  it('does what a set of numbers does', () => {
    const change = fc.record({ add: fc.boolean(), start: fc.nat(60), length: fc.nat(12) })
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        const ranges = new RangeSet()
        const model = new Set<number>()
        for (const { add, start, length } of changes) {
          if (add) ranges.add(start, start + length)
          else ranges.remove(start, start + length)
          for (let value = start; value < start + length; value++) {
            if (add) model.add(value)
            else model.delete(value)
          }
          const missing: number[] = []
          ranges.gaps(5, 50, (from, to) => {
            for (let value = from; value < to; value++) missing.push(value)
          })
          for (let value = 0; value < 80; value++) expect(ranges.has(value)).to.equal(model.has(value))
          expect(missing).to.deep.equal(Array.from({ length: 45 }, (_, index) => index + 5).filter((value) => !model.has(value)))
          for (let index = 1; index < ranges.count; index++) expect(ranges.start(index)).to.be.above(ranges.end(index - 1))
        }
      })
    )
  })
})

describe('packets', () => {
  const ranges = fc.array(fc.record({ missing: fc.integer({ min: 1, max: 70_000 }), length: fc.integer({ min: 1, max: 70_000 }) }), {
    minLength: 1,
    maxLength: MAX_ACK_RANGES
  })
  it('say which packets came, and never more than did', () => {
    fc.assert(
      fc.property(ranges, (given) => {
        const wanted: number[] = []
        let at = 2 ** 40
        for (const { missing, length } of given) {
          wanted.push(at - length + 1, at)
          at -= length + missing
        }
        const datagram = Buffer.alloc(HEADER_BYTES + ackBytes(given.length))
        writeHeader(datagram, Buffer.alloc(8), ACK, 7)
        const end = writeAck(datagram, HEADER_BYTES, { ageMs: 12.8, window: 99, ranges: wanted })
        const packet = decodePacket(datagram.subarray(0, end))
        expect(packet?.number).to.equal(7)
        expect(packet?.ack?.window).to.equal(99)
        expect(packet?.ack?.ageMs).to.be.closeTo(12.8, 0.07)
        const read = packet?.ack?.ranges ?? []
        expect(read[1]).to.equal(wanted[1])
        for (let index = 0; index < read.length; index += 2) {
          expect(read[index + 1]).to.equal(wanted[index + 1])
          expect(read[index]).to.be.at.least(wanted[index]!)
        }
      })
    )
  })
  it('are refused when anything is missing or too much', () => {
    const datagram = Buffer.alloc(HEADER_BYTES + ackBytes(1))
    writeHeader(datagram, Buffer.alloc(8), ACK, 7)
    writeAck(datagram, HEADER_BYTES, { ageMs: 0, window: 0, ranges: [3, 5] })
    expect(decodePacket(datagram)).to.not.equal(undefined)
    for (let length = 0; length < datagram.length; length++) expect(decodePacket(datagram.subarray(0, length))).to.equal(undefined)
    expect(decodePacket(Buffer.concat([datagram, Buffer.alloc(1)]))).to.equal(undefined)
    writeHeader(datagram, Buffer.alloc(8), DATA, 7)
    expect(decodePacket(datagram.subarray(0, HEADER_BYTES + 6))).to.equal(undefined)
  })
  it('never make the reader throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        decodePacket(Buffer.from(bytes))
      })
    )
  })
})

describe('receive buffer', () => {
  it('gives the stream whatever way it was cut, doubled and mixed', () => {
    const text = Buffer.from(Array.from({ length: 200 }, (_, index) => index))
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(199), fc.integer({ min: 1, max: 40 })), { maxLength: 60 }), (pieces) => {
        const buffer = new ReceiveBuffer(1_000)
        const read: Buffer[] = []
        for (const [start, length] of [...pieces, [0, 200] as const]) {
          const end = Math.min(200, start + length)
          expect(buffer.receive(start, text.subarray(start, end), end === 200)).to.equal(true)
          for (let chunk = buffer.read(50); chunk !== undefined; chunk = buffer.read(50)) read.push(chunk)
        }
        expect(Buffer.concat(read).equals(text)).to.equal(true)
        expect(buffer.drained).to.equal(true)
      })
    )
  })
  it('takes nothing beyond its window, and nothing that moves the end', () => {
    const buffer = new ReceiveBuffer(10)
    expect(buffer.receive(5, Buffer.alloc(6), false)).to.equal(false)
    expect(buffer.receive(0, Buffer.alloc(8), true)).to.equal(true)
    expect(buffer.receive(8, Buffer.alloc(1), false)).to.equal(false)
    expect(buffer.receive(0, Buffer.alloc(7), true)).to.equal(false)
  })
  it('refuses the piece after so many tiny ones', () => {
    const buffer = new ReceiveBuffer(100_000)
    let taken = 0
    for (let at = 1; at < 20_000; at += 2) if (buffer.receive(at, Buffer.alloc(1), false)) taken++
    expect(taken).to.equal(4_096)
  })
})

describe('send buffer', () => {
  it('gives every byte until it is acknowledged, through any number of losses', () => {
    const step = fc.record({ write: fc.nat(3_000), send: fc.nat(4), arrives: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const buffer = new SendBuffer(20_000)
        const written: number[] = []
        const arrived = new Map<number, number>()
        const send = (arrives: boolean): boolean => {
          const part = buffer.next(700, Number.POSITIVE_INFINITY)
          if (part === undefined) return false
          buffer.taken(part)
          const bytes = Buffer.alloc(part.end - part.start - (part.fin ? 1 : 0))
          buffer.copy(part.start, bytes.length, bytes, 0)
          if (arrives) {
            bytes.forEach((byte, index) => arrived.set(part.start + index, byte))
            buffer.acknowledged(part.start, part.end)
          } else buffer.lost(part.start, part.end)
          return true
        }
        for (const { write, send: count, arrives } of steps) {
          const bytes = Buffer.from(Array.from({ length: write }, (_, index) => (written.length + index) % 251))
          for (const byte of bytes.subarray(0, buffer.write(bytes))) written.push(byte)
          for (let index = 0; index < count; index++) send(arrives)
          expect(buffer.bufferedBytes).to.be.at.most(20_000)
        }
        buffer.end()
        while (send(true)) expect(buffer.finished).to.be.a('boolean')
        expect(buffer.finished).to.equal(true)
        expect([...arrived.keys()].length).to.equal(written.length)
        for (const [position, byte] of arrived) expect(byte).to.equal(written[position])
      })
    )
  })
})
