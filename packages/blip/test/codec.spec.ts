import zlib from 'node:zlib'
import { errorCode } from '@kithmesh/core'
import { expect } from 'chai'
import fc from 'fast-check'
import { chooseCrc32, tableCrc32 } from '../dist/checksum.js'
import { chooseZlib, nodeZlib, pakoZlib, zlibWorks } from '../dist/deflate.js'
import { COMPRESSED, MORE_COMING } from '../dist/frame.js'
import { FrameDecoder } from '../dist/frame-decoder.js'
import { FrameEncoder } from '../dist/frame-encoder.js'
import { parseProperties, PropertiesParser, propertiesBlock } from '../dist/properties.js'
import { readVarint, varintLength, writeVarint } from '../dist/varint.js'

function hexBytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(/\s+/g, ''), 'hex')
}

function codeOf(run: () => unknown): string | undefined {
  try {
    run()
  } catch (error) {
    return errorCode(error) ?? (error as Error).name
  }
  return undefined
}

describe('BLIP varints (blip.md §2)', () => {
  const table: [number, string][] = [
    [0, '00'],
    [127, '7f'],
    [128, '8001'],
    [300, 'ac02'],
    [50_000, 'd08603'],
    [128_000, '80e807'],
    [2 ** 32, '8080808010'],
    [Number.MAX_SAFE_INTEGER, 'ffffffffffffff0f']
  ]
  for (const [value, hex] of table) {
    it(`writes and reads ${value} as ${hex}`, () => {
      const bytes = Buffer.alloc(12)
      expect(bytes.subarray(0, writeVarint(bytes, 0, value)).toString('hex')).to.equal(hex)
      expect(varintLength(value)).to.equal(hex.length / 2)
      const cursor = { position: 0 }
      expect(readVarint(bytes, cursor, 12)).to.equal(value)
      expect(cursor.position).to.equal(hex.length / 2)
    })
  }

  it('rejects numbers that are cut off, have more than ten bytes, or exceed 2^53', () => {
    for (const hex of ['', '80', 'ffff', '8080808080808080808001', 'ffffffffffffff1f']) {
      const bytes = hexBytes(hex)
      expect(
        codeOf(() => readVarint(bytes, { position: 0 }, bytes.length)),
        hex
      ).to.equal('ERR_BLIP_FRAME')
    }
  })

  it('reads exactly what the bytes say, however long they say it, or nothing', () => {
    const middle = fc.integer({ min: 0x80, max: 0xff })
    fc.assert(
      fc.property(fc.array(middle, { maxLength: 11 }), fc.integer({ min: 0, max: 0x7f }), fc.nat(2), (more, last, behind) => {
        const bytes = Buffer.from([...more, last])
        const value = bytes.reduceRight((sum, byte) => (sum << 7n) | BigInt(byte & 0x7f), 0n)
        const cursor = { position: 0 }
        if (bytes.length > 10 || value > BigInt(Number.MAX_SAFE_INTEGER)) {
          expect(codeOf(() => readVarint(bytes, cursor, bytes.length))).to.equal('ERR_BLIP_FRAME')
          expect(cursor.position).to.equal(0)
        } else {
          expect(BigInt(readVarint(Buffer.concat([bytes, Buffer.alloc(behind, 0x80)]), cursor, bytes.length + behind))).to.equal(value)
          expect(cursor.position).to.equal(bytes.length)
        }
      }),
      {
        examples: [
          [[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80], 0x10, 0],
          [[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 0x0f, 2],
          [[0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80], 0x10, 0],
          [[0x85, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80], 0, 1]
        ]
      }
    )
  })

  it('survives a round trip', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        const bytes = Buffer.alloc(10)
        const end = writeVarint(bytes, 0, value)
        return readVarint(bytes, { position: 0 }, end) === value
      })
    )
  })
})

