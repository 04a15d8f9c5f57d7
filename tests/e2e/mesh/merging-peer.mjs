// A program with a mesh whose resolver merges: node merging-peer.mjs DIRECTORY GROUP NAME. Tells of its links as `kithmesh sync --json` does; SIGINT ends it.
import { createPeerDiscovery } from '@kithmesh/core'
import { Database } from '@kithmesh/database'
import { insecureAcceptAnyone, openOrCreateIdentity } from '@kithmesh/identity'
import { createMesh } from '@kithmesh/mesh'
import { dnssd } from '@kithmesh/provider-dnssd'
import { direct } from '@kithmesh/transport-direct'

const [directory, group, displayName] = process.argv.slice(2)
const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`)

const database = await Database.open(directory)
database.collection()
const identity = await openOrCreateIdentity(directory, { commonName: displayName })
const discovery = createPeerDiscovery({
  peerGroupId: group,
  localPeerId: identity.peerId,
  providers: [dnssd({ interfaces: ['lo'] })],
  transports: [direct({ host: '127.0.0.1' })]
})

/** All keys of both sides, of each the greater number. In one order, so that everybody writes the same. */
function mergeCounters({ local, remote }) {
  const [ours, theirs] = [local.body?.counter ?? {}, remote.body?.counter ?? {}]
  const keys = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])].sort()
  const counter = Object.fromEntries(keys.map((key) => [key, Math.max(ours[key] ?? 0, theirs[key] ?? 0)]))
  return { take: 'merged', body: { counter } }
}

const mesh = createMesh({
  discovery,
  database,
  identity,
  displayName,
  authenticator: insecureAcceptAnyone(),
  conflictResolver: mergeCounters
})
mesh.onChanged(() => {
  for (const { deviceId, displayName: name, state, error } of mesh.links)
    say({ event: 'link', device: deviceId, name, state, code: error?.code })
})
await mesh.start()
say({ event: 'started', peerId: identity.peerId })

process.once('SIGINT', () => {
  void mesh
    .stop()
    .then(() => discovery.shutdown())
    .then(() => database.close())
})
