import { Buffer } from 'node:buffer'
import { expect } from 'chai'
import fc from 'fast-check'
import { metadataFromItems, decodeTxt } from '@kithmesh/core'
import { rrType } from '../dist/rdata.js'
import { MessageWriter, decodeMessage } from '../dist/dns-message.js'
import type { Message, ResourceRecord } from '../dist/dns-message.js'

const records: ResourceRecord[] = [
  {
    name: 'g\\.h._sub._couchbaseP2P._tcp.local',
    ttl: 4500,
    flush: false,
    data: { type: rrType.PTR, target: 'Shop\\. 1._couchbaseP2P._tcp.local' }
  },
  {
    name: 'Shop\\. 1._couchbaseP2P._tcp.local',
    ttl: 120,
    flush: true,
    data: { type: rrType.SRV, priority: 0, weight: 0, port: 4984, target: 'shop.local' }
  },
  { name: 'Shop\\. 1._couchbaseP2P._tcp.local', ttl: 4500, flush: true, data: { type: rrType.TXT, bytes: Buffer.from('\x03a=1') } },
  { name: 'shop.local', ttl: 120, flush: true, data: { type: rrType.A, address: '192.0.2.7' } },
  { name: 'shop.local', ttl: 0xfffffff0, flush: true, data: { type: rrType.AAAA, address: 'fe80::1:0:0:5' } }
]

function message(): Buffer {
  const writer = new MessageWriter(1400)
  writer.addQuestion({ name: '_couchbaseP2P._tcp.local', type: rrType.PTR, unicast: true })
  for (const record of records) writer.add('answers', record)
  return writer.finish({ response: true, id: 7 })
}

describe('DNS messages', () => {
  it('are read as they were written', () => {
    const decoded = decodeMessage(message()) as Message
    expect(decoded).to.deep.include({ id: 7, response: true, truncated: false })
    expect(decoded.questions).to.deep.equal([{ name: '_couchbaseP2P._tcp.local', type: rrType.PTR, unicast: true }])
    expect(decoded.answers).to.deep.equal(records)
  })
  it('are written with compressed names', () => {
    expect(message().length).to.be.below(230)
    expect(message().toString('latin1').split('_couchbaseP2P').length - 1).to.equal(1)
  })
  it('write the type bitmap of NSEC as RFC 4034 wants it', () => {
    const writer = new MessageWriter(100)
    writer.add('answers', {
      name: 'a.local',
      ttl: 120,
      flush: true,
      data: { type: rrType.NSEC, next: 'a.local', types: [rrType.TXT, rrType.SRV] }
    })
    expect(writer.finish({ response: true }).subarray(-9)).to.deep.equal(Buffer.from([0xc0, 12, 0, 5, 0, 0, 0x80, 0, 0x40]))
  })
  it('refuse a record that does not fit, and stay whole', () => {
    const writer = new MessageWriter(80)
    expect(writer.add('answers', records[0]!)).to.equal(true)
    expect(writer.add('answers', records[1]!)).to.equal(false)
    expect(writer.add('answers', { name: 'x'.repeat(64), ttl: 1, flush: false, data: { type: rrType.A, address: '192.0.2.1' } })).to.equal(
      false
    )
    expect(decodeMessage(writer.finish({ response: true }))?.answers).to.deep.equal([records[0]])
  })
  it('skip records of unknown types and classes, and data that does not fit its type', () => {
    const packet = Buffer.from(message())
    const decoded = decodeMessage(packet) as Message
    packet.writeUInt16BE(99, packet.indexOf(Buffer.from([0, rrType.SRV, 0x80, 1])))
    expect((decodeMessage(packet) as Message).answers.length).to.equal(decoded.answers.length - 1)
  })
  it('have IPv6 addresses in their usual text form', () => {
    const packet = (address: string): Buffer => {
      const writer = new MessageWriter(100)
      expect(writer.add('answers', { name: 'a.local', ttl: 120, flush: true, data: { type: rrType.AAAA, address } })).to.equal(true)
      return writer.finish({ response: true })
    }
    const read = (bytes: Buffer): unknown => (decodeMessage(bytes) as Message).answers[0]?.data
    for (const text of ['::', '::1', 'fe80::1', '2001:db8::1:0:0:1', '1:2:3:4:5:6:7:8', 'fd00:0:1::', '::ffff:192.0.2.1'])
      expect(read(packet(text))).to.deep.equal({ type: rrType.AAAA, address: text })
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const { address } = read(packet(text)) as { address: string }
        expect(packet(address)).to.deep.equal(packet(text))
      })
    )
  })
  it('refuse a text that is no address of the kind that the record has', () => {
    const writer = new MessageWriter(100)
    for (const [type, address] of [
      [rrType.AAAA, '1:2'],
      [rrType.AAAA, '192.0.2.1'],
      [rrType.A, '2001:db8::1'],
      [rrType.A, '1.2.3']
    ] as const)
      expect(writer.add('answers', { name: 'a.local', ttl: 120, flush: true, data: { type, address } }), address).to.equal(false)
    expect(writer.empty).to.equal(true)
  })
})

