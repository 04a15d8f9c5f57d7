// A database of ours behind a listener in this process, and what is on its disk once it is closed.
import { createHash } from 'node:crypto'
import { expect } from 'chai'
import { Database } from '@kithmesh/database'
import { replicationStore } from '@kithmesh/database/replication'
import { UrlEndpointListener } from '@kithmesh/replicator'
import { freePorts } from '../../support/ports.mjs'

export class OurSide {
  #settings
  #scheme
  directory
  database
  listener
  /** Each replication that a peer began, the first one first. */
  replications = []
  /** 0 before it listened. */
  lastPort = 0

  /** Listens on 127.0.0.1 without TLS for whoever asks, unless the settings of UrlEndpointListener say otherwise. */
  static async open(directory, { port = 0, ...settings } = {}) {
    const ours = new OurSide()
    ours.directory = directory
    ours.#settings = { host: '127.0.0.1', tls: 'off', authenticator: 'insecure', ...settings }
    ours.#scheme = ours.#settings.tls === 'off' ? 'ws' : 'wss'
    // Not one that the system hands out: it may listen there again.
    ours.lastPort = port === 0 ? (await freePorts(1))[0] : port
    ours.database = await Database.open(directory)
    await ours.listen()
    return ours
  }

  /** Starts listening, on the same port as before. */
  async listen() {
    this.listener = new UrlEndpointListener({ databases: { db: this.database }, ...this.#settings, port: this.lastPort })
    this.listener.onConnection((replication) => this.replications.push(replication))
    await this.listener.start()
    this.lastPort = this.listener.port
  }

  get url() {
    return `${this.#scheme}://127.0.0.1:${this.lastPort}/db`
  }
  get collection() {
    return this.database.collection()
  }
  /** Figures of the replication begun last, once it has ended. */
  async lastStatistics() {
    const replication = this.replications.at(-1)
    await replication.ended
    return replication.statistics
  }

  async close() {
    await this.listener.stop()
    await this.database.close()
  }

  /** Closes, and compares what is on disk with what the witness holds, document by document: revision ids, bodies, blobs. */
  async expectSame(theirs) {
    await this.close()
    expectSame(await documentsOnDisk(this.directory), await theirs.list())
  }
}

/** Compares two lists of documents one by one, so that a difference names its document. */
export function expectSame(actual, expected) {
  expect(actual.map((document) => document.id)).to.deep.equal(expected.map((document) => document.id))
  for (const [index, document] of expected.entries()) expect(actual[index], document.id).to.deep.equal(document)
}

/** All documents of the default collection, read afresh, in the form that the witness lists: `{ id, rev, body, blobs }`. */
export async function documentsOnDisk(directory) {
  const database = await Database.open(directory, { createIfMissing: false })
  try {
    database.checkIntegrity()
    const documents = []
    for (const document of database.collection().documents()) {
      const body = JSON.parse(document.json().toString('utf8'))
      documents.push({ id: document.id, rev: document.revId, body, blobs: await blobsOf(database, body) })
    }
    return documents.sort((a, b) => (a.id < b.id ? -1 : 1))
  } finally {
    await database.close()
  }
}

/** What is left of deleted documents: `{ id, rev, deleted }`. */
export async function tombstonesOnDisk(directory, ids) {
  const database = await Database.open(directory, { createIfMissing: false })
  try {
    const store = replicationStore(database).collection('_default', '_default')
    return ids.map((id) => {
      const change = store.change(id)
      return { id, rev: change?.revId, deleted: change?.deleted }
    })
  } finally {
    await database.close()
  }
}

/** The blobs anywhere in a body, by path; hashed from the bytes that are stored. */
async function blobsOf(database, body) {
  const found = []
  const find = (path, value) => {
    if (typeof value !== 'object' || value === null) return
    if (value['@type'] === 'blob') found.push([path, value])
    else if (Array.isArray(value)) for (const [index, item] of value.entries()) find(`${path}/${index}`, item)
    else for (const key of Object.keys(value).sort()) find(`${path}/${key}`, value[key])
  }
  find('', body)
  const blobs = []
  for (const [path, blob] of found) {
    const bytes = await database.blobs.readBlob(blob)
    const sha1 = bytes === undefined ? null : `sha1-${createHash('sha1').update(bytes).digest('base64')}`
    blobs.push({ path, digest: blob.digest, length: blob.length, sha1 })
  }
  return blobs
}
