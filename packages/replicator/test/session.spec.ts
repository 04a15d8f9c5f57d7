import { expect } from 'chai'
import { KithmeshError } from '@kithmesh/core'
import { eventually } from '@kithmesh/testkit'
import { BlipPair } from './support/blip-pair.ts'
import { digestOf } from './support/memory-store.ts'
import type { MemoryStore } from './support/memory-store.ts'
import { describeInBothSchemes } from './support/both-schemes.ts'
import { activeSession, passiveSession, replicate } from './support/sessions.ts'
import { SimulatedPeer } from './support/simulated-peer.ts'
import type { ReplicationCollection, ReplicationStore } from '@kithmesh/database/replication'

describeInBothSchemes('a replication session between two peers', ({ newStore, versioning }) => {
  let a: MemoryStore
  let b: MemoryStore

  beforeEach(() => {
    a = newStore()
    b = newStore()
  })

  it('pushes documents', async () => {
    for (let i = 0; i < 1000; i++) a.default.put(`doc-${i}`, { i })
    const { error, active } = await replicate(a, b, { pull: false })
    expect(error).to.equal(undefined)
    expect(b.default.snapshot()).to.deep.equal(a.default.snapshot())
    expect(active.documents).to.have.length(1000)
    expect(b.default.transactions).to.be.lessThan(200)
  })

  it('pulls documents', async () => {
    for (let i = 0; i < 1000; i++) b.default.put(`doc-${i}`, { i })
    const { error } = await replicate(a, b, { push: false })
    expect(error).to.equal(undefined)
    expect(a.default.snapshot()).to.deep.equal(b.default.snapshot())
  })

  it('does both at once, with updates and tombstones', async () => {
    for (let i = 0; i < 50; i++) {
      a.default.put(`a${i}`, { i })
      b.default.put(`b${i}`, { i })
    }
    await replicate(a, b)
    a.default.put('b1', { changed: true })
    b.default.delete('a1')
    const { error } = await replicate(a, b)
    expect(error).to.equal(undefined)
    expect(a.default.snapshot()).to.deep.equal(b.default.snapshot())
    expect(a.default.json('a1')).to.equal(undefined)
    expect(b.default.json('b1')).to.deep.equal({ changed: true })
  })

  it('sends nothing again when nothing changed', async () => {
    a.default.put('a', { x: 1 })
    b.default.put('b', { x: 2 })
    await replicate(a, b)
    const second = await replicate(a, b)
    expect(second.pair.seen.some((m) => m.profile === 'rev')).to.equal(false)
    const { pair } = await replicate(a, b)
    const profiles = pair.seen.filter((m) => m.type === 'REQ').map((m) => `${m.profile ?? ''} ${m.body.toString().slice(0, 2)}`)
    expect(profiles).to.have.members(['getCollections {"', 'subChanges ', 'proposeChanges []', 'changes []'])
  })

  it('starts over when asked to, and finds that all is there', async () => {
    a.default.put('a', { x: 1 })
    await replicate(a, b)
    const { pair, error } = await replicate(a, b, { resetCheckpoint: true })
    expect(error).to.equal(undefined)
    expect(pair.seen.some((m) => m.profile === 'rev')).to.equal(false)
  })

  it('re-checks everything when the peer lost its checkpoints', async () => {
    a.default.put('a', { x: 1 })
    b.default.put('b', { x: 1 })
    await replicate(a, b)
    b.peerCheckpoints.clear()
    const { pair, error } = await replicate(a, b)
    expect(error).to.equal(undefined)
    expect(pair.seen.find((m) => m.profile === 'subChanges')?.properties).to.not.have.property('since')
    expect(b.peerCheckpoints.size).to.equal(1)
  })

  it('saves a checkpoint whose revision somebody else changed', async () => {
    a.default.put('a', { x: 1 })
    const pair = new BlipPair()
    passiveSession(pair.b, b)
    const active = activeSession(pair.a, a)
    active.session.start()
    await eventually('the first rev', () => pair.seen.some((m) => m.profile === 'rev'))
    const id = (JSON.parse((pair.seen[0] as { body: Buffer }).body.toString()) as { checkpoint_ids: string[] }).checkpoint_ids[0] as string
    b.peerCheckpoints.set(id, { rev: '7-cc', body: Buffer.from('{}') })
    expect((await active.ended).error).to.equal(undefined)
    expect(b.peerCheckpoints.get(id)?.rev).to.equal('8-cc')
    expect(pair.seen.filter((m) => m.profile === 'getCheckpoint')).to.have.length(1)
  })

  it('replicates several collections', async () => {
    const paths = ['_default', 'shop.items', 'widgets']
    a = newStore(paths)
    b = newStore(paths)
    const targets = [a.default, a.collection('shop', 'items'), a.collection('_default', 'widgets')].map((collection) => ({
      collection: collection as typeof a.default
    }))
    targets.forEach(({ collection }, i) => collection.put(`doc${i}`, { i }))
    b.collection('shop', 'items')?.put('theirs', {})
    const { error } = await replicate(a, b, { collections: targets })
    expect(error).to.equal(undefined)
    for (const { collection } of targets)
      expect(b.collection(collection.scope, collection.name)?.snapshot()).to.deep.equal(collection.snapshot())
    expect(a.collection('shop', 'items')?.json('theirs')).to.deep.equal({})
  })

  it('stops with a clear error when a collection is missing', async () => {
    a = newStore(['shop.items'])
    const { error, transient } = await replicate(a, b, { collections: [{ collection: a.collection('shop', 'items') as typeof a.default }] })
    expect(error?.code).to.equal('ERR_REPL_COLLECTION_MISSING')
    expect(error?.details).to.include({ status: 404, collection: 'shop.items' })
    expect(transient).to.equal(false)
  })

  describe('with blobs', () => {
    const bytes = Buffer.alloc(50_000, 'blob ')
    const document = (digest: string, length = bytes.length): unknown => ({
      title: 'x',
      photo: { '@type': 'blob', digest, length, content_type: 'text/plain' }
    })

    for (const direction of ['push', 'pull'] as const) {
      it(`brings them along on ${direction}`, async () => {
        const from = direction === 'push' ? a : b
        const digest = from.blobs.put(bytes)
        for (let i = 0; i < 20; i++) from.default.put(`doc${i}`, document(digest))
        const { error, active } = await replicate(a, b)
        expect(error).to.equal(undefined)
        expect((direction === 'push' ? b : a).blobs.stored.get(digest)?.equals(bytes)).to.equal(true)
        expect(active.session.statistics).to.include(
          direction === 'push' ? { blobsPushed: 1 } : { blobsPulled: 1, blobBytesPulled: 50_000 }
        )
        expect(a.default.snapshot()).to.deep.equal(b.default.snapshot())
      })
    }

    it('refuses a document whose blob is not what it says, and goes on', async () => {
      const digest = digestOf(bytes)
      b.blobs.stored.set(digest, Buffer.alloc(bytes.length, 'other'))
      b.default.put('bad', document(digest))
      b.default.put('good', { fine: true })
      const { error, active } = await replicate(a, b)
      expect(error).to.equal(undefined)
      expect(a.default.json('bad')).to.equal(undefined)
      expect(a.default.json('good')).to.deep.equal({ fine: true })
      expect(active.documents.map((d) => d.error?.code)).to.include('ERR_REPL_BLOB')
      expect(a.blobs.stored.size).to.equal(0)
    })

    it('asks for as many as may be under way before it looks at more documents', async () => {
      for (let i = 0; i < 50; i++) b.default.put(`doc${i}`, document(b.blobs.put(Buffer.alloc(bytes.length, `blob ${i}`))))
      const { pair, error } = await replicate(a, b, { limits: { maxBlobsInFlight: 10 } })
      expect(error).to.equal(undefined)
      const asked = pair.seen.filter(({ dir, profile }) => dir === 'A>B' && profile === 'getAttachment').map(({ number }) => number)
      expect(asked).to.have.length(50)
      expect(pair.a.flushes[0]).to.equal(asked[9])
      for (let i = 0; i < 5; i++) b.default.put(`few${i}`, document(b.blobs.put(Buffer.alloc(bytes.length, `few ${i}`))))
      const few = await replicate(a, b, { limits: { maxBlobsInFlight: 10 } })
      expect([few.error, few.pair.a.flushes]).to.deep.equal([undefined, []])
    })

    it('says of a blob that the disk had no room for that trying again may help', async () => {
      const digest = b.blobs.put(bytes)
      b.default.put('d', document(digest))
      const { openWrite } = a.blobs
      a.blobs.openWrite = (expected) => ({
        ...openWrite.call(a.blobs, expected),
        commit: () => Promise.reject(new KithmeshError('ERR_DB_DISK_FULL', 'no room'))
      })
      const { active } = await replicate(a, b)
      expect(active.documents.map(({ error, transient }) => [error?.code, transient])).to.deep.equal([['ERR_REPL_BLOB', true]])
      a.blobs.openWrite = openWrite
      const { error } = await replicate(a, b)
      expect([error, a.default.json('d')]).to.deep.equal([undefined, document(digest)])
    })

    it('refuses a document whose blob is missing or longer than it says', async () => {
      b.default.put('missing', document(digestOf(Buffer.from('nowhere'))))
      b.default.put('long', document(b.blobs.put(bytes), 10))
      const { error, active } = await replicate(a, b)
      expect(error).to.equal(undefined)
      expect(a.default.snapshot()).to.deep.equal({})
      expect(active.documents.map((d) => d.error?.code)).to.deep.equal(['ERR_REPL_BLOB', 'ERR_REPL_BLOB'])
    })
  })

  describe('in conflict', () => {
    const conflict = async (): Promise<void> => {
      a.default.put('d', { v: 0 })
      await replicate(a, b)
      a.default.put('d', { who: 'a' })
      b.default.put('d', { who: 'b' })
    }

    it('both end with the default winner, in one run', async () => {
      await conflict()
      const revs = [a.default.change('d')?.revId ?? '', b.default.change('d')?.revId ?? '']
      const winner = (revs[0] as string) > (revs[1] as string) ? 'a' : 'b'
      const { error } = await replicate(a, b)
      expect(error).to.equal(undefined)
      expect(a.default.json('d')).to.deep.equal({ who: winner })
      expect(a.default.snapshot()).to.deep.equal(b.default.snapshot())
    })

    it('an own resolver may merge, slowly', async () => {
      await conflict()
      const { error } = await replicate(a, b, {
        collections: [
          {
            conflictResolver: async ({ local, remote }) => {
              await new Promise((resolve) => {
                setImmediate(resolve)
              })
              return { take: 'merged', body: { who: [local.body['who'], remote.body['who']] } }
            }
          }
        ]
      })
      expect(error).to.equal(undefined)
      expect(b.default.json('d')).to.deep.equal({ who: ['a', 'b'] })
      expect(a.default.snapshot()).to.deep.equal(b.default.snapshot())
    })

    for (const take of ['local', 'remote', 'deleted'] as const) {
      it(`an own resolver may take "${take}"`, async () => {
        await conflict()
        await replicate(a, b, { collections: [{ conflictResolver: () => ({ take }) }] })
        expect(a.default.snapshot()).to.deep.equal(b.default.snapshot())
        expect(b.default.json('d')).to.deep.equal({ local: { who: 'a' }, remote: { who: 'b' }, deleted: undefined }[take])
      })
    }

    it('a resolver that throws leaves the conflict for the next start', async () => {
      await conflict()
      const { error, active } = await replicate(a, b, {
        collections: [
          {
            conflictResolver: () => {
              throw new Error('no idea')
            }
          }
        ]
      })
      expect(error).to.equal(undefined)
      expect(active.documents.at(-1)?.error?.code).to.equal('ERR_REPL_RESOLVER')
      expect(a.default.change('d')?.conflicted).to.equal(true)
      await replicate(a, b)
      expect(a.default.snapshot()).to.deep.equal(b.default.snapshot())
    })

    it('a session that is called leaves a conflict to the one that found it and has the resolver', async () => {
      const us = await SimulatedPeer.create(versioning)
      const other = await SimulatedPeer.create(versioning, 1000)
      const caller = await SimulatedPeer.create(versioning, 2000)
      us.put('d', { who: ['nobody'] })
      await replicate(us.store, other.store, { pull: false })
      other.put('d', { who: ['other'] })
      // Two edits, so that ours stays current: what the caller makes of it could not be pushed otherwise.
      for (const who of ['nearly us', 'us']) us.put('d', { who: [who] })
      await replicate(us.store, caller.store, { pull: false })
      caller.put('d', { who: ['us', 'caller'] })

      const pair = new BlipPair()
      passiveSession(pair.b, other.store)
      const asked: unknown[] = []
      let answer: (() => void) | undefined
      const active = activeSession(pair.a, us.store, {
        collections: [
          {
            conflictResolver: async ({ local, remote }) => {
              const both = [local.body['who'], remote.body['who']] as const
              asked.push(both)
              await new Promise<void>((resolve) => {
                answer = resolve
              })
              return { take: 'merged', body: { who: both.flat() } }
            }
          }
        ]
      })
      active.session.start()
      await eventually('the resolver to be asked', () => asked.length === 1)

      const called = await replicate(caller.store, us.store, { pull: false })
      expect(called.error).to.equal(undefined)
      expect(called.active.documents.map(({ error }) => error)).to.deep.equal([undefined])
      const ours = us.store.collection('_default', '_default')
      expect(us.database.collection().get('d')?.body).to.deep.equal({ who: ['us', 'caller'] })
      expect(ours?.change('d')?.conflicted).to.equal(true)
      expect(called.passive.session.statistics.conflictsResolved).to.equal(0)

      answer?.()
      await eventually('the resolver to be asked about what the caller brought', () => asked.length === 2)
      answer?.()
      expect((await active.ended).error).to.equal(undefined)
      expect(asked).to.deep.equal([
        [['us'], ['other']],
        [['us', 'caller'], ['other']]
      ])
      expect(us.database.collection().get('d')?.body).to.deep.equal({ who: ['us', 'caller', 'other'] })
      expect(other.snapshot()).to.deep.equal(us.snapshot())
    })

    it('a peer that takes only descendants of its own revision is given one', async () => {
      const [ours, theirs] = await Promise.all([SimulatedPeer.create(), SimulatedPeer.create()])
      const passive = theirs.store.collection('_default', '_default') as ReplicationCollection
      const insert = passive.insertRevisions.bind(passive)
      passive.insertRevisions = (revisions) => insert(revisions.map(({ deletedBranch: _, ...revision }) => revision))
      const strict = Object.assign(Object.create(theirs.store) as ReplicationStore, { collection: () => passive })
      theirs.put('d', { who: 'theirs' })
      ours.put('d', { who: 'nobody' })
      ours.put('d', { who: 'ours' })
      for (const store of [strict, theirs.store]) {
        expect((await replicate(ours.store, store)).error).to.equal(undefined)
        expect(theirs.database.collection().get('d')?.body).to.deep.equal({ who: 'ours' })
        expect(theirs.snapshot()).to.deep.equal(ours.snapshot())
      }
      expect(passive.revision('d')?.history).to.have.length(1)
    })

    it('a peer that does not say that it understands the end of a branch is not told of one', async () => {
      const [ours, theirs] = await Promise.all([SimulatedPeer.create(), SimulatedPeer.create()])
      theirs.put('d', { who: 'theirs' })
      ours.put('d', { who: 'nobody' })
      ours.put('d', { who: 'ours' })
      const pair = new BlipPair()
      pair.b.tamper = (_request, reply) => {
        const { endsBranches: _, ...properties } = reply?.properties ?? {}
        return { ...reply, properties }
      }
      const active = activeSession(pair.a, ours.store)
      passiveSession(pair.b, theirs.store)
      active.session.start()
      expect((await active.ended).error).to.equal(undefined)
      const revs = pair.seen.filter(({ dir, profile }) => dir === 'A>B' && profile === 'rev')
      expect(revs.map(({ properties }) => [properties['deleted_branch'], properties['noconflicts']])).to.deep.equal([[undefined, '1']])
      expect(theirs.database.collection().get('d')?.body).to.deep.equal({ who: 'ours' })
      expect(theirs.snapshot()).to.deep.equal(ours.snapshot())
    })

    it('a push without pull reports the document', async () => {
      await conflict()
      const { error, active } = await replicate(a, b, { pull: false })
      expect(error).to.equal(undefined)
      expect(active.documents.map((d) => d.error?.code)).to.deep.equal(['ERR_REPL_DOC_CONFLICT'])
    })

    it('proposes again when the peer has an ancestor of ours', async () => {
      a.default.put('d', { v: 1 })
      await replicate(a, b, { pull: false })
      a.default.put('d', { v: 2 })
      a.default.ancestors.clear()
      const { error } = await replicate(a, b, { pull: false })
      expect(error).to.equal(undefined)
      expect(b.default.json('d')).to.deep.equal({ v: 2 })
    })
  })

  describe('with filters', () => {
    it('leaves out what the push filter refuses, and does not look again', async () => {
      a.default.put('yes', { ok: true })
      a.default.put('no', { ok: false })
      const collections = [{ pushFilter: ({ body }: { body: Readonly<Record<string, unknown>> }) => body['ok'] === true }]
      await replicate(a, b, { collections })
      expect(b.default.snapshot()).to.have.keys(['yes'])
    })

    it('a filter that throws refuses its document only', async () => {
      const broken = ({ id }: { id: string }): boolean => {
        if (id === 'bad') throw new Error('broken')
        return true
      }
      a.default.put('bad', {})
      a.default.put('mine', {})
      b.default.put('theirs', {})
      const { error, active } = await replicate(a, b, {
        collections: [
          {
            pushFilter: broken,
            pullFilter: ({ id }) => {
              if (id === 'theirs') throw new Error('broken')
              return true
            }
          }
        ]
      })
      expect(error).to.equal(undefined)
      expect(b.default.snapshot()).to.have.keys(['mine', 'theirs'])
      expect(a.default.snapshot()).to.have.keys(['bad', 'mine'])
      expect(active.documents.map((d) => d.error?.code).filter((code) => code !== undefined)).to.have.members([
        'ERR_REPL_FILTER',
        'ERR_REPL_FILTER'
      ])
    })

    it('reports what the pull filter refuses', async () => {
      b.default.put('yes', { ok: true })
      b.default.put('no', { ok: false })
      const { active } = await replicate(a, b, { collections: [{ pullFilter: ({ body }) => body['ok'] === true }] })
      expect(a.default.snapshot()).to.have.keys(['yes'])
      expect(active.documents.find((d) => d.id === 'no')?.error?.code).to.equal('ERR_REPL_DOC_REJECTED')
    })

    it('replicates only the documents asked for', async () => {
      for (const id of ['p1', 'p2']) b.default.put(id, { id })
      for (const id of ['q1', 'q2']) a.default.put(id, { id })
      await replicate(a, b, { collections: [{ documentIds: ['p1', 'q1', 'zz'] }] })
      expect(a.default.snapshot()).to.have.keys(['p1', 'q1', 'q2'])
      expect(b.default.snapshot()).to.have.keys(['p1', 'p2', 'q1'])
    })
  })

  it('a read-only peer refuses to be pushed to', async () => {
    a.default.put('a', {})
    const { error } = await replicate(a, b, {}, { allowPull: false })
    expect(error?.code).to.equal('ERR_REPL_REMOTE')
    expect(error?.details).to.include({ code: 403 })
    expect(b.default.snapshot()).to.deep.equal({})
  })

  describe('continuously', () => {
    it('brings edits over as they happen, without echoes', async () => {
      const pair = new BlipPair()
      const passive = passiveSession(pair.b, b)
      const active = activeSession(pair.a, a, { continuous: true })
      active.session.start()
      await eventually('idle', () => active.session.activity === 'idle')
      a.default.put('x', { v: 1 })
      await eventually('x at b', () => b.default.json('x') !== undefined)
      b.default.put('x', { v: 2 })
      await eventually('x back at a', () => JSON.stringify(a.default.json('x')) === '{"v":2}')
      await eventually('idle again', () => active.session.activity === 'idle')
      active.session.stop()
      expect((await active.ended).error).to.equal(undefined)
      await passive.ended
      const revs = pair.seen.filter((m) => m.profile === 'rev')
      expect(revs.map((m) => m.dir)).to.deep.equal(['A>B', 'B>A'])
      const lists = pair.seen.filter((m) => (m.profile === 'changes' || m.profile === 'proposeChanges') && m.body.length > 2)
      expect(lists.map((m) => m.dir)).to.deep.equal(['A>B', 'B>A'])
    })

    describe('single edits', () => {
      let ours: SimulatedPeer
      let theirs: SimulatedPeer
      let pair: BlipPair
      let active: ReturnType<typeof activeSession>

      /** What the active side asked for since it was last looked at, lists by how many documents they name. */
      const news = (): string[] => {
        const asked = pair.seen.filter(({ dir, profile }) => dir === 'A>B' && (profile === 'rev' || profile === 'proposeChanges'))
        pair.seen.length = 0
        return asked.map(({ profile, body }) =>
          profile === 'rev' ? 'rev' : `proposes ${(JSON.parse(body.toString()) as readonly unknown[]).length}`
        )
      }
      const settled = async (): Promise<void> => {
        await eventually(
          'equal',
          () => active.session.activity === 'idle' && JSON.stringify(theirs.snapshot()) === JSON.stringify(ours.snapshot())
        )
      }
      async function start(settings: Parameters<typeof activeSession>[2] = {}): Promise<void> {
        ;[ours, theirs] = await Promise.all([SimulatedPeer.create(versioning), SimulatedPeer.create(versioning)])
        ours.put('first', { v: 1 })
        pair = new BlipPair()
        passiveSession(pair.b, theirs.store)
        active = activeSession(pair.a, ours.store, { continuous: true, ...settings })
      }
      async function begin(settings: Parameters<typeof activeSession>[2] = {}): Promise<void> {
        await start(settings)
        active.session.start()
        await settled()
        expect(news()).to.deep.equal(['proposes 1', 'rev'])
      }
      afterEach(async () => {
        active.session.stop()
        expect((await active.ended).error).to.equal(undefined)
        await ours.database.close()
        await theirs.database.close()
      })

      it('are sent without being proposed, new documents and deletions too', async () => {
        await begin()
        ours.put('first', { v: 2 })
        await settled()
        ours.put('second', { v: 1 })
        await settled()
        ours.delete('first')
        await settled()
        expect(news()).to.deep.equal(['rev', 'rev', 'rev'])
      })
      it('are proposed when they are many or large', async () => {
        await begin()
        for (let n = 0; n < 9; n++) ours.put(`many ${n}`, { n })
        await settled()
        expect(news()).to.deep.equal(['proposes 9', ...Array<string>(9).fill('rev')])
        ours.put('large', { text: 'x'.repeat(5000) })
        await settled()
        expect(news()).to.deep.equal(['proposes 1', 'rev'])
      })
      it('are proposed when somebody else made them, who may have sent them as well', async () => {
        await begin()
        ours.putAsForeign('from elsewhere', { v: 1 })
        await settled()
        expect(news()).to.deep.equal(['proposes 1', 'rev'])
      })
      it('are proposed to peers that do not say that they take others', async () => {
        await start()
        pair.b.tamper = (_request, reply) => {
          const { unproposed: _, ...properties } = reply?.properties ?? {}
          return { ...reply, properties }
        }
        active.session.start()
        await settled()
        ours.put('second', { v: 1 })
        await settled()
        expect(news()).to.deep.equal(['proposes 1', 'rev', 'proposes 1', 'rev'])
      })
      it('are proposed once they were refused, to learn of the rival', async () => {
        await begin({ pull: false })
        theirs.put('both', { who: 'theirs' })
        ours.put('both', { who: 'ours' })
        await eventually('the refusal', () => active.documents.some(({ error }) => error !== undefined))
        expect(active.documents.flatMap(({ id, error }) => (error === undefined ? [] : [[id, error.code]]))).to.deep.equal([
          ['both', 'ERR_REPL_DOC_CONFLICT']
        ])
        expect(news()).to.deep.equal(['rev', 'proposes 1'])
        expect(theirs.database.collection().get('both')?.body).to.deep.equal({ who: 'theirs' })
      })
      it('in conflict with one over there end in the same for both', async () => {
        await begin()
        theirs.put('both', { who: 'theirs' })
        ours.put('both', { who: 'ours' })
        await settled()
        expect(ours.database.collection().get('both')?.body).to.have.property('who')
      })
    })

    describe('a few edits since the last session', () => {
      const edited = async (edit: (ours: SimulatedPeer, theirs: SimulatedPeer) => void): Promise<string[]> => {
        const [ours, theirs] = await Promise.all([SimulatedPeer.create(versioning), SimulatedPeer.create(versioning)])
        for (let n = 0; n < 60; n++) (n < 30 ? ours : theirs).put(`doc ${n}`, { v: 1 })
        await replicate(ours.store, theirs.store)
        edit(ours, theirs)
        const { pair, error } = await replicate(ours.store, theirs.store)
        expect(error).to.equal(undefined)
        expect(theirs.snapshot()).to.deep.equal(ours.snapshot())
        const again = await replicate(ours.store, theirs.store)
        expect(again.pair.seen.some(({ profile }) => profile === 'rev')).to.equal(false)
        await ours.database.close()
        await theirs.database.close()
        return pair.seen.flatMap(({ dir, profile, body }) =>
          dir === 'A>B' && (profile === 'rev' || profile === 'proposeChanges') && body.toString() !== '[]' ? [profile] : []
        )
      }

      it('are sent without being proposed', async () => {
        const sent = await edited((ours) => {
          for (let n = 0; n < 60; n++) ours.put(`doc ${n}`, { v: 2 })
        })
        expect(sent).to.deep.equal(Array<string>(60).fill('rev'))
      })
      it('are proposed where documents are new', async () => {
        const sent = await edited((ours) => {
          ours.put('doc 1', { v: 2 })
          ours.put('new', { v: 1 })
        })
        expect(sent).to.deep.equal(['proposeChanges', 'rev', 'rev'])
      })
      it('may meet edits over there', async () => {
        await edited((ours, theirs) => {
          for (let n = 0; n < 60; n++) (n % 3 === 0 ? theirs : ours).put(`doc ${n}`, { v: 2 })
          for (let n = 0; n < 60; n += 5) {
            ours.put(`doc ${n}`, { who: 'ours' })
            theirs.put(`doc ${n}`, { who: 'theirs' })
          }
        })
      })
    })

    it('lets the peer save that it has seen its own revisions', async () => {
      const pair = new BlipPair()
      const passive = passiveSession(pair.b, b)
      const active = activeSession(pair.a, a, { continuous: true })
      active.session.start()
      for (let i = 0; i < 300; i++) a.default.put(`doc${i}`, { i })
      await eventually('all at b', () => b.default.docs.size === 300)
      await eventually('idle', () => active.session.activity === 'idle' && passive.session.activity === 'idle')
      passive.session.tick(1_000_000)
      await eventually('the last change', () => pair.seen.some((m) => m.profile === 'changes' && m.body.length > 2))
      active.session.stop()
      await active.ended
      const again = await replicate(a, b)
      expect(again.pair.seen.filter((m) => m.body.length > 2).map((m) => m.profile)).to.deep.equal(['getCollections', undefined])
      expect(again.pair.seen.find((m) => m.profile === 'subChanges')?.properties['since']).to.equal('300')
    })

    it('never has two revisions of a document under way', async () => {
      const pair = new BlipPair(false)
      passiveSession(pair.b, b)
      const active = activeSession(pair.a, a, { continuous: true })
      active.session.start()
      const turn = async (): Promise<void> => {
        await new Promise((resolve) => {
          setImmediate(resolve)
        })
        pair.deliver('a')
      }
      for (let i = 0; i < 50; i++) {
        a.default.put('x', { i })
        await turn()
      }
      for (let i = 0; i < 2000 && JSON.stringify(b.default.json('x')) !== '{"i":49}'; i++) await turn()
      expect(b.default.json('x')).to.deep.equal({ i: 49 })
      const open = new Set<number>()
      for (const message of pair.seen) {
        if (message.dir === 'A>B' && message.profile === 'rev') {
          expect(open.size).to.equal(0)
          open.add(message.number)
        }
        if (message.dir === 'B>A' && message.type === 'RES') open.delete(message.number)
      }
      pair.cut()
    })
  })

  describe('with a bad peer', () => {
    it('gives up when nothing is ever answered', async () => {
      const pair = new BlipPair()
      const active = activeSession(pair.a, a)
      pair.b.handle('getCollections', () => {})
      active.session.start()
      active.session.tick(1_000_000)
      active.session.tick(1_029_000)
      expect(active.result).to.equal(undefined)
      active.session.tick(1_031_000)
      const { error, transient } = await active.ended
      expect(error?.code).to.equal('ERR_REPL_TIMEOUT')
      expect(transient).to.equal(true)
    })

    it('gives up when announced revisions never come', async () => {
      const pair = new BlipPair()
      pair.b.handle('getCollections', (request) => {
        request.respond({ body: Buffer.from('[{}]') })
      })
      pair.b.handle('subChanges', (request) => {
        request.respond()
        pair.b.request({ profile: 'changes', properties: { collection: '0' }, body: Buffer.from('[[1,"x","1-ab"]]') }, () => {})
        pair.b.request({ profile: 'changes', properties: { collection: '0' }, body: Buffer.from('[]'), noReply: true })
      })
      const active = activeSession(pair.a, a, { push: false })
      active.session.start()
      await eventually('the answer', () => pair.seen.some((m) => m.dir === 'A>B' && m.type === 'RES'))
      active.session.tick(1_000_000)
      active.session.tick(1_001_000)
      active.session.tick(1_200_000)
      expect((await active.ended).error?.code).to.equal('ERR_REPL_TIMEOUT')
    })

    const lists: Record<string, string> = {
      'no JSON': '[[1,',
      'no array': '{}',
      'an entry that is no array': '[7]',
      'an empty id': '[[1,"","1-ab"]]',
      'an id that is too long': `[[1,"${'x'.repeat(256)}","1-ab"]]`,
      'a bad revision id': '[[1,"x","1-XY"]]',
      'no sequence': '[[null,"x","1-ab"]]'
    }
    for (const [what, body] of Object.entries(lists)) {
      it(`ends with a clear error at a change list with ${what}`, async () => {
        const pair = new BlipPair()
        pair.b.handle('getCollections', (request) => {
          request.respond({ body: Buffer.from('[{}]') })
        })
        pair.b.handle('subChanges', (request) => {
          request.respond()
          pair.b.request({ profile: 'changes', properties: { collection: '0' }, body: Buffer.from(body) }, () => {})
        })
        const active = activeSession(pair.a, a, { push: false })
        active.session.start()
        const { error, transient } = await active.ended
        expect(error?.code).to.equal('ERR_REPL_BAD_MESSAGE')
        expect(transient).to.equal(false)
        expect(pair.seen.find((m) => m.type === 'ERR')?.properties).to.include({ 'Error-Domain': 'BLIP', 'Error-Code': '400' })
      })
    }

    it('refuses each bad revision alone', async () => {
      const pair = new BlipPair()
      passiveSession(pair.b, b)
      const answers: string[] = []
      const send = (properties: Record<string, string>, body: string): Promise<void> =>
        new Promise((resolve) => {
          pair.a.request({ profile: 'rev', properties: { collection: '0', ...properties }, body: Buffer.from(body) }, (reply) => {
            answers.push(reply.kind === 'error' ? `${reply.domain} ${reply.code}` : reply.kind)
            resolve()
          })
        })
      await new Promise<void>((resolve) => {
        pair.a.request({ profile: 'getCollections', body: Buffer.from('{"checkpoint_ids":["cp-x"],"collections":["_default"]}') }, () => {
          resolve()
        })
      })
      await send({ id: 'x', rev: '1-ab' }, '{')
      await send({ id: 'x', rev: '1-ab' }, '[1]')
      await send({ id: 'x', rev: 'nonsense' }, '{}')
      await send({ id: '', rev: '1-ab' }, '{}')
      await send({ id: 'x', rev: '2-ab', history: '2-aa' }, '{}')
      await send({ id: 'x', rev: '2-ab', deltaSrc: '1-aa' }, '{}')
      await send({ id: 'x', rev: '1-ab' }, `{"a":"${'x'.repeat(20 * 1024 * 1024)}"}`)
      await send({ id: 'x', rev: '1-ab' }, '{"a":{"@type":"blob","digest":"../../etc/passwd"}}')
      await send({ id: 'x', rev: '1-ab', collection: '7' }, '{}')
      await send({ id: 'x', rev: '1-ab' }, '{"_id":"x","ok":1}')
      expect(answers).to.deep.equal([
        'HTTP 400',
        'HTTP 400',
        'HTTP 400',
        'HTTP 400',
        'HTTP 400',
        'HTTP 422',
        'HTTP 413',
        'HTTP 400',
        'HTTP 400',
        'ok'
      ])
      expect(b.default.json('x')).to.deep.equal({ ok: 1 })
      pair.cut()
    })

    it('survives a document nested deeper than the stack', async () => {
      b.default.put('deep', { x: 1 })
      const depth = 200_000
      const body = `{"a":${'['.repeat(depth)}{"@type":"x"}${']'.repeat(depth)}}`
      const pair = new BlipPair()
      passiveSession(pair.b, b)
      await new Promise<void>((resolve) => {
        pair.a.request({ profile: 'getCollections', body: Buffer.from('{"checkpoint_ids":["cp-x"],"collections":["_default"]}') }, () => {
          resolve()
        })
      })
      const kind = await new Promise((resolve) => {
        pair.a.request({ profile: 'rev', properties: { collection: '0', id: 'y', rev: '1-ab' }, body: Buffer.from(body) }, (reply) => {
          resolve(reply.kind)
        })
      })
      expect(kind).to.be.oneOf(['ok', 'error'])
      pair.cut()
    })

    it('resumes after the connection was cut in the middle', async () => {
      for (let i = 0; i < 500; i++) {
        a.default.put(`a${i}`, { i })
        b.default.put(`b${i}`, { i })
      }
      const pair = new BlipPair()
      passiveSession(pair.b, b)
      const active = activeSession(pair.a, a)
      active.session.start()
      await eventually('some revs', () => pair.seen.filter((m) => m.profile === 'rev').length > 100)
      pair.cut()
      const { error, transient } = await active.ended
      expect(error?.code).to.equal('ERR_REPL_CLOSED')
      expect(transient).to.equal(true)
      expect((await replicate(a, b)).error).to.equal(undefined)
      expect(a.default.snapshot()).to.deep.equal(b.default.snapshot())
    })

    it('ends with the cause when the database fails', async () => {
      b.default.put('x', {})
      a.default.insertError = Object.assign(new Error('disk full'), { code: 'ERR_DB_DISK_FULL' })
      const { error, transient } = await replicate(a, b)
      expect(error?.code).to.equal('ERR_REPL_STORE')
      expect((error?.cause as Error | undefined)?.message).to.equal('disk full')
      expect(transient).to.equal(false)
    })
  })

  it('serves clients that start with getCheckpoint and mean the default collection', async () => {
    b.default.put('old', { x: 1 })
    const pair = new BlipPair()
    passiveSession(pair.b, b)
    const kinds: string[] = []
    const ask = (profile: string, properties: Record<string, string>, body = ''): Promise<void> =>
      new Promise((resolve) => {
        pair.a.request({ profile, properties, body: Buffer.from(body) }, (reply) => {
          kinds.push(
            reply.kind === 'error' ? `${reply.domain} ${reply.code}` : `ok ${reply.kind === 'ok' ? (reply.properties['rev'] ?? '') : ''}`
          )
          resolve()
        })
      })
    const got: string[] = []
    pair.a.handle('changes', (request) => {
      request.respond({ body: Buffer.from('[[]]') })
    })
    pair.a.handle('rev', (request) => {
      got.push(`${request.properties['id'] ?? ''} ${request.body.toString()}`)
      expect(request.properties).to.not.have.property('collection')
      request.respond()
    })
    await ask('getCheckpoint', { client: 'cp-1' })
    await ask('setCheckpoint', { client: 'cp-1', rev: '' }, '{"local":3}')
    await ask('getCheckpoint', { client: 'cp-1' })
    await ask('setCheckpoint', { client: 'cp-1', rev: '9-cc' }, '{}')
    await ask('getCheckpoint', { client: 'cp-1', collection: '0' })
    await ask('getCollections', {}, '{"checkpoint_ids":["x"],"collections":["_default"]}')
    await ask('subChanges', versioning === 'rev-trees' ? {} : { versioning })
    await eventually('the rev', () => got.length > 0)
    expect(kinds).to.deep.equal(['HTTP 404', 'ok 1-cc', 'ok 1-cc', 'HTTP 409', 'HTTP 400', 'BLIP 400', 'ok '])
    expect(got).to.deep.equal(['old {"x":1}'])
    pair.cut()
  })
})
