import type { ChannelAttachment } from '@kithmesh/channel'
import { type KithmeshError, isPeerId } from '@kithmesh/core/plugin'
import type { LinkFacts } from '../contracts.ts'
import { DeviceLink, type EndWith } from '../link/device-link.ts'
import { endings, failureOf, refuse } from '../link/ending.ts'
import { ClosingConnections } from '../link/closing-connections.ts'
import type { LinkEnvironment, LinkEvents } from '../link/link-environment.ts'
import type { DeviceStanding } from '../topology/contracts.ts'
import type { LinkPlan } from '../topology/link-plan.ts'
import type { MeshTopology, TopologyActions } from '../topology/mesh-topology.ts'
import type { QuarantinedDevice } from '../topology/quarantine.ts'
import type { FoundDevice, MeshConnection } from './contracts.ts'
import { linkSnapshots } from './link-snapshots.ts'
import type { LinksEnvironment, Neighbour } from './links-environment.ts'
import { dialsAtATime } from './dial-slots.ts'
import { Discipline } from './discipline.ts'
import { PlanDriver } from './plan-driver.ts'
import { UnclaimedDevices } from './unclaimed-devices.ts'

/** Devices being dialled at once; a network full of invented ones must not make us open thousands of connections. */
const maxDials = 64
/** The same of devices that claim no peer id: no plan chooses among those, and however many there are, the others do not wait for them. */
const maxUnclaimedDials = 16
/** A device is passed over for as long as something else decides about it. */
const always = Number.MAX_SAFE_INTEGER

/**
 * All links of a running mesh: tells the plan what happens, and does what it decides. Of devices that are only seen, nothing but the name is kept. Made for
 * one run, from start to stop. One file because whatever happens to a device has to reach its link, the plan and the discipline in one order; what each of them
 * makes of it is elsewhere.
 */
export class Links {
  readonly #environment: LinkEnvironment
  readonly #keepsRestricted: LinksEnvironment['keepsRestricted']
  readonly #topology: MeshTopology
  readonly #plan: LinkPlan
  readonly #discipline: Discipline
  readonly #driver: PlanDriver
  /** Names of the devices that discovery sees and that claim a peer id, by that. */
  readonly #listed = new Map<string, string>()
  readonly #unclaimed: UnclaimedDevices
  /** By peer id: of devices that are or were dialled or connected. */
  readonly #links = new Map<string, DeviceLink>()
  readonly #restricted = new Set<string>()
  #ended = false

