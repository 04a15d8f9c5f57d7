import type { Gone, Presence, Statement } from './presence-statement.ts'

/** What the table makes known. */
export interface PresenceEvents {
  /** New, or with another name, port or key than before. */
  found(peerId: string, presence: Presence): void
  metadataChanged(peerId: string, presence: Presence): void
  lost(peerId: string): void
  /** Messages to the device go elsewhere now: another key, or other brokers. */
  moved(peerId: string): void
}

export interface PresenceLimits {
  /** Devices, the vanished ones that are remembered included. */
  readonly maxPeers: number
  /** How far the clocks of two devices may differ, milliseconds. */
  readonly clockSkewMs: number
}

/** The two clocks: `now` wall, `monotonic` for deadlines. */
export interface Times {
  readonly now: number
  readonly monotonic: number
}

/** What a statement did; anything but `taken` was ignored, for this reason. */
export type Verdict = 'taken' | 'old' | 'expired' | 'in the future' | 'unknown' | 'full'

interface Sighting {
  /** Connections up to this one are gone. */
  goneUpTo: number
  /** The newest statement, alive or not. */
  sequence: number
  /** The presence seen over this broker. */
  present: { readonly connection: number; readonly deadline: number } | undefined
}

interface Entry {
  startedAt: number
  epoch: string
  /** Statements up to this one are taken back. */
  withdrawnUpTo: number
  /** The newest statement, while the device is present. */
  latest: Presence | undefined
  readonly brokers: Map<string, Sighting>
  /** Until when a vanished device is remembered: then even its newest statement has expired. */
  forgetAt: number
}

/** Brokers a device may be seen over. */
const maxBrokers = 8

/**
 * Who is there, from statements that come in any order, doubled, late or not at all, over brokers that may lie. Pure.
 *
 * A device is present while a statement of its newest run, not taken back, lives on some broker. Of two runs the one that started later
 * counts; what was taken back or outlived does not come back, however often it is repeated.
 */
export class PresenceTable {
  readonly #entries = new Map<string, Entry>()
  readonly #events: PresenceEvents
  readonly #limits: PresenceLimits

  constructor(limits: PresenceLimits, events: PresenceEvents) {
    this.#limits = limits
    this.#events = events
  }

  /** The newest statement of a present device. */
  get(peerId: string): Presence | undefined {
    return this.#entries.get(peerId)?.latest
  }

