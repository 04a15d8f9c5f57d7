import { randomUUID } from 'node:crypto'
import { Database } from '@kithmesh/database'
import { Replicator, UrlEndpointListener, urlEndpoint } from '@kithmesh/replicator'
import { expect } from 'chai'
import { HostileClient, encodeProperties } from '../cli/hostile-client.mjs'

/** A database with one document, served without TLS, and hostile clients of it. */
export class ServedDatabase {
  #clients = []

  /** @param options further ones of the listener */
  static async start(options = {}) {
    const served = new ServedDatabase()
    served.database = await Database.open(':memory:')
    served.database.collection().put('ours', { n: 1 })
    await served.listen(options)
    return served
  }

  async listen(options = {}) {
    this.listener = new UrlEndpointListener({
      databases: { db: this.database },
      host: '127.0.0.1',
      tls: 'off',
      authenticator: 'insecure',
      ...options
    })
    await this.listener.start()
  }

  /** A client that has done nothing yet. */
  async client() {
    return this.keep(await HostileClient.open(this.listener.port, 'db'))
  }

  /** Destroys something at the end. */
  keep(client) {
    this.#clients.push(client)
    return client
  }

  /** A client in the middle of a replication. */
  async welcomed() {
    const client = await this.client()
    await askForCollections(client)
    return client
  }

  /** Fails unless a well-behaved peer is served at once, with what it has and what it wants. */
  async servesOthers() {
    const copy = await Database.open(':memory:')
    const id = `from-${randomUUID()}`
    copy.collection().put(id, {})
    const replicator = new Replicator({ database: copy, endpoint: urlEndpoint(this.listener.urls[0]) })
    replicator.start()
    expect((await replicator.finished()).error).to.equal(undefined)
    expect(copy.collection().get('ours').body).to.deep.equal({ n: 1 })
    expect(this.database.collection().get(id)).to.not.equal(undefined)
    await copy.close()
  }

  async stop() {
    for (const client of this.#clients) client.destroy()
    await this.listener.stop()
    await this.database.close()
  }
}

/** The answer of a listener to the beginning of a replication. */
export function askForCollections(client) {
  return client.ask({ Profile: 'getCollections' }, '{"checkpoint_ids":["cp-hostile"],"collections":["_default"]}')
}

/** The head of a `rev` message. */
export function revOf(id) {
  return encodeProperties({ Profile: 'rev', collection: '0', id, rev: '1-abcdef', sequence: '1' })
}
