import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { randomBytes } from 'node:crypto'
import { Database } from '@kithmesh/database'
import { createIdentity, passwordAuthenticator, pinnedPeers } from '@kithmesh/identity'
import { Replicator, UrlEndpointListener, urlEndpoint } from '@kithmesh/replicator'
import type { DocumentEvent, ReplicatorOptions, UrlEndpointListenerOptions, UrlEndpointOptions } from '@kithmesh/replicator'
import { expect } from 'chai'
import { eventually } from '@kithmesh/testkit'
import { describeInBothSchemes } from './support/both-schemes.ts'

describeInBothSchemes('replication over loopback with databases on disk', ({ versioning }) => {
  let root: string
  let a: Database
  let b: Database
  let listener: UrlEndpointListener
  const replicators: Replicator[] = []

  const serve = async (options: Partial<UrlEndpointListenerOptions> = {}): Promise<UrlEndpointListener> => {
    listener = new UrlEndpointListener({
      databases: { shop: b },
      host: '127.0.0.1',
      authenticator: passwordAuthenticator((user, password) => user === 'u' && password === 'p'),
      ...options
    })
    await listener.start()
    return listener
  }
  const replicator = (options: Partial<ReplicatorOptions> = {}, endpoint: UrlEndpointOptions = {}): Replicator => {
    const made = new Replicator({
      database: a,
      endpoint: urlEndpoint(listener.urls[0] as string, {
        trust: { mode: 'self-signed' },
        basicAuth: { username: 'u', password: 'p' },
        ...endpoint
      }),
      ...options
    })
    replicators.push(made)
    return made
  }
  const once = async (options: Partial<ReplicatorOptions> = {}): Promise<Replicator> => {
    const made = replicator(options)
    made.start()
    const { error } = await made.finished()
    if (error !== undefined) throw error
    return made
  }
  const content = (database: Database, name?: string): Record<string, string> => {
    const collection = database.collection(name)
    return Object.fromEntries(
      collection
        .changes()
        .map(({ id, revId, deleted }) => [id, `${revId} ${deleted ? 'deleted' : (collection.get(id)?.json().toString() ?? '')}`])
    )
  }

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'kithmesh-replicator-'))
    a = await Database.open(join(root, 'a'), { versioning })
    b = await Database.open(join(root, 'b'), { versioning })
  })

  afterEach(async () => {
    for (const one of replicators.splice(0)) await one.stop()
    await listener?.stop()
    await a.close()
    await b.close()
    rmSync(root, { recursive: true, force: true })
  })

  it('pushes, pulls and does both, with wss and a password', async () => {
    await serve()
    expect(listener.urls[0]).to.match(/^wss:\/\/127\.0\.0\.1:\d+\/shop$/)
    for (let i = 0; i < 300; i++) {
      a.collection().put(`a${i}`, { i })
      b.collection().put(`b${i}`, { i })
    }
    await once({ type: 'push' })
    expect(Object.keys(content(b))).to.have.length(600)
    expect(Object.keys(content(a))).to.have.length(300)
    await once({ type: 'pull' })
    expect(content(a)).to.deep.equal(content(b))
    a.collection().remove('a1')
    b.collection().put('a2', { changed: true })
    const both = await once()
    expect(content(a)).to.deep.equal(content(b))
    expect(both.status.activity).to.equal('stopped')
    expect(a.collection().get('a2')?.body).to.deep.equal({ changed: true })
    expect(b.collection().get('a1')).to.equal(undefined)
  })

  it('pushes and pulls documents that were edited more often than a history has places', async () => {
    await serve()
    a.collection().put('pushed', { n: 0 })
    a.collection().put('pulled', { n: 0 })
    await once()
    for (let n = 1; n <= 120; n++) {
      a.collection().put('pushed', { n })
      b.collection().put('pulled', { n })
    }
    await once()
    expect(b.collection().get('pushed')?.body).to.deep.equal({ n: 120 })
    expect(a.collection().get('pulled')?.body).to.deep.equal({ n: 120 })
    expect(content(a)).to.deep.equal(content(b))
    expect([a.collection().conflicts(), b.collection().conflicts()]).to.deep.equal([[], []])
  })

  it('pushes a document whose last common revision lies hundreds of edits back', async () => {
    await serve()
    a.collection().put('doc', { n: 0 })
    await once({ type: 'push' })
    for (let n = 1; n <= 230; n++) a.collection().put('doc', { n })
    await once({ type: 'push' })
    expect(content(b)).to.deep.equal(content(a))
  })

  it('resumes from its checkpoint and sends nothing again', async () => {
    await serve()
    for (let i = 0; i < 100; i++) a.collection().put(`a${i}`, { i })
    expect((await once({ type: 'push' })).status.progress.documents).to.equal(100)
    await a.close()
    a = await Database.open(join(root, 'a'), { versioning })
    const again = await once({ type: 'push' })
    expect(again.status.progress).to.include({ documents: 0, total: 0 })
    const reset = replicator({ type: 'push' })
    reset.start({ reset: true })
    await reset.finished()
    expect(reset.statistics).to.include({ documentsPushed: 0 })
  })

  describe('sends what the other side lost', () => {
    const reopened = async (change: (directory: string) => Promise<void>): Promise<void> => {
      const { directory } = b
      await listener.stop()
      await b.close()
      await change(directory)
      b = await Database.open(directory, { versioning })
      await serve()
    }
    const uid = { uid: 'the other side' }
    const push = async (reset = false): Promise<Replicator> => {
      const made = replicator({ type: 'push' }, uid)
      made.start({ reset })
      const { error } = await made.finished()
      if (error !== undefined) throw error
      return made
    }

    beforeEach(async () => {
      await serve()
      for (let n = 0; n < 50; n++) a.collection().put(`doc-${n}`, { n })
      await push()
      expect(b.collection().count).to.equal(50)
    })

    it('with its whole database', async () => {
      await reopened(async (directory) => {
        await Database.delete(directory)
      })
      a.collection().put('doc-7', { n: 'changed' })
      expect((await push()).statistics.documentsPushed).to.equal(50)
      expect(content(b)).to.deep.equal(content(a))
    })

    it('by going back to an older copy', async () => {
      const copy = join(root, 'older')
      await Database.copy(b.directory, copy)
      for (let n = 50; n < 60; n++) a.collection().put(`doc-${n}`, { n })
      a.collection().put('doc-3', { n: 'changed' })
      await push()
      await reopened(async (directory) => {
        await Database.delete(directory)
        await Database.copy(copy, directory)
      })
      await push()
      expect(content(b)).to.deep.equal(content(a))
    })

    it('without a trace, when asked to compare everything anew', async () => {
      b.collection().purge('doc-9')
      expect((await push()).statistics.documentsPushed).to.equal(0)
      expect((await push(true)).statistics.documentsPushed).to.equal(1)
      expect(content(b)['doc-9']).to.equal(content(a)['doc-9'])
    })
  })

  it('moves blobs both ways', async () => {
    await serve()
    const big = randomBytes(1_000_000)
    const blob = await a.blobs.saveBlob(big, 'image/png')
    const text = await b.blobs.saveBlob(Buffer.from('hello blob'), 'text/plain')
    a.collection().put('pic', { photo: { ...blob } })
    b.collection().put('note', { note: { ...text } })
    const done = await once()
    expect((await b.blobs.readBlob(blob.digest))?.equals(big)).to.equal(true)
    expect((await a.blobs.readBlob(text.digest))?.toString()).to.equal('hello blob')
    expect(done.statistics).to.include({ blobsPushed: 1, blobsPulled: 1, blobBytesPushed: 1_000_000 })
  })

  it('resolves conflicts alike on both sides', async () => {
    await serve()
    for (let i = 0; i < 20; i++) a.collection().put(`d${i}`, { v: 0 })
    await once()
    for (let i = 0; i < 20; i++) {
      a.collection().put(`d${i}`, { who: 'a', i })
      b.collection().put(`d${i}`, { who: 'b', i })
    }
    const done = await once()
    expect(done.statistics.conflictsResolved).to.equal(20)
    expect(content(a)).to.deep.equal(content(b))
    expect(a.collection().conflicts()).to.deep.equal([])
  })

  it('brings live edits over, both ways, and survives a restart of the listener', async () => {
    // An address that nothing else listens on, so that nobody takes the port meanwhile.
    const host = '127.0.68.1'
    await serve({ host })
    const port = listener.port as number
    const live = replicator({ continuous: true })
    const activities: string[] = []
    live.onStatus(({ activity }) => {
      activities.push(activity)
    })
    live.start()
    await eventually('idle', () => live.status.activity === 'idle')
    a.collection().put('x', { v: 1 })
    await eventually('x at b', () => b.collection().get('x') !== undefined)
    b.collection().put('y', { v: 2 })
    await eventually('y at a', () => a.collection().get('y') !== undefined)
    await listener.stop()
    await eventually('offline', () => live.status.activity === 'offline')
    expect(live.status.error?.code).to.equal('ERR_REPL_CLOSED')
    a.collection().put('z', { v: 3 })
    expect(live.pendingDocumentIds()).to.deep.equal(['z'])
    expect(live.isDocumentPending('x')).to.equal(false)
    await serve({ host, port })
    live.retryNow()
    await eventually('z at b', () => b.collection().get('z') !== undefined)
    await eventually('nothing pending', () => live.pendingDocumentIds().length === 0)
    await live.stop()
    expect(activities[0]).to.equal('connecting')
    expect(activities.at(-1)).to.equal('stopped')
    expect(content(a)).to.deep.equal(content(b))
  })

  it('can be started again after it stopped', async () => {
    await serve()
    const one = replicator()
    for (let i = 0; i < 3; i++) {
      a.collection().put(`doc${i}`, { i })
      one.start()
      one.start()
      expect((await one.finished()).error).to.equal(undefined)
    }
    expect(Object.keys(content(b))).to.have.length(3)
    await one.stop()
    await one.stop()
  })

  it('replicates named collections and reports documents', async () => {
    const items = a.collection('items', 'store', { create: true })
    b.collection('items', 'store', { create: true })
    items.put('pen', { qty: 3 })
    await serve()
    const one = replicator({ collections: [{ scope: 'store', name: 'items' }] })
    const events: DocumentEvent[] = []
    one.onDocuments((batch) => {
      events.push(...batch)
    })
    one.start()
    await one.finished()
    expect(events.map(({ direction, collection, id, error }) => ({ direction, collection, id, error }))).to.deep.equal([
      { direction: 'push', collection: { scope: 'store', name: 'items' }, id: 'pen', error: undefined }
    ])
    expect(b.collection('items', 'store').get('pen')?.body).to.deep.equal({ qty: 3 })
  })

  describe('refuses', () => {
    const failing = async (options: Partial<ReplicatorOptions> = {}, endpoint: UrlEndpointOptions = {}): Promise<string | undefined> => {
      const one = replicator(options, endpoint)
      one.start()
      return (await one.finished()).error?.code
    }

    it('a wrong password', async () => {
      await serve()
      expect(await failing({}, { basicAuth: { username: 'u', password: 'wrong' } })).to.equal('ERR_REPL_UNAUTHORIZED')
    })

    it('an unknown database', async () => {
      await serve()
      const one = new Replicator({
        database: a,
        endpoint: urlEndpoint(`${listener.urls[0] as string}x`, {
          trust: { mode: 'self-signed' },
          basicAuth: { username: 'u', password: 'p' }
        })
      })
      one.start()
      expect((await one.finished()).error?.code).to.equal('ERR_REPL_NOT_FOUND')
    })

    it('a server certificate that is not the pinned one', async () => {
      await serve()
      const other = await createIdentity({ commonName: 'other' })
      expect(await failing({}, { trust: { mode: 'pinned', certificate: other.certificatePem } })).to.equal('ERR_REPL_CONNECT')
    })

    it('clients whose certificate is not pinned, and takes those that are', async () => {
      const friend = await createIdentity({ commonName: 'friend' })
      const stranger = await createIdentity({ commonName: 'stranger' })
      await serve({ authenticator: pinnedPeers([friend.peerId]) })
      a.collection().put('x', {})
      const one = replicator({}, { identity: friend })
      one.start()
      expect((await one.finished()).error).to.equal(undefined)
      expect(await failing({ maxAttempts: 1 }, { identity: stranger })).to.equal('ERR_REPL_CONNECT')
    })

    it('a missing collection', async () => {
      a.collection('widgets', '_default', { create: true })
      await serve()
      expect(await failing({ collections: [{ name: 'widgets' }] })).to.equal('ERR_REPL_COLLECTION_MISSING')
      expect(() => replicator({ collections: [{ name: 'nowhere' }] }))
        .to.throw()
        .with.property('code', 'ERR_REPL_COLLECTION_UNKNOWN')
    })

    it('pushes to a read-only listener, and still serves pulls', async () => {
      b.collection().put('x', {})
      await serve({ readOnly: true })
      await once({ type: 'pull' })
      expect(a.collection().get('x')).to.not.equal(undefined)
      a.collection().put('y', {})
      expect(await failing({ type: 'push' })).to.equal('ERR_REPL_REMOTE')
    })

    it('to listen on a taken port', async () => {
      await serve()
      const second = new UrlEndpointListener({
        databases: { shop: b },
        host: '127.0.0.1',
        port: listener.port as number,
        authenticator: 'insecure'
      })
      const error = await second.start().then(
        () => undefined,
        (thrown: unknown) => thrown as { code: string }
      )
      expect(error?.code).to.equal('ERR_REPL_LISTEN')
    })
  })

  it('tries again when nobody listens, and gives up after the tries it has', async () => {
    await serve({ tls: 'off' })
    const url = listener.urls[0] as string
    await listener.stop()
    const one = new Replicator({ database: a, endpoint: urlEndpoint(url), maxAttempts: 3, maxAttemptWaitMs: 10 })
    let tries = 0
    one.onStatus(({ activity }) => {
      if (activity === 'connecting') tries++
    })
    one.start()
    expect((await one.finished()).error?.code).to.equal('ERR_REPL_CONNECT')
    expect(tries).to.equal(3)
  })

  describe('with a peer that accepts and says nothing', () => {
    let server: Server
    const sockets: Socket[] = []
    afterEach(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })

    it('ends at the deadline', async () => {
      server = createServer((socket) => {
        sockets.push(socket)
      })
      await new Promise<void>((resolve) => {
        server.listen(0, '127.0.0.1', resolve)
      })
      const { port } = server.address() as { port: number }
      const one = new Replicator({
        database: a,
        endpoint: urlEndpoint(`ws://127.0.0.1:${port}/shop`),
        maxAttempts: 1,
        connectTimeoutMs: 100
      })
      one.start()
      expect((await one.finished()).error?.code).to.equal('ERR_REPL_CONNECT')
    })

    it('can be stopped meanwhile', async () => {
      server = createServer((socket) => {
        sockets.push(socket)
      })
      await new Promise<void>((resolve) => {
        server.listen(0, '127.0.0.1', resolve)
      })
      const { port } = server.address() as { port: number }
      const one = new Replicator({ database: a, endpoint: urlEndpoint(`ws://127.0.0.1:${port}/shop`) })
      one.start()
      await eventually('the connection', () => sockets.length > 0)
      await one.stop()
      expect(one.status).to.deep.include({ activity: 'stopped', error: undefined })
    })
  })

  it('counts connections', async () => {
    await serve()
    const live = replicator({ continuous: true })
    live.start()
    await eventually('one idle connection', () => listener.status.connectionCount === 1 && listener.status.activeConnectionCount === 0)
    await live.stop()
    await eventually('no connection', () => listener.status.connectionCount === 0)
  })
})
