// node demo/peer.mjs NAME FOLDER: finds the others through the folder and keeps notes in sync with them. Ends when it has a note by
// somebody else and the other one has its own, and prints what it has as one line of JSON.
import { createPeerDiscovery } from '@kithmesh/core'
import { Database } from '@kithmesh/database'
import { createIdentity, groupKey } from '@kithmesh/identity'
import { createMesh } from '@kithmesh/mesh'
import { direct } from '@kithmesh/transport-direct'
import { sharedFolder } from '@kithmesh-examples/custom-provider'

const [name, directory] = process.argv.slice(2)
if (name === undefined || directory === undefined) throw new Error('Usage: node demo/peer.mjs NAME FOLDER')

const identity = await createIdentity({ commonName: name })
const database = await Database.open(':memory:')
const discovery = createPeerDiscovery({
  peerGroupId: 'com.example.notes',
  localPeerId: identity.peerId,
  providers: [sharedFolder({ directory, intervalMs: 200, addresses: ['127.0.0.1'] })],
  transports: [direct({ host: '127.0.0.1' })]
})
// Whoever can write to the folder can claim to be anybody. Who gets in is decided by proof: here, of knowing the group's secret.
const authenticator = groupKey('known to the members of this group only')
const mesh = createMesh({ discovery, database, identity, authenticator, displayName: name })

const notes = database.collection()
notes.put(name, { text: `a note by ${name}` })
const complete = new Promise((resolve, reject) => {
  const check = () => {
    const { documentsIn, documentsOut } = mesh.statistics
    if (documentsIn > 0 && documentsOut > 0) resolve()
  }
  mesh.onDocuments(check)
  mesh.onChanged(check)
  setTimeout(() => {
    reject(
      new Error(
        `Nobody within 30 seconds: ${mesh.links.map(({ displayName, state, error }) => `${displayName} ${state} ${error?.message ?? ''}`)}`
      )
    )
  }, 30_000).unref()
})
try {
  await mesh.start()
  await complete
  const [link] = mesh.links
  console.log(JSON.stringify({ name, notes: [...notes.documents()].map(({ body }) => body.text).sort(), through: link?.route }))
} finally {
  await mesh.stop()
  await discovery.shutdown()
  await database.close()
}
