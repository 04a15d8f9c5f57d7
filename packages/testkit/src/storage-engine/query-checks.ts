import assert from 'node:assert/strict'
import type { Runner } from '../runner.ts'
import { assertStored, conflictedFlag, deletedFlag, document, treePrefix } from './bench.ts'
import type { StorageBench } from './bench.ts'

/** Ids whose order differs between UTF-8, UTF-16 and locales; listed in the binary order of their UTF-8. */
const orderedIds = [
  '\u0000',
  ' ',
  '-',
  '10',
  '9',
  'A',
  'Z',
  'a',
  'a\u0000b',
  'aa',
  'b',
  '~',
  'ä',
  'é',
  'ö',
  'Ж',
  '店',
  '\ue000',
  '\uffee',
  '😀',
  '🙂'
] as const

/** The queries over documents. */
export function queryChecks(bench: () => StorageBench, { describe, it }: Runner): void {
  for (const query of ['changesSince', 'documentsSince'] as const) {
    describe(query, () => {
      const ids = (collection: number, since: number, limit: number): string[] =>
        bench()
          .reader[query](collection, since, limit)
          .map(({ id }) => id)
      it('lists in ascending order what came after', () => {
        const collection = bench().collection()
        bench().write((writer) => {
          for (const id of ['c', 'a', 'b', 'd', 'a']) writer.put(collection, document(id))
        })
        assert.deepEqual(ids(collection, 0, 10), ['c', 'b', 'd', 'a'])
        assert.deepEqual(
          bench()
            .reader[query](collection, 0, 10)
            .map(({ sequence }) => sequence),
          [1, 3, 4, 5]
        )
        assert.deepEqual(ids(collection, 3, 10), ['d', 'a'])
        assert.deepEqual(ids(collection, 5, 10), [])
      })
      it('stops at the limit', () => {
        const collection = bench().collection()
        bench().write((writer) => {
          for (const id of ['a', 'b', 'c']) writer.put(collection, document(id))
        })
        assert.deepEqual(ids(collection, 0, 2), ['a', 'b'])
        assert.deepEqual(ids(collection, 2, 2), ['c'])
      })
      it('includes tombstones', () => {
        const collection = bench().collection()
        bench().write((writer) => writer.put(collection, document('gone', { flags: deletedFlag, body: Buffer.alloc(0) })))
        assert.deepEqual(
          bench()
            .reader[query](collection, 0, 10)
            .map(({ id, flags }) => ({ id, flags })),
          [{ id: 'gone', flags: deletedFlag }]
        )
      })
    })
  }
  it('documentsSince carries bodies and trees, changesSince trees with a prefix and the sizes of bodies', () => {
    const collection = bench().collection()
    const tree = Buffer.from([treePrefix, 0, 1, 0x31, 0x32])
    const stored = document('apple', { body: Buffer.from('{"quantity":7}'), tree })
    const sequence = bench().write((writer) => writer.put(collection, stored))
    assertStored(bench().reader.documentsSince(collection, 0, 1)[0], { ...stored, sequence })
    for (const change of [bench().reader.changesSince(collection, 0, 1)[0], bench().reader.getChange(collection, 'apple')]) {
      assert.deepEqual(
        { ...change, tree: Buffer.from(change?.tree ?? []) },
        { id: 'apple', sequence, revId: '1-abc', flags: 0, bodySize: 14, tree }
      )
    }
  })

  describe('documentsAfter', () => {
    it('lists in the binary order of UTF-8', () => {
      const collection = bench().collection()
      bench().write((writer) => {
        for (const id of [...orderedIds].reverse()) writer.put(collection, document(id))
      })
      assert.deepEqual(
        bench()
          .reader.documentsAfter(collection, '', 100)
          .map(({ id }) => id),
        orderedIds
      )
    })
    it('goes on after any id, there or not, up to the limit', () => {
      const collection = bench().collection()
      bench().write((writer) => {
        for (const id of orderedIds) writer.put(collection, document(id))
      })
      const listed: string[] = []
      for (let after = ''; ; ) {
        const page = bench().reader.documentsAfter(collection, after, 4)
        assert.ok(page.length <= 4)
        if (page.length === 0) break
        listed.push(...page.map(({ id }) => id))
        after = listed.at(-1) as string
      }
      assert.deepEqual(listed, orderedIds)
      assert.deepEqual(
        bench()
          .reader.documentsAfter(collection, 'a\u0001', 1)
          .map(({ id }) => id),
        ['aa']
      )
    })
    it('carries bodies and trees', () => {
      const collection = bench().collection()
      const sequence = bench().write((writer) => writer.put(collection, document('apple')))
      assertStored(bench().reader.documentsAfter(collection, '', 1)[0], { ...document('apple'), sequence })
    })
    it('and count leave tombstones out', () => {
      const collection = bench().collection()
      bench().write((writer) => {
        for (const id of ['a', 'b', 'c']) writer.put(collection, document(id))
        writer.put(collection, document('b', { flags: deletedFlag }))
        writer.put(collection, document('c', { flags: conflictedFlag }))
      })
      assert.deepEqual(
        bench()
          .reader.documentsAfter(collection, '', 10)
          .map(({ id }) => id),
        ['a', 'c']
      )
      assert.equal(bench().reader.count(collection), 2)
      bench().write((writer) => writer.put(collection, document('b')))
      assert.equal(bench().reader.count(collection), 3)
    })
  })
}
