// One Kithmesh process of the benchmark: a database on disk, served by a listener or driven by a replicator.
import { Database } from '@kithmesh/database'
import { Replicator, UrlEndpointListener, urlEndpoint } from '@kithmesh/replicator'
import { benchDocument, benchId } from './documents.mjs'
import { answer, peakRssMegabytes, preciseNow } from './processes.mjs'

let database
let listener
let live

const collection = () => database.collection()

function replicator(port, type, continuous = false) {
  return new Replicator({ database, endpoint: urlEndpoint(`ws://127.0.0.1:${port}/bench`, { uid: 'bench' }), type, continuous })
}

answer({
  async open({ directory }) {
    database = await Database.open(directory)
  },
  load({ documents }) {
    for (let start = 0; start < documents; start += 1000) {
      collection().putMany(
        Array.from({ length: Math.min(1000, documents - start) }, (_, index) => ({
          id: benchId(start + index),
          body: benchDocument(start + index)
        }))
      )
    }
  },
  async loadBlobs({ count, bytes }) {
    const { randomBytes } = await import('node:crypto')
    for (let index = 0; index < count; index++) {
      const data = await database.blobs.saveBlob(randomBytes(bytes), 'application/octet-stream')
      collection().put(`blob-${index}`, { index, data })
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
    const run = replicator(port, type)
    const startedAt = performance.now()
    let connectedAt
    run.onStatus(({ activity }) => {
      if (activity === 'busy') connectedAt ??= performance.now()
    })
    run.start()
    const status = await run.finished()
    const ms = performance.now() - startedAt
    if (status.error !== undefined) throw status.error
    return { ms, msAfterConnect: performance.now() - (connectedAt ?? startedAt), statistics: { ...run.statistics } }
  },
  // Resolves when the first comparison is over and the replicator waits for changes.
  async live({ port }) {
    live = replicator(port, 'push', true)
    await new Promise((resolve, reject) => {
      live.onStatus(({ activity, error }) => {
        if (activity === 'idle') resolve()
        else if (error !== undefined) reject(error)
      })
      live.start()
    })
  },
  edit({ id, n }) {
    const at = preciseNow()
    return { at, revId: collection().put(id, { ...benchDocument(n), edited: n }).revId }
  },
  async stopLive() {
    await live.stop()
  },
  // Reports every change of the collection with the moment at which it could be read from the store.
  watch() {
    let since = collection().lastSequence
    collection().watch(() => {
      const changes = collection().changes({ since })
      const at = preciseNow()
      since = changes.at(-1)?.sequence ?? since
      process.send({ event: 'changed', at, revIds: changes.map(({ revId }) => revId) })
    })
  },
  count: () => collection().count,
  rss: () => peakRssMegabytes(),
  async close() {
    await listener?.stop()
    await database?.close()
  }
})
