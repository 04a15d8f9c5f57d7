import { AuditDraw } from './audit-draw.ts'
import type { LinkPlanTimes, LinkTopology, PassOverReason, WantReason } from './contracts.ts'
import { MissingDevices } from './missing.ts'
import type { RingPlace, RingPlaces } from './ring-plan.ts'
import { type CandidateView, RingSlots } from './ring-slots.ts'
import { Standing } from './standings.ts'

export interface WantedDevicesOptions {
  readonly localId: string
  readonly rings: number
  readonly target: number
  readonly max: number
  readonly places: RingPlaces
  readonly topology: LinkTopology
  readonly times: LinkPlanTimes
  readonly random: () => number
  /** Devices that are linked; the plan's, who tells of each change. */
  readonly connected: ReadonlyMap<string, Standing>
}

/** At most one try in this time, however often a device appears. */
const nudgePauseMs = 1000
/** Devices of other parts that are asked for a link at the same time. */
const mostJoins = 2

/**
 * Which devices are wanted as neighbours, and why: from those that are seen or linked, without those that are passed over. One file because each event touches
 * several of the reasons (rings, missing devices, audits, each beside it) and what is remembered of the device, and they have to agree.
 */
export class WantedDevices {
  readonly #options: WantedDevicesOptions
  readonly #slots: RingSlots
  readonly #missing: MissingDevices
  readonly #audit: AuditDraw
  readonly #standings = new Map<string, Standing>()
  readonly #joins = new Set<string>()
  readonly #view: CandidateView
  #reasons = new Map<string, WantReason>()
  /** There are so few that all are wanted. */
  #everybody = true
  /** Candidates that are refused or quarantined. */
  #barred = 0
  #dirty = true
  /** The next instant at which a device is passed over no longer, or has become overdue. */
  #nextChange = Number.POSITIVE_INFINITY
  #joinsRevision = -1
  #lastNewAt = Number.NEGATIVE_INFINITY