  constructor({ keepsRestricted, topology, quarantine, ...environment }: LinksEnvironment) {
    const { clock, logger } = environment
    this.#topology = topology
    this.#plan = topology.plan
    this.#discipline = new Discipline(quarantine, clock, logger, {
      quarantined: (device, error) => {
        this.#quarantined(device, error)
      }
    })
    this.#keepsRestricted = keepsRestricted
    this.#environment = {
      ...environment,
      dial: dialsAtATime(environment.dial, maxDials),
      closing: new ClosingConnections(environment),
      events: this.#events()
    }
    this.#driver = new PlanDriver(topology, environment.clock, environment.scheduler, (actions) => {
      this.#act(actions)
    })
    this.#unclaimed = new UnclaimedDevices(
      { ...this.#environment, dial: dialsAtATime(environment.dial, maxUnclaimedDials) },
      {
        opened: (connection) => {
          this.#opened(connection)
        },
        reaches: (peerId) => this.#links.get(peerId)?.connected === true
      }
    )
  }

  /** One entry per known device: first those that discovery sees, in the order of discovery. */
  get snapshots(): readonly LinkFacts[] {
    const parts = { listed: this.#listed, links: this.#links, unclaimed: this.#unclaimed, discipline: this.#discipline, plan: this.#plan }
    return linkSnapshots(parts)
  }

  /** What gossip says of everybody, ourselves first. */
  get topology(): MeshTopology {
    return this.#topology
  }

  /** How a device stands with the plan. */
  standing(peerId: string): DeviceStanding {
    return this.#plan.standing(peerId)
  }

  /** Those with a connection. */
  *neighbours(): Generator<Neighbour> {
    for (const { id } of this.#plan.neighbours()) {
      const state = this.#links.get(id)?.current?.state.state
      if (state !== undefined) yield { peerId: id, state }
    }
  }

  /** The device is listed by discovery, now or still. */
  found(device: FoundDevice): void {
    const { id, displayName, fresh } = device
    const { localPeerId, clock, listeners } = this.#environment
    if (this.#ended || id === localPeerId) return
    if (!isPeerId(id)) {
      this.#unclaimed.found(device)
      return
    }
    this.#listed.set(id, displayName)
    this.#plan.found(id, clock.monotonic(), fresh)
    const link = this.#links.get(id)
    if (link !== undefined) {
      link.displayName = displayName
      if (fresh) link.nudge()
    }
    this.#driver.kick()
    listeners.changed()
  }

  lost(deviceId: string): void {
    this.#unclaimed.lost(deviceId)
    if (!this.#listed.delete(deviceId)) return
    this.#plan.lost(deviceId)
    this.#tidy(deviceId)
    this.#driver.kick()
    this.#environment.listeners.changed()
  }

  /** Our own network changed: what works may be dead, what failed may work now, and a poor connection may have become needless. */
  networkChanged({ moved }: { readonly moved: boolean }): void {
    this.#plan.networkChanged(this.#environment.clock.monotonic())
    this.#unclaimed.networkChanged()
    for (const link of this.#links.values()) {
      if (moved) link.probe()
      link.nudge()
    }
    this.#driver.kick()
  }

  /** A proven device connected to us. Where we have a connection to it too, both sides keep the same one of the two. */
  accept(connection: MeshConnection): void {
    const { peerId } = connection
    const known = this.#links.get(peerId)
    if (this.#ended) {
      refuse(connection, endings.stopping)
    } else if (known?.connected === true) {
      // A device that connects over and over makes work for nothing.
      this.#discipline.offended({ id: peerId, kind: 'flood', detail: 'it connects over and over' })
      if (this.#discipline.of(peerId) === undefined) known.take(connection)
      else refuse(connection, endings.quarantined)
    } else if (this.#admit(connection)) {
      this.#with(peerId, connection.displayName).take(connection)
    }
    this.#driver.kick()
  }

  /** A device was refused, or refused us; known ones show it, strangers leave no trace. */
  refused(deviceId: string, error: KithmeshError): void {
    if (!this.#listed.has(deviceId) && !this.#links.has(deviceId)) return
    this.#with(deviceId, deviceId.slice(0, 8)).failed(error)
  }

  /** A device held up a connection that it had opened. */
  stalled(deviceId: string): void {
    this.#discipline.offended({ id: deviceId, kind: 'handshake', detail: 'it went no further than TLS' })
    this.#driver.kick()
  }

  /** A message of a neighbour about the topology; anything may be in it. */
  gossip(peerId: string, body: Uint8Array): void {
    this.#topology.received(peerId, body, this.#environment.clock.monotonic())
    this.#driver.kick()
  }

  /** The device broke a protocol. */
  violated(peerId: string, error: Error): void {
    this.#discipline.offended({ id: peerId, kind: 'malformed', detail: error.message })
  }

  /** Ends every connection with a device at once, and leaves it alone until {@link release}. */
  disconnect(peerId: string, error: KithmeshError): void {
    this.#shut(peerId, error, endings.refused)
    this.#plan.passOver(peerId, 'refused', always)
    this.#tidy(peerId)
    this.#driver.kick()
    this.#environment.listeners.changed()
  }

  /** The device is as good as any again. */
  release(peerId: string): void {
    if (this.#restricted.has(peerId)) return
    this.#plan.release(peerId, this.#environment.clock.monotonic())
    this.#driver.kick()
  }

  /** The open connection with a trusted neighbour. */
  attachment(peerId: string): ChannelAttachment | undefined {
    return this.#links.get(peerId)?.current?.attachment
  }

  /** Ends all links in order, for good. */
  async end(): Promise<void> {
    this.#ended = true
    this.#driver.stop()
    this.#unclaimed.end()
    for (const link of this.#links.values()) link.end()
    // Also those of links that are forgotten already.
    await this.#environment.closing.done()
    this.#links.clear()
    this.#listed.clear()
  }

  #act({ dial, end, send, offences }: TopologyActions): void {
    const { clock } = this.#environment
    for (const { id } of dial) {
      const link = this.#with(id, id.slice(0, 8))
      const now = clock.monotonic()
      if (link.dial()) this.#plan.dialling(id, now)
      // Something is open that the plan does not count, such as a connection without trust.
      else this.#plan.passOver(id, 'refused', now + 60_000)
    }
    for (const { id, reason } of end) {
      this.#links.get(id)?.disconnect(reason === 'full' ? endings.full : reason === 'quarantined' ? endings.quarantined : endings.unwanted)
      this.#tidy(id)
    }
    for (const { id, body } of send) this.attachment(id)?.control('topology', body)
    for (const offence of offences) this.#discipline.offended(offence)
    if (dial.length > 0 || end.length > 0) this.#environment.listeners.changed()
  }

  #opened(connection: MeshConnection): void {
    const { peerId, displayName } = connection
    if (this.#ended) refuse(connection, endings.stopping)
    else this.#with(peerId, displayName).take(connection)
  }

  /** Asks the plan whether a connection may stay, and ends the one that it replaces. */
  #admit(connection: MeshConnection): boolean {
    const { peerId, direction, quality } = connection
    const now = this.#environment.clock.monotonic()
    const admission = this.#plan.admit(peerId, now)
    if (!admission.accept) {
      refuse(connection, admission.reason === 'full' ? endings.full : endings.quarantined)
      return false
    }
    if (admission.instead !== undefined) {
      this.#links.get(admission.instead)?.disconnect(endings.full)
      this.#tidy(admission.instead)
    }
    this.#plan.connected(peerId, { direction, quality }, now)
    return true
  }

  #events(): LinkEvents {
    const now = (): number => this.#environment.clock.monotonic()
    return {
      dialFailed: (link, ending) => {
        if (failureOf(ending) === 'refused') this.#refused(link, 'outgoing', ending.error)
        this.#discipline.ended(link.deviceId, ending.error)
        this.#plan.dialFailed(link.deviceId, now(), failureOf(ending))
        this.#settled(link)
      },
      opened: (connection) => {
        this.#opened(connection)
      },
      connected: (link, connection) => {
        const { deviceId } = link
        if (connection.direction === 'outgoing' && !this.#admit(connection)) {
          link.disconnect(endings.full)
          this.#plan.dialFailed(deviceId, now(), 'full')
        }
        this.#driver.kick()
      },
      documents: (peerId, events) => {
        this.#discipline.documents(peerId, events)
      },
      stalled: (peerId, error) => {
        this.#discipline.ended(peerId, error)
      },
      disconnected: (link, ending) => {
        this.#discipline.ended(link.deviceId, ending.error)
        // One that is restricted is none to the plan, which has passed it over for as long as it lasts.
        if (this.#restricted.delete(link.deviceId)) this.#plan.dialFailed(link.deviceId, now(), failureOf(ending))
        else this.#plan.disconnected(link.deviceId, ending.how, now())
        this.#unclaimed.disconnected(link.deviceId)
        this.#settled(link)
      },
      trusted: (link, connection) => {
        const { deviceId } = link
        if (this.#restricted.delete(deviceId)) {
          this.#plan.release(deviceId, now())
          if (!this.#admit(connection)) link.disconnect(endings.full)
        }
        this.#talk(link)
        this.#driver.kick()
      },
      distrusted: (link, error, before) => {
        this.#distrusted(link, error, before)
      }
    }
  }

  #distrusted(link: DeviceLink, error: Error, before: boolean): void {
    const { deviceId } = link
    const now = this.#environment.clock.monotonic()
    this.#environment.logger.info('a link carries no documents', { device: link.displayName, error })
    this.#refused(link, link.current?.connection.direction ?? 'incoming', error)
    this.#plan.disconnected(deviceId, 'refused', now)
    if (this.#keepsRestricted(before) && this.#restricted.size < this.#plan.max) {
      this.#restricted.add(deviceId)
      this.#plan.passOver(deviceId, 'refused', always)
    } else {
      link.disconnect(endings.refused)
      this.#settled(link)
    }
    this.#driver.kick()
  }

  #refused({ deviceId, displayName, current }: DeviceLink, direction: 'incoming' | 'outgoing', error: Error | undefined): void {
    this.#environment.diagnostics.refused({ direction, deviceId, displayName, route: current?.connection.route }, error)
  }

  /** Both sides can say to each other what the mesh has to say. */
  #talk({ deviceId, current }: DeviceLink): void {
    if (current?.attachment === undefined || !current.mutual) return
    this.#topology.opened(deviceId, this.#environment.clock.monotonic())
  }

  #quarantined({ id, until }: QuarantinedDevice, error: KithmeshError): void {
    this.#shut(id, error, endings.quarantined)
    this.#plan.passOver(id, 'quarantined', until)
    this.#tidy(id)
    this.#driver.kick()
    this.#environment.listeners.changed()
  }

  /** Ends what there is with a device, and what is being opened. */
  #shut(peerId: string, error: KithmeshError, how: EndWith): void {
    const link = this.#links.get(peerId)
    const up = link?.up === true
    link?.disconnect(how)
    link?.failed(error)
    this.#restricted.delete(peerId)
    const now = this.#environment.clock.monotonic()
    if (up) this.#plan.disconnected(peerId, 'refused', now)
    // What was being opened counts as being dialled, and has ended.
    else this.#plan.dialFailed(peerId, now, 'refused')
  }

  #settled(link: DeviceLink): void {
    this.#tidy(link.deviceId)
    this.#driver.kick()
  }

  /** Nothing is kept of a device that is neither linked nor seen. */
  #tidy(deviceId: string): void {
    const link = this.#links.get(deviceId)
    if (link?.idle === true && !this.#listed.has(deviceId)) this.#links.delete(deviceId)
  }

  #with(deviceId: string, displayName: string): DeviceLink {
    let link = this.#links.get(deviceId)
    if (link === undefined) {
      link = new DeviceLink(deviceId, this.#listed.get(deviceId) ?? displayName, this.#environment)
      this.#links.set(deviceId, link)
    }
    return link
  }
}
