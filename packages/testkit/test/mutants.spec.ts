import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import type { MessageSocketFactory } from '@kithmesh/core'
import type { StorageEngineFactory } from '@kithmesh/database/storage'
import { collect, describeSocketFactory, failures } from '@kithmesh/testkit'
import type { CollectOptions, Runner } from '@kithmesh/testkit'
import { describeStorageEngine } from '@kithmesh/testkit/storage-engine'
import { byteHarness, messageHarness } from './memory-sockets.ts'
import * as engines from './mutants/engines.ts'
import { describeMutants } from './mutants/score.ts'
import * as sockets from './mutants/sockets.ts'

/** How long a suite waits in vain for what a mutant never does. */
const settleMs = 1000

/** The paths of the tests that fail. */
async function caught(suite: (runner: Runner) => void, options: CollectOptions = {}): Promise<string[]> {
  const outcomes = await collect(suite, options)
  expect(outcomes.length).to.be.greaterThan(5)
  return failures(outcomes)
}

/** Says how many of the mutants of a `describe` were caught: each has a test of its own. */
function printScore(this: Mocha.Context): void {
  const { tests = [], title } = this.test?.parent ?? {}
  const caughtOnes = tests.filter(({ state }) => state === 'passed')
  process.stdout.write(`    mutation score: ${caughtOnes.length} / ${tests.length} (${title})\n`)
}

describeMutants(
  'byte socket factories',
  Object.fromEntries(
    Object.entries(sockets.byteSocketMutants).map(([name, { mutate, caughtBy }]) => [
      name,
      {
        caughtBy,
        suite: (runner: Runner) => {
          describeSocketFactory('mutant', byteHarness(mutate, 300), runner)
        }
      }
    ])
  ),
  []
)

describe('the suites catch broken plugins', () => {
  describe('message socket factories', () => {
    after(printScore)
    const factory = (mutate: (factory: MessageSocketFactory) => MessageSocketFactory): Promise<string[]> =>
      caught((runner) => {
        describeSocketFactory('mutant', messageHarness(mutate, settleMs), runner)
      })

    it('that skip empty messages', async () => {
      expect(await factory(sockets.skipsEmptyMessages)).to.deep.equal([
        'messages from the dialled side > keep their boundaries, empty ones too'
      ])
    })
    it('that forget the close code', async () => {
      expect(await factory(sockets.forgetsCloseCode)).to.deep.equal([
        'messages from the dialled side > close with 4001 "come again" reaches the other side',
        'messages from the dialled side > close with 4002 "für immer" reaches the other side',
        'messages from the dialled side > closed while nobody was attached is reported at attach'
      ])
    })
    it('that use a buffer again', async () => {
      expect(await factory(sockets.reusesBuffer)).to.include('messages from the accepted side > stay valid after later ones arrived')
    })
  })

  describe('storage engines', () => {
    after(printScore)
    const volatile = (factory: StorageEngineFactory): Promise<string[]> =>
      caught((runner) => {
        describeStorageEngine('mutant', { factory }, runner)
      })
    const durable = (factory: StorageEngineFactory, script: string): Promise<string[]> => {
      const spawnWriter = (directory: string): ChildProcess =>
        fork(fileURLToPath(new URL(script, import.meta.url)), [directory], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
      return caught(
        (runner) => {
          describeStorageEngine('mutant', { factory, spawnWriter }, runner)
        },
        { match: (path) => /^(reopening|copyTo|damage|kill -9|maintenance)/.test(path), timeoutMs: 50_000 }
      )
    }

    it('that keep half a transaction', async () => {
      expect(await volatile(engines.keepsHalfTransactions)).to.deep.equal([
        'sequences > are not spent by a transaction that failed',
        'transactions > leave nothing behind when the work throws',
        'transactions > cannot be nested'
      ])
    })
    it('that order ids by UTF-16', async () => {
      expect(await volatile(engines.ordersByUtf16)).to.deep.equal([
        'documentsAfter > lists in the binary order of UTF-8',
        'documentsAfter > goes on after any id, there or not, up to the limit'
      ])
    })
    it('that count tombstones', async () => {
      expect(await volatile(engines.countsTombstones)).to.deep.equal([
        'documents > are replaced by put when it is told what is there',
        'update > counts a document it marks as deleted no longer',
        'documentsAfter > and count leave tombstones out'
      ])
    })
    it('that give updated documents a new sequence', async () => {
      expect(await volatile(engines.bumpsOnUpdate)).to.deep.equal(['update > changes flags and tree and nothing else'])
    })
    it('that list changes without what the remotes have', async () => {
      expect(await volatile(engines.hidesPrefixes)).to.deep.equal([
        'documentsSince carries bodies and trees, changesSince trees with a prefix and the sizes of bodies'
      ])
    })
    it('that join trees as text, or prefix them twice', async () => {
      const prefixTree = 'prefixTree, where an engine has it, >'
      expect(await volatile(engines.takesTreesForText)).to.deep.equal([
        `${prefixTree} puts bytes in front of any bytes and changes nothing else`
      ])
      expect(await volatile(engines.prefixesTwice)).to.deep.equal([`${prefixTree} leaves a document alone that is not as described`])
    })
    it('that write later than they say', async () => {
      expect(await durable(engines.writesLater, 'lazy-writer.js')).to.deep.equal([
        'kill -9 > loses nothing that was acknowledged, at 10 random moments'
      ])
    })
    it('that do not look at what is on disk', async () => {
      expect(await durable(engines.checksNothing, 'snapshot-writer.js')).to.deep.equal([
        'damage > is reported as ERR_DB_UNREADABLE when half of the store was overwritten',
        'damage > is reported as ERR_DB_UNREADABLE when the store was cut short',
        "damage > is reported by open when there is something else in the store's place"
      ])
    })
  })
})
