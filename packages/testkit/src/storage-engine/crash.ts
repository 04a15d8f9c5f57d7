import assert from 'node:assert/strict'
import { writeSync } from 'node:fs'
import type { StorageEngine, StorageEngineFactory } from '@kithmesh/database/storage'

const space = 'crash'
const documentsIn = (transaction: number): number => 1 + (transaction % 7)
const bodyOf = (transaction: number, index: number): Buffer =>
  Buffer.from(JSON.stringify({ transaction, index, padding: 'x'.repeat((transaction * 37) % 3000) }))
const collectionIn = (engine: StorageEngine): number => engine.transact((writer) => writer.createCollection('crash', 'documents'))

/** The last transaction that is in the store. */
function lastTransaction(engine: StorageEngine): number {
  return Number(Buffer.from(engine.reader.getValue(space, 'last') ?? Buffer.from('0')).toString())
}

/**
 * What the child process of `StorageEngineHarness.spawnWriter` runs: commits transaction after transaction and, only when `transact` has
 * returned, prints its number on standard output, one per line, until it is killed. Each transaction puts several
 * documents, replaces one, and notes its number. Never returns.
 *
 * @example
 * crashWriter(mySqliteEngine, process.argv[2])
 */
export function crashWriter(factory: StorageEngineFactory, directory: string): never {
  const engine = factory.open(directory)
  const collection = collectionIn(engine)
  for (let transaction = lastTransaction(engine) + 1; ; transaction++) {
    engine.transact((writer) => {
      for (let index = 0; index < documentsIn(transaction); index++) {
        writer.put(collection, {
          id: `t${transaction}-${index}`,
          revId: `1-${transaction}`,
          flags: 0,
          body: bodyOf(transaction, index),
          tree: Buffer.from(String(transaction))
        })
      }
      writer.put(collection, {
        id: 'newest',
        revId: `${transaction}-0`,
        flags: 0,
        body: Buffer.from(String(transaction)),
        tree: Buffer.alloc(0)
      })
      writer.setValue(space, 'last', Buffer.from(String(transaction)))
    })
    print(`${transaction}\n`)
  }
}

function print(line: string): void {
  const bytes = Buffer.from(line)
  for (let offset = 0; offset < bytes.length; ) {
    try {
      offset += writeSync(1, bytes, offset)
    } catch (error) {
      // A pipe that is full and does not block; the reader will catch up.
      if ((error as { code?: unknown }).code !== 'EAGAIN') throw error
    }
  }
}

/** Proves that all transactions up to the last are there as a whole, and that it is not older than what was acknowledged. */
export function assertSurvived(engine: StorageEngine, acknowledged: number): void {
  engine.checkIntegrity()
  const collection = collectionIn(engine)
  const last = lastTransaction(engine)
  assert.ok(last >= acknowledged, `transaction ${acknowledged} was acknowledged, but the last one in the store is ${last}`)
  const expected = new Map<string, Buffer>()
  let sequences = 0
  for (let transaction = 1; transaction <= last; transaction++) {
    for (let index = 0; index < documentsIn(transaction); index++) expected.set(`t${transaction}-${index}`, bodyOf(transaction, index))
    sequences += documentsIn(transaction) + 1
  }
  if (last > 0) expected.set('newest', Buffer.from(String(last)))
  assert.equal(engine.reader.lastSequence(collection), sequences, 'the last sequence')
  assert.equal(engine.reader.count(collection), expected.size, 'the number of documents')
  let previous = 0
  for (let since = 0; ; ) {
    const page = engine.reader.documentsSince(collection, since, 1000)
    for (const stored of page) {
      assert.ok(stored.sequence > previous, 'sequences must ascend')
      previous = stored.sequence
      const body = expected.get(stored.id)
      assert.ok(body !== undefined, `${stored.id} is of a transaction that never ended`)
      assert.ok(Buffer.compare(stored.body, body) === 0, `the body of ${stored.id} differs`)
      expected.delete(stored.id)
    }
    if (page.length === 0) break
    since = previous
  }
  assert.deepEqual([...expected.keys()], [], 'documents are missing')
}
