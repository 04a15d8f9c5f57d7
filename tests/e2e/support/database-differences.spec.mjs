// The comparison that other suites rely on sees every kind of difference, and none where there is none.
import { randomBytes } from 'node:crypto'
import { Database } from '@kithmesh/database'
import { Replicator } from '@kithmesh/replicator'
import { expect } from 'chai'
import { databaseDifferences } from './database-differences.mjs'
import { memoryLink } from './memory-link.mjs'

describe('the comparison of two databases', () => {
  let a
  let b

  beforeEach(async () => {
    a = await Database.open(':memory:')
    b = await Database.open(':memory:')
    for (const database of [a, b]) database.collection('items', 'shop', { create: true })
    const photo = await a.blobs.saveBlob(randomBytes(500), 'image/png')
    for (let n = 0; n < 5; n++) {
      a.collection().put(`d${n}`, { n, nested: { list: [1, { photo }] } })
      a.collection('items', 'shop').put(`i${n}`, { n })
    }
    a.collection().remove('d4')
    const link = memoryLink('message-stream', { database: b })
    const replicator = new Replicator({
      database: a,
      endpoint: link.endpoint,
      collections: [{}, { scope: 'shop', name: 'items' }]
    })
    replicator.start()
    expect((await replicator.finished()).error).to.equal(undefined)
    await link.stop()
  })
  afterEach(async () => {
    await a.close()
    await b.close()
  })

  it('finds none between replicas', async () => {
    expect(await databaseDifferences(a, b)).to.deep.equal([])
  })

  const blobOf = (database) => database.collection().get('d0').body.nested.list[1].photo
  const mutations = {
    'a document more': (database) => database.collection().put('more', {}),
    'a document less': (database) => database.collection().purge('d1'),
    'another revision with the same body': (database) => {
      const { body } = database.collection().get('d1')
      database.collection().put('d1', { other: true })
      database.collection().put('d1', body)
    },
    'a deletion': (database) => database.collection().remove('d2'),
    'a tombstone less': (database) => database.collection().purge('d4'),
    'a difference in another collection': (database) => database.collection('items', 'shop').put('i0', { n: 'changed' }),
    'a collection more': (database) => database.collection('more', 'shop', { create: true }),
    'a blob that is gone': (database) => database.blobs.remove(blobOf(database).digest),
    'a blob with other bytes': (database) => database.blobs.replace(blobOf(database).digest, randomBytes(500)),
    'a blob that is cut': (database) => database.blobs.replace(blobOf(database).digest, Buffer.alloc(100)),
    'another body under the same revision': (database) => database.bodies.set('d3', { n: 'other' }),
    'a deleted flag under the same revision': (database) => database.flags.set('d3', { deleted: true }),
    'a conflict': (database) => database.flags.set('d3', { conflicted: true })
  }
  for (const [what, mutate] of Object.entries(mutations))
    for (const side of ['first', 'second'])
      it(`sees ${what} on the ${side} side`, async () => {
        const changed = mutable(side === 'first' ? a : b)
        await mutate(changed)
        const found = side === 'first' ? await databaseDifferences(changed, b) : await databaseDifferences(a, changed)
        expect(found).to.have.length.of.at.least(1)
      })

  it('leaves out what it is told to ignore, and nothing else', async () => {
    a.collection().put('mine', {})
    b.collection().put('yours', {})
    expect(await databaseDifferences(a, b, { ignore: ({ id }) => id === 'mine' })).to.deep.equal([
      '_default._default/yours is only in the second'
    ])
  })
})

/** A database that can also be changed in ways that a real one refuses: only what the comparison reads. */
function mutable(database) {
  const bodies = new Map()
  const flags = new Map()
  const blobs = new Map()
  const document = (found) =>
    found === undefined
      ? undefined
      : {
          revId: found.revId,
          deleted: found.deleted,
          conflicted: found.conflicted,
          body: bodies.get(found.id) ?? found.body,
          ...flags.get(found.id)
        }
  return {
    bodies,
    flags,
    collections: () => database.collections(),
    collection: (...names) => {
      const real = database.collection(...names)
      return {
        changes: (options) => real.changes(options),
        get: (id, options) => document(real.get(id, options)),
        put: (id, body) => real.put(id, body),
        remove: (id) => real.remove(id),
        purge: (id) => real.purge(id)
      }
    },
    blobs: {
      remove: (digest) => blobs.set(digest, undefined),
      replace: (digest, bytes) => blobs.set(digest, bytes),
      readBlob: async (digest) => (blobs.has(digest) ? blobs.get(digest) : await database.blobs.readBlob(digest))
    }
  }
}
