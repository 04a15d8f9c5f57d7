import {
  type Admission,
  type DeviceStanding,
  type EndReason,
  type LinkActions,
  type LinkPlanTimes,
  type LinkTopology,
  type PassOverReason,
  type PlannedLink,
  type WantReason,
  noTopology
} from './contracts.ts'
import { mostNeighbours } from './gossip.ts'
import { leastWanted, mayEnd } from './link-ends.ts'
import { RingPlaces, ringsFor } from './ring-plan.ts'
import { type Standing, passOverTime } from './standings.ts'
import { WantedDevices } from './wanted-devices.ts'

export interface LinkPlanOptions {
  /** Our own peer id. */
  readonly localId: string
  /** Links that a device has where it sees many others, 1 to 10. Default 4. */
  readonly target?: number
  /** Links that a device never exceeds; at least two more than the target, rounded up to an even number. Default twice the target, and three more than it at least. */
  readonly max?: number
  /** From 0 to below 1; for retries and audits. */
  readonly random: () => number
  /** Shared by the plans of a process, so that each device's place is kept once. */
  readonly places?: RingPlaces
  readonly topology?: LinkTopology
  readonly times?: Partial<LinkPlanTimes>
}

const defaultTimes: LinkPlanTimes = {
  settle: 500,
  patience: 1500,
  overdue: 1500,
  grace: 10_000,
  suspectMin: 1000,
  suspectMax: 60_000,
  full: 15_000,
  refused: 60_000,
  join: 3000,
  audit: 600_000,
  auditHold: 60_000
}
/** A device that failed before it was linked this long has failed in a row. */
const provenMs = 10_000
/** Pause between dials while nothing but failures comes of them. */
const hopelessPauseMs = 500
/** Longest time that the answer asks to wait: a day. */
const longestPauseMs = 86_400_000
/** What is dialled first when not all can be. */
const urgency: Readonly<Record<WantReason, number>> = { join: 0, all: 1, ring: 2, 'stand-in': 3, audit: 4 }

/**
 * Decides which devices to link with: told what happens, it answers what to dial, to accept and to end. It does nothing by itself, knows no clock (`now` is
 * monotonic milliseconds everywhere) and no network. Devices that see the same come to the same plan; see `docs/mesh.md`.
 *
 * After any event, and when {@link LinkActions.nextAt} has come, ask {@link decide}. An event costs a few comparisons, unless it changes what is wanted.
 * One file because events and decision share what is remembered of each link; which devices are wanted, and which links may end, is beside it.
 */
export class LinkPlan {
  readonly target: number
  readonly max: number
  readonly #localId: string
  readonly #times: LinkPlanTimes
  readonly #random: () => number
  readonly #topology: LinkTopology
  readonly #connected = new Map<string, Standing>()
  readonly #wanted: WantedDevices
  #dialling = 0
  #linksRevision = 0
  /** Something happened since the last answer, which might change it. */
  #touched = true
  /** The answer while nothing happens. */
  #quiet: LinkActions = { dial: [], end: [], tell: [], nextAt: Number.NEGATIVE_INFINITY }
  #decidedAt = -1
  #failuresInARow = 0
  #pausedUntil = Number.NEGATIVE_INFINITY

  /** @throws TypeError when target and max are no degrees. */
  constructor({
    localId,
    target = 4,
    max = Math.max(2 * target, target + 3),
    random,
    places = new RingPlaces(),
    topology = noTopology,
    times: given
  }: LinkPlanOptions) {
    const rings = ringsFor(target)
    if (!Number.isInteger(max) || max < 2 * rings + 2 || max > mostNeighbours)
      throw new TypeError(`The maximum degree is a whole number from ${2 * rings + 2} to ${mostNeighbours} for a target of ${target}`)
    const times = { ...defaultTimes, ...given }
    this.target = target
    this.max = max
    this.#localId = localId
    this.#times = times
    this.#random = random
    this.#topology = topology
    this.#wanted = new WantedDevices({ localId, rings, target, max, places, topology, times, random, connected: this.#connected })
  }

  /** Number of links. */
  get degree(): number {
    return this.#connected.size
  }

  /** Number of devices that are seen or linked. */
  get candidates(): number {
    return this.#wanted.candidates
  }
  /** Another number after every change of what {@link neighbours} says. */
  get linksRevision(): number {
    return this.#linksRevision
  }

  /** Whether a link with the device is wanted, linked or not. */
  wants(id: string): boolean {
    return this.#wanted.reasons.has(id)
  }

  isLinked(id: string): boolean {
    return this.#connected.has(id)
  }