  constructor(options: WantedDevicesOptions) {
    this.#options = options
    const { localId, rings, places, topology, times, random, connected } = options
    const local = places.of(localId)
    const slots = new RingSlots(local, rings)
    this.#slots = slots
    const standings = this.#standings
    this.#view = {
      get connected(): Iterable<RingPlace> {
        return placesOf(connected)
      },
      excluded: (id) => standings.get(id)?.over !== undefined,
      failed: (id) => (standings.get(id)?.failures ?? 0) > 0,
      overdue: (id) => standings.get(id)?.overdue === true
    }
    const available = (id: string): boolean => !connected.has(id) && !this.#view.excluded(id)
    this.#missing = new MissingDevices({ local, candidates: slots.candidates, topology, available }, times)
    this.#audit = new AuditDraw({ candidates: slots.candidates, available, random, times })
  }

  /** Why each wanted device is, as of the last {@link refresh}. */
  get reasons(): ReadonlyMap<string, WantReason> {
    return this.#reasons
  }
  /** Number of devices that are seen or linked. */
  get candidates(): number {
    return this.#slots.size
  }
  /** {@link refresh} would come to something else, because of what happened and not of time alone. */
  get stale(): boolean {
    return this.#dirty || (!this.#everybody && this.#slots.stale)
  }
  /** When {@link refresh} comes to something else by time alone. */
  get nextAt(): number {
    const missing = this.#looksForMissing ? this.#missing.nextAt : Number.POSITIVE_INFINITY
    return Math.min(this.#nextChange, this.#audit.nextAt, missing)
  }

  /** What is remembered of the device, if anything is. */
  get(id: string): Standing | undefined {
    return this.#standings.get(id)
  }
  /** The same, from now on. */
  standing(id: string): Standing {
    let standing = this.#standings.get(id)
    if (standing === undefined) {
      standing = new Standing(this.#options.places.of(id), this.#options.localId)
      this.#standings.set(id, standing)
    }
    return standing
  }

  found(id: string, now: number, fresh: boolean): void {
    const standing = this.#standings.get(id)
    if (standing !== undefined) {
      standing.unlisted = false
      if (fresh && standing.over === 'suspect') this.passUntil(standing, Math.max(now, standing.dialledAt + nudgePauseMs))
    }
    if (this.#addCandidate(standing?.place ?? this.#options.places.of(id))) this.#lastNewAt = now
    if (this.#missing.found(id, now)) this.#dirty = true
  }

  lost(id: string): void {
    const standing = this.#standings.get(id)
    if (standing?.link !== undefined) standing.unlisted = true
    else this.#removeCandidate(standing?.place ?? this.#options.places.of(id))
  }

  /** The device is linked now, and was not. */
  linked(standing: Standing, now: number): void {
    const { place } = standing
    standing.overdue = false
    this.#clear(standing)
    if (!this.#slots.has(place.id)) {
      standing.unlisted = true
      this.#addCandidate(place)
    }
    this.#slots.nearer(place)
    this.#slots.unchosen(place.id)
    if (this.#joins.has(place.id)) this.#missing.tried(true, now)
    this.#audit.connected(place.id, now)
    this.#dirty = true
  }

  /** The device is linked no longer. */
  unlinked(standing: Standing, now: number): void {
    const { place } = standing
    standing.wantedSince = undefined
    this.#joins.delete(place.id)
    this.#audit.ended(place.id, now)
    this.#dirty = true
    this.#slots.unchosen(place.id)
    if (standing.unlisted) {
      standing.unlisted = false
      this.#removeCandidate(place)
    } else {
      this.#slots.nearer(place)
      if (standing.trivial) this.#standings.delete(place.id)
    }
  }

  /** A dial came to nothing. */
  failed(id: string, now: number): void {
    if (this.#joins.delete(id)) this.#missing.tried(false, now)
    if (this.#audit.ended(id, now)) this.#dirty = true
  }

  passOver(standing: Standing, reason: PassOverReason, until: number): void {
    const { id } = standing.place
    // It may have been forgotten with its link.
    this.#standings.set(id, standing)
    const wasBarred = standing.barred
    standing.over = reason
    standing.until = until
    this.#nextChange = Math.min(this.#nextChange, until)
    if (standing.barred !== wasBarred && this.#slots.has(id)) this.#barred += wasBarred ? -1 : 1
    this.#slots.unchosen(id)
    this.#dirty = true
  }

  /** If it is passed over, then not for longer. */
  passUntil(standing: Standing, until: number): void {
    if (standing.over === undefined) return
    standing.until = Math.min(standing.until, until)
    this.#nextChange = Math.min(this.#nextChange, standing.until)
    this.#dirty = true
  }

  /** Devices that failed may be tried again. */
  forgive(now: number): void {
    for (const standing of this.#standings.values()) if (standing.over === 'suspect') this.passUntil(standing, now)
  }

  /** How long the device has to stay wanted before it is dialled. */
  settle({ settles }: Standing): number {
    const { target, times } = this.#options
    if (!settles) return 0
    return this.#slots.size > 4 * target ? times.settle : times.settle / 5
  }

  /** Whether a link was made for an audit that is over. */
  isAudited(id: string, now: number): boolean {
    return this.#audit.isOver(id, now)
  }

  /** Brings everything up to date. */
  refresh(now: number): void {
    if (now >= this.#nextChange) this.#advance(now)
    if (this.#options.topology.revision !== this.#joinsRevision) this.#dropJoins()
    const missing = this.#looksForMissing ? this.#missing.due(now) : undefined
    if (missing !== undefined) {
      this.#joins.add(missing)
      this.#dirty = true
    }
    const everybody = this.#slots.size - this.#barred <= this.#options.target
    if (everybody !== this.#everybody) {
      this.#everybody = everybody
      this.#slots.invalidate()
      this.#dirty = true
    }
    if (this.#audit.advance(now, everybody)) this.#dirty = true
    if (this.stale) this.#rebuild(now)
  }

  get #looksForMissing(): boolean {
    const { connected, max } = this.#options
    if (connected.size >= max) return false
    let open = 0
    for (const id of this.#joins) if (!connected.has(id)) open++
    return open < mostJoins
  }

  #rebuild(now: number): void {
    const before = this.#reasons
    const reasons = new Map<string, WantReason>()
    if (this.#everybody) {
      for (const { id } of this.#slots.candidates) if (!this.#view.excluded(id)) reasons.set(id, 'all')
    } else {
      this.#slots.refresh(this.#view)
      this.#slots.forEach((id, state) => {
        if (state !== 'stand-in' || !reasons.has(id)) reasons.set(id, state === 'stand-in' ? 'stand-in' : 'ring')
      })
    }
    for (const id of this.#joins) if (!reasons.has(id)) reasons.set(id, 'join')
    const audited = this.#audit.current
    if (audited !== undefined && !reasons.has(audited)) reasons.set(audited, 'audit')
    this.#reasons = reasons
    this.#dirty = false
    for (const id of before.keys()) if (!reasons.has(id)) this.#unwanted(id)
    for (const id of reasons.keys()) {
      const standing = this.standing(id)
      if (standing.wantedSince !== undefined) continue
      standing.wantedSince = now
      standing.settles = now - this.#lastNewAt < this.#options.times.settle
      if (standing.link === undefined) this.#nextChange = Math.min(this.#nextChange, this.#overdueAt(standing))
    }
  }

  #unwanted(id: string): void {
    const standing = this.#standings.get(id)
    if (standing === undefined) return
    standing.wantedSince = undefined
    standing.overdue = false
    if (standing.trivial) this.#standings.delete(id)
  }

  /** Time alone has changed something. */
  #advance(now: number): void {
    this.#nextChange = Number.POSITIVE_INFINITY
    for (const standing of this.#standings.values()) {
      const { id } = standing.place
      if (standing.over !== undefined && standing.until <= now) this.#clear(standing)
      if (standing.over !== undefined) this.#nextChange = Math.min(this.#nextChange, standing.until)
      const overdueAt = this.#overdueAt(standing)
      if (overdueAt <= now) {
        standing.overdue = true
        this.#slots.unchosen(id)
      } else this.#nextChange = Math.min(this.#nextChange, overdueAt)
      if (!this.#slots.has(id) && standing.over === undefined && !standing.dialling) this.#standings.delete(id)
    }
  }

  #overdueAt(standing: Standing): number {
    if (standing.overdue || standing.link !== undefined || standing.wantedSince === undefined) return Number.POSITIVE_INFINITY
    return standing.wantedSince + this.settle(standing) + this.#options.times.overdue
  }

  #dropJoins(): void {
    const { connected, topology } = this.#options
    this.#joinsRevision = topology.revision
    for (const id of this.#joins) {
      const needed = connected.has(id) ? topology.role(id) !== 'redundant' : !topology.reaches(id)
      if (needed) continue
      this.#joins.delete(id)
      this.#dirty = true
    }
  }

  #clear(standing: Standing): void {
    if (standing.over === undefined) return
    const known = this.#slots.has(standing.place.id)
    if (standing.barred && known) this.#barred--
    standing.over = undefined
    if (known) this.#slots.nearer(standing.place)
    this.#dirty = true
  }

  #addCandidate(place: RingPlace): boolean {
    if (!this.#slots.add(place)) return false
    if (this.#standings.get(place.id)?.barred === true) this.#barred++
    if (this.#everybody) this.#dirty = true
    return true
  }

  #removeCandidate(place: RingPlace): void {
    if (!this.#slots.has(place.id)) return
    this.#slots.remove(place)
    const standing = this.#standings.get(place.id)
    if (standing?.barred === true) this.#barred--
    if (standing?.over === undefined && standing?.dialling !== true) this.#standings.delete(place.id)
    this.#joins.delete(place.id)
    this.#dirty = true
  }
}

function* placesOf(standings: ReadonlyMap<string, Standing>): Generator<RingPlace> {
  for (const { place } of standings.values()) yield place
}