  /** Present devices. */
  *present(): IterableIterator<[string, Presence]> {
    for (const [peerId, { latest }] of this.#entries) if (latest !== undefined) yield [peerId, latest]
  }

  /** @param retained whether the broker had kept it, so that nothing is known of its age but what it says itself */
  take(peerId: string, statement: Statement, retained: boolean, times: Times): Verdict {
    return statement.kind === 'gone' ? this.#takeGone(peerId, statement) : this.#takePresence(peerId, statement, retained, times)
  }

  /** Drops what has outlived its time. */
  expire({ monotonic }: Times): void {
    for (const [peerId, entry] of this.#entries) {
      for (const sighting of entry.brokers.values())
        if (sighting.present !== undefined && sighting.present.deadline <= monotonic) sighting.present = undefined
      this.#update(peerId, entry)
      if (entry.latest === undefined && entry.forgetAt <= monotonic) this.#entries.delete(peerId)
    }
  }

  /** Forgets everything without a word. */
  clear(): void {
    this.#entries.clear()
  }

  #takePresence(peerId: string, presence: Presence, retained: boolean, { now, monotonic }: Times): Verdict {
    const { clockSkewMs, maxPeers } = this.#limits
    if (presence.time > now + clockSkewMs || presence.startedAt > now + clockSkewMs) return 'in the future'
    const left = presence.time + presence.ttlMs + clockSkewMs - now
    if (left <= 0) return 'expired'
    let entry = this.#entries.get(peerId)
    if (entry === undefined) {
      if (this.#entries.size >= maxPeers && !this.#makeRoom()) return 'full'
      this.#entries.set(peerId, (entry = newEntry(presence)))
    }
    const order = compareRuns(presence, entry)
    if (order < 0) return 'old'
    if (order > 0) {
      entry.startedAt = presence.startedAt
      entry.epoch = presence.epoch
      entry.withdrawnUpTo = -1
      entry.brokers.clear()
    }
    if (presence.sequence <= entry.withdrawnUpTo) return 'old'
    const { tag, number } = presence.via
    const sighting: Sighting = entry.brokers.get(tag) ?? { goneUpTo: -1, sequence: -1, present: undefined }
    if (number <= sighting.goneUpTo || presence.sequence <= sighting.sequence) return 'old'
    if (!entry.brokers.has(tag) && entry.brokers.size >= maxBrokers) return 'full'
    entry.brokers.set(tag, sighting)
    const deadline = monotonic + (retained ? Math.min(presence.ttlMs, left) : presence.ttlMs)
    sighting.sequence = presence.sequence
    sighting.present = { connection: number, deadline }
    entry.forgetAt = Math.max(entry.forgetAt, monotonic + presence.ttlMs + 2 * clockSkewMs)
    const before = entry.latest
    if (before !== undefined && order === 0 && before.sequence > presence.sequence) return 'taken'
    entry.latest = presence
    this.#tell(peerId, before, presence)
    return 'taken'
  }

  #takeGone(peerId: string, gone: Gone): Verdict {
    const entry = this.#entries.get(peerId)
    if (entry === undefined) return 'unknown'
    if (compareRuns(gone, entry) !== 0) return 'old'
    if (gone.via === undefined) {
      if (gone.sequence <= entry.withdrawnUpTo) return 'old'
      entry.withdrawnUpTo = gone.sequence
      for (const sighting of entry.brokers.values()) if (sighting.sequence <= gone.sequence) sighting.present = undefined
    } else {
      const sighting = entry.brokers.get(gone.via.tag)
      if (sighting === undefined) return 'unknown'
      sighting.goneUpTo = Math.max(sighting.goneUpTo, gone.via.number)
      if (sighting.present !== undefined && sighting.present.connection <= sighting.goneUpTo) sighting.present = undefined
    }
    this.#update(peerId, entry)
    return 'taken'
  }

  #update(peerId: string, entry: Entry): void {
    if (entry.latest === undefined || [...entry.brokers.values()].some(({ present }) => present !== undefined)) return
    entry.latest = undefined
    this.#events.lost(peerId)
  }

  #tell(peerId: string, before: Presence | undefined, presence: Presence): void {
    if (before === undefined || !before.inboxKey.equals(presence.inboxKey) || before.inboxTags.join() !== presence.inboxTags.join()) {
      this.#events.moved(peerId)
    }
    if (before === undefined || before.displayName !== presence.displayName || before.epoch !== presence.epoch)
      this.#events.found(peerId, presence)
    else if (!sameMetadata(before, presence)) this.#events.metadataChanged(peerId, presence)
  }

  /** Forgets the device that vanished first; present ones keep their place. */
  #makeRoom(): boolean {
    let oldest: [string, Entry] | undefined
    for (const pair of this.#entries)
      if (pair[1].latest === undefined && (oldest === undefined || pair[1].forgetAt < oldest[1].forgetAt)) oldest = pair
    return oldest !== undefined && this.#entries.delete(oldest[0])
  }
}

function newEntry({ startedAt, epoch }: Presence): Entry {
  return { startedAt, epoch, withdrawnUpTo: -1, latest: undefined, brokers: new Map(), forgetAt: 0 }
}

function compareRuns(
  a: { readonly startedAt: number; readonly epoch: string },
  b: { readonly startedAt: number; readonly epoch: string }
): number {
  if (a.startedAt !== b.startedAt) return a.startedAt - b.startedAt
  return a.epoch === b.epoch ? 0 : a.epoch < b.epoch ? -1 : 1
}

function sameMetadata({ metadata: a }: Presence, { metadata: b }: Presence): boolean {
  return a.size === b.size && [...a].every(([key, value]) => Buffer.compare(value, b.get(key) ?? value.subarray(0, 0)) === 0 && b.has(key))
}
