import { request } from 'node:http'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type PeerDiscovery, createPeerDiscovery } from '@kithmesh/core'
import type { Dashboard, DashboardOptions } from '@kithmesh/dashboard'
import { Database } from '@kithmesh/database'
import { type Identity, createIdentity, insecureAcceptAnyone } from '@kithmesh/identity'
import { type Mesh, type MeshOptions, createMesh } from '@kithmesh/mesh'
import { type RecordingLogger, eventually, recordingLogger } from '@kithmesh/testkit'
import { MemoryMedium, memoryProvider } from '@kithmesh/testkit/memory'
import { direct } from '@kithmesh/transport-direct'
import { MeshDashboard } from '../../dist/dashboard.js'
import { checkDashboardOptions } from '../../dist/options.js'

export interface TestPeer {
  readonly name: string
  readonly identity: Identity
  readonly database: Database
  readonly discovery: PeerDiscovery
  readonly mesh: Mesh
  readonly logger: RecordingLogger
}

/** Devices in this process, connected over loopback, and dashboards about them with a page of one line. */
export class World {
  readonly #medium = new MemoryMedium()
  readonly #peers: TestPeer[] = []
  readonly #dashboards: Dashboard[] = []
  readonly #directories: string[] = []

  async peer(name: string, options: Partial<MeshOptions> = {}): Promise<TestPeer> {
    const identity = await createIdentity({ commonName: name })
    const database = await Database.open(':memory:')
    const logger = recordingLogger(name)
    const capabilities = { suppliesSocketFactory: false, incomingConnections: false }
    const discovery = createPeerDiscovery({
      peerGroupId: 'com.example.dashboard',
      localPeerId: identity.peerId,
      providers: [memoryProvider(this.#medium, { host: '127.0.0.1', capabilities })],
      transports: [direct({ host: '127.0.0.1' })],
      logger
    })
    const mesh = createMesh({ discovery, database, identity, authenticator: insecureAcceptAnyone(), displayName: name, logger, ...options })
    const peer = { name, identity, database, discovery, mesh, logger }
    this.#peers.push(peer)
    return peer
  }

  /** Two started devices that are linked. */
  async pair(options: Partial<MeshOptions> = {}): Promise<[TestPeer, TestPeer]> {
    const [one, other] = await Promise.all([this.peer('Shop', options), this.peer('Warehouse', options)])
    await Promise.all([one.mesh.start(), other.mesh.start()])
    // A device that calls may be linked before it is found, and has no name until then.
    const linked = ({ mesh }: TestPeer, name: string): boolean =>
      mesh.links.some(({ state, displayName }) => (state === 'idle' || state === 'busy') && displayName === name)
    await eventually('the two to be linked', () => linked(one, 'Warehouse') && linked(other, 'Shop'))
    return [one, other]
  }

  /** Started, about a device. */
  async dashboard(peer: TestPeer, options: Partial<DashboardOptions> = {}): Promise<Dashboard> {
    const { mesh, discovery, database, logger, name } = peer
    const directory = await mkdtemp(join(tmpdir(), 'kithmesh-dashboard-'))
    this.#directories.push(directory)
    await writeFile(join(directory, 'index.html'), '<!doctype html><title>page</title>')
    await writeFile(join(directory, 'main.js'), 'export {}')
    await writeFile(join(directory, 'secret.txt'), 'not served')
    const checked = checkDashboardOptions({ mesh, discovery, database, logger, displayName: name, ...options })
    const dashboard = new MeshDashboard(checked, [{ directory, extensions: ['.html', '.js'], deep: true }])
    this.#dashboards.push(dashboard)
    await dashboard.start()
    return dashboard
  }

  async end(): Promise<void> {
    await Promise.all(this.#dashboards.map((dashboard) => dashboard.stop()))
    await Promise.all(
      this.#peers.map(async ({ mesh, discovery, database }) => {
        await mesh.stop()
        await discovery.shutdown()
        await database.close()
      })
    )
    await Promise.all(this.#directories.map((directory) => rm(directory, { recursive: true, force: true })))
  }
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
  readonly text: string
}

export interface AskOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sends the token. @default true */
  readonly token?: boolean
  readonly body?: string
}

/** One request, path as given. */
export function ask(
  dashboard: Dashboard,
  path: string,
  { method = 'GET', headers = {}, token = true, body }: AskOptions = {}
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: '127.0.0.1',
        port: dashboard.port,
        method,
        path,
        agent: false,
        headers: { ...(token ? { authorization: `Bearer ${tokenOf(dashboard)}` } : {}), ...headers }
      },
      (response) => {
        const pieces: Buffer[] = []
        response.on('data', (piece: Buffer) => pieces.push(piece))
        response.on('error', reject)
        response.on('end', () => {
          const whole = Buffer.concat(pieces)
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: whole, text: whole.toString() })
        })
      }
    )
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

/** The JSON of an answer that has to be 200. */
export async function get<T>(dashboard: Dashboard, path: string): Promise<T> {
  const { status, text } = await ask(dashboard, path)
  if (status !== 200) throw new Error(`${path} was answered ${status}: ${text}`)
  return JSON.parse(text) as T
}

export function tokenOf(dashboard: Dashboard): string {
  return new URL(dashboard.url ?? '').searchParams.get('token') ?? ''
}
