import { expect } from 'chai'
import type { OutgoingRequest, Reply } from '@kithmesh/blip'
import { eventually } from '@kithmesh/testkit'
import type { FilteredDocument } from '../dist/protocol/document-filter.js'
import { BlipPair } from './support/blip-pair.ts'
import { MemoryStore } from './support/memory-store.ts'
import { passiveSession } from './support/sessions.ts'

describe('a client that asks the answering side for single documents', () => {
  let store: MemoryStore
  let pair: BlipPair

  const ask = (request: OutgoingRequest): Promise<Reply> =>
    new Promise((resolve) => {
      pair.a.request(request, resolve)
    })
  const getRev = async (id: string, ifNotRev?: string): Promise<unknown> => {
    const reply = await ask({ profile: 'getRev', properties: { id, ...(ifNotRev !== undefined && { ifNotRev }) } })
    return reply.kind === 'ok'
      ? [reply.properties['rev'], JSON.parse(reply.body.toString())]
      : reply.kind === 'error'
        ? reply.code
        : reply.kind
  }

  beforeEach(() => {
    store = new MemoryStore()
    pair = new BlipPair()
  })
  afterEach(() => {
    pair.cut()
  })

  it('gets the current revision, unless it has it, and no deleted or filtered ones', async () => {
    passiveSession(pair.b, store, {
      collection: () => ({
        collection: store.default,
        pushFilter: ({ id }: FilteredDocument) => {
          if (id === 'broken') throw new Error('broken')
          return id !== 'secret'
        }
      })
    })
    const revId = store.default.put('doc', { v: 1 })
    for (const id of ['secret', 'gone', 'broken']) store.default.put(id, {})
    store.default.delete('gone')
    expect(await getRev('doc')).to.deep.equal([revId, { v: 1 }])
    expect(await getRev('doc', '1-0000')).to.deep.equal([revId, { v: 1 }])
    expect(await getRev('doc', revId)).to.equal(304)
    for (const id of ['secret', 'gone', 'broken', 'unknown']) expect(await getRev(id), id).to.equal(404)
    expect(await getRev('')).to.equal(400)
  })

  it('may not where peers may not pull', async () => {
    passiveSession(pair.b, store, { allowPush: false })
    store.default.put('doc', {})
    expect(await getRev('doc')).to.equal(403)
  })

  it('puts a revision as a pusher does', async () => {
    passiveSession(pair.b, store)
    const put = (rev: string, history: string, body: object): Promise<Reply> =>
      ask({ profile: 'putRev', properties: { id: 'doc', rev, history }, body: Buffer.from(JSON.stringify(body)) })
    expect((await put('1-aa', '', { v: 1 })).kind).to.equal('ok')
    expect((await put('2-bb', '1-aa', { v: 2 })).kind).to.equal('ok')
    expect(await put('2-cc', '1-aa', { v: 3 })).to.include({ kind: 'error', code: 409 })
    expect(store.default.json('doc')).to.deep.equal({ v: 2 })
  })

  it('ends its subscription, and may subscribe again', async () => {
    passiveSession(pair.b, store)
    const announced: string[] = []
    pair.a.handle('changes', (request) => {
      for (const [, id] of JSON.parse(request.body.toString()) as [number, string][]) announced.push(id)
      request.respond({ body: Buffer.from('[]') })
    })
    const subscribe = (since: string): Promise<Reply> => ask({ profile: 'subChanges', properties: { continuous: 'true', since } })
    expect((await subscribe('0')).kind).to.equal('ok')
    store.default.put('one', {})
    await eventually('the first', () => announced.length === 1)
    expect(await subscribe('0')).to.include({ kind: 'error', code: 501 })
    expect((await ask({ profile: 'unsubChanges' })).kind).to.equal('ok')
    store.default.put('two', {})
    expect(await getRev('two')).to.be.an('array')
    expect(announced).to.deep.equal(['one'])
    expect((await subscribe('1')).kind).to.equal('ok')
    await eventually('the second', () => announced.length === 2)
    expect(announced).to.deep.equal(['one', 'two'])
  })

  it('is sent no shadows of blobs when it says that it understands blobs, and gets them when it does not', async () => {
    for (const blobs of [true, false]) {
      pair = new BlipPair()
      store = new MemoryStore()
      passiveSession(pair.b, store)
      const digest = store.blobs.put(Buffer.from('x'))
      store.default.put('doc', { photo: { '@type': 'blob', digest, length: 1 } })
      let body: Record<string, unknown> | undefined
      pair.a.handle('changes', (request) => {
        request.respond({ properties: blobs ? { blobs: 'true' } : {}, body: Buffer.from('[[]]') })
      })
      pair.a.handle('rev', (request) => {
        body = JSON.parse(request.body.toString()) as Record<string, unknown>
        request.respond()
      })
      await ask({ profile: 'subChanges' })
      await eventually('the revision', () => body !== undefined)
      expect(Object.keys(body ?? {})).to.deep.equal(blobs ? ['photo'] : ['photo', '_attachments'])
      pair.cut()
    }
  })
})
