/** A process of its own that browses and tells its parent, after every change, which peers it sees: `node browse-process.js PORT GROUP`. */
import { systemClock, silentLogger } from '@kithmesh/core'
import { fixedNetworkView } from '@kithmesh/testkit'
import { dnssd } from '@kithmesh/provider-dnssd'

const [port, peerGroupId = ''] = process.argv.slice(2)
const peers = new Set<string>()
let told = -1
const provider = dnssd({ interfaces: ['127.0.0.1'], port: Number(port) }).create({
  peerGroupId,
  localPeerId: String(process.pid).padStart(64, '0'),
  logger: silentLogger,
  clock: systemClock,
  network: fixedNetworkView(),
  statusChanged() {},
  peersFound(found) {
    for (const { id } of found) peers.add(id)
  },
  peersLost(ids) {
    for (const id of ids) peers.delete(id)
  },
  metadataChanged() {},
  incomingConnection: () => false
})
process.on('disconnect', () => {
  provider.shutdown().finally(() => {
    process.exit()
  })
})
setInterval(() => {
  if (peers.size === told) return
  told = peers.size
  process.send?.({ peers: told })
}, 20)
await provider.startBrowsing()
process.send?.({ peers: 0 })
