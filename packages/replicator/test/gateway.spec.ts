import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { replicationStore } from '@kithmesh/database/replication'
import { urlEndpoint } from '@kithmesh/replicator'
import type { Conflict, Resolution } from '@kithmesh/replicator'
import { eventually } from '@kithmesh/testkit'
import { GatewayClient } from './support/gateway-client.ts'
import { ScriptedGateway } from './support/scripted-gateway/gateway.ts'
import { GatewayError } from './support/scripted-gateway/store.ts'
import type { GatewayStore } from './support/scripted-gateway/store.ts'

describe('replication with a gateway', () => {
  let client: GatewayClient
  let store: GatewayStore

  beforeEach(async () => {
    client = await GatewayClient.open()
    store = client.gateway.store
    store.syncFunction = () => ['all']
    store.grant('alice', 'all')
  })
  afterEach(async () => {
    await client.close()
  })

  const there = (): Record<string, unknown> =>
    Object.fromEntries(
      [...store.documents.keys()].flatMap((id) => {
        const current = store.currentOf(id)
        return current === undefined || current.deleted ? [] : [[id, current.body]]
      })
    )
  const revisions = (): Record<string, string> =>
    Object.fromEntries(
      client.database
        .collection()
        .changes()
        .map(({ id, revId }) => [id, revId])
    )
  const theirs = (): Record<string, string> => Object.fromEntries([...store.documents.values()].map(({ id, current }) => [id, current]))

  it('pushes and pulls, updates and deletions too, until both are equal', async () => {
    const here = client.database.collection()
    for (let i = 0; i < 450; i++) {
      here.put(`mine-${i}`, { i })
      store.put(`theirs-${i}`, { i })
    }
    expect((await client.run()).error).to.equal(undefined)
    expect(Object.keys(there())).to.have.length(900)
    expect(client.documents).to.deep.equal(there())
    here.put('theirs-1', { changed: 'here' })
    here.remove('theirs-2')
    store.put('mine-1', { changed: 'there' })
    store.put('mine-2', {}, { deleted: true })
    expect((await client.run()).error).to.equal(undefined)
    expect(client.documents).to.deep.equal(there())
    expect(revisions()).to.deep.equal(theirs())
    expect(there()).to.deep.include({ 'theirs-1': { changed: 'here' }, 'mine-1': { changed: 'there' } })
    expect(Object.keys(there())).to.have.length(898)
    expect(client.errors()).to.deep.equal([])
  })

  it('asks in the words that the gateway understands', async () => {
    await client.run()
    const [{ properties: sub } = { properties: {} }] = client.gateway.requests('subChanges')
    expect(sub).to.include({ sendReplacementRevs: 'true', revocations: 'true', versioning: 'rev-trees', collection: '0' })
    expect(sub).to.not.have.any.keys('continuous', 'since', 'filter')
    await (await client.runOn()).stop()
    expect(client.gateway.requests('subChanges')[1]?.properties).to.include({ continuous: 'true' })
    expect(client.gateway.requests('changes')).to.have.length(0)
  })

  it('resumes from the checkpoint that the gateway keeps, without a detour over its revision', async () => {
    client.database.collection().put('mine', {})
    store.put('theirs', {})
    for (let i = 0; i < 3; i++) {
      await client.run()
      client.database.collection().put('mine', { i })
    }
    expect(store.checkpoints.size).to.equal(1)
    expect([...store.checkpoints.values()][0]?.rev).to.equal('0-3')
    expect(client.gateway.requests('getCheckpoint')).to.have.length(0)
    expect(client.gateway.requests('setCheckpoint').map(({ properties }) => properties['rev'])).to.deep.equal(['', '0-1', '0-2'])
    expect(client.gateway.requests('rev')).to.have.length(3)
    client.gateway.seen.length = 0
    client.database.collection().put('mine', { i: 2 }, {})
    await client.run()
    await client.run()
    expect(client.gateway.requests('rev')).to.have.length(0 + 1)
  })

  it('reads the checkpoint again when somebody changed it, and saves its own', async () => {
    store.put('theirs', {})
    await client.run()
    store.put('another', {})
    const running = await client.runOn()
    await eventually('the checkpoint', () => [...store.checkpoints.values()][0]?.body['remote'] === store.sequence)
    const [[id = '', stored] = []] = [...store.checkpoints]
    if (stored !== undefined) store.checkpoints.set(id, { ...stored, rev: '0-9' })
    store.put('third', {})
    await eventually('the third', () => client.documents['third'] !== undefined && running.status.activity === 'idle')
    await running.stop()
    expect(client.gateway.requests('getCheckpoint')).to.have.length(1)
    expect(store.checkpoints.get(id)?.rev).to.equal('0-10')
    expect(store.checkpoints.get(id)?.body['remote']).to.equal(store.sequence)
  })

  it('stays connected, sends live edits both ways, and comes back after a cut', async () => {
    const running = await client.runOn()
    client.database.collection().put('mine', { v: 1 })
    await eventually('our edit', () => there()['mine'] !== undefined)
    store.put('theirs', { v: 1 })
    await eventually('their edit', () => client.documents['theirs'] !== undefined)
    // What was just pushed is not sent back, nor the other way round.
    expect(client.gateway.requests('rev')).to.have.length(1)
    await eventually('rest', () => running.status.activity === 'idle')
    client.gateway.cut()
    await eventually('the loss of the connection', () => running.status.activity === 'offline')
    client.database.collection().put('mine', { v: 2 })
    store.put('theirs', { v: 2 })
    running.retryNow()
    await eventually('both', () => (there()['mine'] as { v?: number })?.v === 2 && (client.documents['theirs'] as { v?: number })?.v === 2)
  })

  it('takes another revision for one that is gone, and word that none can be had', async () => {
    for (let i = 0; i < 3; i++) store.put(`doc-${i}`, { v: 1 })
    const lose = (id: string): void => {
      const revision = store.currentOf(id)
      if (revision !== undefined) revision.body = undefined
    }
    lose('doc-1')
    const { error } = await client.run()
    expect(error).to.equal(undefined)
    expect(Object.keys(client.documents)).to.deep.equal(['doc-0', 'doc-2'])
    expect(client.errors()).to.deep.equal(['doc-1 ERR_REPL_DOC_UNAVAILABLE'])
    // It counts as dealt with.
    await client.run()
    expect(client.errors()).to.have.length(1)
    const running = await client.runOn()
    store.put('doc-1', { v: 2 })
    lose('doc-1')
    store.put('doc-1', { v: 3 })
    await eventually('the replacement', () => client.documents['doc-1'] !== undefined)
    expect(client.documents['doc-1']).to.deep.equal({ v: 3 })
    await running.stop()
  })

  it('sends histories without blanks, down to what the gateway has', async () => {
    const here = client.database.collection()
    here.put('doc', { v: 0 })
    await client.run()
    const known = here.get('doc')?.revId ?? ''
    for (let v = 1; v < 5; v++) here.put('doc', { v })
    await client.run()
    const history = client.gateway.requests('rev').at(-1)?.properties['history'] ?? ''
    expect(history).to.match(/^4-[0-9a-f]+,3-[0-9a-f]+,2-[0-9a-f]+,1-[0-9a-f]+$/)
    expect(history.endsWith(known)).to.equal(true)
    expect(there()).to.deep.equal({ doc: { v: 4 } })
  })

  it('replicates only the documents asked for, which the gateway refuses in a continuous pull', async () => {
    for (const id of ['a', 'b']) store.put(id, {})
    const collections = [{ documentIds: ['a'] }]
    expect((await client.run({ collections })).error).to.equal(undefined)
    expect(Object.keys(client.documents)).to.deep.equal(['a'])
    const { error } = await client.run({ collections, continuous: true })
    expect(error?.code).to.equal('ERR_REPL_REMOTE')
    expect(error?.details).to.include({ code: 400 })
  })

  describe('in conflict', () => {
    const collide = async (resolve?: (conflict: Conflict) => Resolution): Promise<void> => {
      store.put('doc', { v: 'start' })
      await client.run()
      store.put('doc', { v: 'theirs' })
      client.database.collection().put('doc', { v: 'mine' })
      const collections = resolve === undefined ? [{}] : [{ conflictResolver: resolve }]
      expect((await client.run({ collections })).error).to.equal(undefined)
    }

    for (const [name, resolution, expected] of [
      ['the local revision wins', { take: 'local' }, { v: 'mine' }],
      ['the remote revision wins', { take: 'remote' }, { v: 'theirs' }],
      ['a merged one takes their place', { take: 'merged', body: { v: 'both' } }, { v: 'both' }],
      ['the document is deleted', { take: 'deleted' }, undefined],
      ['the default decides', undefined, undefined]
    ] as const)
      it(`${name}, here and there`, async () => {
        await collide(resolution === undefined ? undefined : () => resolution)
        expect(there()).to.deep.equal(client.documents)
        expect(revisions()).to.deep.equal(theirs())
        if (resolution !== undefined) expect(there()['doc']).to.deep.equal(expected)
        expect(client.errors()).to.deep.equal([])
        client.gateway.seen.length = 0
        await client.run()
        expect(client.gateway.requests('rev')).to.have.length(0)
      })

    it('with a deletion there, and with one here', async () => {
      for (const id of ['there', 'here']) store.put(id, {})
      await client.run()
      store.put('there', {}, { deleted: true })
      client.database.collection().put('there', { v: 'mine' })
      store.put('here', { v: 'theirs' })
      client.database.collection().remove('here')
      expect((await client.run()).error).to.equal(undefined)
      expect(there()).to.deep.equal(client.documents)
      expect(revisions()).to.deep.equal(theirs())
    })

    it('is a document error for a replicator that only pushes', async () => {
      store.put('doc', { v: 1 })
      client.database.collection().put('doc', { v: 2 })
      const { error } = await client.run({ type: 'push' })
      expect(error).to.equal(undefined)
      expect(client.errors()).to.deep.equal(['doc ERR_REPL_DOC_CONFLICT'])
    })
  })

  describe('that refuses', () => {
    const refuse = (status: number, times = Infinity): void => {
      let left = times
      store.syncFunction = (body) => {
        if (body['bad'] === true && left-- > 0) throw new GatewayError(status, 'the sync function says no')
        return ['all']
      }
      client.database.collection().put('bad', { bad: true })
      client.database.collection().put('good', {})
    }
    const tries = (): number => client.gateway.requests('rev').filter(({ properties }) => properties['id'] === 'bad').length

    for (const [status, expected] of [
      [403, 2],
      [404, 1],
      [500, 1],
      [400, 1]
    ] as const)
      it(`with ${status}, tries ${expected === 1 ? 'once' : 'twice'} and never again`, async () => {
        refuse(status)
        expect((await client.run()).error).to.equal(undefined)
        expect(there()).to.have.keys('good')
        expect(tries()).to.equal(expected)
        expect(client.errors()).to.deep.equal(['bad ERR_REPL_DOC_REJECTED'])
        expect(client.events.find(({ error }) => error !== undefined)).to.include({ transient: false })
        await client.run()
        expect(tries()).to.equal(expected)
      })

    it('with 403 once only, succeeds at the second try', async () => {
      refuse(403, 1)
      await client.run()
      expect(there()).to.have.keys('good', 'bad')
      expect(client.errors()).to.deep.equal([])
    })

    it('with 503, tries again in the next session', async () => {
      refuse(503, 1)
      expect((await client.run()).error).to.equal(undefined)
      expect(client.events.find(({ error }) => error !== undefined)).to.include({ id: 'bad', transient: true })
      await client.run()
      expect(there()).to.have.keys('good', 'bad')
    })
  })

  describe('with blobs', () => {
    const content = (bytes: Uint8Array, type = 'image/png'): object => ({
      '@type': 'blob',
      digest: store.attach(bytes),
      length: bytes.length,
      content_type: type
    })
    const blob = async (bytes: Uint8Array): Promise<object> => await client.database.blobs.saveBlob(bytes, 'image/png')
    const attachmentsOf = (id: string): object => store.currentOf(id)?.attachments ?? {}
    const shadow = (name: string, of: object, revpos = 1): object => {
      const { '@type': _, ...rest } = of as Record<string, unknown>
      return { [name]: { ...rest, stub: true, revpos } }
    }

    it('pushes them with _attachments, whatever their size', async () => {
      const bytes = randomBytes(200_000)
      const small = await blob(Buffer.from('small'))
      const large = await blob(bytes)
      client.database.collection().put('doc', { 'a/b': [{ photo: small }], large })
      expect((await client.run()).error).to.equal(undefined)
      expect(there()['doc']).to.deep.equal({ 'a/b': [{ photo: small }], large })
      expect(attachmentsOf('doc')).to.deep.equal({ ...shadow('blob_/a~1b/0/photo', small), ...shadow('blob_/large', large) })
      expect(store.attachments.size).to.equal(2)
      expect([...store.attachments.values()].some((stored) => stored.equals(bytes))).to.equal(true)
      expect(client.database.collection().get('doc')?.body).to.not.have.property('_attachments')
    })

    it('proves that it has what the gateway has already', async () => {
      const bytes = randomBytes(1000)
      store.attach(bytes)
      client.database.collection().put('doc', { photo: await blob(bytes) })
      await client.run()
      expect(there()).to.have.keys('doc')
      expect(store.proofs).to.have.length(1)
      expect(client.gateway.requests('rev')).to.have.length(1)
      expect(client.errors()).to.deep.equal([])
    })

    it('gets them while the revision waits for its answer, and leaves the shadows out', async () => {
      const photo = content(randomBytes(100_000))
      const shared = content(Buffer.from('shared'), 'text/plain')
      store.put(
        'one',
        { photo, list: [shared] },
        { attachments: { ...shadow('blob_/photo', photo), ...shadow('blob_/list/0', shared) } as never }
      )
      store.put('two', { shared }, { attachments: shadow('blob_/shared', shared) as never })
      expect((await client.run()).error).to.equal(undefined)
      expect(client.documents).to.deep.equal({ one: { photo, list: [shared] }, two: { shared } })
      expect(client.errors()).to.deep.equal([])
      const digest = (photo as { digest: string }).digest
      expect(await client.database.blobs.readBlob(digest)).to.deep.equal(store.attachments.get(digest))
      const asked = client.gateway.requests('getAttachment')
      expect(asked).to.have.length(2)
      expect(asked.every(({ properties }) => properties['docID'] !== undefined)).to.equal(true)
      expect(asked.map(({ properties }) => properties['compress']).sort()).to.deep.equal(['true', undefined])
    })

    it('keeps attachments that are no shadows, and passes them on', async () => {
      const bytes = Buffer.from('old style')
      const old = { digest: store.attach(bytes), length: bytes.length, stub: true, revpos: 1 }
      store.put('doc', { v: 1 }, { attachments: { 'old.txt': old } })
      await client.run()
      expect(client.documents['doc']).to.deep.equal({ v: 1, _attachments: { 'old.txt': old } })
      expect(await client.database.blobs.readBlob(old.digest)).to.deep.equal(bytes)
      const another = await new ScriptedGateway().start()
      try {
        expect((await client.run({ endpoint: urlEndpoint(another.url, { session: 's2' }) })).error).to.equal(undefined)
        expect(another.store.currentOf('doc')).to.deep.include({ body: { v: 1 }, attachments: { 'old.txt': old } })
        expect(another.store.attachments.get(old.digest)).to.deep.equal(bytes)
      } finally {
        await another.stop()
      }
    })

    it('leaves out a document that cannot be put in that form, and sends the others', async () => {
      const depth = 100_000
      const photo = await blob(Buffer.from('photo'))
      const text = `{"photo":${JSON.stringify(photo).slice(0, -1)},"deep":${'['.repeat(depth)}${']'.repeat(depth)}}}`
      client.database.collection().put('good', { photo })
      replicationStore(client.database)
        .collection('_default', '_default')
        ?.insertRevisions([
          { id: 'bad', revId: '1-aa', deleted: false, history: [], body: Buffer.from(text), hasBlobs: true, onConflict: 'refuse' }
        ])
      expect((await client.run({ type: 'push' })).error).to.equal(undefined)
      expect(there()).to.have.keys('good')
      expect(client.errors()).to.deep.equal(['bad ERR_REPL_DOC_INVALID'])
    })

    it('refuses a document whose blob nobody can send, and takes the others', async () => {
      const photo = content(Buffer.from('here'))
      const lost = { ...photo, digest: 'sha1-ArH2IhJgRp/90GRqSAdAfa750BE=' }
      store.put('bad', { photo, lost }, { attachments: shadow('blob_/photo', photo) as never })
      store.put('good', {})
      expect((await client.run()).error).to.equal(undefined)
      expect(Object.keys(client.documents)).to.deep.equal(['good'])
      expect(client.errors()).to.deep.equal(['bad ERR_REPL_BLOB'])
      expect(client.gateway.requests('getAttachment')).to.have.length(0)
    })
  })

  it('replicates several collections, each with its own channels and checkpoint', async () => {
    await client.close()
    client = await GatewayClient.open({ collections: ['_default', 'shop.items', 'notes'] })
    const { stores } = client.gateway
    for (const each of stores.values()) each.grant('alice', 'a')
    client.database.collection('items', 'shop', { create: true }).put('mine', { channels: ['a'] })
    client.database.collection('notes', '_default', { create: true })
    stores.get('notes')?.put('note', { channels: ['a'] })
    stores.get('notes')?.put('secret', { channels: ['b'] })
    const collections = [
      { name: 'items', scope: 'shop' },
      { name: 'notes', channels: ['a'] }
    ]
    expect((await client.run({ collections })).error).to.equal(undefined)
    expect([...(stores.get('shop.items')?.documents.keys() ?? [])]).to.deep.equal(['mine'])
    expect([...client.database.collection('notes').documents()].map(({ id }) => id)).to.deep.equal(['note'])
    expect([...stores.values()].map(({ checkpoints }) => checkpoints.size)).to.deep.equal([0, 1, 1])
    client.database.collection('nowhere', '_default', { create: true })
    const { error } = await client.run({ collections: [{ name: 'nowhere' }] })
    expect(error?.code).to.equal('ERR_REPL_COLLECTION_MISSING')
  })

  describe('logs in', () => {
    const plain = { basicAuth: undefined } as never
    const enter = async (endpoint: object): Promise<string | undefined> =>
      (await client.run({}, { ...(plain as object), ...endpoint })).error?.code

    it('with a password, a session, cookies or a token, and further headers', async () => {
      expect(await enter({ basicAuth: { username: 'alice', password: 'secret' } })).to.equal(undefined)
      expect(await enter({ session: 's2' })).to.equal(undefined)
      expect(await enter({ cookies: { other: 'x', SyncGatewaySession: 's2' } })).to.equal(undefined)
      expect(await enter({ bearerToken: 't1', headers: { 'X-Mine': 'yes' } })).to.equal(undefined)
      expect(client.gateway.upgrades.map(({ cookie }) => cookie)).to.deep.equal([
        undefined,
        'SyncGatewaySession=s2',
        'other=x; SyncGatewaySession=s2',
        undefined
      ])
      expect(client.gateway.upgrades.at(-1)).to.include({ authorization: 'Bearer t1', 'x-mine': 'yes' })
    })

    it('not with the wrong one, and says so', async () => {
      expect(await enter({ basicAuth: { username: 'alice', password: 'wrong' } })).to.equal('ERR_REPL_UNAUTHORIZED')
      expect(await enter({ session: 'expired' })).to.equal('ERR_REPL_UNAUTHORIZED')
      expect(await enter({ bearerToken: 'forged' })).to.equal('ERR_REPL_UNAUTHORIZED')
      expect(client.gateway.upgrades).to.have.length(3)
    })

    it('with the session that the gateway renewed', async () => {
      const running = client.replicator({ continuous: true }, { ...(plain as object), session: 's1' })
      running.start()
      await eventually('rest', () => running.status.activity === 'idle')
      client.gateway.cut()
      await eventually('the loss of the connection', () => running.status.activity === 'offline')
      running.retryNow()
      await eventually('the second connection', () => running.status.activity === 'idle')
      expect(client.gateway.upgrades.map(({ cookie }) => cookie)).to.deep.equal(['SyncGatewaySession=s1', 'SyncGatewaySession=s2'])
    })

    it('in one way only, with nothing that a header cannot have', () => {
      const make = (endpoint: object) => (): unknown => client.replicator({}, { ...(plain as object), ...endpoint })
      const basicAuth = { username: 'a', password: 'b' }
      expect(make({ basicAuth, session: 's' })).to.throw(TypeError, 'exclude')
      expect(make({ bearerToken: 't', session: 's' })).to.throw(TypeError, 'exclude')
      for (const endpoint of [
        { session: 'a; b' },
        { cookies: { 'a=b': 'c' } },
        { headers: { 'X-A': 'b\r\nc: d' } },
        { bearerToken: 'a\r\nb' }
      ])
        expect(make(endpoint), JSON.stringify(endpoint)).to.throw(TypeError)
    })

    it('later, when the gateway has too much to do, and knows what it is called in the log there', async () => {
      client.gateway.overloaded = 1
      const running = client.replicator({ maxAttempts: 3 })
      running.start()
      await eventually('the refusal', () => running.status.activity === 'offline')
      expect(running.status.error?.details).to.include({ status: 503 })
      running.retryNow()
      expect((await running.finished()).error).to.equal(undefined)
      expect(running.correlationId).to.equal('correlation-2')
    })
  })
})
