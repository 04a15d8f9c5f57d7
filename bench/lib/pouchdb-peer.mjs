// One PouchDB process of the baseline: a LevelDB-backed store, served by express-pouchdb or replicating to one.
import { createRequire } from 'node:module'
import { benchDocument, benchId } from './documents.mjs'
import { answer, peakRssMegabytes } from './processes.mjs'

const require = createRequire(import.meta.url)
const PouchDB = require('pouchdb')
let server
let database

answer({
  async load({ directory, documents }) {
    database = new (PouchDB.defaults({ prefix: `${directory}/` }))('bench')
    for (let start = 0; start < documents; start += 1000) {
      await database.bulkDocs(
        Array.from({ length: Math.min(1000, documents - start) }, (_, index) => ({
          _id: benchId(start + index),
          ...benchDocument(start + index)
        }))
      )
    }
  },
  async serve({ directory }) {
    const Served = PouchDB.defaults({ prefix: `${directory}/` })
    const app = require('express')()
    app.use(
      '/',
      require('express-pouchdb')(Served, {
        mode: 'minimumForPouchDB',
        logPath: `${directory}/log.txt`,
        configPath: `${directory}/config.json`
      })
    )
    database = new Served('bench')
    await database.info()
    server = await new Promise((resolve) => {
      const listening = app.listen(0, '127.0.0.1', () => resolve(listening))
    })
    return server.address().port
  },
  async push({ port }) {
    const startedAt = performance.now()
    const result = await database.replicate.to(new PouchDB(`http://127.0.0.1:${port}/bench`), { batch_size: 1000, batches_limit: 5 })
    return { ms: performance.now() - startedAt, written: result.docs_written, errors: result.errors.length }
  },
  async count() {
    return (await database.info()).doc_count
  },
  rss: () => peakRssMegabytes()
})
