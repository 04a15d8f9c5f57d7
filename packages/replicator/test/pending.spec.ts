import { Database } from '@kithmesh/database'
import { Replicator } from '@kithmesh/replicator'
import type { DocumentEvent, ReplicatorOptions } from '@kithmesh/replicator'
import { eventually, manualClock } from '@kithmesh/testkit'
import type { ManualClock } from '@kithmesh/testkit'
import { expect } from 'chai'
import { Remote, refused } from './support/remote.ts'

describe('pending documents', () => {
  let here: Database
  let there: Database
  let clock: ManualClock
  let remote: Remote
  const replicators: Replicator[] = []

  const make = (options: Partial<ReplicatorOptions> = {}): Replicator => {
    const made = new Replicator({ database: here, endpoint: remote.endpoint, clock, ...options })
    replicators.push(made)
    return made
  }
  const run = async (replicator: Replicator): Promise<Replicator> => {
    replicator.start()
    const { error } = await replicator.finished()
    if (error !== undefined) throw error
    return replicator
  }
  const pending = (replicator: Replicator): string[] => {
    const ids = replicator.pendingDocumentIds().sort()
    for (const { id } of here.collection().changes()) expect(replicator.isDocumentPending(id), id).to.equal(ids.includes(id))
    expect(replicator.isDocumentPending('no such document')).to.equal(false)
    return ids
  }

  beforeEach(async () => {
    here = await Database.open(':memory:')
    there = await Database.open(':memory:')
    clock = manualClock()
    remote = new Remote(there, clock)
  })
  afterEach(async () => {
    remote.obstacle = undefined
    for (const each of replicators.splice(0)) await each.stop()
    await here.close()
    await there.close()
  })

  it('are all before the first run, and none after it, nor those that were pulled', async () => {
    for (const id of ['a', 'b']) here.collection().put(id, {})
    there.collection().put('t', {})
    const one = make()
    expect(pending(one)).to.deep.equal(['a', 'b'])
    await run(one)
    expect(here.collection().get('t')).to.not.equal(undefined)
    expect(pending(one)).to.deep.equal([])
    expect(pending(make())).to.deep.equal([])
  })

  it('are those that were changed or deleted since, and not what was purged', async () => {
    for (const id of ['a', 'b', 'c', 'd']) here.collection().put(id, {})
    const one = await run(make())
    here.collection().put('b', { changed: true })
    here.collection().remove('c')
    here.collection().put('e', {})
    here.collection().put('f', {})
    here.collection().purge('f')
    expect(pending(one)).to.deep.equal(['b', 'c', 'e'])
    await run(one)
    expect(pending(one)).to.deep.equal([])
  })

  it('are known while connected, while the answer is out, and while offline', async () => {
    here.collection().put('a', {})
    const one = make({ continuous: true })
    one.start()
    await eventually('idle', () => one.status.activity === 'idle')
    expect(pending(one)).to.deep.equal([])
    remote.sockets[0]!.pause()
    here.collection().put('b', {})
    expect(pending(one)).to.deep.equal(['b'])
    await eventually('the announcement', () => one.status.activity === 'busy')
    expect(pending(one)).to.deep.equal(['b'])
    remote.sockets[0]!.resume()
    await eventually('idle again', () => one.status.activity === 'idle')
    expect(pending(one)).to.deep.equal([])
    remote.obstacle = refused
    remote.sockets[0]!.terminate()
    await eventually('offline', () => one.status.activity === 'offline')
    here.collection().put('c', {})
    here.collection().put('a', { again: true })
    expect(pending(one)).to.deep.equal(['a', 'c'])
    remote.obstacle = undefined
    one.retryNow()
    await eventually('idle at last', () => one.status.activity === 'idle')
    expect(pending(one)).to.deep.equal([])
  })

  it('are those that the filter and the ids let through', async () => {
    for (const id of ['a', 'b', 'c']) here.collection().put(id, { go: id !== 'b' })
    const filtered = make({ collections: [{ pushFilter: ({ body }) => body['go'] === true }] })
    expect(pending(filtered)).to.deep.equal(['a', 'c'])
    const named = make({ collections: [{ documentIds: ['b', 'c'] }] })
    expect(pending(named)).to.deep.equal(['b', 'c'])
    await run(filtered)
    expect(pending(filtered)).to.deep.equal([])
    here.collection().put('b', { go: true })
    expect(pending(filtered)).to.deep.equal(['b'])
    expect(there.collection().get('b')).to.equal(undefined)
  })

  it('contain one in conflict until its resolution is over there', async () => {
    here.collection().put('x', { v: 0 })
    await run(make())
    here.collection().put('x', { v: 'here' })
    there.collection().put('x', { v: 'there' })
    const broken = make({
      collections: [
        {
          conflictResolver: () => {
            throw new Error('cannot decide')
          }
        }
      ]
    })
    await run(broken)
    for (let n = 0; n < 3; n++) here.collection().put(`later-${n}`, {})
    await run(broken)
    expect(here.collection().conflicts()).to.have.length(1)
    expect(pending(broken)).to.deep.equal(['x'])
    expect(pending(make({ type: 'push' }))).to.deep.equal(['x'])
    await run(make({ collections: [{ conflictResolver: () => ({ take: 'merged', body: { v: 'both' } }) }] }))
    expect(there.collection().get('x')?.body).to.deep.equal({ v: 'both' })
    expect(pending(broken)).to.deep.equal([])
  })

  it('none remain when the remote one won', async () => {
    here.collection().put('x', { v: 0 })
    await run(make())
    here.collection().put('x', { v: 'here' })
    there.collection().put('x', { v: 'there' })
    const one = await run(make({ collections: [{ conflictResolver: () => ({ take: 'remote' }) }] }))
    expect(here.collection().get('x')?.body).to.deep.equal({ v: 'there' })
    expect(pending(one)).to.deep.equal([])
  })

  it('are asked of replicators that push, for collections that they have', () => {
    expect(() => make({ type: 'pull' }).pendingDocumentIds())
      .to.throw()
      .with.property('code', 'ERR_REPL_PULL_ONLY')
    expect(() => make().isDocumentPending('a', { scope: '_default', name: 'other' }))
      .to.throw()
      .with.property('code', 'ERR_REPL_COLLECTION_UNKNOWN')
  })

  it('are found among many changes', async () => {
    here.collection().putMany(Array.from({ length: 2_500 }, (_, n) => ({ id: `d${n}`, body: {} })))
    const one = make()
    expect(one.pendingDocumentIds()).to.have.length(2_500)
    await run(one)
    here.collection().put('d7', { changed: true })
    expect(one.pendingDocumentIds()).to.deep.equal(['d7'])
  })
})

