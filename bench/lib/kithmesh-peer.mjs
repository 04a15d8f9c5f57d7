// One Kithmesh process of the benchmark: a database on disk, served by a listener or driven by a replicator.
import { randomBytes } from 'node:crypto'
import { Database } from '@kithmesh/database'
import { replicationStore } from '@kithmesh/database/replication'
import { sqliteEngine } from '@kithmesh/database/storage'
import { Replicator, UrlEndpointListener, urlEndpoint } from '@kithmesh/replicator'
import { benchDocument, benchId } from './documents.mjs'
import { answer, peakRssMegabytes, preciseNow, timed } from './processes.mjs'

const PER_TRANSACTION = 1000
const ARRIVAL_DEADLINE_MS = 10_000

let database
let listener
let live
const many = []
/** By revision: when it was on this side's disk, and when a watcher was told. */
const stored = new Map()
const told = new Map()

const collection = () => database.collection()

function replicator(from, port, type, continuous = false) {
  return new Replicator({ database: from, endpoint: urlEndpoint(`ws://127.0.0.1:${port}/bench`, { uid: 'bench' }), type, continuous })
}

async function finished(run) {
  run.start()
  const { error } = await run.finished()
  if (error !== undefined) throw error
}

async function openDatabase(directory, versioning, options = {}) {
  const opened = await Database.open(directory, { versioning, ...options })
  const actual = replicationStore(opened).versioning
  if (actual !== versioning) throw new Error(`the database has ${actual} instead of ${versioning}`)
  return opened
}

/** The engine of a database as shipped, which notes when the transaction that had a revision was over. */
function notingEngine() {
  const factory = sqliteEngine()
  return {
    ...factory,
    open(directory) {
      const engine = factory.open(directory)
      const { put, putNew } = engine
      const transact = engine.transact.bind(engine)
      let revisions = []
      engine.put = (collection, document, existing) => {
        revisions.push(document.revId)
        return put.call(engine, collection, document, existing)
      }
      engine.putNew = (collection, document) => {
        revisions.push(document.revId)
        return putNew.call(engine, collection, document)
      }
      engine.transact = (work, options) => {
        revisions = []
        const result = transact(work, options)
        const at = preciseNow()
        for (const revId of revisions) stored.set(revId, at)
        return result
      }
      return engine
    }
  }
}

/** Calls `work` with the numbers of one transaction after the other. */
function inTransactions(first, count, work) {
  for (let start = 0; start < count; start += PER_TRANSACTION)
    work(Array.from({ length: Math.min(PER_TRANSACTION, count - start) }, (_, index) => first + start + index))
}

function load(target, documents, first = 0) {
  inTransactions(first, documents, (numbers) => {
    target.putMany(numbers.map((n) => ({ id: benchId(n), body: benchDocument(n) })))
  })
}

/** Deletes `share` of every hundred documents, with many in a transaction, as a replicator would bring it. */
function removeShare(documents, share) {
  const { scope, name } = collection()
  const target = replicationStore(database).collection(scope, name)
  inTransactions(0, documents, (numbers) => {
    const tombstones = numbers
      .filter((n) => n % 100 < share)
      .map((n) => ({
        id: benchId(n),
        revId: `2-${n.toString(16).padStart(40, '0')}`,
        deleted: true,
        history: [collection().get(benchId(n)).revId],
        body: Buffer.from('{}'),
        hasBlobs: false,
        onConflict: 'refuse'
      }))
    const bad = target.insertRevisions(tombstones).find(({ status }) => status !== 'stored')
    if (bad !== undefined) throw new Error(`a tombstone was not stored: ${bad.status}`)
  })
}

answer({
  async open({ directory, versioning, noting }) {
    database = await openDatabase(directory, versioning, noting ? { engine: notingEngine() } : {})
  },
  load({ documents, deleted }) {
    load(collection(), documents)
    if (deleted > 0) removeShare(documents, deleted)
  },
  async loadBlobs({ count, bytes, name }) {
    for (let index = 0; index < count; index++) {
      const data = await database.blobs.saveBlob(randomBytes(bytes), 'application/octet-stream')
      collection().put(`${name} ${index}`, { index, data })
    }
  },
  async serve() {
    listener = new UrlEndpointListener({
      databases: { bench: database },
      port: 0,
      host: '127.0.0.1',
      tls: 'off',
      authenticator: 'insecure'
    })
    await listener.start()
    return listener.port
  },
  // From the start of the replicator to its end: everything is durable on the other side then, and the checkpoint saved.
  async replicate({ port, type }) {
    const run = replicator(database, port, type)
    const { ms, cpuMs } = await timed(() => finished(run))
    return { ms, cpuMs, statistics: { ...run.statistics } }
  },
  edit({ numbers, mark }) {
    for (const n of numbers) collection().put(benchId(n), { ...benchDocument(n), edited: mark })
  },
  // Resolves when the first comparison is over and the replicator waits for changes.
  async live({ port }) {
    live = replicator(database, port, 'push', true)
    await new Promise((resolve, reject) => {
      live.onStatus(({ activity, error }) => {
        if (activity === 'idle') resolve()
        else if (error !== undefined) reject(error)
      })
      live.start()
    })
  },
  /** Edits one document after the other, each when the one before was acknowledged; returns the revisions and when each edit began. */
  async editSlowly({ count, mark, restMs }) {
    const made = []
    let acknowledged = () => {}
    const unsubscribe = live.onDocuments(() => acknowledged())
    for (let n = 0; n < count; n++) {
      const answer = new Promise((resolve) => {
        acknowledged = resolve
      })
      const body = { ...benchDocument(n), edited: mark }
      const at = preciseNow()
      made.push({ at, revId: collection().put(benchId(n), body).revId })
      await answer
      if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, restMs))
    }
    unsubscribe()
    return made
  },
  async stopLive() {
    await live.stop()
  },
  /** Notes when a watcher is told of every change of the collection. */
  watch() {
    let since = collection().lastSequence
    collection().watch(() => {
      const changes = collection().changes({ since })
      const at = preciseNow()
      since = changes.at(-1)?.sequence ?? since
      for (const { revId } of changes) told.set(revId, at)
    })
  },
  /** When each of the revisions was stored, and when a watcher was told, once all have come. */
  async arrivals({ revIds }) {
    for (let waited = 0; !told.has(revIds.at(-1)); waited += 10) {
      if (waited > ARRIVAL_DEADLINE_MS) throw new Error(`${told.size} of ${revIds.length} edits arrived`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return revIds.map((revId) => ({ stored: stored.get(revId), told: told.get(revId) }))
  },
  async openMany({ directories, documents }) {
    for (const [index, directory] of directories.entries()) {
      const opened = await openDatabase(directory, 'rev-trees')
      load(opened.collection(), documents, index * documents)
      many.push(opened)
    }
  },
  /** All of them push at once; how long each took, from the common start. */
  async pushMany({ port }) {
    const startedAt = performance.now()
    const each = await Promise.all(
      many.map(async (from) => {
        await finished(replicator(from, port, 'push'))
        return performance.now() - startedAt
      })
    )
    return { ms: performance.now() - startedAt, each }
  },
  async closeMany() {
    for (const opened of many) await opened.close()
  },
  count: () => collection().count,
  rss: () => peakRssMegabytes(),
  cpu() {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  },
  async close() {
    await listener?.stop()
    await database?.close()
  }
})
