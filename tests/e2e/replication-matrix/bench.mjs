// One combination of the matrix made real: two databases, a way between them, and replicators whose wire is listened in on.
import { Database } from '@kithmesh/database'
import { createIdentity } from '@kithmesh/identity'
import { Replicator, UrlEndpointListener, urlEndpoint } from '@kithmesh/replicator'
import { expect } from 'chai'
import { eventually } from '../../support/eventually.mjs'
import { memoryLink } from '../support/memory-link.mjs'
import { WireTap } from '../support/wire-tap.mjs'

let identity

async function route({ transport, deltas }, database) {
  if (transport !== 'wss') return memoryLink(transport, { database, deltas })
  identity ??= await createIdentity({ commonName: 'matrix' })
  const listener = new UrlEndpointListener({
    databases: { db: database },
    host: '127.0.0.1',
    tls: identity,
    authenticator: 'insecure',
    deltas
  })
  await listener.start()
  const endpoint = urlEndpoint(listener.urls[0], { trust: { mode: 'pinned', certificate: identity.certificatePem } })
  return { endpoint, stop: () => listener.stop() }
}

/** Documents with this id stay where they are when the combination has a filter. */
export const isHidden = (id) => id.endsWith('-hidden')

export class Bench {
  tap = new WireTap()
  #combination
  #route
  #replicators = []

  static async create(combination) {
    const bench = new Bench()
    bench.#combination = combination
    bench.a = await Database.open(':memory:', { versioning: combination.versioning })
    bench.b = await Database.open(':memory:', { versioning: combination.versioning })
    bench.names =
      combination.collections === 1
        ? [{ scope: '_default', name: '_default' }]
        : Array.from({ length: combination.collections }, (_, n) => ({ scope: 'matrix', name: `c${n}` }))
    for (const database of [bench.a, bench.b]) for (const { scope, name } of bench.names) database.collection(name, scope, { create: true })
    bench.#route = await route(combination, bench.b)
    return bench
  }

  /** The databases that are written to, with the name that their documents begin with. */
  get writers() {
    const { type } = this.#combination
    return [
      { name: 'a', database: this.a, other: 'b', writes: type !== 'pull' },
      { name: 'b', database: this.b, other: 'a', writes: type !== 'push' }
    ].filter(({ writes }) => writes)
  }

  replicator() {
    const { type, continuous, deltas, filtered } = this.#combination
    const visible = ({ id }) => !isHidden(id)
    const made = new Replicator({
      database: this.a,
      endpoint: this.tap.on(this.#route.endpoint),
      type,
      continuous,
      deltas,
      maxAttempts: 1,
      collections: this.names.map(({ scope, name }) => ({ scope, name, ...(filtered && { pushFilter: visible, pullFilter: visible }) }))
    })
    this.#replicators.push(made)
    return made
  }

  /** Runs until all that was there at the start is over: to its end, or until idle when it is continuous. */
  async run(replicator) {
    replicator.start()
    if (this.#combination.continuous) await this.idle(replicator)
    else await replicator.finished()
    if (replicator.status.error !== undefined) throw replicator.status.error
  }

  /** One more run; what was announced and sent in it. */
  async quietRun() {
    this.tap.reset()
    const replicator = this.replicator()
    await this.run(replicator)
    await replicator.stop()
    const { announced, revisions, blobs, errors, messages } = this.tap
    if (messages === 0) throw new Error('nothing was said at all')
    return { announced, revisions, blobs, errors }
  }

  async idle(replicator) {
    await eventually('idle', () => expect(replicator.status.activity).to.be.oneOf(['idle', 'stopped']))
  }

  async close() {
    for (const replicator of this.#replicators) await replicator.stop()
    await this.#route.stop()
    await this.a.close()
    await this.b.close()
  }
}
