import {
  type AccessLists,
  type NetworkProbeFactory,
  type PeerDiscovery,
  type ProviderFactory,
  type TransportFactory,
  createPeerDiscovery
} from '@kithmesh/core'
import { Database, type DocumentVersioning } from '@kithmesh/database'
import { replicationStore } from '@kithmesh/database/replication'
import { type Authenticator, type Identity, createIdentity, insecureAcceptAnyone } from '@kithmesh/identity'
import { type RecordingLogger, eventually, recordingLogger } from '@kithmesh/testkit'
import { MemoryMedium, memoryProvider } from '@kithmesh/testkit/memory'
import { direct } from '@kithmesh/transport-direct'
import { type Mesh, type MeshLink, type MeshOptions, createMesh } from '@kithmesh/mesh'

/** Options that go to the mesh as they are. */
const shared = [
  'collections',
  'conflictResolver',
  'deltas',
  'degree',
  'channel',
  'type',
  'continuous',
  'members',
  'databaseName',
  'clock',
  'knownPeers',
  'revocations',
  'onIncomingPeer',
  'inbound'
] as const
type SharedOption = (typeof shared)[number]

export interface PeerOptions extends Partial<Pick<MeshOptions, SharedOption>> {
  readonly group?: string
  readonly identity?: Identity
  /** `known`: none is given, so that known peers are accepted. */
  readonly authenticator?: Authenticator | 'known'
  readonly access?: AccessLists
  readonly database?: Database
  /** Of a database made here. */
  readonly versioning?: DocumentVersioning
  readonly providers?: readonly ProviderFactory[]
  readonly transports?: readonly TransportFactory[]
  readonly network?: NetworkProbeFactory
  /** Whether the publication says who we are. */
  readonly claims?: boolean
}

/** A program with a mesh, as good as in its own process. */
export interface TestPeer {
  readonly name: string
  readonly identity: Identity
  readonly database: Database
  readonly discovery: PeerDiscovery
  readonly mesh: Mesh
  readonly logger: RecordingLogger
  readonly id: string
}

/** One network in the process, with real TLS over loopback between its peers. */
export class World {
  readonly medium = new MemoryMedium()
  readonly peers: TestPeer[] = []
  readonly #versioning: DocumentVersioning

  constructor(versioning: DocumentVersioning = 'rev-trees') {
    this.#versioning = versioning
  }

