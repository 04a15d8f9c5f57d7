import { createPeerDiscovery } from '@kithmesh/core'
import { type Dashboard, createDashboard } from '@kithmesh/dashboard'
import { Database } from '@kithmesh/database'
import { openOrCreateIdentity, pinnedPeers } from '@kithmesh/identity'
import { createMesh } from '@kithmesh/mesh'
import { dnssd } from '@kithmesh/provider-dnssd'
import { direct } from '@kithmesh/transport-direct'
import { Inventory } from './inventory.ts'
import { type Command, type PeerSettings, type Report, preciseNow } from './messages.ts'

/** What the starter can ask of a running peer. */
interface RunningPeer {
  edit(): void
  stop(): Promise<void>
}

function send(report: Report): void {
  // The starter may be gone by now; then nobody wants to know.
  if (process.connected) process.send?.(report, undefined, undefined, () => {})
}

/** One of the two peers: its own process, its own database, nothing shared but the network. */
async function run(settings: PeerSettings, stopping: AbortSignal): Promise<RunningPeer> {
  const database = await Database.open(settings.directory)
  try {
    return await startPeer(settings, database, stopping)
  } catch (error) {
    await database.close()
    throw error
  }
}

async function startPeer(settings: PeerSettings, database: Database, stopping: AbortSignal): Promise<RunningPeer> {
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

  const dashboard: Dashboard | undefined = settings.web
    ? createDashboard({ mesh, discovery, database, displayName: settings.name, title: capitalised(settings.name) })
    : undefined

  /** Revisions that we made ourselves and were not told of yet. */
  const own = new Set<string>()
  inventory.watch((entries) => {
    const at = preciseNow()
    for (const { id, revId } of entries) if (!own.has(revId)) send({ is: 'received', at, id, revId })
    own.clear()
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
  function report(): void {
    if (reporting) return
    reporting = true
    setTimeout(() => {
      reporting = false
      if (stopping.aborted) return
      const { documentsIn, documentsOut, bytesIn, bytesOut, conflicts } = mesh.statistics
      send({
        is: 'view',
        view: {
          rows: inventory.rows(),
          links: mesh.links.map((link) => ({
            device: link.deviceId,
            name: link.displayName,
            state: link.state,
            route: link.route ?? '',
            error: link.error?.message
          })),
          documentsIn,
          documentsOut,
          bytesIn,
          bytesOut,
          conflicts
        }
      })
    }, 20)
  }

  /** The page first and then the mesh, because they use the others; the database last, whatever the others did. */
  async function stop(): Promise<void> {
    try {
      await dashboard?.stop()
      await mesh.stop()
      await discovery.shutdown()
    } finally {
      await database.close()
    }
  }

  send({ is: 'ready', at: preciseNow(), peerId: identity.peerId })
  stopping.addEventListener(
    'abort',
    () => {
      void mesh.stop().catch(() => {})
    },
    { once: true }
  )
  try {
    await dashboard?.start()
    if (dashboard?.url !== undefined) send({ is: 'web', url: dashboard.url })
    await mesh.start()
  } catch (error) {
    await dashboard?.stop()
    await discovery.shutdown()
    throw error
  }
  report()
  return {
    edit() {
      const at = preciseNow()
      const edit = inventory.editAtRandom(Math.random)
      if (edit === undefined) return
      own.add(edit.revId)
      send({ is: 'edited', at, ...edit })
      report()
    },
    stop
  }
}

function capitalised(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1)
}

/** Lives until the starter says `stop`, or is gone. */
async function main(settings: PeerSettings): Promise<void> {
  let peer: RunningPeer | undefined
  /** Edits asked for while it starts: both sides may be equal before the start is through. */
  let early = 0
  const stopping = new AbortController()
  const stopped = new Promise<void>((resolve) => {
    stopping.signal.addEventListener(
      'abort',
      () => {
        resolve()
      },
      { once: true }
    )
  })
  const stop = (): void => {
    stopping.abort(new DOMException('Asked to stop', 'AbortError'))
  }
  process.on('message', (command: Command) => {
    if (command.do === 'stop') stop()
    else if (stopping.signal.aborted) return
    else if (peer === undefined) early++
    else peer.edit()
  })
  process.once('disconnect', stop)
  process.once('SIGTERM', stop)
  try {
    peer = await run(settings, stopping.signal)
    for (; early > 0; early--) peer.edit()
    await stopped
    await peer.stop()
  } catch (error) {
    // A start that was cut short by a stop has undone itself.
    if (peer !== undefined || !stopping.signal.aborted) throw error
  }
}

process.once('message', (settings: PeerSettings) => {
  main(settings)
    .catch((error: unknown) => {
      send({ is: 'failed', message: error instanceof Error ? error.message : String(error) })
      process.exitCode = 1
    })
    .finally(() => {
      if (process.connected) process.disconnect()
    })
})