describe('BLIP checksums (blip.md §6)', () => {
  it("equal zlib's, natively and by table, in pieces too", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), fc.nat(), (bytes, cut) => {
        const middle = bytes.length === 0 ? 0 : cut % bytes.length
        for (const crc32 of [tableCrc32, chooseCrc32(), chooseCrc32(undefined), chooseCrc32('no function')]) {
          const whole = crc32(bytes, 0, bytes.length, 0)
          expect(whole).to.equal(zlib.crc32(bytes))
          expect(crc32(bytes, middle, bytes.length, crc32(bytes, 0, middle, 0))).to.equal(whole)
        }
      })
    )
  })
})

describe('BLIP properties (blip.md §4)', () => {
  it('keeps order, and any keys and values without NUL', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' })), { maxLength: 20 }), (pairs) => {
        const properties: Record<string, string> = Object.create(null) as Record<string, string>
        for (const [key, value] of pairs) if (!key.includes('\0') && !value.includes('\0')) properties[key] = value
        const bytes = Buffer.from(propertiesBlock(undefined, properties))
        const parsed = parseProperties(bytes, 0, bytes.length)
        expect(Object.entries(parsed)).to.deep.equal(Object.entries(properties))
      })
    )
  })

  it('treats names of built-in members as names like any other', () => {
    const bytes = Buffer.from('__proto__\0x\0toString\0y\0constructor\0z\0')
    const parsed = parseProperties(bytes, 0, bytes.length)
    expect(Object.keys(parsed)).to.deep.equal(['__proto__', 'toString', 'constructor'])
    expect(Object.values(parsed)).to.deep.equal(['x', 'y', 'z'])
    expect(parseProperties(bytes, 0, 0).toString).to.equal(undefined)
  })

  const malformed: [string, Buffer][] = [
    ['no NUL at the end', Buffer.from('a\0b')],
    ['a key without a value', Buffer.from('a\0b\0c\0')],
    ['only a key', Buffer.from('a\0')],
    ['a key twice', Buffer.from('a\0b\0a\0c\0')],
    ['an overlong UTF-8 form', Buffer.from([0x61, 0, 0xc0, 0x80, 0])],
    ['a lone continuation byte', Buffer.from([0x61, 0, 0x80, 0])],
    ['an encoded surrogate', Buffer.from([0x61, 0, 0xed, 0xa0, 0x80, 0])]
  ]
  for (const [what, bytes] of malformed) {
    it(`rejects ${what}`, () => {
      expect(codeOf(() => parseProperties(bytes, 0, bytes.length))).to.equal('ERR_BLIP_PROPERTIES')
    })
  }

  it('parses in pieces of any size, and reserves nothing for an announced length', () => {
    const value = 'é'.repeat(40_000)
    const content = Buffer.alloc(90_000)
    const head = Buffer.from(propertiesBlock('rev', { long: value }))
    const start = writeVarint(content, 0, head.length)
    content.set(head, start)
    content.write('BODY', start + head.length)
    const end = start + head.length + 4
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1 }), (sizes) => {
        const parser = new PropertiesParser()
        let position = 0
        for (let i = 0; ; i++) {
          const next = Math.min(end, position + sizes[i % sizes.length]!)
          const parsed = parser.push(content, position, next)
          if (parsed !== undefined) {
            expect(parsed.properties.long).to.equal(value)
            expect(content.toString('latin1', parsed.next, end)).to.equal('BODY')
            return
          }
          position = next
          expect(position).to.be.below(end)
        }
      }),
      { numRuns: 20 }
    )
  })

  it('parses byte by byte', () => {
    const content = Buffer.from('\x08a\0b\0c\0d\0rest')
    const parser = new PropertiesParser()
    for (let i = 0; i < 8; i++) expect(parser.push(content, i, i + 1)).to.equal(undefined)
    expect({ ...parser.push(content, 8, 9)?.properties }).to.deep.equal({ a: 'b', c: 'd' })
  })

  it('rejects an announced length above 100 KiB at once', () => {
    for (const hex of ['81a006', 'ffffffffffffffff7f', '8080808080808080808001']) {
      expect(
        codeOf(() => new PropertiesParser().push(hexBytes(hex), 0, hex.length / 2)),
        hex
      ).to.equal('ERR_BLIP_PROPERTIES')
    }
    expect(codeOf(() => new PropertiesParser().push(hexBytes('80a006'), 0, 3))).to.equal(undefined)
  })

  it('refuses to send NUL, no strings, the profile twice, and more than 100 KiB', () => {
    expect(codeOf(() => propertiesBlock('a\0b', {}))).to.equal('TypeError')
    expect(codeOf(() => propertiesBlock('a', { 'k\0': 'v' }))).to.equal('TypeError')
    expect(codeOf(() => propertiesBlock('a', { k: '\0' }))).to.equal('TypeError')
    expect(codeOf(() => propertiesBlock('a', { k: 1 as unknown as string }))).to.equal('TypeError')
    expect(codeOf(() => propertiesBlock('a', { Profile: 'b' }))).to.equal('TypeError')
    expect(codeOf(() => propertiesBlock('a', { k: 'x'.repeat(102_400) }))).to.equal('ERR_BLIP_PROPERTIES')
    expect(codeOf(() => propertiesBlock('a', { k: 'x'.repeat(102_000) }))).to.equal(undefined)
  })
})

