import { expect } from 'chai'
import fc from 'fast-check'
import { TopologyCodec } from '../../dist/topology/topology-codec.js'
import { createRecord } from '../../dist/topology/topology-record.js'
import { randomId, seeded } from './plan-world.ts'

const random = seeded(1)
const id = randomId(random)
const hex = (length: number): fc.Arbitrary<string> =>
  fc
    .array(fc.integer({ min: 0, max: 15 }), { minLength: length, maxLength: length })
    .map((digits) => digits.map((digit) => digit.toString(16)).join(''))
const records = fc
  .record({
    id: hex(64),
    epoch: fc.integer({ min: 0, max: 2 ** 45 - 1 }),
    version: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
    neighbours: fc.uniqueArray(hex(16), { maxLength: 32 }),
    wanted: fc.integer({ min: 0, max: 2 ** 32 - 1 })
  })
  .map(({ id: of, epoch, version, neighbours, wanted }) => createRecord(of, epoch, version, neighbours, wanted))

function text(value: unknown): Uint8Array {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
}

describe('topology messages', () => {
  it('come out as they went in', () => {
    const codec = new TopologyCodec()
    fc.assert(
      fc.property(fc.option(fc.boolean(), { nil: undefined }), fc.array(records, { maxLength: 5 }), (wanted, list) => {
        expect(codec.decode(codec.encode({ wanted, records: list }))).to.deep.equal({ wanted, records: list })
      })
    )
  })

  it('are read from a view into a larger buffer', () => {
    const body = new TopologyCodec().encode({ wanted: true, records: [] })
    const larger = new Uint8Array(body.length + 20)
    larger.set(body, 10)
    expect(new TopologyCodec().decode(larger.subarray(10, 10 + body.length))).to.deep.equal({ wanted: true, records: [] })
  })

  it('ignore members of later versions', () => {
    expect(new TopologyCodec().decode(text({ w: false, later: [1] }))).to.deep.equal({ wanted: false, records: [] })
  })

  it('are refused as a whole when anything is not well formed', () => {
    const codec = new TopologyCodec()
    const good: unknown[] = [id, 1, 2, ['0123456789abcdef'], 1]
    expect(codec.decode(text({ r: [good] }))?.records).to.have.length(1)
    const altered = (index: number, value: unknown): unknown => ({ r: [good, good.with(index, value)] })
    const wrong: unknown[] = [
      '',
      '{',
      'null',
      '[]',
      '1',
      { w: 1 },
      { r: {} },
      { r: [1] },
      { r: [[]] },
      { r: [good.slice(0, 4)] },
      { r: [[...good, 1]] },
      altered(0, id.slice(1)),
      altered(0, id.toUpperCase().replace(/^./, 'A')),
      altered(0, 7),
      altered(1, -1),
      altered(1, 1.5),
      altered(1, 2 ** 45),
      altered(1, '1'),
      altered(2, 2 ** 31),
      altered(2, null),
      altered(3, 'x'),
      altered(3, ['0123456789abcde']),
      altered(3, ['0123456789abcdef', '0123456789abcdef']),
      altered(3, [id.slice(0, 16)]),
      altered(3, [{}]),
      altered(
        3,
        Array.from({ length: 33 }, (_, i) => i.toString(16).padStart(16, '0'))
      ),
      altered(4, 2 ** 32),
      altered(4, -1)
    ]
    for (const value of wrong) expect(codec.decode(text(value)), JSON.stringify(value)).to.equal(undefined)
    expect(codec.decode(text(`{"r":[${' '.repeat(200_000)}]}`))).to.equal(undefined)
  })

  it('never throw, whatever comes', () => {
    const codec = new TopologyCodec()
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.json().map(text)), (body) => {
        codec.decode(body)
      })
    )
  })

  it('need no parsing between peers of one process', () => {
    const codec = new TopologyCodec({ shared: true })
    const message = { wanted: true, records: [createRecord(id, 1, 1, [], 0)] }
    const body = codec.encode(message)
    expect(codec.decode(body)).to.equal(message)
    expect(codec.decode(Uint8Array.from(body))).to.deep.equal(message)
  })
})
