import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { errorCode } from '@kithmesh/core'
import { eventually } from '../eventually.ts'
import type { Runner } from '../runner.ts'
import { contents, document, thrownBy } from './bench.ts'
import type { StorageBench } from './bench.ts'
import { assertSurvived } from './crash.ts'
import { watchWriter } from './durability-checks.ts'

/** Two engines, or two processes, on one directory. */
export function sharingChecks(
  bench: () => StorageBench,
  { describe, it }: Runner,
  options: { readonly spawnWriter: (directory: string) => ChildProcess; readonly settleMs: number }
): void {
  describe('two engines on one directory', () => {
    it("see each other's commits", async () => {
      const directory = await bench().directory()
      const [first, second] = [bench().open(directory), bench().open(directory)]
      first.transact((writer) => writer.put(writer.createCollection('shop', 'items'), document('a')))
      assert.deepEqual(contents(second.reader), contents(first.reader))
      second.transact((writer) => writer.put(writer.createCollection('shop', 'items'), document('b')))
      assert.deepEqual(contents(first.reader), contents(second.reader))
    })
    it('do not see what is not committed', async () => {
      const directory = await bench().directory()
      const [first, second] = [bench().open(directory), bench().open(directory)]
      const collection = first.transact((writer) => writer.createCollection('shop', 'items'))
      first.transact((writer) => {
        writer.put(collection, document('a'))
        assert.equal(second.reader.count(collection), 0)
      })
      assert.equal(second.reader.count(collection), 1)
    })
    it('lose no write when they take turns', async () => {
      const directory = await bench().directory()
      const engines = [bench().open(directory), bench().open(directory)]
      const sequences: number[] = []
      for (let turn = 0; turn < 100; turn++) {
        const engine = engines[turn % 2] as ReturnType<StorageBench['open']>
        sequences.push(
          engine.transact((writer) => {
            const collection = writer.createCollection('shop', 'items')
            const count = Number(Buffer.from(writer.getValue('space', 'counter') ?? []).toString()) + 1
            writer.setValue('space', 'counter', Buffer.from(String(count)))
            return writer.put(collection, document(`d${turn}`))
          })
        )
      }
      assert.deepEqual(
        sequences,
        Array.from({ length: 100 }, (_value, index) => index + 1)
      )
      for (const { reader } of engines) {
        assert.equal(Buffer.from(reader.getValue('space', 'counter') ?? []).toString(), '100')
        assert.equal(reader.count(reader.collections()[0]?.id ?? -1), 100)
      }
    })
    it('notice by dataVersion that the other one committed', async () => {
      const directory = await bench().directory()
      const [first, second] = [bench().open(directory), bench().open(directory)]
      const before = first.dataVersion()
      assert.equal(first.dataVersion(), before)
      for (let round = 0, last = before; round < 3; round++) {
        second.transact((writer) => {
          writer.setValue('space', 'key', Buffer.from(String(round)))
        })
        const version = first.dataVersion()
        assert.ok(version > last, 'dataVersion did not grow')
        last = version
      }
    })
    it('tell a writer that waits in vain ERR_DB_LOCKED', async () => {
      const directory = await bench().directory()
      const [first, second] = [bench().open(directory), bench().open(directory)]
      first.transact((writer) => {
        writer.setValue('space', 'holder', Buffer.from('first'))
        assert.equal(
          errorCode(
            thrownBy(() => {
              second.transact((other) => {
                other.setValue('space', 'holder', Buffer.from('second'))
              })
            })
          ),
          'ERR_DB_LOCKED'
        )
      })
      assert.equal(Buffer.from(second.reader.getValue('space', 'holder') ?? []).toString(), 'first')
      second.transact((writer) => {
        writer.setValue('space', 'holder', Buffer.from('second'))
      })
      assert.equal(Buffer.from(first.reader.getValue('space', 'holder') ?? []).toString(), 'second')
    })
  })

  describe('two processes on one directory', () => {
    it('write at the same time and lose nothing', async () => {
      const directory = await bench().directory()
      const engine = bench().open(directory)
      const collection = engine.transact((writer) => writer.createCollection('shop', 'items'))
      const version = engine.dataVersion()
      const writer = watchWriter(options.spawnWriter(directory), options.settleMs)
      try {
        await eventually('the other process to commit', () => writer.acknowledged() > 0, { withinMs: options.settleMs })
        for (let index = 1; index <= 50; index++) {
          assert.equal(
            engine.transact((own) => own.put(collection, document(`d${index}`))),
            index
          )
          await nextTurn()
        }
      } finally {
        await writer.kill()
      }
      assert.ok(engine.dataVersion() > version, 'dataVersion did not grow')
      assert.equal(engine.reader.count(collection), 50)
      assertSurvived(engine, writer.acknowledged())
    })
  })
}

/** For durable engines that one process owns. */
export function exclusiveChecks(bench: () => StorageBench, { describe, it }: Runner): void {
  describe('a second engine on the same directory', () => {
    it('is refused with ERR_DB_LOCKED, and disturbs nothing', async () => {
      const directory = await bench().directory()
      const engine = bench().open(directory)
      assert.equal(errorCode(thrownBy(() => bench().open(directory))), 'ERR_DB_LOCKED')
      engine.transact((writer) => {
        writer.setValue('space', 'key', Buffer.from('x'))
      })
      bench().close(engine)
      assert.equal(Buffer.from(bench().open(directory).reader.getValue('space', 'key') ?? []).toString(), 'x')
    })
  })
}
