import { createPeerDiscovery } from '@kithmesh/core'
import type { Device, PeerDiscovery } from '@kithmesh/core'
import { dnssd } from '@kithmesh/provider-dnssd'
import type { Location } from './neighbour-endpoint.ts'

/** Of the service, as the inventory sample names it. */
const SERVICE_TYPE = '_cblistservicesync._tcp'
/** Of the database in the listener's URLs. */
export const DATABASE_NAME = 'userdb'

export interface NeighbourhoodOptions {
  readonly group: string
  readonly peerId: string
  /** Without `.local`. */
  readonly hostName: string
  /** Network interfaces; undefined for all but loopback. */
  readonly interfaces: readonly string[] | undefined
}

/** Finds the listeners on the network, and lets the others find ours. */
export class Neighbourhood {
  readonly #discovery: PeerDiscovery
  readonly #changed = new Set<() => void>()
  #error: unknown
  #browsing = false

  constructor({ group, peerId, hostName, interfaces }: NeighbourhoodOptions) {
    this.#discovery = createPeerDiscovery({
      peerGroupId: group,
      localPeerId: peerId,
      providers: [
        dnssd({ serviceType: SERVICE_TYPE, databaseName: DATABASE_NAME, hostName, ...(interfaces !== undefined && { interfaces }) })
      ]
    })
    this.#discovery.addObserver({
      devicesChanged: ({ added }) => {
        for (const { peers } of added) for (const peer of peers) peer.monitorMetadata(true)
        this.#tell()
      },
      peerMetadataChanged: () => {
        this.#tell()
      },
      statusChanged: (_provider, _mode, status) => {
        this.#error = status.state === 'failed' ? status.error : undefined
        this.#tell()
      }
    })
  }

  get devices(): readonly Device[] {
    return this.#discovery.devices
  }
  get browsing(): boolean {
    return this.#browsing
  }
  get error(): unknown {
    return this.#error
  }

  /** Calls back when somebody came or went, or changed what they say. The returned function ends it. */
  onChanged(listener: () => void): () => void {
    this.#changed.add(listener)
    return () => {
      this.#changed.delete(listener)
    }
  }

  async browse(on: boolean): Promise<void> {
    this.#browsing = on
    try {
      await (on ? this.#discovery.startBrowsing() : this.#discovery.stopBrowsing())
    } finally {
      this.#tell()
    }
  }

  async advertise(displayName: string, port: number, tls: boolean): Promise<void> {
    await this.#discovery.startPublishing({ displayName, port, metadata: { tls: tls ? 'on' : 'off' } })
  }

  async conceal(): Promise<void> {
    await this.#discovery.stopPublishing()
  }

  /** Whether a listener says that it has TLS; undefined when it says nothing, as those of other applications. */
  static hasTls(device: Device): boolean | undefined {
    const said = device.peers.map(({ metadata }) => metadata.get('tls')).find((value) => value !== undefined)
    const text = said === undefined ? undefined : Buffer.from(said).toString()
    return text === 'on' ? true : text === 'off' ? false : undefined
  }

  /** Where a listener is now; undefined while it is not to be seen. */
  async locate(deviceId: string, signal: AbortSignal): Promise<Location | undefined> {
    const device = this.#discovery.deviceWithId(deviceId)
    const peer = device?.peers.find(({ online }) => online)
    if (device === undefined || peer === undefined) return undefined
    return { ...(await peer.resolveUrl({ signal })), tls: Neighbourhood.hasTls(device) }
  }

  async shutdown(): Promise<void> {
    await this.#discovery.shutdown()
    this.#changed.clear()
  }

  #tell(): void {
    for (const listener of this.#changed) listener()
  }
}