describe('synchronous deflate', () => {
  for (const factory of [nodeZlib, pakoZlib]) {
    it(`works with ${factory.name}`, () => {
      expect(zlibWorks(factory)).to.equal(true)
      expect(chooseZlib(factory)).to.equal(factory)
    })
  }

  it('falls back when the preferred one is not usable', () => {
    const broken = {
      name: 'broken',
      deflate: () => {
        throw new Error('changed')
      },
      inflate: nodeZlib.inflate
    }
    const forgetful = { name: 'forgetful', deflate: nodeZlib.deflate, inflate: () => ({ ...nodeZlib.inflate(), write() {} }) }
    expect(chooseZlib(broken)).to.equal(pakoZlib)
    expect(chooseZlib(forgetful)).to.equal(pakoZlib)
  })

  it('gives the same bytes with both, and each reads the other', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 3000 }), { minLength: 1, maxLength: 8 }),
        fc.boolean(),
        (bodies, swap) => {
          const encoders = [new FrameEncoder({ zlib: nodeZlib }), new FrameEncoder({ zlib: pakoZlib })]
          const decoders = [new FrameDecoder({ zlib: nodeZlib }), new FrameDecoder({ zlib: pakoZlib })]
          if (swap) decoders.reverse()
          for (const body of bodies) {
            const frames = encoders.map((encoder) => encoder.encode(1, COMPRESSED, undefined, body))
            expect(frames[0]!.equals(frames[1]!)).to.equal(true)
            frames.forEach((frame, i) => {
              const decoded = decoders[i]!.decode(Buffer.from(frame))
              expect(decoded.content.subarray(decoded.start, decoded.end).equals(body)).to.equal(true)
            })
          }
          for (const codec of [...encoders, ...decoders]) codec.close()
        }
      ),
      { numRuns: 50 }
    )
  })
})