  async peer(name: string, options: PeerOptions = {}): Promise<TestPeer> {
    const { group = 'com.example.test', authenticator = insecureAcceptAnyone(), claims = true } = options
    const identity = options.identity ?? (await createIdentity({ commonName: name }))
    const database = options.database ?? (await Database.open(':memory:', { versioning: options.versioning ?? this.#versioning }))
    const logger = recordingLogger(name)
    const capabilities = { suppliesSocketFactory: false, incomingConnections: false, metadata: claims, metadataUpdates: claims }
    const discovery = createPeerDiscovery({
      peerGroupId: group,
      localPeerId: identity.peerId,
      providers: options.providers ?? [memoryProvider(this.medium, { host: '127.0.0.1', capabilities })],
      transports: options.transports ?? [direct({ host: '127.0.0.1' })],
      ...(options.access === undefined ? {} : { access: options.access }),
      ...(options.network === undefined ? {} : { network: options.network }),
      logger
    })
    const given = Object.fromEntries(shared.flatMap((key) => (options[key] === undefined ? [] : [[key, options[key]]])))
    const accepts = authenticator === 'known' ? {} : { authenticator }
    const mesh = createMesh({ discovery, identity, database, displayName: name, logger, ...accepts, ...given })
    const peer = { name, identity, database, discovery, mesh, logger, id: identity.peerId }
    this.peers.push(peer)
    return peer
  }

  /** Makes and starts several peers with the same options. */
  async started(names: readonly string[], options: PeerOptions = {}): Promise<TestPeer[]> {
    const peers = await Promise.all(names.map((name) => this.peer(name, options)))
    await Promise.all(peers.map(({ mesh }) => mesh.start()))
    return peers
  }

  /** Ends a peer for good. */
  async leave(peer: TestPeer, { keepDatabase = false } = {}): Promise<void> {
    await peer.mesh.stop()
    await peer.discovery.shutdown()
    if (!keepDatabase) await peer.database.close()
    this.peers.splice(this.peers.indexOf(peer), 1)
  }

  async end(): Promise<void> {
    const peers = [...this.peers]
    await Promise.all(peers.map((peer) => this.leave(peer, { keepDatabase: true })))
    for (const database of new Set(peers.map(({ database }) => database))) await database.close()
  }
}

/** The network of peers in the process, as far as they are told that it changed. */
export class ChangingNetwork {
  readonly #stale: Array<() => void> = []

  /** A probe that measures nothing, and says when there is something new. */
  get network(): NetworkProbeFactory {
    return {
      name: 'probe',
      create: () => ({
        measure: async () => ({ routes: [], measuredAt: 0 }),
        onStale: (stale) => {
          this.#stale.push(stale)
          return () => {}
        },
        shutdown: async () => {}
      })
    }
  }

  change(): void {
    for (const stale of this.#stale) stale()
  }
}

/** All documents with their revisions, tombstones and blobs included. */
export async function contentOf(database: Database, name?: string, scope?: string): Promise<Record<string, unknown>> {
  const collection = database.collection(name, scope)
  const content: Record<string, unknown> = {}
  for (const change of collection.changes()) {
    const document = collection.get(change.id)
    const blobs = Object.values(document?.body ?? {}).flatMap((value) =>
      typeof (value as { digest?: unknown } | null)?.digest === 'string' ? [(value as { digest: string }).digest] : []
    )
    const bytes = await Promise.all(blobs.map(async (digest) => (await database.blobs.readBlob(digest))?.toString('base64')))
    content[change.id] = { revId: change.revId, body: document?.body, bytes }
  }
  return Object.fromEntries(Object.entries(content).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Waits until all databases hold the same, at least `count` documents, and nobody has a conflict left. */
export async function converged(peers: readonly TestPeer[], count: number, withinMs = 30_000): Promise<void> {
  await eventually(
    `${peers.map(({ name }) => name).join(', ')} to hold the same ${count} documents`,
    async () => {
      const contents = await Promise.all(peers.map(async ({ database }) => JSON.stringify(await contentOf(database))))
      const same =
        contents.every((content) => content === contents[0]) && Object.keys(JSON.parse(contents[0] ?? '{}') as object).length >= count
      const calm = peers.every(({ database }) => replicationStore(database).collection('_default', '_default')?.conflicts(1).length === 0)
      return same && calm && !contents.some((content) => content.includes('null'))
    },
    { withinMs }
  )
}

export function linkTo(peer: TestPeer, other: TestPeer): MeshLink | undefined {
  return peer.mesh.links.find(({ deviceId }) => deviceId === other.id)
}

export function isUp(link: MeshLink | undefined): boolean {
  return link?.state === 'busy' || link?.state === 'idle'
}

/** Waits until each pair has a link whose two ends agree on who dialled. */
export async function linked(peers: readonly TestPeer[], withinMs = 30_000): Promise<void> {
  await eventually(
    `${peers.map(({ name }) => name).join(', ')} to be linked`,
    () =>
      peers.every((one) =>
        peers.every((other) => {
          if (one === other) return true
          const [here, there] = [linkTo(one, other), linkTo(other, one)]
          return isUp(here) && isUp(there) && here?.direction !== there?.direction
        })
      ),
    { withinMs }
  )
}

/** Describes the same tests for databases with revision trees and with version vectors. */
export function describeInBothSchemes(title: string, describeOne: (versioning: DocumentVersioning) => void): void {
  for (const versioning of ['rev-trees', 'version-vectors'] as const) {
    describe(`${title}, with ${versioning}`, () => {
      describeOne(versioning)
    })
  }
}
