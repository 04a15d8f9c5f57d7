import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { errorCode } from '@kithmesh/core'
import { eventually, within } from '../eventually.ts'
import type { Runner } from '../runner.ts'
import { contents, document, thrownBy } from './bench.ts'
import type { StorageBench } from './bench.ts'
import { assertSurvived } from './crash.ts'

export interface RunningWriter {
  readonly child: ChildProcess
  /** Number of the last transaction the child has acknowledged; 0 before the first. */
  acknowledged(): number
  /** SIGKILL; resolves when the process is gone and all it printed was read. */
  kill(): Promise<void>
}

/** Follows what a writer process prints. */
export function watchWriter(child: ChildProcess, settleMs: number): RunningWriter {
  let rest = ''
  let last = 0
  const { stdout } = child
  if (stdout === null) throw new TypeError('spawnWriter must pipe the standard output of its process')
  stdout.setEncoding('utf8')
  stdout.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() as string
    if (lines.length > 0) last = Number(lines.at(-1))
  })
  const closed = once(child, 'close')
  return {
    child,
    acknowledged: () => last,
    async kill() {
      child.kill('SIGKILL')
      await within(closed, settleMs, 'the end of the killed writer')
    }
  }
}

async function largestFile(directory: string): Promise<string> {
  const files = await Promise.all(
    (await readdir(directory, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(async (entry) => {
        const path = join(entry.parentPath, entry.name)
        return { path, size: (await stat(path)).size }
      })
  )
  const [largest] = files.sort((a, b) => b.size - a.size)
  assert.ok(largest !== undefined, 'a durable engine left no file')
  return largest.path
}

/** What survives, for engines that keep things. */
export function durabilityChecks(
  bench: () => StorageBench,
  { describe, it }: Runner,
  options: { readonly spawnWriter: (directory: string) => ChildProcess; readonly settleMs: number; readonly crashRounds: number }
): void {
  const fill = (engine: ReturnType<StorageBench['open']>, count: number): void => {
    engine.transact((writer) => {
      const collection = writer.createCollection('shop', 'items')
      for (let index = 0; index < count; index++) writer.put(collection, document(`d${index}`, { body: Buffer.alloc(1000, index) }))
      writer.setValue('space', 'key', Buffer.from('value'))
    })
    assert.equal(engine.reader.count(engine.reader.collections()[0]?.id ?? -1), count, 'what was committed is not there')
  }

  describe('reopening', () => {
    it('finds everything again', async () => {
      const directory = await bench().directory()
      const engine = bench().open(directory)
      fill(engine, 100)
      const before = contents(engine.reader)
      bench().close(engine)
      assert.deepEqual(contents(bench().open(directory).reader), before)
    })
    it('goes on with the sequences, even when the last document was purged', async () => {
      const directory = await bench().directory()
      const engine = bench().open(directory)
      fill(engine, 3)
      engine.transact((writer) => writer.purge(writer.createCollection('shop', 'items'), 'd2'))
      bench().close(engine)
      const again = bench().open(directory)
      assert.equal(
        again.transact((writer) => writer.put(writer.createCollection('shop', 'items'), document('next'))),
        4
      )
    })
    it('keeps stores in different directories apart', async () => {
      fill(bench().open(await bench().directory()), 3)
      assert.deepEqual(
        bench()
          .open(await bench().directory())
          .reader.collections(),
        []
      )
    })
  })

  describe('copyTo', () => {
    it('writes an equal and independent copy', async () => {
      const engine = bench().open(await bench().directory())
      fill(engine, 500)
      const target = await bench().directory()
      engine.copyTo(target)
      const copy = bench().open(target)
      const before = contents(engine.reader)
      copy.checkIntegrity()
      assert.deepEqual(contents(copy.reader), before)
      copy.transact((writer) => writer.purge(writer.createCollection('shop', 'items'), 'd1'))
      assert.deepEqual(contents(engine.reader), before)
      const changed = contents(copy.reader)
      engine.transact((writer) => writer.put(writer.createCollection('shop', 'items'), document('new')))
      assert.deepEqual(contents(copy.reader), changed)
    })
  })

  describe('damage', () => {
    const damaged = async (damage: (path: string, size: number) => Promise<void>): Promise<unknown> => {
      const directory = await bench().directory()
      const engine = bench().open(directory)
      fill(engine, 500)
      bench().close(engine)
      const path = await largestFile(directory)
      await damage(path, (await stat(path)).size)
      return thrownBy(() => {
        bench().open(directory).checkIntegrity()
      })
    }
    it('is reported as ERR_DB_UNREADABLE when half of the store was overwritten', async () => {
      assert.equal(
        errorCode(
          await damaged(async (path, size) => {
            const bytes = await readFile(path)
            bytes.fill(0xa5, size >> 2, (size >> 2) * 3)
            await writeFile(path, bytes)
          })
        ),
        'ERR_DB_UNREADABLE'
      )
    })
    it('is reported as ERR_DB_UNREADABLE when the store was cut short', async () => {
      assert.equal(
        errorCode(
          await damaged(async (path, size) => {
            await truncate(path, size >> 1)
          })
        ),
        'ERR_DB_UNREADABLE'
      )
    })
    it("is reported by open when there is something else in the store's place", async () => {
      const directory = await bench().directory()
      const engine = bench().open(directory)
      fill(engine, 3)
      bench().close(engine)
      await writeFile(await largestFile(directory), 'This is no store at all. '.repeat(1000))
      assert.equal(errorCode(thrownBy(() => bench().open(directory))), 'ERR_DB_UNREADABLE')
    })
  })

  describe('kill -9', () => {
    it(`loses nothing that was acknowledged, at ${options.crashRounds} random moments`, async () => {
      const directory = await bench().directory()
      for (let round = 0; round < options.crashRounds; round++) {
        const before = bench().open(directory)
        bench().close(before)
        const writer = watchWriter(options.spawnWriter(directory), options.settleMs)
        try {
          await eventually('the writer to commit', () => writer.acknowledged() > 0, { withinMs: options.settleMs })
          await delay(Math.random() * 60)
        } finally {
          await writer.kill()
        }
        const engine = bench().open(directory)
        assertSurvived(engine, writer.acknowledged())
        bench().close(engine)
      }
    })
  })
}

/** For engines that keep nothing. */
export function volatilityChecks(bench: () => StorageBench, { describe, it }: Runner): void {
  describe('reopening', () => {
    it('begins empty', async () => {
      const directory = await bench().directory()
      const engine = bench().open(directory)
      engine.transact((writer) => writer.put(writer.createCollection('shop', 'items'), document('a')))
      bench().close(engine)
      assert.deepEqual(bench().open(directory).reader.collections(), [])
    })
    it('leaves the directory alone', async () => {
      const directory = await bench().directory()
      const engine = bench().open(directory)
      engine.transact((writer) => writer.put(writer.createCollection('shop', 'items'), document('a')))
      bench().close(engine)
      assert.deepEqual(await readdir(directory), [])
    })
  })
}