describe('BLIP frames, worked bytes (blip.md §15)', () => {
  const getCheckpoint = propertiesBlock('getCheckpoint', { client: 'cp-x' })
  const subChanges = propertiesBlock('subChanges', { continuous: 'true', batch: '200' })
  const changes = propertiesBlock('changes', undefined)
  const example1 = '0100 2250726f66696c6500676574436865636b706f696e7400 636c69656e7400 63702d7800 c42c8916'
  const example2 = '0230 10 50726f66696c6500 6368616e67657300 5b5d 92d05aaf'
  const example4 = '0308 d20d28ca4fcbcc4965282e4d72ce48cc4b4f2d6648cecf2bc9cc2bcd2f2d6628292a4d65484a2c49ce60303230600000 aca4f4ff'
  const example5 = '0408 d225493500 81ee6041'

  for (const zlib of [nodeZlib, pakoZlib]) {
    it(`encodes examples 1, 2, 4 and 5 on one direction with ${zlib.name}`, () => {
      const encoder = new FrameEncoder({ zlib })
      expect(encoder.encode(1, 0, getCheckpoint)).to.deep.equal(hexBytes(example1))
      expect(encoder.encode(2, 0x30, changes, Buffer.from('[]'))).to.deep.equal(hexBytes(example2))
      expect(encoder.encode(3, 0x08, subChanges)).to.deep.equal(hexBytes(example4))
      expect(encoder.encode(4, 0x08, subChanges)).to.deep.equal(hexBytes(example5))
      encoder.close()
    })

    it(`decodes them with ${zlib.name}, leaving the received bytes as they were`, () => {
      const decoder = new FrameDecoder({ zlib })
      for (const [hex, head, body] of [
        [example1, getCheckpoint, ''],
        [example2, changes, '[]'],
        [example4, subChanges, ''],
        [example5, subChanges, '']
      ] as const) {
        const bytes = hexBytes(hex)
        const frame = decoder.decode(bytes)
        const parsed = new PropertiesParser().push(frame.content, frame.start, frame.end)
        expect(propertiesBlock(undefined, parsed?.properties)).to.equal(head)
        expect(frame.content.toString('utf8', parsed?.next, frame.end)).to.equal(body)
        expect(bytes).to.deep.equal(hexBytes(hex))
      }
      decoder.close()
    })
  }

  it('encodes the error reply of example 3', () => {
    const head = propertiesBlock(undefined, { 'Error-Domain': 'HTTP', 'Error-Code': '404' })
    expect(new FrameEncoder().encode(1, 2, head, Buffer.from('missing'))).to.deep.equal(
      hexBytes('0102 21 4572726f722d446f6d61696e00 4854545000 4572726f722d436f646500 34303400 6d697373696e67 9210debc')
    )
  })

  it('encodes the empty reply of example 6', () => {
    expect(new FrameEncoder().encode(1, 1, '')).to.deep.equal(hexBytes('0101 00 d202ef8d'))
  })

  it('encodes the two frames of example 7', () => {
    const encoder = new FrameEncoder()
    const body = Buffer.from('aaaaaaaaaabbbbbbbbbb')
    expect(encoder.encode(1, MORE_COMING, '', body, 0, 10)).to.deep.equal(hexBytes('0140 00 61616161616161616161 c41c146a'))
    expect(encoder.encode(1, 0, undefined, body, 10, 20)).to.deep.equal(hexBytes('0100 62626262626262626262 668054c0'))
  })

  it('encodes and decodes the acknowledgements of example 8', () => {
    const encoder = new FrameEncoder()
    const decoder = new FrameDecoder()
    for (const [number, type, total, hex] of [
      [7, 5, 50_011, '0735db8603'],
      [300, 4, 65_535, 'ac0234ffff03']
    ] as const) {
      const bytes = encoder.encodeAck(number, type, total)
      expect(bytes).to.deep.equal(hexBytes(hex))
      expect(decoder.decode(bytes)).to.include({ number, type, ackBytes: total })
    }
  })

  it('writes properties of any length, ASCII or not', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 6000 }), fc.boolean(), (value, compressed) => {
        const head = propertiesBlock('p', { value: value.replaceAll('\0', '') })
        const frame = new FrameDecoder().decode(new FrameEncoder().encode(1, compressed ? COMPRESSED : 0, head, Buffer.from('body')))
        const parsed = new PropertiesParser().push(frame.content, frame.start, frame.end)
        expect(parsed?.properties.value).to.equal(value.replaceAll('\0', ''))
        expect(frame.content.toString('utf8', parsed?.next, frame.end)).to.equal('body')
      }),
      { numRuns: 50 }
    )
  })

  it('never touches a frame again', () => {
    const encoder = new FrameEncoder()
    const frames: Buffer[] = []
    const copies: Buffer[] = []
    for (let i = 0; i < 200; i++) {
      const frame =
        i % 5 === 0
          ? encoder.encodeAck(i, 4, i * 1000)
          : encoder.encode(i, i % 3 === 0 ? COMPRESSED : 0, propertiesBlock('p', { i: String(i) }), Buffer.alloc(i * 40, i))
      frames.push(frame)
      copies.push(Buffer.from(frame))
    }
    expect(frames).to.deep.equal(copies)
  })

  it('refuses to compress nothing', () => {
    expect(() => new FrameEncoder().encode(1, COMPRESSED, undefined)).to.throw(TypeError)
  })

  it('keeps what was decoded when the next frames are decoded', () => {
    const encoder = new FrameEncoder()
    const decoder = new FrameDecoder()
    const first = decoder.decode(encoder.encode(1, COMPRESSED, undefined, Buffer.from('first content')))
    const { content, start, end } = first
    for (let i = 0; i < 100; i++) decoder.decode(encoder.encode(2, COMPRESSED, undefined, Buffer.alloc(3000, i)))
    expect(content.toString('utf8', start, end)).to.equal('first content')
  })

  it('ignores the content of frame types that do not exist', () => {
    for (const type of [3, 6, 7]) expect(new FrameDecoder().decode(Buffer.from([1, type, 1, 2, 3]))).to.include({ ignored: true })
  })
})

