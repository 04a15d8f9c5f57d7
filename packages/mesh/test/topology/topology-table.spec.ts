import { expect } from 'chai'
import { TopologyCodec } from '../../dist/topology/topology-codec.js'
import { type TopologyRecord, createRecord, keyOf, linkRank } from '../../dist/topology/topology-record.js'
import { TopologyTable } from '../../dist/topology/topology-table.js'
import { randomId, seeded } from './plan-world.ts'

const random = seeded(21)
const [local = '', a = '', b = '', c = '', d = ''] = Array.from({ length: 5 }, () => randomId(random))

function linked(id: string, ...neighbours: string[]): TopologyRecord {
  return createRecord(id, 1, 1, neighbours.map(keyOf), 2 ** neighbours.length - 1)
}

function tableOf(own: readonly string[], ...records: TopologyRecord[]): TopologyTable {
  const table = new TopologyTable({ localId: local, epoch: 1 })
  table.tick(1_000_000, 5)
  table.setLinks(own.map((id) => ({ id, wanted: true })))
  for (const record of records) table.store(record, 0)
  table.tick(2_000_000, 5)
  table.settle()
  return table
}

describe('topology table', () => {
  it('says what others can read, whatever the clock and the neighbours are', () => {
    const table = new TopologyTable({ localId: local, epoch: 1.5 })
    table.setLinks([
      { id: 'gateway', wanted: true },
      { id: a, wanted: true }
    ])
    expect(table.own.neighbours).to.deep.equal([keyOf(a)])
    const codec = new TopologyCodec()
    expect(codec.decode(codec.encode({ wanted: undefined, records: [table.own] }))?.records).to.deep.equal([table.own])
  })

  it('counts a link when both ends claim it', () => {
    const table = tableOf([a], linked(a, local, b, c), linked(b, a, d), linked(c), linked(d, b))
    expect([a, b, c, d].map((id) => table.reaches(id))).to.deep.equal([true, true, false, true])
    expect(table.peers().map(({ id, neighbours }) => [id, [...neighbours].sort()])).to.deep.include([b, [a, d].sort()])
  })

  it('believes in neighbours that do not gossip', () => {
    const table = tableOf([a], linked(a, local, b))
    expect(table.reaches(b)).to.equal(true)
    expect(table.reaches(c)).to.equal(false)
  })

  it('tells bridges from links that others make up for', () => {
    const chain = tableOf([a, b], linked(a, local), linked(b, local, c), linked(c, b))
    expect([chain.role(a), chain.role(b)]).to.deep.equal(['bridge', 'bridge'])
    const ring = tableOf([a, b], linked(a, local, c), linked(b, local, c), linked(c, a, b))
    const rank = (x: string, y: string): number => linkRank(linked(x), linked(y))
    const weakest = Math.min(rank(local, a), rank(a, c), rank(c, b), rank(b, local))
    for (const id of [a, b]) expect(ring.role(id)).to.equal(rank(local, id) === weakest ? 'redundant' : 'bridge')
    const spare = tableOf([a, b], linked(a, local, b), linked(b, local, a))
    spare.setLinks([
      { id: a, wanted: false },
      { id: b, wanted: true }
    ])
    spare.store(createRecord(a, 1, 2, [keyOf(local), keyOf(b)], 2), 0)
    expect([spare.role(a), spare.role(b)]).to.deep.equal(['redundant', 'bridge'])
    const news = tableOf([a, b], linked(a, local), linked(b, local, c))
    news.store(linked(b, local, c, d), 0)
    news.store(linked(c), 0)
    expect(news.role(b)).to.equal('unknown')
  })

  it('is bounded, and takes the room from who brings the most', () => {
    const table = new TopologyTable({ localId: local, epoch: 1, limit: 100 })
    table.tick(0, 0)
    table.store(linked(a, local), 1)
    for (let i = 0; i < 1000; i++) table.store(linked(randomId(random)), 0)
    expect(table.size).to.equal(100)
    expect(table.entry(keyOf(a))).to.not.equal(undefined)
    for (let i = 0; i < 10; i++) expect(table.store(linked(randomId(random)), 1)).to.not.equal(undefined)
    expect(table.size).to.equal(100)
  })

  it('forgets what nobody renews', () => {
    const table = tableOf([a], linked(a, local))
    table.expire(500_000)
    expect(table.size).to.equal(0)
  })
})
