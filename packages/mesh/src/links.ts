import type { Device, KithmeshError, Peer } from '@kithmesh/core'
import { isPeerId, keepWhich } from '@kithmesh/core/plugin'
import type { MeshLink } from './contracts.ts'
import { DeviceLink } from './device-link.ts'
import { DialSlots } from './dial-slots.ts'
import type { IncomingConnection } from './incoming.ts'
import type { LinkEnvironment } from './link-environment.ts'

/** Devices being dialled at once; a network full of invented ones must not make us open thousands of connections. */
const maxDials = 64

/** What links share, but for what this class answers itself. */
export type LinksEnvironment = Omit<LinkEnvironment, 'claim' | 'reaches' | 'forget'>

/** All links of a running mesh; sees to it that there is one per device. Made for one run, from start to stop. */
export class Links {
  readonly #environment: LinkEnvironment
  readonly #links = new Map<string, DeviceLink>()
  /** The sightings each listed device had when it was last looked at. */
  readonly #sightings = new Map<string, ReadonlySet<Peer>>()
  #ended = false

  constructor(environment: LinksEnvironment) {
    const slots = new DialSlots(maxDials)
    this.#environment = {
      ...environment,
      dial: async (deviceId, displayName, options) => {
        const release = await slots.take(options.signal)
        try {
          return await environment.dial(deviceId, displayName, options)
        } finally {
          release()
        }
      },
      claim: (link, peerId) => this.#claim(link, peerId),
      reaches: (peerId) => this.#all.some((link) => link.servedPeerId === peerId || link.dialledPeerId === peerId),
      forget: (link) => {
        if (this.#links.get(link.deviceId) === link) this.#links.delete(link.deviceId)
      }
    }
  }

  get snapshots(): readonly MeshLink[] {
    return this.#all.map(({ snapshot }) => snapshot)
  }

  /** The device is listed by discovery, now or still. */
  found(device: Device): void {
    if (this.#ended || device.id === this.#environment.localPeerId) return
    const before = this.#sightings.get(device.id)
    const sightings = new Set(device.peers)
    this.#sightings.set(device.id, sightings)
    this.#with(device.id, device.displayName).found(
      device.displayName,
      [...sightings].some((peer) => before?.has(peer) !== true)
    )
  }

  lost(deviceId: string): void {
    this.#sightings.delete(deviceId)
    this.#links.get(deviceId)?.lost()
  }

  /** Our own network changed. */
  networkChanged(): void {
    for (const link of this.#all) link.networkChanged()
  }

  /** A proven device connected to us. Where we have a connection to it too, both sides keep the same one of the two. */
  accept(connection: IncomingConnection, displayName: string | undefined): void {
    const { deviceId, socket } = connection
    if (this.#ended) {
      socket.close(1001, 'stopping')
      return
    }
    for (const other of this.#all) {
      if (other.dialledPeerId !== deviceId) continue
      if (this.#keeps(deviceId, 'outgoing', 'incoming') === 'outgoing') {
        socket.close(1000, 'duplicate link')
        // The device would hardly call if it had not lost the connection that we think we have.
        other.probe()
        return
      }
      other.yieldActive()
    }
    this.#with(deviceId, displayName ?? deviceId.slice(0, 8)).serve(connection)
  }

  /** A device was refused, or refused us; known ones show it, strangers leave no trace. */
  refused(deviceId: string, error: KithmeshError): void {
    this.#links.get(deviceId)?.failed(error)
  }

  /** Ends all links in order, for good. */
  async end(): Promise<void> {
    this.#ended = true
    await Promise.all(this.#all.map((link) => link.end()))
    this.#links.clear()
    this.#sightings.clear()
  }

  get #all(): DeviceLink[] {
    return [...this.#links.values()]
  }

  #claim(link: DeviceLink, peerId: string): boolean {
    if (this.#ended) return false
    const others = this.#all
    const served = others.find((other) => other.servedPeerId === peerId)
    if (served !== undefined && this.#keeps(peerId, 'incoming', 'outgoing') === 'incoming') return false
    served?.yieldPassive()
    // The same device under two ids, of which one claims nothing: the newer connection stays, as the device thinks too.
    for (const other of others) if (other !== link && other.dialledPeerId === peerId) other.yieldActive()
    return true
  }

  #keeps(peerId: string, older: Direction, newer: Direction): Direction {
    return isPeerId(peerId) ? keepWhich(this.#environment.localPeerId, peerId, { direction: older }, { direction: newer }).direction : newer
  }

  #with(deviceId: string, displayName: string): DeviceLink {
    let link = this.#links.get(deviceId)
    if (link === undefined) {
      link = new DeviceLink(deviceId, displayName, this.#environment)
      this.#links.set(deviceId, link)
    }
    return link
  }
}

type Direction = 'outgoing' | 'incoming'
