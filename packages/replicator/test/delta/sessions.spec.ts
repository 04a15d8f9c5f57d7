import { createHash } from 'node:crypto'
import { Database } from '@kithmesh/database'
import { replicationStore } from '@kithmesh/database/replication'
import type { DocumentVersioning, ReplicationCollection, ReplicationStore } from '@kithmesh/database/replication'
import { Replicator, serveReplication, socketEndpoint } from '@kithmesh/replicator'
import { expect } from 'chai'
import { memorySocketPair } from '@kithmesh/testkit/memory'
import { eventually } from '@kithmesh/testkit'
import type { BlipPair, Seen } from '../support/blip-pair.ts'
import { activeSession, passiveSession, replicate } from '../support/sessions.ts'
import { BlipPair as Pair } from '../support/blip-pair.ts'
import { applyDelta } from '../../dist/delta/apply-delta.js'

const PROSE = 'The large room on the second floor has a table for twelve, a screen, and windows to the yard. '.repeat(6)

/** Revisions sent one way. */
const revs = (pair: BlipPair, dir: Seen['dir']): Seen[] => pair.seen.filter((m) => m.profile === 'rev' && m.dir === dir)
const statuses = (pair: BlipPair): string[] =>
  pair.seen.filter((m) => m.type === 'ERR').map((m) => `${m.dir} ${m.properties['Error-Code'] ?? ''}`)
const mentionsDeltas = (pair: BlipPair): Seen[] => pair.seen.filter(({ properties }) => 'deltas' in properties || 'deltaSrc' in properties)

/** The id of a revision that may follow one. */
function following(revId: string): string {
  const time = revId.split('@')[0] ?? ''
  return time === revId ? '2-ab' : `${(BigInt(`0x${time}`) + 1n).toString(16)}@AAECAwQFBgcICQoLDA0ODw`
}

