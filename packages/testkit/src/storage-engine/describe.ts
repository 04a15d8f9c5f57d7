import assert from 'node:assert/strict'
import { globalRunner, withTestLimit } from '../runner.ts'
import type { Runner } from '../runner.ts'
import { StorageBench, contents, document, thrownBy } from './bench.ts'
import { documentChecks } from './document-checks.ts'
import { durabilityChecks, volatilityChecks } from './durability-checks.ts'
import type { StorageEngineHarness } from './harness.ts'
import { prefixChecks } from './prefix-checks.ts'
import { queryChecks } from './query-checks.ts'
import { exclusiveChecks, sharingChecks } from './sharing-checks.ts'
import { transactionChecks } from './transaction-checks.ts'

/**
 * Declares the conformance tests of the `StorageEngine` contract. Every test gets a fresh directory. Durable engines are killed while they
 * write and damaged on disk; those that keep nothing have to prove just that.
 * @param runner whose `describe`, `it` and hooks to use @default the globals
 * @throws TypeError when a durable engine's harness has no `spawnWriter`.
 */
export function describeStorageEngine(label: string, harness: StorageEngineHarness, runner: Runner = globalRunner()): void {
  const { factory, settleMs = 10_000, crashRounds = 10 } = harness
  const { capabilities } = factory
  const limited = withTestLimit(runner, Math.max(60_000, 4 * crashRounds * settleMs))
  const { describe, it, beforeEach, afterEach } = limited

  describe(`${label}: storage engine`, () => {
    let current: StorageBench | undefined
    const bench = (): StorageBench => current as StorageBench
    beforeEach(async () => {
      current = new StorageBench(harness)
      await current.prepare()
    })
    afterEach(async () => {
      await current?.[Symbol.asyncDispose]()
      current = undefined
    })

    describe('factory', () => {
      it('has a name and capabilities', () => {
        assert.match(factory.name, /^[a-z][a-z0-9-]*$/)
        assert.equal(typeof capabilities.durable, 'boolean')
        assert.equal(typeof capabilities.multiProcess, 'boolean')
      })
    })
    documentChecks(bench, limited)
    prefixChecks(bench, limited)
    queryChecks(bench, limited)
    transactionChecks(bench, limited)

    describe('maintenance', () => {
      const fill = (): void => {
        const collection = bench().collection()
        bench().write((writer) => {
          for (let index = 0; index < 200; index++) writer.put(collection, document(`d${index}`, { body: Buffer.alloc(500, index) }))
          writer.setValue('space', 'key', Buffer.from('value'))
        })
        bench().write((writer) => {
          for (let index = 0; index < 200; index += 2) writer.purge(collection, `d${index}`)
        })
      }
      it('compact keeps everything', () => {
        fill()
        const before = contents(bench().reader)
        bench().engine.compact()
        assert.deepEqual(contents(bench().reader), before)
        bench().engine.checkIntegrity()
        const collection = bench().collection()
        assert.equal(
          bench().write((writer) => writer.put(collection, document('next'))),
          201
        )
      })
      it('checkIntegrity accepts a sound store', () => {
        bench().engine.checkIntegrity()
        fill()
        bench().engine.checkIntegrity()
      })
      it('dataVersion is the same while nobody else writes', () => {
        const before = bench().engine.dataVersion()
        bench().reader.collections()
        assert.equal(bench().engine.dataVersion(), before)
      })
      it('close may be called twice, and nothing is written afterwards', () => {
        const collection = bench().collection()
        bench().engine.close()
        bench().engine.close()
        thrownBy(() => bench().write((writer) => writer.put(collection, document('late'))))
      })
    })

    if (!capabilities.durable) {
      volatilityChecks(bench, limited)
      return
    }
    const { spawnWriter } = harness
    if (spawnWriter === undefined) throw new TypeError('The harness of a durable engine needs spawnWriter')
    const options = { spawnWriter: (directory: string) => spawnWriter.call(harness, directory), settleMs, crashRounds }
    durabilityChecks(bench, limited, options)
    if (capabilities.multiProcess) sharingChecks(bench, limited, options)
    else exclusiveChecks(bench, limited)
  })
}
