import { expect } from 'chai'
import fc from 'fast-check'
import {
  StreamDeframer,
  canonicalAddress,
  decodeChannelData,
  encodeChannelData,
  encodeMessage,
  isChannelData,
  newTransactionId,
  sameTransportAddress
} from '@kithmesh/stun'
import { isKithmeshError } from '@kithmesh/core'

function framesOf(chunks: readonly Uint8Array[], deframer = new StreamDeframer()): Buffer[] {
  const frames: Buffer[] = []
  for (const chunk of chunks) {
    deframer.push(chunk)
    for (let frame = deframer.next(); frame !== undefined; frame = deframer.next()) frames.push(frame)
  }
  return frames
}

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  let at = 0
  for (const size of sizes) {
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return [...chunks, bytes.subarray(at)]
}

describe('Frames on a stream', () => {
  const frame = fc.oneof(
    fc
      .record({ channel: fc.integer({ min: 0x4000, max: 0x4fff }), data: fc.uint8Array({ maxLength: 50 }) })
      .map((value) => encodeChannelData(value, true)),
    fc
      .uint8Array({ maxLength: 50 })
      .map((data) => encodeMessage({ method: 'data', messageClass: 'indication', transactionId: newTransactionId(), attributes: { data } }))
  )

  it('come out as they went in, however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 6 }), fc.array(fc.nat({ max: 30 }), { maxLength: 40 }), (frames, sizes) => {
        expect(framesOf(cut(Buffer.concat(frames), sizes))).to.deep.equal(frames)
      }),
      { numRuns: 300 }
    )
  })

  it('come out byte by byte at a cost that grows with the bytes only', () => {
    const whole = encodeMessage({
      method: 'data',
      messageClass: 'indication',
      transactionId: newTransactionId(),
      attributes: { data: Buffer.alloc(65_000) }
    })
    const single = Array.from(whole, (byte) => Buffer.from([byte]))
    expect(framesOf(single)).to.deep.equal([whole])
  })

  it('end with ERR_STUN_MALFORMED where neither STUN nor a channel begins, or the bound is passed', () => {
    for (const [bytes, reason, channels] of [
      [Buffer.from('HTTP/1.1 400 Bad Request\r\n'), 'no channel in use', []],
      [Buffer.from([0x50, 0, 0, 0]), 'no channel in use', [0x5000]],
      [Buffer.from([0x80, 0, 0, 0]), 'neither', []],
      [Buffer.from([0x00, 1, 0, 3]), 'multiple of 4', []],
      [Buffer.from([0x00, 1, 0x7f, 0xfc]), 'more than 1000', []],
      [Buffer.from([0x40, 1, 0x7f, 0xff]), 'more than 1000', [0x4001]]
    ] as const) {
      let thrown: unknown
      try {
        framesOf([bytes], new StreamDeframer(1000, (channel) => (channels as readonly number[]).includes(channel)))
      } catch (error) {
        thrown = error
      }
      expect(thrown, reason).to.satisfy(
        (error: unknown) => isKithmeshError(error, 'ERR_STUN_MALFORMED') && String(error.details['reason']).includes(reason)
      )
    }
  })

  it('give back what follows the last frame', () => {
    const deframer = new StreamDeframer()
    const message = encodeMessage({ method: 'connectionBind', messageClass: 'success', transactionId: newTransactionId(), attributes: {} })
    deframer.push(Buffer.concat([message, Buffer.from('hello ')]))
    expect(deframer.next()).to.deep.equal(message)
    deframer.push(Buffer.from('world'))
    expect(deframer.rest().toString()).to.equal('hello world')
    expect(deframer.rest()).to.have.length(0)
  })

  it('of random bytes are frames, nothing yet, or ERR_STUN_MALFORMED', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 }), (chunks) => {
        try {
          framesOf(chunks)
        } catch (error) {
          if (!isKithmeshError(error, 'ERR_STUN_MALFORMED')) throw error
        }
      }),
      { numRuns: 500 }
    )
  })
})

describe('Channel data', () => {
  it('are padded over streams and not over UDP', () => {
    const value = { channel: 0x4001, data: Buffer.from('12345') }
    expect(encodeChannelData(value, false).toString('hex')).to.equal('400100053132333435')
    expect(encodeChannelData(value, true).toString('hex')).to.equal('400100053132333435000000')
    for (const padded of [true, false]) expect(decodeChannelData(encodeChannelData(value, padded))).to.deep.equal(value)
    expect(isChannelData(encodeChannelData(value, false))).to.equal(true)
  })

  it('of random bytes are read or refused with ERR_STUN_MALFORMED', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          const { channel, data } = decodeChannelData(bytes)
          expect(channel).to.be.within(0x4000, 0x4fff)
          expect(data.length).to.be.at.most(bytes.length - 4)
        } catch (error) {
          if (!isKithmeshError(error, 'ERR_STUN_MALFORMED')) throw error
        }
      }),
      { numRuns: 500 }
    )
    expect(() => encodeChannelData({ channel: 0x5000, data: Buffer.alloc(0) }, false)).to.throw(TypeError)
    expect(() => encodeChannelData({ channel: 0x4000, data: Buffer.alloc(65_536) }, false)).to.throw(TypeError)
  })
})

describe('Transport addresses', () => {
  it('are the same in every spelling', () => {
    expect(canonicalAddress('2001:DB8:0:0::0001')).to.equal('2001:db8::1')
    expect(canonicalAddress('::ffff:192.0.2.1')).to.equal('192.0.2.1')
    expect(canonicalAddress('fe80::1%eth0')).to.equal('fe80::1')
    expect(sameTransportAddress({ address: '::1', port: 1 }, { address: '0:0:0:0:0:0:0:1', port: 1 })).to.equal(true)
    expect(sameTransportAddress({ address: '::1', port: 1 }, { address: '::1', port: 2 })).to.equal(false)
    expect(sameTransportAddress({ address: '192.0.2.1', port: 1 }, { address: '192.0.2.2', port: 1 })).to.equal(false)
  })
})
