import { expect } from 'chai'
import { makeRevisionId } from '@kithmesh/database/replication'
import type { Collection, Database } from '@kithmesh/database'
import { eventually, recordingLogger } from '@kithmesh/testkit'
import { Temporary, thrownBy } from './temporary.ts'

const temporary = new Temporary()

describe('a collection', () => {
  let database: Database
  let items: Collection
  beforeEach(async () => {
    database = await temporary.open()
    items = database.collection()
  })
  afterEach(async () => {
    await temporary.clean()
  })

  it('stores objects, JSON text and JSON bytes, the latter as they are', () => {
    items.put('object', { b: 1, a: [true, null] })
    items.put('text', '{ "b": 1.0 }')
    items.put('bytes', Buffer.from('{"c":"é"}'))
    expect(items.get('object')?.json().toString()).to.equal('{"b":1,"a":[true,null]}')
    expect(items.get('text')?.json().toString()).to.equal('{ "b": 1.0 }')
    expect(items.get('bytes')?.body).to.deep.equal({ c: 'é' })
    expect(items.count).to.equal(3)
    expect(items.lastSequence).to.equal(3)
  })
  it('makes revision ids by the digest rule, whatever the order of keys', () => {
    expect(items.put('a', { a: 1 })).to.deep.equal({ id: 'a', revId: '1-66c183b8980c2066b2d6ecd701d3823bc0c1b838', sequence: 1 })
    expect(items.put('a', { a: 2 }).revId).to.equal('2-d04485f7437dbfe43ba14b8cef6b0cb170f617a5')
    expect(items.put('b', { x: 1, y: 2 }).revId).to.equal(items.put('c', '{"y":2, "x":1}').revId)
  })
  it('refuses a write on a parent that is not current, and repeats one harmlessly', () => {
    const first = items.put('a', { n: 1 }, { parent: '' })
    const second = items.put('a', { n: 2 }, { parent: first.revId })
    expect(items.put('a', { n: 2 }, { parent: first.revId })).to.deep.equal(second)
    expect(thrownBy(() => items.put('a', { n: 3 }, { parent: first.revId })).code).to.equal('ERR_DB_CONFLICT')
    expect(thrownBy(() => items.put('a', { n: 3 }, { parent: '' })).code).to.equal('ERR_DB_CONFLICT')
    expect(thrownBy(() => items.put('b', { n: 3 }, { parent: first.revId })).code).to.equal('ERR_DB_CONFLICT')
    expect(items.get('a')?.body).to.deep.equal({ n: 2 })
    expect(items.lastSequence).to.equal(2)
  })
  it('deletes with a tombstone that the next revision continues', () => {
    const { revId } = items.put('a', { n: 1 })
    const tombstone = items.remove('a')
    expect(tombstone?.revId).to.equal(makeRevisionId(revId, true, '{}'))
    expect(items.get('a')).to.equal(undefined)
    expect(items.get('a', { deleted: true })).to.include({ deleted: true, revId: tombstone?.revId })
    expect(items.get('a', { deleted: true })?.body).to.deep.equal({})
    expect([items.count, items.remove('a'), items.remove('never')]).to.deep.equal([0, undefined, undefined])
    expect(items.put('a', { n: 2 }, { parent: '' }).revId).to.match(/^3-/)
    expect(thrownBy(() => items.remove('a', { parent: revId })).code).to.equal('ERR_DB_CONFLICT')
  })
  it('purges without a trace and never uses a sequence again', () => {
    items.put('a', { n: 1 })
    expect([items.purge('a'), items.purge('a')]).to.deep.equal([true, false])
    expect(items.get('a', { deleted: true })).to.equal(undefined)
    expect(items.changes()).to.deep.equal([])
    expect(items.put('b', {}).sequence).to.equal(2)
  })
  it('writes many documents or none', () => {
    expect(items.putMany(Array.from({ length: 500 }, (_, n) => ({ id: `d${n}`, body: { n } })))).to.have.length(500)
    expect(
      thrownBy(() =>
        items.putMany([
          { id: 'x', body: {} },
          { id: '_y', body: {} }
        ])
      ).code
    ).to.equal('ERR_DB_DOCUMENT_ID')
    expect(
      thrownBy(() =>
        items.putMany([
          { id: 'x', body: {} },
          { id: 'd1', body: {}, parent: '' }
        ])
      ).code
    ).to.equal('ERR_DB_CONFLICT')
    expect([items.count, items.get('x')]).to.deep.equal([500, undefined])
  })
  it('lists documents in order of their ids, in pages, without tombstones', () => {
    const ids = ['b', 'a', '\u{1f600}', '\uffee', 'é', 'Z', ...Array.from({ length: 300 }, (_, n) => `m${n}`)]
    items.putMany(ids.map((id) => ({ id, body: {} })))
    items.remove('m5')
    const expected = ids.filter((id) => id !== 'm5').sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    expect([...items.documents()].map(({ id }) => id)).to.deep.equal(expected)
    expect([...items.documents({ after: 'a', limit: 2 })].map(({ id }) => id)).to.deep.equal(['b', 'm0'])
  })
  it('lists changes once per document in the order of the latest', () => {
    for (const id of ['a', 'b', 'c', 'a']) items.put(id, { now: items.lastSequence })
    items.remove('b')
    expect(items.changes().map(({ id, sequence, deleted }) => [id, sequence, deleted])).to.deep.equal([
      ['c', 3, false],
      ['a', 4, false],
      ['b', 5, true]
    ])
    expect(items.changes({ since: 3, limit: 1 }).map(({ id }) => id)).to.deep.equal(['a'])
  })

  describe('refuses', () => {
    const cases: [string, string, unknown, string][] = [
      ['an empty id', '', {}, 'ERR_DB_DOCUMENT_ID'],
      ['an id with an underscore first', '_a', {}, 'ERR_DB_DOCUMENT_ID'],
      ['an id of 241 bytes', 'é'.repeat(120) + 'a', {}, 'ERR_DB_DOCUMENT_ID'],
      ['an id with half a character', 'a\ud800', {}, 'ERR_DB_DOCUMENT_ID'],
      ['malformed JSON', 'a', '{"a":', 'ERR_DB_MALFORMED_JSON'],
      ['JSON that is no object', 'a', '[1]', 'ERR_DB_MALFORMED_JSON'],
      ['a reserved key', 'a', { _rev: '1-ab' }, 'ERR_DB_RESERVED_KEY'],
      [
        'a blob that is not there',
        'a',
        { pic: { '@type': 'blob', digest: 'sha1-ArH2IhJgRp/90GRqSAdAfa750BE=', length: 12 } },
        'ERR_DB_BLOB_MISSING'
      ]
    ]
    for (const [what, id, body, code] of cases) {
      it(what, () => {
        const error = thrownBy(() => items.put(id, body as object))
        expect(error.code).to.equal(code)
        expect(error.hint).to.be.a('string').and.not.equal('')
        expect(items.lastSequence).to.equal(0)
      })
    }
    it('what is neither an object nor JSON with a TypeError', () => {
      for (const body of [undefined, null, 5, [1]])
        expect(thrownBy(() => items.put('a', body as unknown as object))).to.be.instanceOf(TypeError)
    })
    it('a document above the limit, and takes one of exactly the limit', async () => {
      const small = (await temporary.open(':memory:', { maxDocumentSize: 20 })).collection()
      expect(thrownBy(() => small.put('a', '{"a":"0123456789123"}')).message).to.include('limit is 20')
      expect(small.put('a', '{"a":"012345678912"}').sequence).to.equal(1)
    })
  })
  it('takes ids of 240 bytes of anything', () => {
    for (const id of ['é'.repeat(120), 'a\u0000b', 'a\nb', '\u{1f600}', '%', "'; --"]) {
      items.put(id, { id })
      expect(items.get(id)?.body).to.deep.equal({ id })
    }
  })

  describe('feeds of changes', () => {
    it('yield what was there and what comes, until the signal', async () => {
      items.put('a', {})
      const controller = new AbortController()
      const seen: string[] = []
      for await (const { id } of items.changesFeed({ since: 0, signal: controller.signal })) {
        seen.push(id)
        if (seen.length === 1)
          setImmediate(() => {
            items.putMany(Array.from({ length: 450 }, (_, n) => ({ id: `d${n}`, body: {} })))
          })
        if (seen.length === 451) controller.abort()
      }
      expect(new Set(seen).size).to.equal(451)
      expect(seen.at(-1)).to.equal('d449')
    })
    it('end when the database closes', async () => {
      const ended = (async () => {
        for await (const change of items.changesFeed()) expect.fail(change.id)
      })()
      await database.close()
      await ended
    })
    it('end when the database closes while nobody reads', async () => {
      items.putMany([
        { id: 'a', body: {} },
        { id: 'b', body: {} }
      ])
      const feed = items.changesFeed({ since: 0 })
      expect((await feed.next()).value).to.include({ id: 'a' })
      await database.close()
      expect((await feed.next()).done).to.equal(true)
    })
  })
  it('calls no listener once the database is closed', async () => {
    let calls = 0
    items.watch(() => {
      calls += 1
    })
    items.put('a', {})
    await database.close()
    await new Promise((resolve) => {
      setTimeout(resolve, 20)
    })
    expect(calls).to.equal(0)
  })
  it('isolates a failing listener from the others', async () => {
    const logger = recordingLogger()
    items = (await temporary.open(':memory:', { logger })).collection()
    let calls = 0
    const error = new Error('broken listener')
    items.watch(() => {
      throw error
    })
    items.watch(() => {
      calls += 1
    })
    items.put('a', {})
    await eventually('the second listener', () => calls === 1)
    expect(logger.entries).to.deep.equal([
      { level: 'error', name: 'test:database', message: 'A change listener failed', fields: { error } }
    ])
  })
})
