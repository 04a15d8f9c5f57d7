import { randomBytes } from 'node:crypto'
import { systemClock } from '@kithmesh/core'
import type { Clock } from '@kithmesh/core'
import { Database } from '@kithmesh/database'
import type { DocumentVersioning } from '@kithmesh/database'
import { Message, MessagingError, Replicator, fromCompletions } from '@kithmesh/replicator'
import type {
  MessageEndpointListenerOptions,
  MessageLinkOptions,
  ProtocolType,
  ReplicatorOptions,
  ReplicatorStatus
} from '@kithmesh/replicator'
import { expect } from 'chai'
import { eventually, manualClock } from '@kithmesh/testkit'
import { Network } from './transport.ts'

/** Waits between tries pass at once. */
const hasty: Clock = { ...systemClock, sleep: (_ms, options) => systemClock.sleep(1, options) }

const cases: readonly (readonly [ProtocolType, DocumentVersioning])[] = [
  ['message-stream', 'rev-trees'],
  ['byte-stream', 'rev-trees'],
  ['message-stream', 'version-vectors'],
  ['byte-stream', 'version-vectors']
]
for (const [type, versioning] of cases)
  describe(`a message endpoint, ${type}, ${versioning}`, () => {
    let a: Database
    let b: Database
    let network: Network
    const replicators: Replicator[] = []

    const connect = (options: Partial<MessageEndpointListenerOptions> = {}, limits: MessageLinkOptions = {}): Network => {
      network = new Network(type, { database: b, ...options }, limits)
      return network
    }
    const start = (options: Partial<ReplicatorOptions> = {}): Replicator => {
      const made = new Replicator({ database: a, endpoint: network.endpoint, clock: hasty, ...options })
      replicators.push(made)
      made.start()
      return made
    }
    const content = (database: Database): Record<string, string> => {
      const collection = database.collection()
      return Object.fromEntries(
        collection
          .changes()
          .map(({ id, revId, deleted }) => [id, `${revId} ${deleted ? '' : (collection.get(id)?.json().toString() ?? '')}`])
      )
    }
    const fill = (): void => {
      for (let i = 0; i < 200; i++) {
        a.collection().put(`a${i}`, { i, text: 'x'.repeat(i) })
        b.collection().put(`b${i}`, { i })
      }
    }
    const ended = async (made: Replicator): Promise<ReplicatorStatus> => {
      const status = await made.finished()
      await eventually('the passive side to end', () => network.listener.connections.length === 0)
      return status
    }

    beforeEach(async () => {
      a = await Database.open(':memory:', { versioning })
      b = await Database.open(':memory:', { versioning })
    })
    afterEach(async () => {
      for (const one of replicators.splice(0)) await one.stop()
      await network.listener.closeAll()
      await a.close()
      await b.close()
    })

    it('pushes, pulls and does both, one send at a time', async () => {
      connect()
      fill()
      expect((await ended(start({ type: 'push' }))).error).to.equal(undefined)
      expect(b.collection().count).to.equal(400)
      expect(a.collection().count).to.equal(200)
      expect((await ended(start({ type: 'pull' }))).error).to.equal(undefined)
      expect(content(a)).to.deep.equal(content(b))
      a.collection().remove('a1')
      b.collection().put('b1', { changed: true })
      const both = await ended(start())
      expect(both.progress.documents).to.equal(2)
      expect(content(a)).to.deep.equal(content(b))
      expect(network.active).to.have.length(3)
      for (const { atOnce, closes } of [...network.active, ...network.passive]) {
        expect(atOnce).to.equal(1)
        expect(closes).to.equal(1)
      }
    })

    it('sends edits of both sides at once when continuous, and tells the status of each connection', async () => {
      connect()
      fill()
      const made = start({ continuous: true })
      await eventually('the first sync', () => made.status.activity === 'idle')
      a.collection().put('live-a', { n: 1 })
      b.collection().put('live-b', { n: 2 })
      await eventually('the live edits', () => b.collection().get('live-a') !== undefined && a.collection().get('live-b') !== undefined)
      const [passive] = network.passive
      await eventually('the passive side to be idle', () => network.listener.status(passive!)?.activity === 'idle')
      await made.stop()
      await eventually('the passive side to end', () => network.listener.connections.length === 0)
      expect(network.listener.status(passive!)).to.equal(undefined)
      expect(network.changes[0]).to.equal('passive1 connecting')
      expect(network.changes).to.include('passive1 busy')
      expect(network.changes.at(-1)).to.equal('passive1 stopped')
      expect(content(a)).to.deep.equal(content(b))
    })

    it('carries blobs', async () => {
      connect()
      const picture = randomBytes(700_000)
      const blob = await a.blobs.saveBlob(picture, 'image/png')
      a.collection().put('with-blob', { picture: blob as any })
      expect((await ended(start())).error).to.equal(undefined)
      expect(content(a)).to.deep.equal(content(b))
      expect((await b.blobs.readBlob(blob))?.equals(picture)).to.equal(true)
    })

    it('goes on through a new connection after a recoverable error', async () => {
      connect()
      fill()
      network.prepare = (active, _passive, attempt) => {
        active.on.send = () => {
          if (attempt < 3 && active.sends > 3 - attempt) throw new MessagingError(new Error('out of range'), true)
        }
      }
      const made = start()
      const offline: string[] = []
      made.onStatus(({ activity, error }) => {
        if (activity === 'offline') offline.push(`${error?.code} ${(error?.cause as any)?.code} ${error?.details['code']}`)
      })
      expect((await ended(made)).error).to.equal(undefined)
      expect(network.active).to.have.length(3)
      expect(offline).to.deep.equal(Array(2).fill('ERR_REPL_CLOSED ERR_REPL_MESSAGING 4001'))
      expect(content(a)).to.deep.equal(content(b))
      expect(network.active[0]!.closedWith?.recoverable).to.equal(true)
      expect(network.log.indexOf('active1.close(error)')).to.be.lessThan(network.log.indexOf('active2.open'))
      for (const { closes } of [...network.active, ...network.passive]) expect(closes).to.equal(1)
    })

    it('stops at an error that is not recoverable', async () => {
      connect()
      fill()
      network.prepare = (active) => {
        active.on.send = () => {
          if (active.sends > 3) throw new MessagingError(new Error('no more for you'), false)
        }
      }
      const { error } = await ended(start({ continuous: true }))
      expect(error?.code).to.equal('ERR_REPL_CLOSED')
      expect(error?.details['code']).to.equal(4002)
      expect(((error!.cause as Error).cause as Error).message).to.equal('no more for you')
      expect(network.active).to.have.length(1)
    })

    for (const [recoverable, tries] of [
      [true, 3],
      [false, 1]
    ] as const)
      it(`takes a failing open as ${recoverable ? 'recoverable' : 'final'} as it says`, async () => {
        connect()
        network.prepare = (active) => {
          active.on.open = () => Promise.reject(new MessagingError(new Error('nobody there'), recoverable))
        }
        const { error } = await ended(start({ maxAttempts: 3 }))
        expect(error?.code).to.equal('ERR_REPL_CONNECT')
        expect(error?.message).to.contain('nobody there')
        expect(network.active).to.have.length(tries)
        for (const { closes } of network.active) expect(closes).to.equal(1)
      })

    it('ends in order, and not at a deadline, over a transport that delivers at once', async () => {
      connect().prepare = (active, passive) => {
        active.instant = true
        passive.instant = true
      }
      a.collection().put('x', {})
      b.collection().put('y', {})
      expect((await start().finished()).error).to.equal(undefined)
      await eventually('the passive side to end', () => network.listener.connections.length === 0)
      expect(content(a)).to.have.keys(['x', 'y']).and.to.deep.equal(content(b))
      expect(network.changes.at(-1)).to.equal('passive1 stopped')
    })

    it('is torn down by the active side in order', async () => {
      connect()
      const made = start({ continuous: true })
      await eventually('the first sync', () => made.status.activity === 'idle')
      await made.stop()
      await eventually('the passive side to end', () => network.listener.connections.length === 0)
      const order = network.log.filter((line) => !line.endsWith('open'))
      if (type === 'message-stream') expect(order).to.deep.equal(['active1.close', 'passive1: disconnected', 'passive1.close'])
      // Both hang up when the closing handshake is through.
      else expect(order.filter((line) => !line.endsWith('disconnected'))).to.have.members(['passive1.close', 'active1.close'])
      expect(network.changes.at(-1)).to.equal('passive1 stopped')
    })

    it('is torn down by the application of the active side, and connects anew when continuous', async () => {
      connect()
      const made = start({ continuous: true })
      await eventually('the first sync', () => made.status.activity === 'idle')
      network.active[0]!.replicator!.close()
      network.active[0]!.replicator!.close()
      await eventually('the second connection', () => network.active.length === 2 && made.status.activity === 'idle')
      // The other side hears of the end by itself, perhaps only after the second connection was opened.
      await eventually('the passive side to close the first connection', () => network.log.includes('passive1.close'))
      expect(network.log.filter((line) => line !== 'passive2.open')).to.have.members([
        'active1.open',
        'passive1.open',
        'active1.close',
        'passive1: disconnected',
        'passive1.close',
        'active2.open'
      ])
      expect(network.log.filter((line) => line.startsWith('passive1') || line === 'active1.close').slice(1)).to.deep.equal([
        'active1.close',
        'passive1: disconnected',
        'passive1.close'
      ])
    })

    for (const how of ['close', 'closeAll'] as const)
      it(`is torn down by the passive side with ${how}, in order`, async () => {
        connect()
        const made = start({ type: 'push-and-pull', continuous: true, maxAttempts: 1 })
        await eventually('the first sync', () => made.status.activity === 'idle')
        if (how === 'closeAll') await network.listener.closeAll()
        else await network.listener.close(network.passive[0]!)
        expect(network.passive[0]!.closes).to.equal(1)
        expect(network.passive[0]!.closedWith).to.equal(undefined)
        const { error } = await made.finished()
        expect(error?.details['code']).to.equal(1000)
        const [, , ...order] = network.log
        if (type === 'message-stream') expect(order).to.deep.equal(['passive1.close', 'active1: disconnected', 'active1.close'])
        // Both hang up when the closing handshake is through.
        else expect(order.filter((line) => !line.endsWith('disconnected'))).to.have.members(['passive1.close', 'active1.close'])
        expect(network.changes.at(-1)).to.equal('passive1 stopped')
      })

    it('ends at its deadline when open never completes', async () => {
      connect()
      network.prepare = (active) => {
        active.on.open = () => new Promise(() => {})
      }
      const { error } = await ended(start({ connectTimeoutMs: 20, maxAttempts: 2 }))
      expect(error?.message).to.contain('did not finish within 20 ms')
      expect(network.log.filter((line) => line.startsWith('active'))).to.deep.equal([
        'active1.open',
        'active1.close(error)',
        'active2.open',
        'active2.close(error)'
      ])
    })

    it('ends at its deadline when send or close never complete', async () => {
      connect({}, { sendTimeoutMs: 20, closeTimeoutMs: 20 })
      fill()
      network.prepare = (active) => {
        active.on.send = () => new Promise(() => {})
        active.on.close = () => new Promise(() => {})
      }
      const made = start({ maxAttempts: 1 })
      const { error } = await made.finished()
      expect(error?.details['code']).to.equal(4001)
      expect(((error!.cause as Error).cause as any).code).to.equal('ERR_REPL_MESSAGING_TIMEOUT')
    })

    it('refuses limits that make no sense', () => {
      for (const wrong of [
        { openTimeoutMs: 0 },
        { heartbeatMs: NaN },
        { sendTimeoutMs: -1 },
        { closeTimeoutMs: NaN },
        { maxReceiveBytes: 0 }
      ])
        expect(() => connect(wrong), JSON.stringify(wrong)).to.throw(TypeError, Object.keys(wrong)[0])
      expect(() => connect({}, { sendTimeoutMs: NaN })).to.throw(TypeError, 'sendTimeoutMs')
      connect()
    })

    it('ends a passive connection whose open never completes, and no other', async () => {
      connect({ openTimeoutMs: 20 })
      fill()
      network.prepare = (_active, passive, attempt) => {
        if (attempt === 1) passive.on.open = () => new Promise(() => {})
      }
      const first = start({ maxAttempts: 1 })
      const second = start({ maxAttempts: 1 })
      expect((await second.finished()).error).to.equal(undefined)
      await first.finished()
      await eventually('the passive side to end', () => network.listener.connections.length === 0)
      expect(network.changes).to.include('passive1 stopped ERR_REPL_MESSAGING_TIMEOUT')
      expect(content(a)).to.deep.equal(content(b))
    })

    it('stops when the connection throws, or is one that was used before', async () => {
      connect()
      network.prepare = (active) => {
        active.on.send = () => {
          throw new Error('a defect')
        }
      }
      const { error } = await ended(start({ continuous: true }))
      expect(error?.details['code']).to.equal(4002)
      const reused = new Network(type, { database: b })
      const [only] = [reused.endpoint.delegate.createConnection(reused.endpoint)]
      reused.active[0]!.on.open = () => Promise.reject(new MessagingError(new Error('later'), true))
      network.endpoint.delegate.createConnection = () => only
      const second = await ended(start({ continuous: true }))
      expect(second.error?.message).to.contain('returned before')
      expect(reused.active[0]!.closes).to.equal(1)
    })

    it('keeps what comes before open has completed, and ignores what comes after the end', async () => {
      connect()
      fill()
      let early = 0
      network.prepare = (_active, passive) => {
        passive.on.open = async () => {
          await eventually('the first message', () => network.active[0]!.sends > 0)
          early = network.active[0]!.sends
        }
      }
      expect((await ended(start())).error).to.equal(undefined)
      expect(early).to.be.greaterThan(0)
      expect(content(a)).to.deep.equal(content(b))
      for (const { replicator } of [network.active[0]!, network.passive[0]!]) {
        expect(replicator!.receive(Message.fromData(randomBytes(100)))).to.equal(false)
        await replicator!.ready()
        replicator!.close(new MessagingError(new Error('late'), false))
      }
      expect(network.active[0]!.closes).to.equal(1)
    })

    if (type === 'byte-stream')
      it('ends a passive connection whose other end is silent and does not answer when it is probed', async () => {
        const clock = manualClock()
        connect({ clock, heartbeatMs: 10_000 })
        const silent = { open: async () => {}, send: async () => {}, close: async () => {} }
        network.listener.accept(silent)
        await eventually('it to be served', () => network.listener.status(silent)?.activity === 'busy')
        await clock.advance(10_000)
        expect(network.listener.connections).to.deep.equal([silent])
        await clock.advance(9_000)
        await eventually('the end', () => network.listener.connections.length === 0)
      })

    it('cuts off who sends more than fits while open has not completed', async () => {
      connect({ maxReceiveBytes: 3_000_000 })
      let told: boolean[] = []
      network.prepare = (active, passive) => {
        active.on.open = undefined as never
        passive.on.open = () => {
          told = [1, 2, 3, 4].map(() => passive.replicator!.receive(Message.fromData(Buffer.alloc(900_000))))
        }
      }
      const made = start({ maxAttempts: 1 })
      await made.finished()
      await eventually('the passive side to end', () => network.changes.includes('passive1 stopped ERR_REPL_CLOSED'))
      expect(told).to.deep.equal([true, false, false, false])
      expect((network.passive[0]!.closedWith!.error as any).code).to.equal('ERR_REPL_MESSAGING_OVERFLOW')
    })

    it('ends only the link that is given messages of another', async () => {
      connect()
      fill()
      const good = start({ continuous: true })
      const mixed = start({ continuous: true })
      await eventually('both to be idle', () => good.status.activity === 'idle' && mixed.status.activity === 'idle')
      network.active[0]!.on.send = (message) => {
        network.passive[1]!.replicator!.receive(Message.fromData(Buffer.from(message.toData())))
      }
      a.collection().put('mixed', { up: true })
      await eventually('the second link to end', () => network.changes.some((line) => line.startsWith('passive2 stopped')))
      expect(network.changes.find((line) => line.startsWith('passive2 stopped'))).to.equal('passive2 stopped ERR_REPL_CLOSED')
      expect((network.passive[1]!.closedWith?.error as any)?.code).to.equal('ERR_REPL_CLOSED')
      expect(network.passive[1]!.closedWith?.recoverable).to.equal(false)
      // The reason reaches the other side where there are close frames.
      if (type === 'byte-stream') expect((await mixed.finished()).error?.details['code']).to.equal(1002)
      else await eventually('the next try', () => network.active.length === 3)
      await eventually('the good link to go on', () => b.collection().get('mixed') !== undefined && good.status.activity === 'idle')
      expect(network.changes.some((line) => line.startsWith('passive1 stopped'))).to.equal(false)
    })

    it('takes connections written with completions', async () => {
      connect()
      fill()
      const { delegate } = network.endpoint
      const create = delegate.createConnection.bind(delegate)
      delegate.createConnection = (endpoint) => {
        const inner = create(endpoint)
        let sends = 0
        return fromCompletions({
          open: (replicator, completion) => {
            inner.open(replicator).then(
              () => completion(true),
              () => completion(false)
            )
          },
          send: (message, completion) => {
            if (network.active.length === 1 && ++sends > 3) completion(false, null)
            else
              inner.send(message).then(
                () => completion(true, null),
                () => completion(false)
              )
          },
          close: (error, completion) => {
            void inner.close(error).then(completion)
          }
        })
      }
      await ended(start())
      expect(network.active).to.have.length(2)
      expect(content(a)).to.deep.equal(content(b))
    })

    it('refuses a connection that is being served already', async () => {
      connect()
      const made = start({ continuous: true })
      await eventually('the first sync', () => made.status.activity === 'idle')
      expect(() => network.listener.accept(network.passive[0]!)).to.throw(TypeError, 'served already')
    })
  })
