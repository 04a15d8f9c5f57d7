import type { MessageSocket, SocketCloseInfo } from '@kithmesh/core'
import { Database } from '@kithmesh/database'
import { Replicator } from '@kithmesh/replicator'
import type { ConflictResolver, ReplicatorOptions, ReplicatorStatus } from '@kithmesh/replicator'
import { eventually, manualClock } from '@kithmesh/testkit'
import type { ManualClock } from '@kithmesh/testkit'
import { expect } from 'chai'
import { memorySocketPair } from '@kithmesh/testkit/memory'
import { Remote, refused } from './support/remote.ts'

describe('the life of a replicator', () => {
  let here: Database
  let there: Database
  let clock: ManualClock
  let remote: Remote
  let replicator: Replicator
  let statuses: ReplicatorStatus[]

  const make = (options: Partial<ReplicatorOptions> = {}): Replicator => {
    replicator = new Replicator({ database: here, endpoint: remote.endpoint, clock, ...options })
    statuses = []
    replicator.onStatus((status) => {
      statuses.push(status)
    })
    return replicator
  }
  const activities = (): string[] => statuses.map(({ activity }) => activity)
  const becomes = (activity: string): Promise<true> => eventually(activity, () => replicator.status.activity === activity)

  beforeEach(async () => {
    here = await Database.open(':memory:')
    there = await Database.open(':memory:')
    clock = manualClock()
    remote = new Remote(there, clock)
  })
  afterEach(async () => {
    remote.obstacle = undefined
    await replicator.stop()
    await here.close()
    await there.close()
  })

  describe('suspended', () => {
    it('is disconnected, offline and without timers; resumed, it connects at once', async () => {
      make({ continuous: true }).start()
      await becomes('idle')
      here.collection().put('a', {})
      await eventually('a over there', () => there.collection().get('a') !== undefined)
      await becomes('idle')
      replicator.suspend()
      replicator.suspend()
      await becomes('offline')
      expect(replicator.suspended).to.equal(true)
      expect(replicator.status.error).to.equal(undefined)
      expect((await remote.served[0]!.ended).error).to.equal(undefined)
      expect(clock.pending).to.equal(0)
      here.collection().put('b', {})
      expect(replicator.pendingDocumentIds()).to.deep.equal(['b'])
      replicator.retryNow()
      await clock.advance(3_600_000)
      expect(remote.opened).to.equal(1)
      replicator.resume()
      replicator.resume()
      await eventually('b over there', () => there.collection().get('b') !== undefined)
      expect(remote.opened).to.equal(2)
      expect(replicator.suspended).to.equal(false)
      await eventually('the answer', () => replicator.statistics.documentsPushed === 2)
    })

    it('has saved how far it came, also what came after it had caught up', async () => {
      make({ continuous: true }).start()
      await becomes('idle')
      there.collection().put('a', {})
      await eventually('a here', () => here.collection().get('a') !== undefined)
      await becomes('idle')
      replicator.suspend()
      await becomes('offline')
      await remote.served[0]!.ended
      replicator.resume()
      await becomes('idle')
      expect(replicator.statistics.documentsAnnounced).to.equal(1)
    })

    it('before it is started, it waits', async () => {
      make().suspend()
      expect(replicator.status.activity).to.equal('stopped')
      replicator.start()
      expect(replicator.status.activity).to.equal('offline')
      here.collection().put('a', {})
      replicator.resume()
      expect((await replicator.finished()).error).to.equal(undefined)
      expect(there.collection().get('a')).to.not.equal(undefined)
    })

    it('can be stopped, and stays suspended for the next start', async () => {
      make({ continuous: true }).start()
      await becomes('idle')
      replicator.suspend()
      await becomes('offline')
      await replicator.stop()
      expect(replicator.status.activity).to.equal('stopped')
      replicator.start()
      expect(replicator.status.activity).to.equal('offline')
      expect(remote.opened).to.equal(1)
    })

    it('gives up a connection that is being opened, and a wait', async () => {
      remote.obstacle = ({ signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reject(signal.reason as Error)
          })
        })
      make({ continuous: true }).start()
      await eventually('a try', () => remote.opened === 1)
      replicator.suspend()
      await becomes('offline')
      expect(clock.pending).to.equal(0)
      remote.obstacle = refused
      replicator.resume()
      await eventually('a failure', () => replicator.status.activity === 'offline' && replicator.status.error !== undefined)
      expect(clock.pending).to.be.greaterThan(0)
      replicator.suspend()
      await eventually('neither timer nor error', () => clock.pending === 0 && replicator.status.error === undefined)
      expect(replicator.status.activity).to.equal('offline')
    })

    it('and resumed at once, it makes a new connection', async () => {
      make({ continuous: true }).start()
      await becomes('idle')
      replicator.suspend()
      replicator.resume()
      await eventually('a second connection', () => remote.opened === 2 && replicator.status.activity === 'idle')
    })

    it('while the other side is silent, it is offline after a while', async () => {
      make({ continuous: true }).start()
      await becomes('idle')
      here.collection().put('a', {})
      remote.sockets[0]!.pause()
      replicator.suspend()
      for (let second = 0; second < 20 && replicator.status.activity !== 'offline'; second++) await clock.advance(1_000)
      expect(replicator.status.activity).to.equal('offline')
      remote.sockets[0]!.resume()
    })
  })

  describe('stop and start', () => {
    it('a start while it stops starts it anew', async () => {
      make({ continuous: true }).start()
      await becomes('idle')
      const stopped = replicator.stop()
      replicator.start()
      await stopped
      await eventually('the second run', () => remote.opened === 2 && replicator.status.activity === 'idle')
      expect(activities().filter((activity) => activity === 'stopped')).to.have.length(1)
      expect(activities().indexOf('stopped')).to.be.lessThan(activities().lastIndexOf('connecting'))
    })

    it('a stop after such a start wins', async () => {
      make({ continuous: true }).start()
      await becomes('idle')
      const first = replicator.stop()
      replicator.start()
      await Promise.all([first, replicator.stop()])
      expect((await replicator.finished()).activity).to.equal('stopped')
      expect(remote.opened).to.equal(1)
    })

    it('finished waits for the run that was started anew', async () => {
      make({ continuous: true }).start()
      await becomes('idle')
      void replicator.stop()
      replicator.start()
      let over = false
      void replicator.finished().then(() => {
        over = true
      })
      await eventually('the second run', () => remote.opened === 2 && replicator.status.activity === 'idle')
      expect(over).to.equal(false)
      await replicator.stop()
      await eventually('the end', () => over)
    })

    it('stops while it connects, and closes what an endpoint opens too late', async () => {
      let open!: (socket: MessageSocket) => void
      remote.obstacle = () =>
        new Promise((resolve) => {
          open = resolve
        })
      make({ continuous: true }).start()
      await eventually('a try', () => remote.opened === 1)
      let stopped = false
      void replicator.stop().then(() => {
        stopped = true
      })
      await clock.advance(5_000)
      expect(stopped).to.equal(false)
      await clock.advance(2_000)
      await eventually('the stop', () => stopped)
      expect(replicator.status).to.deep.include({ activity: 'stopped', error: undefined })
      expect(clock.pending).to.equal(0)
      const [ours, theirs] = memorySocketPair()
      const closes: SocketCloseInfo[] = []
      theirs.attach({
        message() {},
        drained() {},
        closed: (info) => {
          closes.push(info)
        }
      })
      open(ours)
      await eventually('the close', () => closes.length === 1)
    })

    it('stops in bounded time when the other side is silent', async () => {
      make({ continuous: true }).start()
      await becomes('idle')
      here.collection().put('a', {})
      remote.sockets[0]!.pause()
      let stopped = false
      void replicator.stop().then(() => {
        stopped = true
      })
      for (let second = 0; second < 16 && !stopped; second++) await clock.advance(1_000)
      expect(stopped).to.equal(true)
      expect(clock.pending).to.be.at.most(2)
      remote.sockets[0]!.resume()
    })

    it('reports what an endpoint throws', async () => {
      remote.obstacle = () => {
        throw new RangeError('a bug')
      }
      make().start()
      const { error } = await replicator.finished()
      expect(error?.code).to.equal('ERR_REPL_CONNECT')
      expect(error?.cause).to.be.instanceOf(RangeError)
    })

    it('stops with the error when its database was closed, and leaves nothing behind', async () => {
      make({ continuous: true }).start()
      await becomes('idle')
      await here.close()
      there.collection().put('a', {})
      const { error } = await replicator.finished()
      expect(error?.code).to.equal('ERR_REPL_STORE')
      expect(error?.cause).to.have.property('code', 'ERR_DB_CLOSED')
      replicator.start()
      const again = await replicator.finished()
      expect(again.error?.code).to.equal('ERR_REPL_STORE')
      expect(again.error?.cause).to.have.property('code', 'ERR_DB_CLOSED')
      await Promise.all(remote.served.map(({ ended }) => ended))
      expect(clock.pending).to.equal(0)
    })

    it('is stopped by disposal', async () => {
      make({ continuous: true }).start()
      await becomes('idle')
      await replicator[Symbol.asyncDispose]()
      expect(replicator.status.activity).to.equal('stopped')
    })
  })

  describe('its status', () => {
    it('is told in order, each once, with the end last', async () => {
      for (let n = 0; n < 50; n++) here.collection().put(`d${n}`, {})
      make().start()
      await replicator.finished()
      expect(activities()[0]).to.equal('connecting')
      expect(activities().filter((activity) => activity === 'stopped')).to.have.length(1)
      expect(statuses.at(-1)).to.deep.include({ activity: 'stopped', error: undefined })
      expect(statuses.at(-1)?.progress).to.deep.include({ documents: 50, total: 50 })
      statuses.forEach((status, index) => {
        if (index > 0) expect(status).to.not.deep.equal(statuses[index - 1])
      })
    })

    it('reaches every listener in the same order, also when one of them acts on it', async () => {
      make({ continuous: true })
      const seen: string[] = []
      replicator.onStatus(({ activity }) => {
        if (activity === 'idle') void replicator.stop()
      })
      replicator.onStatus(({ activity }) => {
        if (activity === 'connecting' && seen.length === 0) replicator.suspend()
      })
      replicator.onStatus(({ activity }) => {
        seen.push(activity)
      })
      replicator.start()
      await becomes('offline')
      expect(seen).to.deep.equal(['connecting', 'offline'])
      replicator.resume()
      await replicator.finished()
      expect(seen).to.deep.equal(activities())
      expect(seen.slice(-2)).to.deep.equal(['idle', 'stopped'])
    })

    it('may be answered with stop or start in its very first call', async () => {
      make({ continuous: true })
      const end = replicator.onStatus(({ activity }) => {
        if (activity !== 'connecting') return
        replicator.start()
        void replicator.stop()
      })
      replicator.start()
      expect((await replicator.finished()).activity).to.equal('stopped')
      end()
      expect(activities()).to.deep.equal(['connecting', 'stopped'])
    })

    it('has an error while offline, and none when connected again', async () => {
      remote.obstacle = refused
      make({ continuous: true }).start()
      await becomes('offline')
      expect(replicator.status.error?.code).to.equal('ERR_REPL_CONNECT')
      remote.obstacle = undefined
      await clock.advance(2_000)
      await becomes('idle')
      expect(replicator.status.error).to.equal(undefined)
    })

    it('has no error once the other side answered, also when it is stopped before it has caught up', async () => {
      remote.obstacle = refused
      here.collection().put('a', {})
      make({ continuous: true }).start()
      await becomes('offline')
      expect(replicator.status.error?.code).to.equal('ERR_REPL_CONNECT')
      remote.obstacle = undefined
      let stopped: Promise<void> | undefined
      replicator.onDocuments(() => {
        expect(replicator.status).to.deep.include({ activity: 'busy', error: undefined })
        stopped = replicator.stop()
      })
      replicator.retryNow()
      await eventually('the first document', () => stopped !== undefined)
      await stopped
      expect(activities()).to.not.include('idle')
      expect(replicator.status).to.deep.include({ activity: 'stopped', error: undefined })
    })

    it('tells progress while the activity stays the same, and only when there is some', async () => {
      let release!: () => void
      const gate = new Promise<void>((resolve) => {
        release = resolve
      })
      here.collection().put('c', { from: 'here' })
      there.collection().put('c', { from: 'there' })
      const resolver: ConflictResolver = async ({ local }) => {
        await gate
        return { take: 'merged', body: local.body }
      }
      make({ continuous: true, collections: [{ conflictResolver: resolver }] }).start()
      await eventually('the conflict', () => replicator.statistics.documentsAnnounced > 0)
      there.collection().put('d', {})
      await eventually('the document', () => here.collection().get('d') !== undefined)
      expect(replicator.status.activity).to.equal('busy')
      expect(statuses.at(-1)?.progress.documents).to.equal(0)
      await clock.advance(250)
      expect(statuses.at(-1)?.activity).to.equal('busy')
      expect(statuses.at(-1)?.progress.documents).to.be.greaterThan(0)
      const told = statuses.length
      await clock.advance(5_000)
      expect(statuses.length).to.equal(told)
      release()
      await becomes('idle')
    })
  })

  describe('when the network comes back', () => {
    it('tries again at once, if continuous', async () => {
      remote.obstacle = refused
      make({ continuous: true }).start()
      await becomes('offline')
      expect(remote.opened).to.equal(1)
      remote.obstacle = undefined
      remote.reachable!()
      await becomes('idle')
      expect(remote.opened).to.equal(2)
      expect(remote.reachable).to.equal(undefined)
    })

    it('a one-shot replicator keeps to its waits', async () => {
      remote.obstacle = refused
      make().start()
      await becomes('offline')
      expect(remote.reachable).to.equal(undefined)
    })
  })

  it('leaves out old tombstones only when it is told so', async () => {
    there.collection().put('gone', {})
    there.collection().remove('gone')
    there.collection().put('kept', {})
    const pulled = async (options: Partial<ReplicatorOptions>): Promise<string[]> => {
      const fresh = await Database.open(':memory:')
      make({ database: fresh, type: 'pull', ...options }).start()
      expect((await replicator.finished()).error).to.equal(undefined)
      const ids = fresh
        .collection()
        .changes()
        .map(({ id }) => id)
      await fresh.close()
      return ids.sort()
    }
    expect(await pulled({ skipOldTombstones: true })).to.deep.equal(['kept'])
    expect(await pulled({})).to.deep.equal(['gone', 'kept'])
  })

  for (const [option, may, mayNot] of [
    ['allowPush', 'push', 'pull'],
    ['allowPull', 'pull', 'push']
  ] as const)
    it(`may not ${mayNot} where ${option} is off over there, but ${may}`, async () => {
      remote = new Remote(there, clock, { [option]: false })
      here.collection().put('a', {})
      there.collection().put('b', {})
      make({ type: mayNot }).start()
      const { error } = await replicator.finished()
      expect(error?.details).to.include({ code: 403 })
      expect([here, there].map((one) => one.collection().count)).to.deep.equal([1, 1])
      make({ type: may }).start()
      expect((await replicator.finished()).error).to.equal(undefined)
      expect(here.collection().count + there.collection().count).to.equal(3)
    })

  it('tells its endpoint after how much silence a connection is probed', async () => {
    const told: number[] = []
    remote.obstacle = ({ heartbeatMs }) => {
      told.push(heartbeatMs)
      return refused()
    }
    for (const options of [{}, { heartbeatMs: 7_000 }]) {
      make({ maxAttempts: 1, ...options }).start()
      await replicator.finished()
    }
    expect(told).to.deep.equal([300_000, 7_000])
  })

  it('refuses settings that make no sense', () => {
    make()
    for (const wrong of [
      { heartbeatMs: 0 },
      { heartbeatMs: Infinity },
      { maxAttempts: 0 },
      { maxAttemptWaitMs: -1 },
      { connectTimeoutMs: Number.NaN },
      { checkpointIntervalMs: 0 },
      { maxDocumentBytes: 0 },
      { type: 'sideways' as never },
      { collections: [] },
      { collections: [{}, {}] }
    ])
      expect(() => new Replicator({ database: here, endpoint: remote.endpoint, ...wrong }), JSON.stringify(wrong)).to.throw(TypeError)
  })
})
