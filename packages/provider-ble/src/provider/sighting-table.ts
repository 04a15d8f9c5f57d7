import type { Advertisement, DeviceRecord } from '../backend/contracts.ts'
import { metadataTag } from '../gatt/tag.ts'
import { Rate } from './rate.ts'
import { cleanName, newEntry } from './sighting.ts'
import type { Entry, Sighting } from './sighting.ts'

/** How long a device that was read is kept from the list because its name has not been heard yet. */
const nameWaitMs = 2000
/** Between two reports of changes of one device. */
const updateMs = 1000
/** The longest wait after failures. */
const maxRetryMs = 60_000
/** Reads from all devices together: so many at once, and per second in the long run. */
const totalBurst = 64
const totalPerSecond = 10

export interface SightingTableOptions {
  readonly minRssi: number
  readonly ttlMs: number
  readonly maxDevices: number
  readonly readAttempts: number
  readonly retryMs: number
  readonly refreshMs: number
  /** Whether something of ours to the device is open, so that it is there though it may not advertise. */
  readonly held: (id: string) => boolean
}

/**
 * Which devices are there, which of them are to be read and when, and which are to be listed. Pure: it is told what was heard and read, and
 * the time; milliseconds of a clock that never goes back.
 *
 * Addresses are forged as easily as they are made up, so that a flood of them must neither grow the table nor starve what is really there:
 * the table is bounded, reads are limited per address and in total, and those devices are read first that were read before, and then those
 * that are heard most and failed least.
 */
export class SightingTable {
  readonly #options: SightingTableOptions
  /** The least recently heard first. */
  readonly #entries = new Map<string, Entry>()
  readonly #reads: Rate

  constructor(options: SightingTableOptions, now: number) {
    this.#options = options
    this.#reads = new Rate(totalPerSecond, totalBurst, now)
  }

  get size(): number {
    return this.#entries.size
  }

  get(id: string): Sighting | undefined {
    return this.#entries.get(id)
  }