describe('inflating what a peer sends', () => {
  for (const factory of [nodeZlib, pakoZlib]) {
    function bomb(bytes: number): Buffer {
      const packed = zlib.deflateRawSync(Buffer.alloc(bytes), { finishFlush: zlib.constants.Z_SYNC_FLUSH })
      return Buffer.concat([Buffer.from([1, COMPRESSED]), packed.subarray(0, -4), Buffer.alloc(4)])
    }

    it(`stops at the limit of a frame (${factory.name})`, () => {
      const frame = bomb(40_000_000)
      expect(frame.length).to.be.below(65_536)
      expect(codeOf(() => new FrameDecoder({ zlib: factory }).decode(frame))).to.equal('ERR_BLIP_LIMIT')
    })

    it(`stops where it is told (${factory.name})`, () => {
      const inflate = (maxInflatedFrameBytes: number): string | undefined =>
        codeOf(() => new FrameDecoder({ zlib: factory, maxInflatedFrameBytes }).decode(bomb(100_000)))
      expect(inflate(99_999)).to.equal('ERR_BLIP_LIMIT')
      // Whole, but without the checksum of a real frame.
      expect(inflate(100_000)).to.equal('ERR_BLIP_CHECKSUM')
    })

    it(`keeps no more than the allowance, yet checks everything (${factory.name})`, () => {
      const content = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i % 251) ^ (i >> 9)))
      const encoder = new FrameEncoder()
      const frame = encoder.encode(1, COMPRESSED, undefined, content)
      const decoder = new FrameDecoder({ zlib: factory })
      const decoded = decoder.decode(frame, () => 1000)
      expect(decoded.cut).to.equal(true)
      expect(decoded.content.subarray(decoded.start, decoded.end).equals(content.subarray(0, 1000))).to.equal(true)
      // Checksum and history go on as if all had been kept.
      const next = decoder.decode(encoder.encode(1, COMPRESSED, undefined, content.subarray(290_000)), () => 20_000)
      expect(next.cut).to.equal(false)
      expect(next.content.subarray(next.start, next.end).equals(content.subarray(290_000))).to.equal(true)
    })

    it(`rejects rubbish and a stream that ended (${factory.name})`, () => {
      expect(codeOf(() => new FrameDecoder({ zlib: factory }).decode(hexBytes('0108 ffffffffffff 00000000')))).to.equal(
        'ERR_BLIP_COMPRESSION'
      )
      const ended = Buffer.concat([Buffer.from([1, COMPRESSED]), zlib.deflateRawSync('the end'), Buffer.alloc(4)])
      expect(codeOf(() => new FrameDecoder({ zlib: factory }).decode(ended))).to.equal('ERR_BLIP_COMPRESSION')
    })
  }
})
