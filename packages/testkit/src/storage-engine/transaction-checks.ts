import assert from 'node:assert/strict'
import type { Runner } from '../runner.ts'
import { contents, document, thrownBy } from './bench.ts'
import type { StorageBench } from './bench.ts'

/** Atomicity, collections and named values. */
export function transactionChecks(bench: () => StorageBench, { describe, it }: Runner): void {
  describe('transactions', () => {
    it('return what the work returns', () => {
      const result = { any: 'thing' }
      assert.equal(
        bench().write(() => result),
        result
      )
    })
    it("pass the work's own error on", () => {
      const error = new Error('changed my mind')
      assert.equal(
        thrownBy(() =>
          bench().write(() => {
            throw error
          })
        ),
        error
      )
    })
    it('leave nothing behind when the work throws', () => {
      const collection = bench().collection()
      bench().write((writer) => {
        writer.put(collection, document('kept'))
        writer.put(collection, document('purged'))
        writer.setValue('space', 'kept', Buffer.from('before'))
      })
      const before = contents(bench().reader)
      thrownBy(() =>
        bench().write((writer) => {
          writer.put(collection, document('kept', { body: Buffer.from('{"changed":true}') }))
          writer.update(collection, 'kept', { flags: 2, tree: Buffer.from('changed') })
          writer.put(collection, document('new'))
          writer.purge(collection, 'purged')
          writer.setValue('space', 'kept', undefined)
          writer.setValue('space', 'new', Buffer.from('new'))
          writer.put(writer.createCollection('shop', 'new'), document('in it'))
          throw new Error('no')
        })
      )
      assert.deepEqual(contents(bench().reader), before)
      thrownBy(() =>
        bench().write((writer) => {
          writer.dropCollection(collection)
          throw new Error('no')
        })
      )
      assert.deepEqual(contents(bench().reader), before)
    })
    it('go on after one that failed', () => {
      const collection = bench().collection()
      for (let round = 0; round < 3; round++)
        thrownBy(() =>
          bench().write(() => {
            throw new Error('no')
          })
        )
      bench().write((writer) => writer.put(collection, document('a')))
      assert.equal(bench().reader.count(collection), 1)
    })
    it('see their own writes', () => {
      const collection = bench().collection()
      bench().write((writer) => {
        writer.put(collection, document('a'))
        assert.equal(writer.get(collection, 'a')?.sequence, 1)
        assert.equal(writer.count(collection), 1)
        assert.equal(writer.lastSequence(collection), 1)
        assert.equal(writer.changesSince(collection, 0, 10).length, 1)
        assert.equal(writer.documentsAfter(collection, '', 10).length, 1)
        writer.purge(collection, 'a')
        assert.equal(writer.get(collection, 'a'), undefined)
        writer.setValue('space', 'key', Buffer.from('x'))
        assert.equal(Buffer.from(writer.getValue('space', 'key') ?? []).toString(), 'x')
      })
    })
    it('cannot be nested', () => {
      const collection = bench().collection()
      thrownBy(() =>
        bench().write((writer) => {
          writer.put(collection, document('outer'))
          bench().write((inner) => {
            inner.put(collection, document('inner'))
          })
        })
      )
      assert.equal(bench().reader.count(collection), 0)
      bench().write((writer) => writer.put(collection, document('after')))
      assert.equal(bench().reader.count(collection), 1)
    })
  })

  describe('collections', () => {
    it('are none at first', () => {
      assert.deepEqual(bench().reader.collections(), [])
    })
    it('are made once', () => {
      const id = bench().collection('items', 'shop')
      assert.equal(bench().collection('items', 'shop'), id)
      assert.deepEqual(
        bench()
          .reader.collections()
          .map((found) => ({ ...found })),
        [{ id, scope: 'shop', name: 'items' }]
      )
    })
    it('are told apart by scope and name', () => {
      const ids = [
        ['a', 'b'],
        ['a', 'B'],
        ['A', 'b'],
        ['b', 'a'],
        ['a.b', 'c'],
        ['a', 'b.c']
      ].map(([scope, name]) => bench().collection(name, scope))
      assert.equal(new Set(ids).size, ids.length)
    })
    it("do not see each other's documents", () => {
      const [first, second] = [bench().collection('first'), bench().collection('second')]
      bench().write((writer) => {
        writer.put(first, document('same', { revId: '1-f' }))
        writer.put(second, document('same', { revId: '1-s' }))
      })
      bench().write((writer) => writer.purge(first, 'same'))
      assert.equal(bench().reader.get(first, 'same'), undefined)
      assert.equal(bench().reader.get(second, 'same')?.revId, '1-s')
      assert.equal(bench().reader.changesSince(second, 0, 10).length, 1)
      assert.deepEqual([bench().reader.count(first), bench().reader.count(second)], [0, 1])
    })
    it('vanish with all in them, and only they', () => {
      const [first, second] = [bench().collection('first'), bench().collection('second')]
      bench().write((writer) => {
        for (const collection of [first, second]) writer.put(collection, document('a'))
      })
      bench().write((writer) => {
        writer.dropCollection(first)
      })
      assert.deepEqual(
        bench()
          .reader.collections()
          .map(({ name }) => name),
        ['second']
      )
      assert.equal(bench().reader.count(second), 1)
      const again = bench().collection('first')
      assert.equal(bench().reader.count(again), 0)
      assert.deepEqual(bench().reader.changesSince(again, 0, 10), [])
      assert.equal(
        bench().write((writer) => writer.put(again, document('b'))),
        1
      )
    })
  })

  describe('values', () => {
    const text = (value: Uint8Array | undefined): string | undefined => (value === undefined ? undefined : Buffer.from(value).toString())
    it('come back, are replaced and deleted', () => {
      assert.equal(bench().reader.getValue('space', 'key'), undefined)
      for (const value of ['one', 'two']) {
        bench().write((writer) => {
          writer.setValue('space', 'key', Buffer.from(value))
        })
        assert.equal(text(bench().reader.getValue('space', 'key')), value)
      }
      bench().write((writer) => {
        writer.setValue('space', 'key', undefined)
      })
      assert.equal(bench().reader.getValue('space', 'key'), undefined)
      bench().write((writer) => {
        writer.setValue('space', 'key', undefined)
      })
    })
    it('keep any bytes, none included', () => {
      for (const value of [Buffer.alloc(0), Buffer.from([0, 255, 0xc3, 0x28])]) {
        bench().write((writer) => {
          writer.setValue('space', 'key', value)
        })
        const found = bench().reader.getValue('space', 'key')
        assert.ok(found !== undefined && Buffer.compare(found, value) === 0)
      }
    })
    it('are separated by space', () => {
      bench().write((writer) => {
        writer.setValue('a', 'key', Buffer.from('in a'))
        writer.setValue('b', 'key', Buffer.from('in b'))
        writer.setValue('a', 'other', Buffer.from('too'))
      })
      assert.deepEqual(
        bench()
          .reader.valuesIn('a')
          .map(({ key, value }) => [key, text(value)])
          .sort(),
        [
          ['key', 'in a'],
          ['other', 'too']
        ]
      )
      assert.deepEqual(bench().reader.valuesIn('c'), [])
      bench().write((writer) => {
        writer.setValue('a', 'key', undefined)
      })
      assert.equal(text(bench().reader.getValue('b', 'key')), 'in b')
    })
  })
}
