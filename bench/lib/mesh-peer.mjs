// One process of the mesh benchmark: a database on disk with a part of the documents, in a mesh, or as hub or spoke.
import { join } from 'node:path'
import { createPeerDiscovery } from '@kithmesh/core'
import { Database } from '@kithmesh/database'
import { openOrCreateIdentity, pinnedPeers } from '@kithmesh/identity'
import { createMesh } from '@kithmesh/mesh'
import { dnssd } from '@kithmesh/provider-dnssd'
import { Replicator, UrlEndpointListener, urlEndpoint } from '@kithmesh/replicator'
import { direct } from '@kithmesh/transport-direct'
import { benchDocument, benchId } from './documents.mjs'
import { idsDigest } from './mesh-digest.mjs'
import { answer, peakRssMegabytes } from './processes.mjs'

const PER_TRANSACTION = 1000

let database
let identity
let discovery
let mesh
let listener
let spoke
let own = []

const collection = () => database.collection()
const entries = () =>
  collection()
    .changes({ limit: Number.MAX_SAFE_INTEGER })
    .map(({ id, revId }) => [id, revId])

answer({
  async open({ directory, index, peers, documents, versioning }) {
    const home = join(directory, `peer-${index}`)
    database = await Database.open(home, { versioning })
    identity = await openOrCreateIdentity(home, { commonName: `peer ${index}` })
    const numbers = Array.from({ length: documents }, (_, n) => n).filter((n) => n % peers === index)
    for (let start = 0; start < numbers.length; start += PER_TRANSACTION)
      collection().putMany(numbers.slice(start, start + PER_TRANSACTION).map((n) => ({ id: benchId(n), body: benchDocument(n) })))
    own = entries()
    return identity.peerId
  },
  written: () => own,
  async mesh({ peerIds, group, index }) {
    discovery = createPeerDiscovery({
      peerGroupId: group,
      localPeerId: identity.peerId,
      providers: [dnssd({ interfaces: ['127.0.0.1'], probe: false })],
      transports: [direct({ host: '127.0.0.1' })]
    })
    mesh = createMesh({ discovery, database, identity, authenticator: pinnedPeers(peerIds), displayName: `Peer ${index}` })
    await mesh.start()
  },
  async serve() {
    listener = new UrlEndpointListener({
      databases: { bench: database },
      host: '127.0.0.1',
      port: 0,
      tls: identity,
      authenticator: 'insecure'
    })
    await listener.start()
    return listener.port
  },
  async spoke({ port }) {
    const url = `wss://127.0.0.1:${port}/bench`
    spoke = new Replicator({ database, endpoint: urlEndpoint(url, { trust: { mode: 'self-signed' } }), continuous: true, deltas: false })
    spoke.start()
  },
  /** Resolves when all documents are here. */
  async complete({ documents, deadlineMs }) {
    const target = collection()
    await new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`only ${target.count} of ${documents} documents came`))
      }, deadlineMs)
      const stop = target.watch(look)
      look()
      function look() {
        if (target.count < documents) return
        clearTimeout(timer)
        stop?.()
        resolve()
      }
    })
  },
  digest: () => ({ digest: idsDigest(entries()), count: entries().length }),
  figures: () => ({
    documentsIn: mesh?.statistics.documentsIn ?? 0,
    links: mesh?.links.filter(({ route }) => route !== undefined).length ?? 0,
    rss: peakRssMegabytes()
  }),
  cpu() {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  },
  async close() {
    await mesh?.stop()
    await discovery?.shutdown()
    await spoke?.stop()
    await listener?.stop()
    await database?.close()
  }
})