describe('hostile packets', () => {
  it('of random bytes are refused or read, never thrown over', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        decodeMessage(Buffer.from(bytes))
      }),
      { numRuns: 3000 }
    )
  })
  it('made of good ones by changing bytes are refused or read, and what is read can be written', () => {
    const good = message()
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        fc.nat(good.length),
        (changes, cut) => {
          const bytes = Buffer.from(good)
          for (const [at, value] of changes) bytes[at] = value
          for (const packet of [bytes, bytes.subarray(0, cut)]) {
            const decoded = decodeMessage(packet)
            if (decoded === undefined) continue
            const writer = new MessageWriter(9000)
            for (const question of decoded.questions) expect(writer.addQuestion(question)).to.equal(true)
            for (const record of decoded.answers) expect(writer.add('answers', record)).to.equal(true)
            for (const record of decoded.additionals) expect(writer.add('additionals', record)).to.equal(true)
            expect(decodeMessage(writer.finish({ response: true }))?.answers).to.deep.equal(decoded.answers)
          }
        }
      ),
      { numRuns: 3000 }
    )
  })
  it('with pointer loops, forward pointers, endless names and huge counts are refused', () => {
    const header = Buffer.from([0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0])
    const tail = Buffer.from([0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 1, 2, 3, 4])
    for (const name of [[0xc0, 12], [0xc0, 14, 0xc0, 12], [0xc0, 200], [1, 0x61, 0xc0, 12], [0x80, 0], [63]]) {
      expect(decodeMessage(Buffer.concat([header, Buffer.from(name), tail]))).to.equal(undefined)
    }
    const long = Buffer.concat(Array.from({ length: 5 }, () => Buffer.concat([Buffer.from([62]), Buffer.alloc(62, 0x61)])))
    expect(decodeMessage(Buffer.concat([header, long, Buffer.from([0]), tail]))).to.equal(undefined)
    expect(decodeMessage(Buffer.from([0, 0, 0x84, 0, 255, 255, 255, 255, 255, 255, 255, 255]))).to.equal(undefined)
    expect(decodeMessage(Buffer.alloc(11))).to.equal(undefined)
  })
  it('whose names all lead through one long chain of pointers are refused', () => {
    const record = (name: Buffer, data: Buffer): Buffer =>
      Buffer.concat([name, Buffer.from([3, 0xe7, 0, 1, 0, 0, 0, 1, data.length >> 8, data.length & 255]), data])
    const pointer = (to: number): Buffer => Buffer.from([0xc0 | (to >> 8), to & 255])
    // The data of an unknown type is skipped, so that it may hold the chain: the end of a name, and pointers, each to the one before.
    const start = 12 + 11
    const message = (links: number, names: number): Buffer => {
      const chain: Buffer[] = [Buffer.from([0])]
      for (let link = 0, to = start; link < links; to = start + 1 + 2 * link, link++) chain.push(pointer(to))
      const last = start + 1 + 2 * (links - 1)
      const records = [
        record(Buffer.from([0]), Buffer.concat(chain)),
        ...Array.from({ length: names }, () => record(pointer(last), Buffer.alloc(0)))
      ]
      return Buffer.concat([Buffer.from([0, 0, 0x84, 0, 0, 0, records.length >> 8, records.length & 255, 0, 0, 0, 0]), ...records])
    }
    expect(decodeMessage(message(100, 100))?.answers).to.deep.equal([])
    expect(decodeMessage(message(2_000, 400))).to.equal(undefined)
    expect(decodeMessage(message(8_000, 4_000))).to.equal(undefined)
  })
  it('with an opcode or a response code are ignored (RFC 6762 §18)', () => {
    const packet = Buffer.from(message())
    packet[3] = 3
    expect(decodeMessage(packet)).to.equal(undefined)
    packet[3] = 0
    packet[2] = 0x84 | 0x08
    expect(decodeMessage(packet)).to.equal(undefined)
  })
  it('with malformed TXT data yield metadata without the malformed items', () => {
    expect([...decodeTxt(Buffer.from([3, 0x61, 0x3d, 0x31, 200, 0x62])).keys()]).to.deep.equal(['a'])
    expect(metadataFromItems([]).size).to.equal(0)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        decodeTxt(bytes)
      })
    )
  })
})
