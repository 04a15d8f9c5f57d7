import { expect } from 'chai'
import { eventually } from '@kithmesh/testkit'
import type { FilteredDocument } from '../dist/protocol/document-filter.js'
import { pendingDocumentIds } from '../dist/pending.js'
import { BlipPair } from './support/blip-pair.ts'
import { MemoryStore } from './support/memory-store.ts'
import { activeSession, passiveSession, replicate } from './support/sessions.ts'
import type { ReplicationCollection } from '@kithmesh/database/replication'

describe('filters of a collection', () => {
  let a: MemoryStore
  let b: MemoryStore

  beforeEach(() => {
    a = new MemoryStore()
    b = new MemoryStore()
  })

  const served = (filters: object) => ({ collection: () => ({ collection: b.default, ...filters }) })

  it('are told the document, its flags, the collection and the peer', async () => {
    a.default.put('mine', { v: 1 })
    const gone = b.default.put('theirs', { v: 2 })
    b.default.delete('theirs')
    const pushed: FilteredDocument[] = []
    const pulled: FilteredDocument[] = []
    await replicate(a, b, {
      collections: [
        {
          pushFilter: (document) => pushed.push(document) > 0,
          pullFilter: (document) => pulled.push(document) > 0
        }
      ]
    })
    const common = { accessRemoved: false, collection: { scope: '_default', name: '_default' }, peerId: 'peer-b' }
    expect(pushed).to.deep.equal([{ ...common, id: 'mine', revId: a.default.change('mine')?.revId, deleted: false, body: { v: 1 } }])
    expect(pulled).to.deep.equal([{ ...common, id: 'theirs', revId: b.default.change('theirs')?.revId, deleted: true, body: {} }])
    expect(pulled[0]?.revId).to.not.equal(gone)
  })

  it('on the answering side skip what is pulled and refuse what is pushed, with 403', async () => {
    for (const id of ['open', 'secret']) b.default.put(id, { id })
    for (const id of ['good', 'bad']) a.default.put(id, { id })
    const peers = new Set<string>()
    const { active, passive, error, pair } = await replicate(
      a,
      b,
      {},
      {
        peerId: 'alice',
        ...served({
          pushFilter: ({ id, peerId }: FilteredDocument) => peers.add(peerId).size > 0 && id !== 'secret',
          pullFilter: ({ id }: FilteredDocument) => id !== 'bad'
        })
      }
    )
    expect(error).to.equal(undefined)
    expect(a.default.snapshot()).to.have.keys(['open', 'good', 'bad'])
    expect(b.default.snapshot()).to.have.keys(['open', 'secret', 'good'])
    expect([...peers]).to.deep.equal(['alice'])
    expect(active.documents.find(({ id }) => id === 'bad')?.error?.details).to.include({ domain: 'HTTP', code: 403 })
    expect(passive.documents.find(({ id }) => id === 'bad')?.error?.code).to.equal('ERR_REPL_DOC_REJECTED')
    // Once more, since a refusal may hang on another document, and no more after that.
    expect(pair.seen.filter(({ profile, properties }) => profile === 'rev' && properties['id'] === 'bad')).to.have.length(2)
    const again = await replicate(a, b, {}, served({ pullFilter: () => true }))
    expect(again.pair.seen.some(({ profile, properties }) => profile === 'rev' && properties['id'] === 'bad')).to.equal(false)
  })

  it('refuse what fails to be filtered on the answering side too, and go on', async () => {
    for (const id of ['x', 'y']) {
      a.default.put(`a${id}`, {})
      b.default.put(`b${id}`, {})
    }
    const broken = ({ id }: FilteredDocument): boolean => {
      if (id.endsWith('x')) throw new Error('broken')
      return true
    }
    const { error, passive } = await replicate(a, b, {}, served({ pushFilter: broken, pullFilter: broken }))
    expect(error).to.equal(undefined)
    expect(a.default.snapshot()).to.have.keys(['ax', 'ay', 'by'])
    expect(b.default.snapshot()).to.have.keys(['bx', 'by', 'ay'])
    expect(new Set(passive.documents.flatMap(({ id, error }) => (error === undefined ? [] : [`${id} ${error.code}`])))).to.deep.equal(
      new Set(['bx ERR_REPL_FILTER', 'ax ERR_REPL_FILTER'])
    )
  })

  it('that are asynchronous by mistake refuse everything instead of nothing', async () => {
    a.default.put('a', {})
    const pushFilter = (() => Promise.resolve(true)) as unknown as () => boolean
    const { error, active } = await replicate(a, b, { collections: [{ pushFilter }] })
    expect(error).to.equal(undefined)
    expect(b.default.snapshot()).to.deep.equal({})
    expect(active.documents.map(({ error }) => error?.code)).to.deep.equal(['ERR_REPL_FILTER'])
  })

  it('are asked about a revision that is sent in place of the announced one', async () => {
    b.default.put('doc', { public: true })
    const pair = new BlipPair(false)
    const passive = passiveSession(pair.b, b, served({ pushFilter: ({ body }: FilteredDocument) => body['public'] === true }))
    const active = activeSession(pair.a, a, { push: false })
    active.session.start()
    await eventually('the announcement', () => {
      if (pair.seen.some(({ profile }) => profile === 'changes')) return true
      pair.deliver('b')
      return false
    })
    b.default.put('doc', { public: false })
    await eventually('the end', () => {
      pair.deliver('a')
      return active.result !== undefined
    })
    await passive.ended
    expect(pair.seen.filter(({ profile }) => profile === 'rev')).to.have.length(0)
    expect(pair.seen.find(({ profile }) => profile === 'norev')?.properties).to.include({ id: 'doc', error: '410' })
    expect(a.default.snapshot()).to.deep.equal({})
  })

  it('that throw make no document pending, and asking does not throw', () => {
    a.default.put('bad', {})
    a.default.put('good', {})
    const pushFilter = ({ id }: FilteredDocument): boolean => {
      if (id === 'bad') throw new Error('broken')
      return true
    }
    const collection: ReplicationCollection = a.default
    const pending = pendingDocumentIds({
      store: a,
      target: { collection, pushFilter },
      live: undefined,
      remoteUid: 'peer-b',
      pull: true,
      only: undefined
    })
    expect([...pending]).to.deep.equal(['good'])
  })
})
