import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import type { ByteSocketFactory, MessageSocketFactory } from '@kithmesh/core'
import type { StorageEngineFactory } from '@kithmesh/database/storage'
import { collect, describePeerDiscoveryProvider, describeSocketFactory, describeTransportStrategy, failures } from '@kithmesh/testkit'
import type { CollectOptions, Runner } from '@kithmesh/testkit'
import type { MemoryProviderOptions } from '@kithmesh/testkit/memory'
import { describeStorageEngine } from '@kithmesh/testkit/storage-engine'
import { memoryHarness } from './memory-harness.ts'
import { byteHarness, messageHarness } from './memory-sockets.ts'
import { transportHarness } from './memory-transports.ts'
import * as engines from './mutants/engines.ts'
import * as providers from './mutants/providers.ts'
import * as sockets from './mutants/sockets.ts'
import * as transports from './mutants/transports.ts'

/** How long a suite waits in vain for what a mutant never does. */
const settleMs = 1000

/** The paths of the tests that fail. */
async function caught(suite: (runner: Runner) => void, options: CollectOptions = {}): Promise<string[]> {
  const outcomes = await collect(suite, options)
  expect(outcomes.length).to.be.greaterThan(5)
  return failures(outcomes)
}

describe('the suites catch broken plugins', function () {
  this.timeout(60_000)

  describe('providers', () => {
    const provider = (mutate: providers.ProviderMutation, options: MemoryProviderOptions = {}): Promise<string[]> =>
      caught((runner) => {
        describePeerDiscoveryProvider('mutant', memoryHarness(options, mutate, settleMs), runner)
      })

    it('that find themselves', async () => {
      expect(await provider(providers.findsItself)).to.deep.equal([
        'publishing > never finds itself (publish first)',
        'publishing > never finds itself (browse first)'
      ])
    })
    it('that confuse groups', async () => {
      expect(await provider(providers.confusesGroups)).to.deep.equal(['groups > finds only services of its own group'])
    })
    it('that go on browsing', async () => {
      expect(await provider(providers.goesOnBrowsing)).to.include.members([
        'stopBrowsing > reports nothing afterwards',
        'stopBrowsing > finds everybody again after a restart'
      ])
    })
    it('that start twice', async () => {
      expect(await provider(providers.startsTwice)).to.deep.equal([
        'browse lifecycle > starts once when started twice',
        'browse lifecycle > starts once when started twice at the same time'
      ])
    })
    it('that leave without a goodbye', async () => {
      expect(await provider(providers.leavesWithoutGoodbye)).to.deep.equal([
        'shutdown > works when publishing',
        'shutdown > works when browsing and publishing',
        'shutdown > reports nothing afterwards',
        'publishing > withdraws the publication on shutdown'
      ])
    })
    it('that ignore the signal', async () => {
      expect(await provider(providers.ignoresSignal)).to.deep.equal(['resolveUrl > rejects with the reason of a signal that has aborted'])
    })
    it('that keep refused sockets', async () => {
      expect(await provider(providers.keepsRefusedSockets)).to.deep.equal(['incoming connections > are destroyed when nobody wants them'])
    })
    it('that swallow new metadata', async () => {
      expect((await provider(providers.swallowsMetadata)).filter((path) => !path.includes('ERR_PD_NOT_PUBLISHING'))).to.deep.equal([
        'metadata > shows the newest metadata to late browsers',
        'metadata > notices changes of a monitored peer, in order, while it stays online',
        'metadata > arrives at the last of several quick changes'
      ])
    })
    it('that cannot be stopped twice', async () => {
      expect(await provider(providers.refusesSecondStop)).to.deep.equal(['publish lifecycle > stops once when stopped twice'])
    })
    it('that pretend to publish', async () => {
      expect(await provider(providers.pretendsToPublish, { capabilities: { publishes: false, incomingConnections: false } })).to.deep.equal(
        ['without publishing > rejects startPublishing with ERR_PD_UNSUPPORTED']
      )
    })
  })

  describe('byte socket factories', () => {
    const factory = (mutate: (factory: ByteSocketFactory) => ByteSocketFactory): Promise<string[]> =>
      caught((runner) => {
        describeSocketFactory('mutant', byteHarness(mutate, settleMs), runner)
      })

    it('that cannot be cancelled', async () => {
      expect(await factory(sockets.ignoresAbort)).to.deep.equal([
        'opening > rejects with the reason of a signal that has aborted, and connects nowhere',
        'opening > rejects with the reason of a signal that aborts meanwhile, and leaves no connection'
      ])
    })
    it('that fail without a code', async () => {
      expect(await factory(sockets.failsWithoutCode)).to.deep.equal(['opening > rejects with a code and a cause when nobody listens'])
    })
    it('that are never full', async () => {
      expect(await factory(sockets.neverFull)).to.deep.equal([
        'transfer from the dialled side > is held back by a reader that pauses, and goes on when it resumes',
        'ending from the dialled side > by a cut while it waits for room: both are closed once'
      ])
    })
    it('that report the end twice', async () => {
      const paths = await factory(sockets.closesTwice)
      expect(paths).to.include('ends from both sides at once')
      expect(paths.filter((path) => !path.startsWith('end'))).to.deep.equal([])
    })
  })

  describe('message socket factories', () => {
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

  describe('transports', () => {
    const transport = (mutate: transports.TransportMutation): Promise<string[]> =>
      caught((runner) => {
        describeTransportStrategy('mutant', transportHarness({ mutate, settleMs }), runner)
      })

    it('that leak a stream on abort', async () => {
      expect(await transport(transports.leaksOnAbort)).to.deep.equal([
        'attempt > rejects with the reason of a signal that has aborted, and connects nowhere',
        'attempt > rejects with the reason of a signal that aborts meanwhile, and leaves no stream'
      ])
    })
    it('that close accepted streams with the listener', async () => {
      expect(await transport(transports.closesAcceptedStreams)).to.deep.equal(['listener > leaves accepted streams alone when it closes'])
    })
    it('that go on accepting', async () => {
      expect(await transport(transports.goesOnAccepting)).to.deep.equal(['listener > accepts nobody once it is closed'])
    })
    it('that connect in assess', async () => {
      expect(await transport(transports.probesInAssess)).to.deep.equal([
        'assess > gives the same answer again, leaves the target as it was and connects nowhere'
      ])
    })
  })

  describe('storage engines', () => {
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
        { match: (path) => /^(reopening|copyTo|damage|kill -9|maintenance)/.test(path) }
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
