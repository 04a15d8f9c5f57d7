import { expect } from 'chai'
import fc from 'fast-check'
import { decodeSignal, encodeSignal, type Signal } from '../../dist/l2cap/signal-codec.js'

const word = fc.nat(0xffff)
const signals: fc.Arbitrary<Signal> = fc.oneof(
  fc.record({ kind: fc.constant('connectionRequest' as const), psm: word, scid: word, mtu: word, mps: word, credits: word }),
  fc.record({ kind: fc.constant('connectionResponse' as const), dcid: word, mtu: word, mps: word, credits: word, result: word }),
  fc.record({ kind: fc.constant('credit' as const), cid: word, credits: word }),
  fc.record({ kind: fc.constant('disconnectionRequest' as const), dcid: word, scid: word }),
  fc.record({ kind: fc.constant('disconnectionResponse' as const), dcid: word, scid: word }),
  fc.record({ kind: fc.constant('reject' as const), reason: word }),
  fc.record({ kind: fc.constant('reject' as const), reason: fc.constant(2), cids: fc.tuple(word, word) })
)

describe('codec of L2CAP commands', () => {
  it('writes what the Core Specification says, and reads it', () => {
    // The two answers were recorded on the air between this computer's kernel and a program (ble.md §4).
    for (const [hex, signal] of [
      ['15010a00000000000000000002 00', { kind: 'connectionResponse', dcid: 0, mtu: 0, mps: 0, credits: 0, result: 2 }],
      ['15010a00400000 08f70040000000', { kind: 'connectionResponse', dcid: 0x40, mtu: 2048, mps: 247, credits: 64, result: 0 }],
      ['14010a0080004100 0008f7004000', { kind: 'connectionRequest', psm: 0x80, scid: 0x41, mtu: 2048, mps: 247, credits: 64 }],
      ['1601040041002000', { kind: 'credit', cid: 0x41, credits: 32 }],
      ['0601040040004100', { kind: 'disconnectionRequest', dcid: 0x40, scid: 0x41 }],
      ['0701040040004100', { kind: 'disconnectionResponse', dcid: 0x40, scid: 0x41 }],
      ['010102000000', { kind: 'reject', reason: 0 }],
      ['01010600020040004100', { kind: 'reject', reason: 2, cids: [0x40, 0x41] }]
    ] as ReadonlyArray<readonly [string, Signal]>) {
      const bytes = hex.replaceAll(' ', '')
      expect(encodeSignal({ identifier: 1, signal }).toString('hex')).to.equal(bytes)
      expect(decodeSignal(Buffer.from(bytes, 'hex'))).to.deep.equal({ identifier: 1, signal })
    }
  })

  it('reads what it wrote', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 255 }), signals, (identifier, signal) => {
        expect(decodeSignal(encodeSignal({ identifier, signal }))).to.deep.equal({ identifier, signal })
      })
    )
  })

  it('never throws, and answers nothing that has no identifier', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), (bytes) => {
        const decoded = decodeSignal(Buffer.from(bytes))
        if ('identifier' in decoded) expect(decoded.identifier).to.be.within(1, 255)
      }),
      { numRuns: 2_000 }
    )
  })

  it('never throws for commands that were cut, lengthened or changed in one place', () => {
    fc.assert(
      fc.property(signals, fc.nat(16), fc.nat(255), fc.integer({ min: -8, max: 8 }), (signal, at, value, change) => {
        const bytes = encodeSignal({ identifier: 7, signal })
        bytes[at % bytes.length] = value
        const changed = change < 0 ? bytes.subarray(0, Math.max(0, bytes.length + change)) : Buffer.concat([bytes, Buffer.alloc(change)])
        decodeSignal(changed)
      }),
      { numRuns: 2_000 }
    )
  })

  it('leaves parameter updates to others, whatever is in them', () => {
    for (const hex of ['12010800060006000000c800', '1301020000 00', '12000000'])
      expect(decodeSignal(Buffer.from(hex.replaceAll(' ', ''), 'hex'))).to.deep.equal({ signal: 'parameterUpdate' })
  })

  it('rejects commands it does not know, and those of a wrong length, but no answers', () => {
    for (const hex of [
      '0a01020002 00',
      '1701080080002000200001 00',
      '06010400400041',
      '0601050040004100',
      '0601030040004100',
      '060102004000',
      '16010600410001000000',
      '1401000000'
    ])
      expect(decodeSignal(Buffer.from(hex.replaceAll(' ', ''), 'hex')), hex).to.deep.equal({ signal: 'unknown', identifier: 1 })
    for (const hex of ['0b010200 0200', '1801020000 00', '150102000000', '0701020000 00', '01010000', '0600040040004100', '060104', ''])
      expect(decodeSignal(Buffer.from(hex.replaceAll(' ', ''), 'hex')), hex).to.deep.equal({ signal: 'ignored' })
  })
})
