import { expect } from 'chai'
import type { IncomingRequest, OutgoingRequest, Reply } from '@kithmesh/blip'
import { eventually } from '@kithmesh/testkit'
import { BlipPair } from './support/blip-pair.ts'
import { MemoryStore } from './support/memory-store.ts'
import { activeSession, answerBeginning } from './support/sessions.ts'
import type { ActiveSettings, Running } from './support/sessions.ts'

/** What no well-ordered gateway does, and what real ones do when things happen at once. */
describe('word of lost access', () => {
  let store: MemoryStore
  let pair: BlipPair
  let active: Running

  const send = (request: OutgoingRequest): Promise<Reply> =>
    new Promise((resolve) => {
      pair.b.request({ ...request, properties: { collection: '0', ...request.properties } }, resolve)
    })
  const changes = (...rows: unknown[]): Promise<Reply> => send({ profile: 'changes', body: Buffer.from(JSON.stringify(rows)) })
  const rev = (sequence: number, id: string, revId: string, body: object): Promise<Reply> =>
    send({ profile: 'rev', properties: { id, rev: revId, sequence: String(sequence) }, body: Buffer.from(JSON.stringify(body)) })
  const wanted = async (...rows: unknown[]): Promise<unknown> => {
    const reply = await changes(...rows)
    return reply.kind === 'ok' ? (JSON.parse(reply.body.toString()) as unknown) : reply
  }

  /** A session that pulls from `pair.b`, which has answered its subscription. */
  const subscribe = async (settings: Partial<ActiveSettings>): Promise<void> => {
    pair = new BlipPair()
    const subscribed = answerBeginning(pair.b)
    active = activeSession(pair.a, store, { push: false, continuous: true, ...settings })
    active.session.start()
    await subscribed
  }

  beforeEach(async () => {
    store = new MemoryStore()
    await subscribe({ limits: { maxRevsRequested: 3 } })
  })
  afterEach(async () => {
    active.session.close(1000)
    await active.ended
  })

  const purged = (): string[] => active.documents.flatMap(({ id, accessRemoved }) => (accessRemoved === true ? [id] : []))

  it('purges for each of the flags that say so, and for no other', async () => {
    for (const flags of [2, 3, 4, 6, 7]) {
      expect(await wanted([1, 'doc', '1-aa', 0])).to.deep.equal([[]])
      await rev(1, 'doc', '1-aa', { flags })
      expect(store.default.json('doc'), String(flags)).to.deep.equal({ flags })
      expect(await wanted([2, 'doc', '1-aa', flags])).to.deep.equal([])
      expect(store.default.change('doc'), String(flags)).to.equal(undefined)
    }
    expect(await wanted([3, 'one', '1-aa', 1], [4, 'five', '1-aa', 5], [5, 'yes', '1-aa', true])).to.deep.equal([[], [], []])
  })

  it('takes back what was announced before and comes after it', async () => {
    expect(await wanted([1, 'doc', '1-aa'], [2, 'other', '1-aa'])).to.deep.equal([[], []])
    await wanted([3, 'doc', '2-bb', 4])
    expect((await rev(1, 'doc', '1-aa', { late: true })).kind).to.equal('ok')
    await rev(2, 'other', '1-aa', {})
    expect(store.default.snapshot()).to.have.keys(['other'])
    // Announced again, it is welcome again.
    expect(await wanted([4, 'doc', '2-bb'])).to.deep.equal([[]])
    await rev(4, 'doc', '2-bb', {})
    expect(store.default.snapshot()).to.have.keys(['doc', 'other'])
  })

  it('counts only when it is the last word of its list', async () => {
    await wanted([1, 'back', '1-aa'], [2, 'gone', '1-aa'])
    await Promise.all([rev(1, 'back', '1-aa', {}), rev(2, 'gone', '1-aa', {})])
    expect(await wanted([3, 'back', '1-aa', 2], [4, 'gone', '2-bb'], [5, 'back', '2-bb'], [6, 'gone', '2-bb', 4])).to.deep.equal([
      0,
      0,
      ['1-aa']
    ])
    expect(store.default.snapshot()).to.have.keys(['back'])
    await eventually('the event', () => purged().length > 0)
    expect(purged()).to.deep.equal(['gone'])
  })

  it('has what waits for its transaction stored first, and keeps the order of the lists', async () => {
    await wanted([1, 'doc', '1-aa'])
    const results = await Promise.all([rev(1, 'doc', '1-aa', {}), wanted([2, 'doc', '1-aa', 2]), wanted([3, 'next', '1-aa'])])
    expect(results.slice(1)).to.deep.equal([[], [[]]])
    expect(store.default.change('doc')).to.equal(undefined)
    expect(active.session.collections[0]?.checkpointer?.dirty).to.equal(true)
    await rev(3, 'next', '1-aa', {})
    expect(store.default.snapshot()).to.have.keys(['next'])
  })

  it('does not let a later list overtake its own, when storing first makes room', async () => {
    await wanted([1, 'doc', '1-aa'], [2, 'never', '1-aa'], [3, 'later', '1-aa'])
    const order: string[] = []
    const [lost, next] = [changes([4, 'doc', '1-aa', 2]), changes([5, 'next', '1-aa'])]
    void lost.then(() => order.push('lost'))
    void next.then(() => order.push('next'))
    void rev(1, 'doc', '1-aa', {})
    pair.b.request({
      profile: 'norev',
      properties: { collection: '0', id: 'never', rev: '1-aa', sequence: '2', error: '404' },
      noReply: true
    })
    await Promise.all([lost, next])
    expect(order).to.deep.equal(['lost', 'next'])
    expect(store.default.change('doc')).to.equal(undefined)
  })

  it('may come as a body with _removed instead of a document', async () => {
    await wanted([1, 'doc', '1-aa'])
    await rev(1, 'doc', '1-aa', {})
    expect(await wanted([2, 'doc', '2-bb'])).to.deep.equal([['1-aa']])
    expect((await rev(2, 'doc', '2-bb', { _removed: true })).kind).to.equal('ok')
    expect(store.default.change('doc')).to.equal(undefined)
    await eventually('the event', () => purged().length > 0)
    expect(purged()).to.deep.equal(['doc'])
    expect(active.session.collections[0]?.idle).to.equal(false)
    await changes()
    expect(active.session.collections[0]?.idle).to.equal(true)
  })

  it('does not ask for a purge any more once the document is announced again', async () => {
    active.session.close(1000)
    await active.ended
    let proposed: IncomingRequest | undefined
    pair = new BlipPair()
    pair.b.handle('getCollections', (request) => {
      request.respond({ body: Buffer.from('[{}]') })
    })
    pair.b.handle('setCheckpoint', (request) => {
      request.respond({ properties: { rev: '0-1' } })
    })
    let subscribed = false
    pair.b.handle('subChanges', (request) => {
      subscribed = true
      request.respond()
    })
    pair.b.handle('proposeChanges', (request) => {
      if (request.body.length > 2) proposed = request
    })
    pair.b.handle('rev', (request) => {
      request.respond()
    })
    active = activeSession(pair.a, store, { push: true, continuous: true })
    active.session.start()
    await eventually('the subscription', () => subscribed)
    await wanted([1, 'doc', '1-aa'])
    await rev(1, 'doc', '1-aa', { from: 'peer' })
    store.default.put('doc', { from: 'here' })
    await eventually('the proposal', () => proposed !== undefined)
    await wanted([2, 'doc', '1-aa', 2])
    expect(store.default.json('doc')).to.deep.equal({ from: 'here' })
    await wanted([3, 'doc', '1-aa'])
    proposed?.respond({ body: Buffer.from('[]') })
    await eventually('the push', () => active.documents.some(({ id, direction }) => id === 'doc' && direction === 'push'))
    expect(store.default.json('doc')).to.deep.equal({ from: 'here' })
    expect(purged()).to.deep.equal(['doc'])
    expect(active.documents.filter(({ accessRemoved, error }) => accessRemoved === true && error === undefined)).to.deep.equal([])
  })

  it('does not concern documents that were not asked for, in whichever form it comes', async () => {
    active.session.close(1000)
    await active.ended
    store.default.put('private', {})
    const revId = store.default.change('private')?.revId ?? ''
    await subscribe({ collections: [{ documentIds: ['asked'] }] })
    await wanted([1, 'private', revId, 2])
    expect(store.default.change('private')?.revId).to.equal(revId)
    expect(await rev(2, 'private', revId, { _removed: true })).to.include({ kind: 'error', code: 403 })
    expect(store.default.change('private')?.revId).to.equal(revId)
  })

  it('is no business of documents that are not here', async () => {
    expect(await wanted([1, 'unknown', '4-dd', 2])).to.deep.equal([])
    expect(active.documents).to.deep.equal([])
  })

  describe('while somebody else writes to the database', () => {
    const kept = (): string[] => active.documents.flatMap(({ error }) => error?.code ?? [])

    beforeEach(async () => {
      await wanted([1, 'doc', '1-aa'])
      await rev(1, 'doc', '1-aa', { from: 'peer' })
    })

    it('does not cost an edit made just before the purge', async () => {
      const purge = store.default.purge.bind(store.default)
      store.default.purge = (...args) => {
        store.default.put('doc', { from: 'here' })
        return purge(...args)
      }
      await wanted([2, 'doc', '1-aa', 2])
      expect(store.default.json('doc')).to.deep.equal({ from: 'here' })
      await eventually('the event', () => kept().length > 0)
      expect(kept()).to.deep.equal(['ERR_REPL_DOC_KEPT'])
    })

    it('does not cost an edit made while the pull filter thinks about it', async () => {
      active.session.close(1000)
      await active.ended
      const pullFilter = (): boolean => store.default.put('doc', { from: 'here' }) !== ''
      await subscribe({ collections: [{ pullFilter }] })
      await wanted([2, 'doc', '1-aa', 2])
      expect(store.default.json('doc')).to.deep.equal({ from: 'here' })
      await eventually('the event', () => kept().length > 0)
      expect(kept()).to.deep.equal(['ERR_REPL_DOC_KEPT'])
    })

    it('says nothing of a document that somebody else removed meanwhile', async () => {
      const purge = store.default.purge.bind(store.default)
      store.default.purge = (...args) => {
        store.default.docs.delete('doc')
        return purge(...args)
      }
      store.default.put('other', {})
      await wanted([2, 'doc', '1-aa', 2], [3, 'other', store.default.change('other')?.revId, 2])
      await eventually('the event', () => purged().includes('other'))
      expect(purged()).to.deep.equal(['other'])
    })
  })

  it('ends the session when the database cannot purge', async () => {
    store.default.put('doc', {})
    const revId = store.default.change('doc')?.revId ?? ''
    store.default.purge = () => {
      throw new Error('disk on fire')
    }
    void wanted([1, 'doc', revId, 2])
    const { error } = await active.ended
    expect(error?.code).to.equal('ERR_REPL_STORE')
    expect(store.default.change('doc')?.revId).to.equal(revId)
  })
})
