import { memoryEngine } from '@kithmesh/database'
import type { StorageEngine, StoredChange, StoredDocument } from '@kithmesh/database/storage'
import { expect } from 'chai'
import fc from 'fast-check'

const id = fc.constantFrom('a', 'b', 'c', 'd')
const bytes = fc.constantFrom('', '1-a', '\u0003\u0000\u00017', 'x'.repeat(64), 'y'.repeat(65))
const write = fc.oneof(
  fc.record({ do: fc.constant('put' as const), id, revId: fc.constantFrom('1-a', '2-b'), flags: fc.nat(1), body: bytes, tree: bytes }),
  fc.record({ do: fc.constant('update' as const), id, flags: fc.nat(1), tree: bytes }),
  fc.record({
    do: fc.constant('prefixTree' as const),
    id,
    revId: fc.constantFrom('1-a', '2-b'),
    sequence: fc.nat(20),
    prefix: fc.constantFrom('\u0003\u0000\u00017', 'x'),
    unlessFlags: fc.nat(1)
  }),
  fc.record({ do: fc.constant('purge' as const), id })
)
const transaction = fc.record({ writes: fc.array(write, { maxLength: 6 }), fails: fc.boolean() })

describe('a store in memory that shares bytes', () => {
  const run = (engine: StorageEngine, transactions: readonly (typeof transaction extends fc.Arbitrary<infer T> ? T : never)[]): unknown => {
    let collection = 0
    engine.transact((writer) => {
      collection = writer.createCollection('_default', '_default')
    })
    for (const { writes, fails } of transactions) {
      try {
        engine.transact((writer) => {
          for (const step of writes) {
            if (step.do === 'purge') writer.purge(collection, step.id)
            else if (step.do === 'update') writer.update(collection, step.id, { flags: step.flags, tree: Buffer.from(step.tree) })
            else if (step.do === 'prefixTree') writer.prefixTree?.(collection, { ...step, prefix: Buffer.from(step.prefix) })
            else writer.put(collection, { ...step, body: Buffer.from(step.body), tree: Buffer.from(step.tree) }, undefined)
          }
          if (fails) throw new RangeError('undone')
        })
      } catch (error) {
        if (!(error instanceof RangeError)) throw error
      }
    }
    const { reader } = engine
    const text = (value: Uint8Array): string => Buffer.from(value).toString()
    const document = (of: StoredDocument | undefined): unknown =>
      of && [of.id, of.revId, of.flags, of.sequence, text(of.body), text(of.tree)]
    const change = (of: StoredChange | undefined): unknown => of && [of.id, of.revId, of.flags, of.sequence, of.bodySize, text(of.tree)]
    return {
      documents: ['a', 'b', 'c', 'd'].map((each) => document(reader.get(collection, each))),
      changes: ['a', 'b', 'c', 'd'].map((each) => change(reader.getChange(collection, each))),
      bySequence: reader.documentsSince(collection, 0, 100).map(document),
      since: reader.changesSince(collection, 3, 100).map(change),
      byId: reader.documentsAfter(collection, '', 100).map(document),
      last: reader.lastSequence(collection),
      count: reader.count(collection)
    }
  }

  it('has what one that copies them has, also after transactions that failed', () => {
    fc.assert(
      fc.property(fc.array(transaction, { maxLength: 20 }), (transactions) => {
        const shared = run(memoryEngine({ shareBytes: true }).open(''), transactions)
        expect(shared).to.deep.equal(run(memoryEngine().open(''), transactions))
      })
    )
  })

  it('keeps what it was given, without a copy, when it is a piece of memory of its own', () => {
    const engine = memoryEngine({ shareBytes: true }).open('')
    const body = Buffer.from(new Uint8Array(Buffer.from('{"n":1}')).buffer)
    const collection = engine.transact((writer) => {
      const made = writer.createCollection('_default', '_default')
      writer.put(made, { id: 'a', revId: '1-a', flags: 0, body, tree: Buffer.from('7') }, undefined)
      writer.put(made, { id: 'b', revId: '1-a', flags: 0, body: body.subarray(1), tree: Buffer.from('7') }, undefined)
      return made
    })
    const { reader } = engine
    expect(reader.get(collection, 'a')?.body).to.equal(body)
    expect(reader.get(collection, 'b')?.body.buffer).not.to.equal(body.buffer)
    expect(reader.get(collection, 'a')?.tree).to.equal(reader.get(collection, 'b')?.tree)
  })
})