describe('document events', () => {
  let here: Database
  let there: Database
  let remote: Remote
  let replicator: Replicator
  let events: DocumentEvent[]

  const run = async (options: Partial<ReplicatorOptions> = {}, passive: ConstructorParameters<typeof Remote>[2] = {}): Promise<void> => {
    const clock = manualClock()
    remote = new Remote(there, clock, passive)
    replicator = new Replicator({ database: here, endpoint: remote.endpoint, clock, ...options })
    events = []
    replicator.onDocuments((batch) => {
      expect(batch).to.not.deep.equal([])
      events.push(...batch)
    })
    replicator.start()
    await replicator.finished()
  }
  const told = (): string[] =>
    events
      .map(
        ({ direction, id, deleted, error, transient }) =>
          `${direction} ${id}${deleted ? ' deleted' : ''}${error === undefined ? '' : ` ${error.code}${transient === true ? ' transient' : ''}`}`
      )
      .sort()

  beforeEach(async () => {
    here = await Database.open(':memory:')
    there = await Database.open(':memory:')
  })
  afterEach(async () => {
    await replicator.stop()
    await here.close()
    await there.close()
  })

  it('tell direction, collection, revision and deletion', async () => {
    const items = here.collection('items', 'store', { create: true })
    there.collection('items', 'store', { create: true }).put('from-there', {})
    const { revId } = items.put('from-here', {})
    const collections = [{ scope: 'store', name: 'items' }]
    await run({ collections })
    expect(told()).to.deep.equal(['pull from-there', 'push from-here'])
    const pushed = events.find(({ direction }) => direction === 'push')
    expect(pushed).to.deep.equal({ direction: 'push', collection: collections[0], id: 'from-here', revId, deleted: false })
    items.remove('from-there')
    there.collection('items', 'store').remove('from-here')
    await run({ collections })
    expect(told()).to.deep.equal(['pull from-here deleted', 'push from-there deleted'])
    await run({ collections })
    expect(told()).to.deep.equal([])
  })

  it('tell errors that last, and the others go over', async () => {
    there.collection().put('refused', {})
    there.collection().put('taken', {})
    here.collection().put('rival', { v: 'here' })
    there.collection().put('rival', { v: 'there' })
    here.collection().put('odd', {})
    await run({ type: 'push', collections: [{ pushFilter: filterThatThrowsOn('odd') }] })
    expect(told()).to.deep.equal(['push odd ERR_REPL_FILTER', 'push rival ERR_REPL_DOC_CONFLICT'])
    await run({ type: 'pull', collections: [{ pullFilter: ({ id }) => id !== 'refused' }] })
    expect(told()).to.include.members(['pull refused ERR_REPL_DOC_REJECTED', 'pull taken'])
    expect(here.collection().get('refused')).to.equal(undefined)
    expect(replicator.status.error).to.equal(undefined)
  })

  it('tell of a resolved conflict, and a replication that only pulls ends after it', async () => {
    here.collection().put('rival', { v: 'here' })
    there.collection().put('rival', { v: 'there' })
    await run({ type: 'pull' })
    expect(told()).to.deep.equal(['pull rival'])
    expect(replicator.statistics.conflictsResolved).to.equal(1)
  })

  it('are not made for nobody', async () => {
    here.collection().put('a', {})
    await run()
    const one = new Replicator({ database: here, endpoint: remote.endpoint })
    const none: unknown[] = []
    one.onDocuments((batch) => {
      none.push(batch)
    })()
    here.collection().put('b', {})
    one.start()
    await one.finished()
    expect(none).to.deep.equal([])
    expect(there.collection().get('b')).to.not.equal(undefined)
  })
})

function filterThatThrowsOn(id: string): (document: { readonly id: string }) => boolean {
  return (document) => {
    if (document.id === id) throw new Error('a bug in the filter')
    return true
  }
}
