import assert from 'node:assert/strict'
import type { Runner } from '../runner.ts'
import { assertStored, conflictedFlag, deletedFlag, document, treePrefix } from './bench.ts'
import type { StorageBench } from './bench.ts'

/** Documents and their sequences. */
export function documentChecks(bench: () => StorageBench, { describe, it }: Runner): void {
  describe('documents', () => {
    it('come back as they were stored', () => {
      const collection = bench().collection()
      const stored = document('apple', { revId: '3-f00', flags: 6, tree: Buffer.from([treePrefix, 0, 255, 1]) })
      const sequence = bench().write((writer) => writer.put(collection, stored))
      assertStored(bench().reader.get(collection, 'apple'), { ...stored, sequence })
      assert.deepEqual(
        { ...bench().reader.getChange(collection, 'apple'), tree: [...(bench().reader.getChange(collection, 'apple')?.tree ?? [])] },
        { id: 'apple', sequence, revId: '3-f00', flags: 6, bodySize: stored.body.length, tree: [treePrefix, 0, 255, 1] }
      )
    })
    it('are undefined when they are not there', () => {
      const collection = bench().collection()
      assert.equal(bench().reader.get(collection, 'nobody'), undefined)
      assert.equal(bench().reader.getChange(collection, 'nobody'), undefined)
    })
    it('are replaced by put', () => {
      const collection = bench().collection()
      bench().write((writer) => writer.put(collection, document('apple')))
      const next = document('apple', { revId: '2-def', flags: conflictedFlag, body: Buffer.from('{}'), tree: Buffer.from('other') })
      const sequence = bench().write((writer) => writer.put(collection, next))
      assertStored(bench().reader.get(collection, 'apple'), { ...next, sequence })
      assert.equal(bench().reader.count(collection), 1)
      assert.deepEqual(
        bench()
          .reader.changesSince(collection, 0, 10)
          .map((change) => change.sequence),
        [sequence]
      )
    })
    it('are replaced by put when it is told what is there', () => {
      const collection = bench().collection()
      bench().write((writer) => {
        writer.put(collection, document('apple'))
        writer.put(collection, document('pear'))
      })
      for (const flags of [deletedFlag, 0]) {
        const next = document('apple', { revId: `${flags + 2}-def`, flags, body: Buffer.from('{}') })
        const sequence = bench().write((writer) => writer.put(collection, next, writer.get(collection, 'apple')))
        assertStored(bench().reader.get(collection, 'apple'), { ...next, sequence })
        assert.equal(bench().reader.lastSequence(collection), sequence)
        assert.equal(bench().reader.count(collection), flags === 0 ? 2 : 1)
      }
    })
    it('are told apart by every character of their id', () => {
      const collection = bench().collection()
      const ids = ['a', 'A', 'a ', 'ä', 'a\u0308', 'a\u0000', 'a\u0000b', '%', '_', "'", '"', '\\', '1', '01', '1.0']
      bench().write((writer) => {
        for (const id of ids) writer.put(collection, document(id))
      })
      assert.equal(bench().reader.count(collection), ids.length)
      for (const id of ids) assert.equal(bench().reader.get(collection, id)?.id, id)
    })
    it('keep any bytes in body and tree', () => {
      const collection = bench().collection()
      const bodies = [
        Buffer.alloc(0),
        Buffer.from([0]),
        Buffer.from('{"a":"\u0000"}'),
        Buffer.from([0xff, 0xfe, 0xc3, 0x28, 0x00, 0x80]),
        Buffer.from(Array.from({ length: 256 }, (_value, index) => index))
      ]
      bench().write((writer) => {
        for (const [index, body] of bodies.entries()) writer.put(collection, document(`d${index}`, { body, tree: body }))
      })
      for (const [index, body] of bodies.entries())
        assertStored(bench().reader.get(collection, `d${index}`), { ...document(`d${index}`, { body, tree: body }), sequence: index + 1 })
    })
    it('are not changed by later changes of the bytes given or returned', () => {
      const collection = bench().collection()
      const body = Buffer.from('{"n":1}')
      bench().write((writer) => writer.put(collection, document('apple', { body })))
      body.fill(0)
      bench().reader.get(collection, 'apple')?.body.fill(0)
      assert.equal(Buffer.from(bench().reader.get(collection, 'apple')?.body ?? []).toString(), '{"n":1}')
    })
    it('may be views into larger buffers', () => {
      const collection = bench().collection()
      const view = new Uint8Array(Buffer.from('xx{"n":1}yy').buffer.slice(0)).subarray()
      const at = Buffer.from(view).indexOf('{"n":1}')
      bench().write((writer) => writer.put(collection, document('apple', { body: view.subarray(at, at + 7) })))
      assert.equal(Buffer.from(bench().reader.get(collection, 'apple')?.body ?? []).toString(), '{"n":1}')
    })
    it('have bodies of 20 MB', () => {
      const collection = bench().collection()
      const body = Buffer.alloc(20_000_000)
      for (let index = 0; index < body.length; index += 4) body.writeUInt32LE((index * 2_654_435_761) >>> 0, index)
      bench().write((writer) => writer.put(collection, document('big', { body })))
      assertStored(bench().reader.get(collection, 'big'), { ...document('big', { body }), sequence: 1 })
      assert.equal(bench().reader.getChange(collection, 'big')?.bodySize, body.length)
    })
    it('number 10,000 in one transaction', () => {
      const collection = bench().collection()
      bench().write((writer) => {
        for (let index = 1; index <= 10_000; index++) assert.equal(writer.put(collection, document(`d${index}`)), index)
      })
      assert.equal(bench().reader.count(collection), 10_000)
      assert.equal(bench().reader.changesSince(collection, 0, 20_000).length, 10_000)
      assert.equal(bench().reader.get(collection, 'd7777')?.sequence, 7777)
    })
  })

  describe('sequences', () => {
    it('begin at 1 and grow by one with every put', () => {
      const collection = bench().collection()
      assert.equal(bench().reader.lastSequence(collection), 0)
      const sequences = ['a', 'b', 'a', 'a', 'c'].map((id) => bench().write((writer) => writer.put(collection, document(id))))
      assert.deepEqual(sequences, [1, 2, 3, 4, 5])
      assert.equal(bench().reader.lastSequence(collection), 5)
    })
    it('are counted per collection', () => {
      const [first, second] = [bench().collection('first'), bench().collection('second')]
      bench().write((writer) => {
        writer.put(first, document('a'))
        writer.put(first, document('b'))
      })
      assert.equal(
        bench().write((writer) => writer.put(second, document('a'))),
        1
      )
      assert.equal(
        bench().write((writer) => writer.put(first, document('c'))),
        3
      )
    })
    it('are not used again after the last document was purged', () => {
      const collection = bench().collection()
      bench().write((writer) => {
        writer.put(collection, document('a'))
        writer.put(collection, document('b'))
      })
      bench().write((writer) => writer.purge(collection, 'b'))
      assert.equal(bench().reader.lastSequence(collection), 2)
      assert.equal(
        bench().write((writer) => writer.put(collection, document('c'))),
        3
      )
    })
    it('are not spent by a transaction that failed', () => {
      const collection = bench().collection()
      assert.throws(() =>
        bench().write((writer) => {
          writer.put(collection, document('a'))
          throw new Error('no')
        })
      )
      assert.equal(
        bench().write((writer) => writer.put(collection, document('b'))),
        1
      )
    })
  })

  describe('update', () => {
    it('changes flags and tree and nothing else', () => {
      const collection = bench().collection()
      const stored = document('apple')
      bench().write((writer) => {
        writer.put(collection, stored)
        writer.put(collection, document('pear'))
      })
      bench().write((writer) => {
        writer.update(collection, 'apple', { flags: conflictedFlag, tree: Buffer.from('pruned') })
      })
      assertStored(bench().reader.get(collection, 'apple'), { ...stored, flags: conflictedFlag, tree: Buffer.from('pruned'), sequence: 1 })
      assert.deepEqual(
        bench()
          .reader.changesSince(collection, 0, 10)
          .map(({ id }) => id),
        ['apple', 'pear']
      )
      assert.equal(bench().reader.lastSequence(collection), 2)
    })
    it('counts a document it marks as deleted no longer', () => {
      const collection = bench().collection()
      bench().write((writer) => writer.put(collection, document('apple')))
      bench().write((writer) => {
        writer.update(collection, 'apple', { flags: deletedFlag, tree: Buffer.alloc(0) })
      })
      assert.equal(bench().reader.count(collection), 0)
    })
    it('ignores unknown ids', () => {
      const collection = bench().collection()
      bench().write((writer) => {
        writer.update(collection, 'nobody', { flags: 0, tree: Buffer.alloc(0) })
      })
      assert.equal(bench().reader.get(collection, 'nobody'), undefined)
    })
  })

  describe('putNew, where an engine has it,', () => {
    it('stores what is not there yet, and leaves what is', () => {
      const collection = bench().collection()
      const first = document('apple')
      const put = bench().write((writer) =>
        writer.putNew === undefined ? writer.put(collection, first) : writer.putNew(collection, first)
      )
      assert.equal(put, 1)
      const next = document('apple', { revId: '2-def', flags: deletedFlag, body: Buffer.from('{}') })
      assert.equal(
        bench().write((writer) => writer.putNew?.(collection, next)),
        undefined
      )
      assertStored(bench().reader.get(collection, 'apple'), { ...first, sequence: 1 })
      assert.equal(bench().reader.count(collection), 1)
      assert.equal(bench().reader.lastSequence(collection), 1)
    })
  })

  describe('purge', () => {
    it('removes every trace', () => {
      const collection = bench().collection()
      bench().write((writer) => {
        writer.put(collection, document('a'))
        writer.put(collection, document('b'))
        writer.put(collection, document('a'))
      })
      assert.equal(
        bench().write((writer) => writer.purge(collection, 'a')),
        true
      )
      assert.equal(bench().reader.get(collection, 'a'), undefined)
      assert.equal(bench().reader.getChange(collection, 'a'), undefined)
      assert.deepEqual(
        bench()
          .reader.changesSince(collection, 0, 10)
          .map(({ id }) => id),
        ['b']
      )
      assert.equal(bench().reader.count(collection), 1)
    })
    it('removes tombstones without miscounting', () => {
      const collection = bench().collection()
      bench().write((writer) => {
        writer.put(collection, document('a'))
        writer.put(collection, document('gone', { flags: deletedFlag }))
      })
      bench().write((writer) => writer.purge(collection, 'gone'))
      assert.equal(bench().reader.count(collection), 1)
    })
    it('says when there was nothing', () => {
      const collection = bench().collection()
      assert.equal(
        bench().write((writer) => writer.purge(collection, 'nobody')),
        false
      )
    })
  })
}
