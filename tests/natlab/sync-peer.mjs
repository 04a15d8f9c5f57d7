// A peer of a NAT lab that keeps an inventory in sync with the others of its group: node tests/natlab/sync-peer.mjs CONFIG; the configuration,
// the events and the way of asking are those of peer.mjs. It begins with `documents` items of its own, some of them with a picture.
import { createHash, randomBytes } from 'node:crypto'
import { Database } from '@kithmesh/database'
import { insecureAcceptAnyone } from '@kithmesh/identity'
import { createMesh } from '@kithmesh/mesh'
import { answer, compose, known, tell } from './support/compose.mjs'

const config = JSON.parse(process.argv[2])
const startedAt = performance.now()
const { identity, discovery, logger } = await compose(config)
const database = await Database.open(':memory:')
const items = database.collection('items', 'inventory', { create: true })
for (let index = 0; index < config.documents; index++) {
  const picture = index % 10 === 0 ? { picture: await database.blobs.saveBlob(randomBytes(20_000), 'image/jpeg') } : {}
  items.put(`${config.name}-${index}`, { name: `Item ${index}`, quantity: index, ...picture })
}
const mesh = createMesh({
  discovery,
  database,
  identity,
  logger,
  authenticator: insecureAcceptAnyone(),
  displayName: config.name,
  collections: ['inventory.items']
})

answer({
  known: (args) => known(discovery, args),
  put: ({ key, body }) => {
    items.put(key, body)
  },
  /** How many documents and blobs there are, and a digest of all of it. */
  async state() {
    const hash = createHash('sha256')
    let documents = 0
    let blobs = 0
    for (const { id, body } of [...items.documents()].sort((one, other) => (one.id < other.id ? -1 : 1))) {
      documents++
      hash.update(`${id} ${JSON.stringify(body, Object.keys(body).sort())}\n`)
      if (body.picture === undefined) continue
      const bytes = await database.blobs.readBlob(body.picture)
      if (bytes === undefined) continue
      blobs++
      hash.update(createHash('sha256').update(bytes).digest())
    }
    return { documents, blobs, digest: hash.digest('hex') }
  },
  links: () =>
    mesh.links.map(({ deviceId, state, direction, route, error }) => ({ deviceId, state, direction, route, error: error?.message }))
})
process.on('SIGTERM', async () => {
  await mesh.stop().catch(() => undefined)
  await discovery.shutdown().catch(() => undefined)
  process.exit()
})

await mesh.start()
tell({ event: 'online', peerId: identity.peerId, ms: performance.now() - startedAt })
