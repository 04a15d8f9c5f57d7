import { sameMetadata } from '@kithmesh/core/plugin'
import type { ServiceRecord } from './record.ts'

/** What became different from one look to the next. */
export interface PresenceChange {
  /** New ones, and those whose name changed. */
  readonly found: readonly ServiceRecord[]
  readonly metadataChanged: readonly ServiceRecord[]
  /** Peer ids. */
  readonly lost: readonly string[]
}

interface Entry {
  record: ServiceRecord
  /** When the beat was last seen to change, by our clock. */
  aliveAt: number
  present: boolean
}

/**
 * Who is there, from one look at the store to the next. Computes, and does nothing else: no files, no timers, no events.
 * A device whose record no longer changes is gone, though its record may stay for ever; the clocks of the devices need not agree for that.
 */
export class PresenceTable {
  readonly #expiresMs: number
  readonly #entries = new Map<string, Entry>()

  constructor(expiresMs: number) {
    this.#expiresMs = expiresMs
  }

  /** @param now monotonic milliseconds */
  update(records: readonly ServiceRecord[], now: number): PresenceChange {
    const found: ServiceRecord[] = []
    const metadataChanged: ServiceRecord[] = []
    const lost: string[] = []
    const listed = new Set(records.map(({ peerId }) => peerId))
    for (const [peerId, entry] of this.#entries) {
      if (listed.has(peerId)) continue
      this.#entries.delete(peerId)
      if (entry.present) lost.push(peerId)
    }
    for (const record of records) {
      const entry = this.#entries.get(record.peerId)
      if (entry === undefined) {
        this.#entries.set(record.peerId, { record, aliveAt: now, present: true })
        found.push(record)
        continue
      }
      const before = entry.record
      if (record.beat === before.beat) {
        if (entry.present && now - entry.aliveAt >= this.#expiresMs) {
          entry.present = false
          lost.push(record.peerId)
        }
        continue
      }
      if (!entry.present || record.displayName !== before.displayName) found.push(record)
      else if (!sameMetadata(record.metadata, before.metadata)) metadataChanged.push(record)
      Object.assign(entry, { record, aliveAt: now, present: true })
    }
    return { found, metadataChanged, lost }
  }

  /** The newest record of a device that is there. */
  get(peerId: string): ServiceRecord | undefined {
    const entry = this.#entries.get(peerId)
    return entry?.present === true ? entry.record : undefined
  }

  clear(): void {
    this.#entries.clear()
  }
}
