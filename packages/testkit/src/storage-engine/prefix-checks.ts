import assert from 'node:assert/strict'
import type { Runner } from '../runner.ts'
import { assertStored, deletedFlag, document, treePrefix } from './bench.ts'
import type { StorageBench } from './bench.ts'

/** What remotes have, put in front of trees without reading them. */
export function prefixChecks(bench: () => StorageBench, { describe, it }: Runner): void {
  describe('prefixTree, where an engine has it,', () => {
    const prefix = Buffer.from([treePrefix, 0, 1, 0x31])
    const plain = { prefix, unlessFlags: 0 }
    // Nothing of a tree may be taken for text: neither its zeros nor what is no UTF-8.
    const trees = { 'no tree': Buffer.alloc(0), 'a text': Buffer.from('2-b,1-a'), 'any bytes': Buffer.from([2, 0, 0xff, 0xc3, 0, 3, 0xfe]) }
    for (const [name, tree] of Object.entries(trees))
      it(`puts bytes in front of ${name} and changes nothing else`, () => {
        const collection = bench().collection()
        const apple = document('apple', { tree })
        const sequence = bench().write((writer) => writer.put(collection, apple))
        const prefixed = bench().write((writer) => writer.prefixTree?.(collection, { ...apple, sequence, ...plain }))
        assertStored(bench().reader.get(collection, 'apple'), {
          ...apple,
          sequence,
          tree: prefixed === undefined ? tree : Buffer.concat([prefix, tree])
        })
        assert.notEqual(prefixed, false)
        assert.equal(bench().reader.lastSequence(collection), sequence)
      })
    it('leaves a document alone that is not as described', () => {
      const collection = bench().collection()
      const apple = document('apple')
      const pear = document('pear', { tree: Buffer.from([treePrefix, 9, 9]) })
      const gone = document('gone', { flags: deletedFlag })
      const [first, second, third] = bench().write(
        (writer) => [writer.put(collection, apple), writer.put(collection, pear), writer.put(collection, gone)] as const
      )
      const wrong = [
        { ...apple, sequence: first + 7, ...plain },
        { ...apple, sequence: first, revId: '9-999', ...plain },
        { ...apple, id: 'plum', sequence: first, ...plain },
        { ...pear, sequence: second, ...plain },
        { ...gone, sequence: third, prefix, unlessFlags: deletedFlag }
      ]
      for (const described of wrong)
        assert.notEqual(
          bench().write((writer) => writer.prefixTree?.(collection, described)),
          true
        )
      assertStored(bench().reader.get(collection, 'apple'), { ...apple, sequence: first })
      assertStored(bench().reader.get(collection, 'pear'), { ...pear, sequence: second })
      assertStored(bench().reader.get(collection, 'gone'), { ...gone, sequence: third })
    })
  })
}
