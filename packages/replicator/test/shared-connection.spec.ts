import { createBlipConnection } from '@kithmesh/blip'
import type { BlipPeer, OpenBlipConnection, OutgoingRequest, Reply } from '@kithmesh/blip'
import { errorCode } from '@kithmesh/core'
import type { SocketCloseInfo } from '@kithmesh/core'
import { Database } from '@kithmesh/database'
import { Replicator, serveReplication, socketEndpoint } from '@kithmesh/replicator'
import type { ReplicatorOptions } from '@kithmesh/replicator'
import { eventually, manualClock } from '@kithmesh/testkit'
import { expect } from 'chai'
import { memorySocketPair } from '@kithmesh/testkit/memory'

const PROTOCOL = 'BLIP_3+CBMobile_3'

function ask(peer: BlipPeer, request: OutgoingRequest): Promise<Reply> {
  return new Promise((resolve) => {
    peer.request(request, resolve)
  })
}

function openPair(protocol = PROTOCOL): [OpenBlipConnection, OpenBlipConnection] {
  const [near, far] = memorySocketPair()
  return [
    { blip: createBlipConnection(near), protocol, description: 'far' },
    { blip: createBlipConnection(far), protocol, description: 'near' }
  ]
}

function ended(peer: BlipPeer): Promise<SocketCloseInfo> {
  return new Promise((resolve) => {
    peer.onClosed(resolve)
  })
}

describe('a replication over a BLIP connection that others use too', () => {
  let here: Database
  let there: Database
  const replicators: Replicator[] = []

  beforeEach(async () => {
    here = await Database.open(':memory:')
    there = await Database.open(':memory:')
  })
  afterEach(async () => {
    await Promise.all(replicators.splice(0).map((made) => made.stop()))
    await here.close()
    await there.close()
  })

  const replicator = (connection: OpenBlipConnection, options: Partial<ReplicatorOptions> = {}): Replicator => {
    const made = new Replicator({
      database: here,
      endpoint: socketEndpoint({ uid: 'there', open: async () => connection }),
      maxAttempts: 1,
      ...options
    })
    replicators.push(made)
    return made
  }

  it('leaves the profiles of the others alone, before, meanwhile and with messages both ways', async () => {
    const [near, far] = openPair()
    for (const { blip } of [near, far])
      blip.handle('kithmesh.echo', (request) => {
        request.respond({ body: request.body })
      })
    const echo = async (peer: BlipPeer, text: string): Promise<string> => {
      const reply = await ask(peer, { profile: 'kithmesh.echo', body: Buffer.from(text) })
      return reply.kind === 'ok' ? reply.body.toString() : reply.kind
    }
    expect(await echo(near.blip, 'before')).to.equal('before')
    here.collection().put('mine', { v: 1 })
    there.collection().put('theirs', { v: 2 })
    const served = serveReplication(far, { database: there })
    expect(served.description).to.equal('near')
    const live = replicator(near, { continuous: true })
    live.start()
    await eventually('idle', () => live.status.activity === 'idle')
    expect(await echo(near.blip, 'meanwhile')).to.equal('meanwhile')
    expect(await echo(far.blip, 'and back')).to.equal('and back')
    expect(here.collection().get('theirs')?.body).to.deep.equal({ v: 2 })
    expect(there.collection().get('mine')?.body).to.deep.equal({ v: 1 })
  })

  it('begins on a connection over which it was asked for too early', async () => {
    const [near, far] = openPair()
    expect(await ask(near.blip, { profile: 'getCollections' })).to.include({ kind: 'error', domain: 'BLIP', code: 404 })
    serveReplication(far, { database: there })
    there.collection().put('doc', { v: 1 })
    const once = replicator(near)
    once.start()
    expect((await once.finished()).error).to.equal(undefined)
    expect(here.collection().get('doc')?.body).to.deep.equal({ v: 1 })
  })

  it('closes the connection when it ends, on either side', async () => {
    for (const end of ['replicator', 'passive side'] as const) {
      const [near, far] = openPair()
      const served = serveReplication(far, { database: there })
      const live = replicator(near, { continuous: true })
      live.start()
      await eventually('idle', () => live.status.activity === 'idle')
      const closes = Promise.all([ended(near.blip), ended(far.blip)])
      if (end === 'replicator') await live.stop()
      else await served.stop(4001)
      expect((await closes).map(({ code }) => code)).to.deep.equal(end === 'replicator' ? [1000, 1000] : [4001, 4001])
      expect((await served.ended).error).to.equal(undefined)
      await live.stop()
    }
  })

  it('ends with a connection that had ended already', async () => {
    const [near, far] = openPair()
    near.blip.close(1000)
    await ended(far.blip)
    const served = serveReplication(far, { database: there })
    expect((await served.ended).activity).to.equal('stopped')
    const late = replicator(near)
    late.start()
    expect((await late.finished()).error?.code).to.equal('ERR_REPL_CLOSED')
  })

  it('refuses a protocol that is not the database’s, and closes', async () => {
    const [near, far] = openPair('BLIP_3+CBMobile_4')
    const closed = ended(far.blip)
    try {
      serveReplication(far, { database: there })
      expect.fail('nothing was thrown')
    } catch (error) {
      expect(errorCode(error)).to.equal('ERR_REPL_VERSIONING')
    }
    expect((await closed).code).to.equal(1002)
    const [again] = openPair('something else')
    const closedToo = ended(again.blip)
    const wrong = replicator(again)
    wrong.start()
    expect((await wrong.finished()).error?.code).to.equal('ERR_REPL_PROTOCOL')
    expect((await closedToo).code).to.equal(1002)
    near.blip.close()
  })

  it('cannot run twice over one connection', () => {
    const [, far] = openPair()
    serveReplication(far, { database: there })
    expect(() => serveReplication(far, { database: there })).to.throw(TypeError, /has a handler already/)
    far.blip.close()
  })

  it('closes a connection that opens when nobody wants it any more', async () => {
    const clock = manualClock()
    const [near] = openPair()
    let open: ((connection: OpenBlipConnection) => void) | undefined
    const late = new Replicator({
      database: here,
      clock,
      endpoint: socketEndpoint({
        uid: 'there',
        open: () =>
          new Promise((resolve) => {
            open = resolve
          })
      })
    })
    late.start()
    await eventually('the try', () => open !== undefined)
    const stopped = late.stop()
    await clock.advance(10_000)
    await stopped
    open!(near)
    expect((await ended(near.blip)).code).to.equal(1000)
  })

  it('takes its turns from the scheduler that is handed in', async () => {
    const [near, far] = openPair()
    const turns = { near: 0, far: 0 }
    const counting = (side: 'near' | 'far') => ({
      soon: (run: () => void): void => {
        turns[side]++
        setImmediate(run)
      }
    })
    here.collection().put('doc', { v: 1 })
    serveReplication(far, { database: there, scheduler: counting('far') })
    const once = replicator(near, { scheduler: counting('near') })
    once.start()
    expect((await once.finished()).error).to.equal(undefined)
    expect(turns.near).to.be.greaterThan(0)
    expect(turns.far).to.be.greaterThan(0)
  })
})