  /** Ids of the devices that are linked, and whether we want that. */
  *neighbours(): Generator<{ readonly id: string; readonly wanted: boolean }> {
    for (const id of this.#connected.keys()) yield { id, wanted: this.#wanted.reasons.has(id) }
  }

  /** A provider sees the device. `fresh`: in a way it did not before, so that another try is worth while. */
  found(id: string, now: number, fresh = true): void {
    if (id === this.#localId) return
    this.#wanted.found(id, now, fresh)
  }

  /** No provider sees it any more. An open link lives on. */
  lost(id: string): void {
    this.#wanted.lost(id)
  }

  /** A dial begins. */
  dialling(id: string, now: number): void {
    this.#touched = true
    const standing = this.#wanted.standing(id)
    if (!standing.dialling) this.#dialling++
    standing.dialling = true
    standing.dialledAt = now
  }

  /** It came to nothing. `full`: the device said that it has too many links; `refused`: one does not accept the other. */
  dialFailed(id: string, now: number, reason: 'suspect' | 'full' | 'refused' = 'suspect'): void {
    this.#touched = true
    const standing = this.#wanted.standing(id)
    this.#dialEnded(standing)
    if (standing.link !== undefined) return
    if (reason !== 'full' && ++this.#failuresInARow >= 2 * this.max) this.#pausedUntil = now + hopelessPauseMs
    this.#fail(standing, reason, now)
    this.#wanted.failed(id, now)
  }

  /** A link is there, whoever dialled, instead of an earlier one with the same device if there was one. Ask {@link admit} first. */
  connected(id: string, link: PlannedLink, now: number): void {
    this.#touched = true
    const standing = this.#wanted.standing(id)
    this.#dialEnded(standing)
    this.#failuresInARow = 0
    this.#pausedUntil = now
    if (standing.link === undefined) {
      standing.since = now
      standing.peerWants = standing.told = standing.unwantedSince = standing.keptAt = undefined
      standing.bridge = false
      this.#connected.set(id, standing)
      this.#linksRevision++
      this.#wanted.linked(standing, now)
    }
    standing.link = link
  }

  /**
   * The link with the device is gone and no other has taken its place. `lost`: it fell silent, failed, or its device goes; the others as the device said.
   * Links that the plan itself ended need not be reported.
   */
  disconnected(id: string, how: 'lost' | 'unwanted' | 'full' | 'refused', now: number): void {
    const standing = this.#connected.get(id)
    if (standing === undefined) return
    this.#unlink(standing, now)
    this.#fail(standing, how === 'full' || how === 'refused' ? how : 'suspect', now)
  }

  /** The neighbour said whether it wants the link. */
  peerWants(id: string, wanted: boolean): void {
    this.#touched = true
    const standing = this.#connected.get(id)
    if (standing !== undefined) standing.peerWants = wanted
  }

  /** Nothing is to be had from the device until then. A link with it ends with the next {@link decide} if it is quarantined. */
  passOver(id: string, reason: PassOverReason, until: number): void {
    this.#touched = true
    this.#wanted.passOver(this.#wanted.standing(id), reason, until)
  }

  /** The device is as good as any again. */
  release(id: string, now: number): void {
    const standing = this.#wanted.get(id)
    if (standing === undefined) return
    standing.failures = 0
    this.#wanted.passUntil(standing, now)
  }

  /** Our own network changed: what failed may work now. */
  networkChanged(now: number): void {
    this.#wanted.forgive(now)
  }

  /** Whether one more link may stay; {@link connected} or a refusal follows. A link that ends instead counts as ended from now on. */
  admit(id: string, now: number): Admission {
    if (this.#wanted.get(id)?.over === 'quarantined') return { accept: false, reason: 'quarantined' }
    if (this.#connected.has(id) || this.#connected.size < this.max) return { accept: true, instead: undefined }
    this.#wanted.refresh(now)
    const wanted = this.#wanted.reasons.has(id) || !this.#topology.reaches(id)
    const least = leastWanted(this.#connected.values(), wanted ? 2 : 1, this.#wanted.reasons, this.#topology, this.target)
    if (least === undefined) return { accept: false, reason: 'full' }
    this.#unlink(least, now)
    return { accept: true, instead: least.place.id }
  }

  /** What to do now. */
  decide(now: number): LinkActions {
    const { revision } = this.#topology
    if (!this.#touched && now < this.#quiet.nextAt && revision === this.#decidedAt && !this.#wanted.stale) return this.#quiet
    this.#decidedAt = revision
    this.#wanted.refresh(now)
    const end: { id: string; reason: EndReason }[] = []
    const tell: { id: string; wanted: boolean }[] = []
    let nextAt = Number.POSITIVE_INFINITY
    for (const standing of [...this.#connected.values()]) {
      const { id } = standing.place
      const wanted = this.#wanted.reasons.has(id)
      const reason = this.#endOf(standing, wanted, now)
      if (typeof reason === 'string') {
        this.#unlink(standing, now)
        end.push({ id, reason })
        continue
      }
      nextAt = Math.min(nextAt, reason)
      if (standing.told === wanted) continue
      standing.told = wanted
      this.#linksRevision++
      tell.push({ id, wanted })
    }
    if (end.length > 0) this.#wanted.refresh(now)
    const dial = this.#dials(now)
    nextAt = Math.min(nextAt, this.#wanted.nextAt)
    for (const id of this.#wanted.reasons.keys()) {
      const at = this.#dialAt(id)
      if (at > now) nextAt = Math.min(nextAt, at)
    }
    // What is passed over until further notice must not come to a timer that cannot count so far.
    if (nextAt < Number.POSITIVE_INFINITY) nextAt = Math.min(nextAt, now + longestPauseMs)
    this.#touched = dial.length > 0
    this.#quiet = { dial: [], end: [], tell: [], nextAt }
    return { dial, end, tell, nextAt }
  }

  /** How the device stands, for people. */
  standing(id: string): DeviceStanding {
    const standing = this.#wanted.get(id)
    const passedOver = standing?.over === undefined ? undefined : { reason: standing.over, until: standing.until }
    return { wanted: this.#wanted.reasons.get(id), passedOver, dialAt: this.#dialAt(id) }
  }

  /** Why a link ends now, or the next instant to ask. */
  #endOf(standing: Standing, wanted: boolean, now: number): EndReason | number {
    if (standing.over === 'quarantined') return 'quarantined'
    if (wanted || standing.wantedByPeer) {
      standing.unwantedSince = standing.keptAt = undefined
      return Number.POSITIVE_INFINITY
    }
    const audited = this.#wanted.isAudited(standing.place.id, now)
    standing.unwantedSince ??= now
    const at = audited ? now : standing.unwantedSince + this.#times.grace
    if (now < at) return at
    if (standing.keptAt === this.#topology.revision) return Number.POSITIVE_INFINITY
    if (mayEnd(standing, this.#connected.size, this.target, this.#topology)) return audited ? 'audited' : 'unwanted'
    standing.keptAt = this.#topology.revision
    return Number.POSITIVE_INFINITY
  }

  #dials(now: number): LinkActions['dial'] {
    const due: { id: string; reason: WantReason }[] = []
    if (now < this.#pausedUntil) return due
    for (const [id, reason] of this.#wanted.reasons) if (this.#dialAt(id) <= now) due.push({ id, reason })
    if (due.length === 0) return due
    let room = this.max - this.#connected.size - this.#dialling
    // One link may be given up for a better one: not before that is there, and one at a time.
    if (
      room <= 0 &&
      this.#dialling === 0 &&
      leastWanted(this.#connected.values(), 2, this.#wanted.reasons, this.#topology, this.target) !== undefined
    )
      room = 1
    due.sort((a, b) => urgency[a.reason] - urgency[b.reason])
    return due.slice(0, Math.max(0, room))
  }

  #dialAt(id: string): number {
    const standing = this.#wanted.get(id)
    const reason = this.#wanted.reasons.get(id)
    if (standing === undefined || reason === undefined || standing.wantedSince === undefined) return Number.POSITIVE_INFINITY
    if (standing.link !== undefined || standing.dialling || standing.over !== undefined || standing.unlisted)
      return Number.POSITIVE_INFINITY
    if (reason === 'join' || reason === 'audit') return Math.max(standing.wantedSince, this.#pausedUntil)
    const wait = this.#wanted.settle(standing) + (standing.dialsFirst ? 0 : this.#times.patience)
    return Math.max(standing.wantedSince + wait, this.#pausedUntil)
  }

  #unlink(standing: Standing, now: number): void {
    this.#touched = true
    standing.link = undefined
    if (now - standing.since >= provenMs) standing.failures = 0
    this.#connected.delete(standing.place.id)
    this.#linksRevision++
    this.#wanted.unlinked(standing, now)
  }

  #fail(standing: Standing, reason: 'suspect' | 'full' | 'refused', now: number): void {
    standing.failures++
    this.#wanted.passOver(standing, reason, now + passOverTime(reason, standing.failures, this.#times, this.#random))
  }

  #dialEnded(standing: Standing): void {
    if (!standing.dialling) return
    standing.dialling = false
    this.#dialling--
  }
}