describe('deltas between two databases', () => {
  let a: Database
  let b: Database
  const open: Database[] = []

  const database = async (versioning: DocumentVersioning = 'rev-trees'): Promise<Database> => {
    const made = await Database.open(':memory:', { versioning })
    open.push(made)
    return made
  }
  const json = (of: Database, id: string): unknown => of.collection().get(id)?.body
  const text = (of: Database, id: string): string | undefined => of.collection().get(id)?.json().toString()
  const sync = (
    settings: Parameters<typeof replicate>[2] = {},
    passive: Parameters<typeof replicate>[3] = { deltas: true },
    wrap: { a?: (store: ReplicationStore) => ReplicationStore; b?: (store: ReplicationStore) => ReplicationStore } = {}
  ) => {
    const same = (store: ReplicationStore): ReplicationStore => store
    return replicate((wrap.a ?? same)(replicationStore(a)), (wrap.b ?? same)(replicationStore(b)), settings, passive)
  }
  const view = (of: Database): ReplicationCollection => replicationStore(of).collection('_default', '_default') as ReplicationCollection

  beforeEach(async () => {
    a = await database()
    b = await database()
  })
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close()
  })

  it('are announced once per collection and connection', async () => {
    for (let n = 0; n < 450; n++) {
      a.collection().put(`a${n}`, { n })
      b.collection().put(`b${n}`, { n })
    }
    const { pair } = await sync()
    const lists = pair.seen.filter((m) => m.properties['blobs'] === 'true')
    expect(lists.filter((m) => m.dir === 'A>B').length).to.be.greaterThan(1)
    expect(lists.filter((m) => m.dir === 'B>A').length).to.be.greaterThan(1)
    for (const dir of ['A>B', 'B>A']) {
      expect(lists.filter((m) => m.dir === dir).map((m) => m.properties['deltas'] ?? 'no')[0]).to.equal('true')
      expect(mentionsDeltas(pair).filter((m) => m.dir === dir)).to.have.length(1)
    }
  })

  it('are sent by the active side for what it changed', async () => {
    a.collection().put('doc', { n: 1, prose: PROSE })
    const first = await sync()
    expect(revs(first.pair, 'A>B').map((m) => 'deltaSrc' in m.properties)).to.deep.equal([false])
    const before = a.collection().get('doc')?.revId
    a.collection().put('doc', { n: 2, prose: PROSE.replace('twelve', 'ten') })
    const { pair, active, passive } = await sync()
    const [rev] = revs(pair, 'A>B')
    expect(rev?.properties).to.include({ deltaSrc: before, id: 'doc', noconflicts: '1' })
    expect(rev?.body.length).to.be.lessThan(70)
    expect(text(b, 'doc')).to.equal(text(a, 'doc'))
    expect(b.collection().get('doc')?.revId).to.equal(a.collection().get('doc')?.revId)
    expect(active.session.statistics.bytesPushed).to.equal(rev?.body.length)
    expect(passive.session.statistics.bytesPulled).to.equal(rev?.body.length)
    expect(statuses(pair)).to.deep.equal([])
  })

  it('are sent by the active side for what it pulled and changed', async () => {
    b.collection().put('doc', { n: 1, prose: PROSE })
    await sync()
    a.collection().put('doc', { n: 2, prose: PROSE })
    const { pair } = await sync()
    expect(revs(pair, 'A>B').map((m) => m.body.toString())).to.deep.equal(['{"n":2}'])
    expect(json(b, 'doc')).to.deep.equal({ n: 2, prose: PROSE })
  })

  it('are sent by the passive side for what it was given, and for what it gave', async () => {
    a.collection().put('given', { n: 1, prose: PROSE })
    b.collection().put('had', { n: 1, prose: PROSE })
    await sync()
    for (const id of ['given', 'had']) b.collection().put(id, { n: 2, prose: PROSE })
    const { pair } = await sync()
    expect(revs(pair, 'B>A').map((m) => m.body.toString())).to.deep.equal(['{"n":2}', '{"n":2}'])
    for (const id of ['given', 'had']) expect(text(a, id)).to.equal(text(b, id))
    // And on and on.
    for (let n = 3; n < 6; n++) {
      for (const id of ['given', 'had']) b.collection().put(id, { n, prose: PROSE })
      const later = await sync()
      expect(revs(later.pair, 'B>A').map((m) => m.body.toString())).to.deep.equal([`{"n":${n}}`, `{"n":${n}}`])
      expect(json(a, 'given')).to.deep.equal({ n, prose: PROSE })
    }
  })

  it('are sent both ways while a connection stays', async () => {
    a.collection().put('doc', { n: 0, prose: PROSE })
    const pair = new Pair()
    const passive = passiveSession(pair.b, replicationStore(b), { deltas: true })
    const active = activeSession(pair.a, replicationStore(a), { continuous: true })
    active.session.start()
    await eventually('the document', () => json(b, 'doc') !== undefined)
    for (let n = 1; n < 7; n++) {
      const [from, to] = n % 2 === 0 ? [a, b] : [b, a]
      await eventually('a pause', () => active.session.activity === 'idle' && pair.pending === 0)
      from.collection().put('doc', { n, prose: PROSE })
      await eventually(`change ${n}`, () => (json(to, 'doc') as { n: number }).n === n)
    }
    expect(pair.seen.filter((m) => m.profile === 'rev').map((m) => m.body.toString())).to.deep.equal([
      JSON.stringify({ n: 0, prose: PROSE }),
      ...[1, 2, 3, 4, 5, 6].map((n) => `{"n":${n}}`)
    ])
    active.session.stop()
    await Promise.all([active.ended, passive.ended])
  })

  for (const off of ['active', 'passive', 'both'] as const) {
    it(`are not used when ${off === 'both' ? 'both sides have' : `the ${off} side has`} them off`, async () => {
      a.collection().put('doc', { n: 1, prose: PROSE })
      b.collection().put('other', { n: 1, prose: PROSE })
      const settings = [{ deltas: off === 'passive' }, { deltas: off === 'active' }] as const
      await sync(...settings)
      a.collection().put('doc', { n: 2, prose: PROSE })
      b.collection().put('other', { n: 2, prose: PROSE })
      const { pair } = await sync(...settings)
      const side = off === 'active' ? 'A>B' : 'B>A'
      // The side that has them on says so, as it cannot know.
      expect(mentionsDeltas(pair).filter((m) => off === 'both' || m.dir === side || 'deltaSrc' in m.properties)).to.deep.equal([])
      expect(json(b, 'doc')).to.deep.equal({ n: 2, prose: PROSE })
      expect(json(a, 'other')).to.deep.equal({ n: 2, prose: PROSE })
    })
  }

  it('are not sent for small documents, nor when they would be larger, nor to or from a deletion', async () => {
    a.collection().put('small', { n: 1 })
    a.collection().put('rewritten', { text: PROSE })
    a.collection().put('deleted', { n: 1, prose: PROSE })
    a.collection().put('back', { n: 1, prose: PROSE })
    a.collection().remove('back')
    await sync()
    a.collection().put('small', { n: 2 })
    a.collection().put('rewritten', { other: createHash('sha512').update('x').digest('hex').repeat(3) })
    a.collection().remove('deleted')
    a.collection().put('back', { n: 1, prose: PROSE })
    const { pair } = await sync()
    expect(revs(pair, 'A>B')).to.have.length(4)
    expect(mentionsDeltas(pair).filter((m) => 'deltaSrc' in m.properties)).to.deep.equal([])
    for (const id of ['small', 'rewritten', 'deleted', 'back']) expect(text(b, id), id).to.equal(text(a, id))
  })

  it('leave numbers as they were written', async () => {
    const body = (n: string): string => `{"big":12345678901234567890,"one":1.0,"e":1e2,"n":${n},"prose":${JSON.stringify(PROSE)}}`
    a.collection().put('doc', body('98765432109876543210'))
    await sync()
    a.collection().put('doc', body('98765432109876543211'))
    const { pair } = await sync()
    expect(revs(pair, 'A>B').map((m) => m.body.toString())).to.deep.equal(['{"n":98765432109876543211}'])
    expect(text(b, 'doc')).to.equal(body('98765432109876543211'))
  })

  it('are not made of documents with a key twice, which goes out whole', async () => {
    const body = (n: number): string => `{"n":1,"n":${n},"prose":${JSON.stringify(PROSE)}}`
    a.collection().put('doc', body(2))
    await sync()
    a.collection().put('doc', body(3))
    const { pair } = await sync()
    expect(revs(pair, 'A>B').map((m) => 'deltaSrc' in m.properties)).to.deep.equal([false])
    expect(text(b, 'doc')).to.equal(body(3))
  })

  it('bring the blobs they mention', async () => {
    a.collection().put('doc', { prose: PROSE, first: await a.blobs.saveBlob(Buffer.from('one')) })
    await sync()
    a.collection().put('doc', { ...(json(a, 'doc') as object), second: await a.blobs.saveBlob(Buffer.from('two')) })
    const { pair } = await sync()
    const [rev] = revs(pair, 'A>B')
    expect(rev?.properties).to.include.keys('deltaSrc')
    expect(rev?.body.toString()).not.to.include('first')
    expect(pair.seen.filter((m) => m.profile === 'getAttachment')).to.have.length(1)
    const { second } = json(b, 'doc') as { second: { digest: string } }
    expect((await b.blobs.read(second.digest))?.toString()).to.equal('two')
  })

  it('are checked like whole bodies', async () => {
    a.collection().put('doc', { n: 1, prose: PROSE })
    await sync()
    a.collection().put('doc', { n: 2, prose: PROSE })
    const { pair, active, error } = await sync({ pull: false }, { deltas: true, limits: { maxDocumentBytes: 300 } })
    expect(error).to.equal(undefined)
    expect(statuses(pair)).to.deep.equal(['B>A 413'])
    expect(active.documents.map((event) => event.error?.code)).to.deep.equal(['ERR_REPL_DOC_REJECTED'])
    expect(json(b, 'doc')).to.deep.equal({ n: 1, prose: PROSE })
  })

  describe('whose source the receiver lost', () => {
    const forgetful = (store: ReplicationStore): ReplicationStore => ({
      ...store,
      collection: (scope, name) => {
        const collection = store.collection(scope, name)
        return collection === undefined
          ? undefined
          : new Proxy(collection, {
              get: (target, key) => {
                if (key === 'bodyOf') return () => undefined
                const value: unknown = Reflect.get(target, key)
                return typeof value === 'function' ? (value.bind(target) as unknown) : value
              }
            })
      }
    })

    it('are answered with 422 by the passive side, and the revision comes whole at once', async () => {
      a.collection().put('doc', { n: 1, prose: PROSE })
      await sync()
      a.collection().put('doc', { n: 2, prose: PROSE })
      const { pair, active, passive, error } = await sync({}, { deltas: true }, { b: forgetful })
      expect(error).to.equal(undefined)
      expect(statuses(pair)).to.deep.equal(['B>A 422'])
      expect(revs(pair, 'A>B').map((m) => 'deltaSrc' in m.properties)).to.deep.equal([true, false])
      expect(json(b, 'doc')).to.deep.equal({ n: 2, prose: PROSE })
      expect(active.documents.map(({ id, error }) => [id, error])).to.deep.equal([['doc', undefined]])
      expect(passive.documents.map(({ id, error }) => [id, error])).to.deep.equal([['doc', undefined]])
      expect(revs((await sync()).pair, 'A>B')).to.deep.equal([])
    })

    it('are answered with 422 by the active side, which goes on expecting the revision', async () => {
      b.collection().put('doc', { n: 1, prose: PROSE })
      await sync()
      b.collection().put('doc', { n: 2, prose: PROSE })
      const { pair, active, passive, error } = await sync({}, { deltas: true }, { a: forgetful })
      expect(error).to.equal(undefined)
      expect(statuses(pair)).to.deep.equal(['A>B 422'])
      expect(revs(pair, 'B>A').map((m) => 'deltaSrc' in m.properties)).to.deep.equal([true, false])
      expect(json(a, 'doc')).to.deep.equal({ n: 2, prose: PROSE })
      expect([...active.documents, ...passive.documents].filter((event) => event.error !== undefined)).to.deep.equal([])
      expect(revs((await sync()).pair, 'B>A')).to.deep.equal([])
    })
  })

  it('that do not fit are answered with 422, whatever is in them', async () => {
    b.collection().put('doc', { n: 1, prose: PROSE })
    const source = b.collection().get('doc')?.revId ?? ''
    const pair = new Pair()
    const passive = passiveSession(pair.b, replicationStore(b), { deltas: true })
    const ask = (profile: string, properties: Record<string, string>, body: string): Promise<string> =>
      new Promise((resolve) => {
        pair.a.request({ profile, properties, body: Buffer.from(body) }, (reply) => {
          resolve(reply.kind === 'error' ? `${reply.domain} ${reply.code}` : reply.kind)
        })
      })
    await ask('getCollections', {}, '{"checkpoint_ids":["cp-x"],"collections":["_default"]}')
    const rev = (body: string, properties: Record<string, string> = {}): Promise<string> =>
      ask('rev', { collection: '0', id: 'doc', rev: following(source), history: source, deltaSrc: source, ...properties }, body)
    for (const delta of ['', '{', '[]', '5', '{"n":{"a":1}}', '{"x":[]}', '{"prose":["1=",0,2]}', '{"n":1,"n":2}', '{"\ud800":1'])
      expect(await rev(delta), delta).to.equal('HTTP 422')
    expect(await rev('{"n":2}', { deltaSrc: '1-00' })).to.equal('HTTP 422')
    expect(await rev('{"n":2}', { id: 'nothing' })).to.equal('HTTP 422')
    expect(await rev('{"n":2}', { deltaSrc: 'nonsense' })).to.equal('HTTP 400')
    expect(await rev('{"pic":[{"@type":"blob","digest":"../etc"}]}')).to.equal('HTTP 400')
    expect(await rev('[[1]]')).to.equal('HTTP 400')
    await eventually('the reports', () => passive.documents.length === 3)
    expect(passive.documents.map((event) => event.error?.code)).to.deep.equal(Array(3).fill('ERR_REPL_DOC_INVALID'))
    expect(json(b, 'doc')).to.deep.equal({ n: 1, prose: PROSE })
    expect(await rev('{"n":2,"_id":"x","x":[{"__proto__":{"p":1}}]}')).to.equal('ok')
    expect(text(b, 'doc')).to.equal(`{"n":2,"prose":${JSON.stringify(PROSE)},"x":{"__proto__":{"p":1}}}`)
    pair.cut()
    await passive.ended
  })

  it('are refused with 422 where they are off', async () => {
    const pair = new Pair()
    const passive = passiveSession(pair.b, replicationStore(b))
    b.collection().put('doc', { n: 1 })
    const revId = b.collection().get('doc')?.revId ?? ''
    pair.a.request({ profile: 'getCollections', body: Buffer.from('{"checkpoint_ids":["cp-x"],"collections":["_default"]}') }, () => {})
    const code = await new Promise((resolve) => {
      pair.a.request(
        {
          profile: 'rev',
          properties: { collection: '0', id: 'doc', rev: following(revId), history: revId, deltaSrc: revId },
          body: Buffer.from('{"n":2}')
        },
        (reply) => {
          resolve(reply.kind === 'error' ? reply.code : reply.kind)
        }
      )
    })
    expect(code).to.equal(422)
    pair.cut()
    await passive.ended
  })

  it('are not made when the source is gone here', async () => {
    a.collection().put('doc', { n: 1, prose: PROSE })
    await sync()
    const first = a.collection().get('doc')?.revId ?? ''
    // Another peer's session had deltas off when the body was replaced, or the bodies were lost otherwise.
    a.collection().purge('doc')
    view(a).insertRevisions([
      { id: 'doc', revId: first, history: [], deleted: false, body: Buffer.from('{}'), hasBlobs: false, onConflict: 'branch' }
    ])
    a.collection().put('doc', { n: 3, prose: PROSE })
    view(a).setRemoteAncestors(view(a).remoteId('peer-b'), [{ id: 'doc', revId: first }])
    const { pair } = await sync()
    expect(revs(pair, 'A>B').map((m) => 'deltaSrc' in m.properties)).to.deep.equal([false])
    expect(json(b, 'doc')).to.deep.equal({ n: 3, prose: PROSE })
  })

  it('take part in conflicts', async () => {
    a.collection().put('doc', { n: 1, prose: PROSE })
    await sync()
    a.collection().put('doc', { n: 2, prose: PROSE, by: 'a' })
    b.collection().put('doc', { n: 3, prose: PROSE, by: 'b' })
    const { pair, error } = await sync()
    expect(error).to.equal(undefined)
    // What b made of the common revision comes as a delta, though a has another revision by now.
    expect(revs(pair, 'B>A').map((m) => 'deltaSrc' in m.properties)).to.deep.equal([true])
    await sync()
    expect(text(a, 'doc')).to.equal(text(b, 'doc'))
    expect(view(a).conflicts(10)).to.deep.equal([])
  })

  it('take part in conflicts of version vectors, both ways and again and again', async () => {
    a = await database('version-vectors')
    b = await database('version-vectors')
    a.collection().put('doc', { n: 1, prose: PROSE })
    await sync()
    for (let n = 2; n < 6; n++) {
      const before = view(a).change('doc')?.revId
      b.collection().put('doc', { n, prose: PROSE, by: 'b' })
      a.collection().put('doc', { n, prose: PROSE, by: 'a' })
      const conflictResolver = (): { take: 'local' } => ({ take: 'local' })
      const { pair, error } = await sync({ collections: [{ conflictResolver }] })
      expect(error).to.equal(undefined)
      // b's edit is made of what both had, and the outcome of what b has, though a never had it as its current version.
      const [edit] = revs(pair, 'B>A').map(({ properties }) => properties)
      const outcome = revs(pair, 'A>B').at(-1)?.properties
      expect([edit?.['deltaSrc'], outcome?.['deltaSrc']]).to.deep.equal([before, edit?.['rev']])
      expect(statuses(pair).filter((status) => status.endsWith('422'))).to.deep.equal([])
      expect([text(a, 'doc'), view(b).change('doc')?.revId]).to.deep.equal([text(b, 'doc'), view(a).change('doc')?.revId])
    }
  })

  it('tell what they are made of to a third peer too', async () => {
    const c = await database()
    a.collection().put('doc', { n: 1, prose: PROSE })
    await sync()
    const toC = (): ReturnType<typeof replicate> =>
      replicate(replicationStore(c), replicationStore(b), { remoteUid: 'b of c' }, { deltas: true })
    await toC()
    a.collection().put('doc', { n: 2, prose: PROSE })
    await sync()
    const { pair } = await toC()
    expect(revs(pair, 'B>A').map((m) => m.body.toString())).to.deep.equal(['{"n":2}'])
    expect(text(c, 'doc')).to.equal(text(a, 'doc'))
  })

  it('never lead to another document than was sent', async () => {
    const words = PROSE.split(' ')
    let seed = 7
    const random = (below: number): number => (seed = (seed * 48271) % 2147483647) % below
    const edit = (of: Database, id: string): void => {
      const body = (json(of, id) ?? { words, list: [1, 2, 3], deep: { a: { b: PROSE } }, n: 0 }) as {
        words: string[]
        list: unknown[]
        deep: { a: { b: string } }
        n: number
        [key: string]: unknown
      }
      const next = structuredClone(body)
      next.n++
      if (random(2) === 0) next.words.splice(random(next.words.length), random(4), `new${random(100)}`)
      if (random(2) === 0) next.list.splice(random(4), random(3), { n: random(9) }, null)
      if (random(2) === 0) next.deep.a.b = next.deep.a.b.replace(words[random(words.length)] ?? '', `😀ø${random(1000)}`)
      if (random(3) === 0) next[`k${random(5)}`] = [PROSE.slice(0, random(400))]
      if (random(3) === 0) delete next[`k${random(5)}`]
      of.collection().put(id, next)
    }
    let deltas = 0
    for (let round = 0; round < 25; round++) {
      for (let id = 0; id < 6; id++) if (random(2) === 0) edit(random(2) === 0 ? a : b, `doc${id}`)
      const { pair, error } = await sync()
      expect(error).to.equal(undefined)
      expect(statuses(pair).filter((line) => line.endsWith('422'))).to.deep.equal([])
      deltas += pair.seen.filter((m) => 'deltaSrc' in m.properties).length
      for (let id = 0; id < 6; id++) expect(text(a, `doc${id}`)).to.equal(text(b, `doc${id}`))
    }
    expect(deltas).to.be.greaterThan(40)
  })

  it('say the same as whole bodies do', async () => {
    a.collection().put('doc', { n: 1, prose: PROSE })
    await sync()
    const before = Buffer.from(text(a, 'doc') ?? '')
    a.collection().put('doc', { prose: `${PROSE} Bring snacks.`, n: 1 })
    const { pair } = await sync()
    const [rev] = revs(pair, 'A>B')
    expect(JSON.parse(applyDelta(before, rev?.body ?? Buffer.alloc(0)).toString())).to.deep.equal(json(a, 'doc'))
    expect(json(b, 'doc')).to.deep.equal(json(a, 'doc'))
  })
})

describe('a delta on the line', () => {
  it('saves bytes', async () => {
    const [a, b] = [await Database.open(':memory:'), await Database.open(':memory:')]
    const bytes: number[] = []
    const body = (n: number): Record<string, unknown> => ({
      n,
      noise: Array.from({ length: 200 }, (_, i) => createHash('md5').update(`${i}`).digest('hex'))
    })
    for (const n of [1, 2]) {
      a.collection().put('doc', body(n))
      const [near, far] = memorySocketPair()
      const served = serveReplication(far, { database: b, deltas: true })
      const replicator = new Replicator({ database: a, endpoint: socketEndpoint({ uid: 'b', open: async () => near }) })
      replicator.start()
      expect((await replicator.finished()).error).to.equal(undefined)
      await served.ended
      bytes.push(near.sentBytes)
      expect(b.collection().get('doc')?.body).to.deep.equal(body(n))
    }
    expect(bytes[0]).to.be.greaterThan(3000)
    expect(bytes[1]).to.be.lessThan(900)
    await a.close()
    await b.close()
  })
})