  /**
   * An advertisement was heard.
   * @returns whether it is news, and so whether anything may be due; and what was dropped from the list to make room
   */
  hear(advertisement: Advertisement, now: number): { readonly news: boolean; readonly dropped: string | undefined } {
    const known = this.#entries.get(advertisement.id)
    let dropped: string | undefined
    if (known === undefined && this.#entries.size >= this.#options.maxDevices) {
      const victim = this.#leastWanted()
      if (victim === undefined) return { news: false, dropped }
      this.#entries.delete(victim.id)
      if (victim.listed) dropped = victim.id
    }
    const entry = known ?? newEntry(advertisement.id, this.#options.minRssi, now)
    this.#entries.delete(entry.id)
    this.#entries.set(entry.id, entry)
    const before = { tag: entry.tag, name: entry.name, connectable: this.connectable(entry), silent: isSilent(entry) }
    entry.lastHeard = now
    entry.heard++
    entry.strength.heard(advertisement.rssi)
    entry.advertisesConnectable = advertisement.connectable
    entry.tag = advertisement.tag
    entry.untagged = advertisement.tag === undefined
    entry.name = cleanName(advertisement.displayName) ?? entry.name
    const visible = entry.name !== before.name || this.connectable(entry) !== before.connectable
    if (visible) entry.dirty = true
    return { news: known === undefined || visible || entry.tag !== before.tag || before.silent, dropped }
  }

  /** Something of ours to the device was open until now. */
  touch(id: string, now: number): void {
    const entry = this.#entries.get(id)
    if (entry !== undefined) entry.lastHeard = now
  }

  connectable(sighting: Sighting): boolean {
    const entry = sighting as Entry
    return this.#options.held(entry.id) || (entry.advertisesConnectable && entry.strength.near)
  }

  /** Chooses a device to be read now; it counts as being read until {@link readSucceeded} or {@link readFailed}. */
  takeRead(now: number): Sighting | undefined {
    if (this.#reads.nextAt(now) > now) return undefined
    let best: Entry | undefined
    let bestScore = -1
    for (const entry of this.#entries.values()) {
      if (this.#readDueAt(entry) > now || entry.reads.nextAt(now) > now) continue
      const score = (entry.record === undefined ? 0 : 1e9) + entry.heard / 4 ** entry.failures
      if (score <= bestScore) continue
      best = entry
      bestScore = score
    }
    if (best === undefined) return undefined
    this.#reads.take(now)
    best.reads.take(now)
    best.reading = true
    best.readingTag = best.tag
    return best
  }

  /** @returns whether the metadata differs from what was known before */
  readSucceeded(id: string, record: DeviceRecord, own: boolean, now: number): boolean {
    const entry = this.#entries.get(id)
    if (entry === undefined) return false
    const computed = metadataTag(record.psm, record.metadata)
    // A change during the reading may be in what was read already; then the tag says so.
    entry.readTag = computed === entry.tag ? computed : entry.readingTag
    entry.reading = false
    entry.failures = 0
    entry.failedAt = undefined
    entry.notBefore = now
    entry.stale = false
    entry.noPeer = false
    entry.own = own
    entry.readAt = now
    const changed = entry.record === undefined || Buffer.compare(entry.record.metadata, record.metadata) !== 0
    entry.record = record
    return changed
  }

  /** @param noPeer the device answered, and is none @returns how often it failed in a row */
  readFailed(id: string, noPeer: boolean, now: number): number {
    const entry = this.#entries.get(id)
    if (entry === undefined) return 0
    const { readAttempts, retryMs } = this.#options
    entry.reading = false
    entry.noPeer = noPeer
    entry.failures++
    entry.failedAt = now
    entry.notBefore = now + (entry.failures >= readAttempts ? maxRetryMs : Math.min(maxRetryMs, retryMs * 2 ** (entry.failures - 1)))
    return entry.failures
  }

  /** The reading gave way to something more urgent, which says nothing of the device. */
  readGaveWay(id: string, now: number): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    entry.reading = false
    entry.notBefore = now + this.#options.retryMs
  }

  /** What was read last, unless it has proved wrong since. */
  trusted(id: string): DeviceRecord | undefined {
    const entry = this.#entries.get(id)
    return entry?.stale === true ? undefined : entry?.record
  }

  /** The metadata came by itself. @returns whether it differs from what was known before */
  metadataArrived(id: string, metadata: Uint8Array, now: number): boolean {
    const entry = this.#entries.get(id)
    if (entry?.record === undefined) return false
    entry.readAt = now
    if (Buffer.compare(entry.record.metadata, metadata) === 0) return false
    entry.record = { ...entry.record, metadata }
    return true
  }

  /** What is known of how to connect has proved wrong. */
  markStale(id: string): void {
    const entry = this.#entries.get(id)
    if (entry !== undefined) entry.stale = true
  }

  /** Devices to be listed now, and listed ones that changed; they count as reported. */
  takeReports(now: number): Sighting[] {
    const due: Entry[] = []
    for (const entry of this.#entries.values()) {
      if (this.#reportDueAt(entry) > now) continue
      entry.listed = true
      entry.dirty = false
      entry.reportedAt = now
      due.push(entry)
    }
    return due
  }

  /** Forgets who has not been heard for too long, and takes this device itself off the list. @returns the ids of those that were listed */
  takeLost(now: number): string[] {
    const lost: string[] = []
    for (const entry of [...this.#entries.values()]) {
      const gone = this.#goneAt(entry) <= now
      if (gone) this.#entries.delete(entry.id)
      if (!entry.listed || !(gone || entry.own)) continue
      entry.listed = false
      lost.push(entry.id)
    }
    return lost
  }

  /** When something will be due next, if nothing happens until then; Infinity when nothing will. @param reads whether more reads may begin */
  nextDue(now: number, reads: boolean): number {
    let next = Infinity
    for (const entry of this.#entries.values()) {
      next = Math.min(next, this.#goneAt(entry), this.#reportDueAt(entry))
      if (!reads) continue
      const due = this.#readDueAt(entry)
      if (due < Infinity) next = Math.min(next, Math.max(due, entry.reads.nextAt(now), this.#reads.nextAt(now)))
    }
    return next
  }

  #goneAt(entry: Entry): number {
    return entry.reading || this.#options.held(entry.id) ? Infinity : entry.lastHeard + this.#options.ttlMs
  }

  #readDueAt(entry: Entry): number {
    if (entry.reading || isSilent(entry) || !this.connectable(entry)) return Infinity
    const changed = entry.record === undefined || entry.stale || (entry.tag !== undefined && entry.tag !== entry.readTag)
    if (changed) return entry.notBefore
    return entry.untagged ? Math.max(entry.notBefore, entry.readAt + this.#options.refreshMs) : Infinity
  }

  #reportDueAt(entry: Entry): number {
    if (entry.own) return Infinity
    if (entry.listed) return entry.dirty ? entry.reportedAt + updateMs : Infinity
    const settled = entry.record !== undefined || (entry.failures >= this.#options.readAttempts && !entry.noPeer)
    if (!settled) return Infinity
    return entry.name === undefined ? entry.firstHeard + nameWaitMs : -Infinity
  }

  /** Who gives way: the least recently heard of those that were never read, if possible one that is not listed. */
  #leastWanted(): Entry | undefined {
    let listed: Entry | undefined
    for (const entry of this.#entries.values()) {
      if (entry.record !== undefined || entry.reading || this.#options.held(entry.id)) continue
      if (!entry.listed) return entry
      listed ??= entry
    }
    return listed
  }
}

/** Reading from it failed, and it has not been heard since: it may be gone, and connecting to it in vain would hold up everything else. */
function isSilent({ failedAt, lastHeard }: Entry): boolean {
  return failedAt !== undefined && lastHeard <= failedAt
}
