import { createPeerDiscovery } from '@kithmesh/core'
import { Database } from '@kithmesh/database'
import { openOrCreateIdentity, pinnedPeers } from '@kithmesh/identity'
import { createMesh } from '@kithmesh/mesh'
import { dnssd } from '@kithmesh/provider-dnssd'
import { direct } from '@kithmesh/transport-direct'
import { Inventory } from './inventory.ts'
import { type Command, type PeerSettings, type Report, preciseNow } from './messages.ts'

/** One of the two peers: its own process, its own database, nothing shared but the network. */
async function run (settings: PeerSettings): Promise<void> {
  const send = (report: Report): void => { if (process.connected) process.send?.(report) }

  const database = await Database.open(settings.directory)
  const inventory = new Inventory(database)
  if (settings.seed) await inventory.seed()

  const identity = await openOrCreateIdentity(settings.directory, { commonName: settings.name })
  const discovery = createPeerDiscovery({
    peerGroupId: settings.group,
    localPeerId: identity.peerId,
    providers: [dnssd({ interfaces: settings.interfaces })],
    transports: [direct(settings.interfaces.every((name) => name === 'lo') ? { host: '127.0.0.1' } : {})]
  })
  const mesh = createMesh({ discovery, database, identity, authenticator: pinnedPeers(settings.trusted), displayName: settings.name })

  const own = new Set<string>()
  inventory.watch((entries) => {
    const at = preciseNow()
    for (const { id, revId } of entries) if (!own.delete(revId)) send({ is: 'received', at, id, revId })
    report()
  })
  let discovered = false
  mesh.onChanged(() => {
    if (!discovered && mesh.links.length > 0) {
      discovered = true
      send({ is: 'discovered', at: preciseNow() })
    }
    report()
  })

  let reporting = false
  function report (): void {
    if (reporting) return
    reporting = true
    setTimeout(() => {
      reporting = false
      if (stopping) return
      const { documentsIn, documentsOut, bytesIn, bytesOut, conflicts } = mesh.statistics
      send({
        is: 'view',
        view: {
          rows: inventory.rows(),
          links: mesh.links.map((link) => ({ device: link.deviceId, name: link.displayName, state: link.state, route: link.route ?? '', error: link.error?.message })),
          documentsIn, documentsOut, bytesIn, bytesOut, conflicts
        }
      })
    }, 20)
  }

  let stopping = false
  async function stop (): Promise<void> {
    if (stopping) return
    stopping = true
    await mesh.stop()
    await discovery.shutdown()
    await database.close()
    process.disconnect?.()
  }
  process.on('message', (command: Command) => {
    if (command.do === 'stop') void stop()
    else {
      const at = preciseNow()
      const edit = inventory.editAtRandom(Math.random)
      if (edit === undefined) return
      own.add(edit.revId)
      send({ is: 'edited', at, ...edit })
      report()
    }
  })
  process.on('disconnect', () => { void stop() })
  process.on('SIGINT', () => { /* the starter asks us to stop */ })

  send({ is: 'ready', at: preciseNow(), peerId: identity.peerId })
  await mesh.start()
  report()
}

process.once('message', (settings: PeerSettings) => {
  run(settings).catch((error: unknown) => {
    process.send?.({ is: 'failed', message: error instanceof Error ? error.message : String(error) } satisfies Report)
    process.exitCode = 1
    process.disconnect?.()
  })
})
