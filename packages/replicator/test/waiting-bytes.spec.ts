import { BufferBudget } from '@kithmesh/blip'
import type { IncomingRequest, Reply } from '@kithmesh/blip'
import { expect } from 'chai'
import { eventually } from '@kithmesh/testkit'
import { BlipPair } from './support/blip-pair.ts'
import { MemoryStore, digestOf, revIdFor } from './support/memory-store.ts'
import { activeSession, passiveSession, replicate } from './support/sessions.ts'
import type { Running } from './support/sessions.ts'

const BODY_BYTES = 100_000
const LIMIT = 10 * BODY_BYTES
const limits = { maxBytesWaiting: LIMIT, inactivityMs: 60_000 }

const blobOf = (i: number): Buffer => Buffer.from(`blob ${i}`)
/** A document of nearly 100 kB with a blob of its own. */
const bodyOf = (i: number): Buffer => {
  const photo = { '@type': 'blob', digest: digestOf(blobOf(i)), length: blobOf(i).length }
  return Buffer.from(JSON.stringify({ photo, text: 'x'.repeat(BODY_BYTES - 300) }))
}

describe('documents that wait for blobs', () => {
  let store: MemoryStore
  let pair: BlipPair
  let answers: Reply[]
  /** Requests for blobs that the peer has not answered. */
  let owed: IncomingRequest[]
  const accepted = (): number => answers.filter(({ kind }) => kind === 'ok').length
  const refused = (): number[] => answers.flatMap((reply) => (reply.kind === 'error' ? [reply.code] : []))

  const ask = (profile: string, properties: Record<string, string>, body: Buffer): Promise<Reply> =>
    new Promise((resolve) => {
      pair.a.request({ profile, properties, body }, resolve)
    })
  const send = (i: number, properties: Record<string, string> = {}): void => {
    const body = bodyOf(i)
    void ask('rev', { id: `doc${i}`, rev: revIdFor(undefined, false, body), ...properties }, body).then((reply) => answers.push(reply))
  }
  const deliver = (): void => {
    for (const request of owed.splice(0)) {
      const i = [...Array(100).keys()].find((n) => digestOf(blobOf(n)) === request.properties['digest'])
      request.respond({ body: blobOf(i as number) })
    }
  }

  beforeEach(() => {
    store = new MemoryStore()
    pair = new BlipPair()
    answers = []
    owed = []
    pair.a.handle('getAttachment', (request) => owed.push(request))
  })
  afterEach(() => {
    pair.cut()
  })

  describe('pushed by a peer that does not send them', () => {
    it('are taken up to a number of bytes; more are refused for a while', async () => {
      passiveSession(pair.b, store, { limits })
      for (let i = 0; i < 30; i++) send(i)
      await eventually('the refusals', () => answers.length === 20)
      expect(refused()).to.deep.equal(Array(20).fill(503))
      await eventually('the requests for blobs', () => owed.length === 10)
      void ask('rev', { id: 'small', rev: '1-aa' }, Buffer.from('{}')).then((reply) => answers.push(reply))
      await eventually('a document without blobs', () => accepted() === 1)
      deliver()
      await eventually('what waited', () => accepted() === 11)
      for (let i = 10; i < 20; i++) send(i)
      await eventually('the next blobs', () => owed.length === 10)
      deliver()
      await eventually('the second try', () => accepted() === 21)
      expect(refused()).to.have.length(20)
    })

    it('do not disturb other peers', async () => {
      passiveSession(pair.b, store, { limits })
      for (let i = 0; i < 30; i++) send(i)
      await eventually('the refusals', () => answers.length === 20)
      const other = new MemoryStore()
      other.default.put('theirs', JSON.parse(bodyOf(50).toString()))
      other.blobs.put(blobOf(50))
      const { error } = await replicate(other, store, {}, { limits })
      expect(error).to.equal(undefined)
      expect(store.default.snapshot()).to.have.keys('theirs')
    })

    it('end the session after a while, whatever else the peer sends', async () => {
      const { session, ended } = passiveSession(pair.b, store, { limits })
      session.tick(1000)
      send(0)
      await eventually('the request for the blob', () => owed.length === 1)
      for (let now = 1000; now <= 61_000; now += 1000) {
        session.tick(now)
        if (now % 10_000 === 0) expect(await ask('proposeChanges', {}, Buffer.from('[]'))).to.include({ kind: 'ok' })
        expect(pair.closed).to.equal(false)
      }
      session.tick(62_000)
      const { error, transient } = await ended
      expect(error?.code).to.equal('ERR_REPL_TIMEOUT')
      expect(transient).to.equal(true)
    })

    it('may take long as long as blobs come', async () => {
      const { session } = passiveSession(pair.b, store, { limits })
      for (let i = 0; i < 5; i++) send(i)
      await eventually('the requests for the blobs', () => owed.length === 5)
      const late = owed.splice(0)
      for (let i = 0; i < 5; i++) {
        session.tick(i * 50_000 + 1000)
        owed = [late[i] as IncomingRequest]
        deliver()
        await eventually('the document', () => accepted() === i + 1)
      }
      session.tick(300_000)
      expect(pair.closed).to.equal(false)
    })

    it('let one document wait that is larger than the bound', async () => {
      passiveSession(pair.b, store, { limits: { maxBytesWaiting: 10 } })
      send(0)
      send(1)
      await eventually('the refusal', () => refused().length === 1 && owed.length === 1)
      deliver()
      await eventually('the document', () => accepted() === 1)
    })
  })

  it('in one collection hold up the lists of all, and no longer', async () => {
    store = new MemoryStore(['_default', 'shop.items'])
    passiveSession(pair.b, store, { limits: { maxBytesWaiting: 10 } })
    const collections = { collections: ['_default', 'shop.items'], checkpoint_ids: ['a', 'b'] }
    expect(await ask('getCollections', {}, Buffer.from(JSON.stringify(collections)))).to.include({ kind: 'ok' })
    send(0, { collection: '0' })
    await eventually('the request for the blob', () => owed.length === 1)
    let reply: Reply | undefined
    void ask('proposeChanges', { collection: '1' }, Buffer.from('[["new","1-aa"]]')).then((given) => {
      reply = given
    })
    expect(await ask('PING', {}, Buffer.alloc(0))).to.include({ kind: 'ok' })
    expect(reply).to.equal(undefined)
    deliver()
    await eventually('the answer', () => reply?.kind === 'ok')
  })

  it('are asked for only while there is room, and refused when nobody asked', async () => {
    pair.a.handle('getCollections', (request) => {
      request.respond({ body: Buffer.from('[{}]') })
    })
    pair.a.handle('subChanges', (request) => {
      request.respond()
    })
    const active = activeSession(pair.b, store, { push: false, continuous: true, limits })
    active.session.start()
    await eventually('the subscription', () => pair.seen.some(({ profile }) => profile === 'subChanges'))
    const list = (from: number, to: number): Buffer =>
      Buffer.from(
        JSON.stringify(
          Array.from({ length: to - from }, (_, i) => [from + i + 1, `doc${from + i}`, revIdFor(undefined, false, bodyOf(from + i))])
        )
      )
    expect(await ask('changes', { collection: '0' }, list(0, 60))).to.include({ kind: 'ok' })
    for (let i = 0; i < 60; i++) send(i, { collection: '0', sequence: String(i + 1) })
    // Asked for: four times as much.
    await eventually('the refusals', () => answers.length === 20)
    expect(refused()).to.deep.equal(Array(20).fill(503))
    let listed: Reply | undefined
    void ask('changes', { collection: '0' }, list(60, 61)).then((reply) => {
      listed = reply
    })
    send(70, { collection: '0', sequence: '1000' })
    await eventually('the refusal of what nobody asked for', () => answers.length === 21)
    expect(refused()).to.have.length(21)
    expect(listed).to.equal(undefined)
    // A bounded number of blobs is asked for at once.
    while (accepted() < 40) {
      await eventually('blobs', () => owed.length > 0 || accepted() === 40)
      deliver()
    }
    await eventually('the answer to the list', () => listed?.kind === 'ok')
    expect(active.documents.filter(({ transient }) => transient === true)).to.have.length(21)
  })

  describe('in a budget of many connections', () => {
    const running: { pair: BlipPair; session: Running }[] = []
    const serve = (bufferBudget: BufferBudget): Running => {
      const session = passiveSession(pair.b, store, { bufferBudget })
      running.push({ pair, session })
      return session
    }
    afterEach(() => {
      for (const { pair: each } of running.splice(0)) each.cut()
    })

    it('count until they are stored, or the session ends', async () => {
      const budget = new BufferBudget(10 * LIMIT)
      const { ended } = serve(budget)
      for (let i = 0; i < 5; i++) send(i)
      await eventually('the requests for the blobs', () => owed.length === 5)
      expect(budget.usedBytes).to.be.within(4.9 * BODY_BYTES, 5.1 * BODY_BYTES)
      deliver()
      await eventually('the documents', () => accepted() === 5)
      expect(budget.usedBytes).to.equal(0)
      send(6)
      await eventually('the next blob', () => owed.length === 1)
      expect(budget.usedBytes).to.be.greaterThan(0)
      pair.cut()
      await ended
      expect(budget.usedBytes).to.equal(0)
    })

    it('are refused where one session holds the most, which ends when another needs the room', async () => {
      const budget = new BufferBudget(LIMIT)
      const greedy = serve(budget)
      for (let i = 0; i < 12; i++) send(i)
      await eventually('the refusals', () => refused().length === 2)
      expect(greedy.result).to.equal(undefined)
      pair = new BlipPair()
      answers = []
      pair.a.handle('getAttachment', (request) => owed.push(request))
      const modest = serve(budget)
      send(20)
      send(21)
      const { error, transient } = await greedy.ended
      expect(error?.code).to.equal('ERR_BLIP_LIMIT')
      expect(transient).to.equal(true)
      await eventually('the blobs of the modest one', () => owed.some(({ properties }) => properties['digest'] === digestOf(blobOf(21))))
      expect(modest.result).to.equal(undefined)
      expect(refused()).to.deep.equal([])
      expect(budget.usedBytes).to.be.within(1.9 * BODY_BYTES, 2.1 * BODY_BYTES)
    })
  })
})
