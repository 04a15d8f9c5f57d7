/** What one link has told us, and for how long it holds. Pure: time comes in with every call, in monotonic milliseconds. */
import { nameKey } from './names.ts'
import { dataKey, rrType } from './rdata.ts'
import type { ResourceRecord } from './dns-message.ts'

/** After a goodbye or a cache flush a record lives one more second, so that another host can rescue it (RFC 6762 §10.1, §10.2). */
const graceMs = 1000
/** Shares of its life after which a record that is still wanted is asked for again (RFC 6762 §5.2). */
const refreshAt = [0.8, 0.85, 0.9, 0.95]
/** TXT data counts as one more record for each of these many bytes. */
const bytesPerRecord = 512
/** No record is kept longer without being heard of. */
const maxTtl = 86_400

export interface CachedRecord {
  readonly record: ResourceRecord
  readonly receivedAt: number
  readonly expiresAt: number
  /** A goodbye or a cache flush has been heard: it ends within a second. */
  readonly leaving: boolean
}

interface Entry {
  record: ResourceRecord
  receivedAt: number
  expiresAt: number
  leaving: boolean
  /** How many of the refresh points have passed. */
  stage: number
}

export interface CacheChange {
  /** Keys of the names something new was learnt of: records added, replaced or said goodbye to. */
  readonly names: ReadonlySet<string>
  /** Records that were not taken in because the cache is full. */
  readonly refused: number
}

function weight({ data }: ResourceRecord): number {
  return data.type === rrType.TXT ? 1 + Math.floor(data.bytes.length / bytesPerRecord) : 1
}

export class RecordCache {
  readonly #byName = new Map<string, Map<string, Entry>>()
  readonly #jitter: number
  readonly #limit: number
  #size = 0

  /**
   * @param jitter 0 to 0.02, the share of the life that every refresh is put off by, so that hosts do not ask in chorus
   * @param limit number of records that are kept at most; long TXT data counts as several
   */
  constructor(jitter = 0, limit = 50_000) {
    this.#jitter = jitter
    this.#limit = limit
  }

  get size(): number {
    return this.#size
  }

  /** Takes in the records of one packet. */
  add(records: readonly ResourceRecord[], now: number): CacheChange {
    const names = new Set<string>()
    const heard = new Set<Entry>()
    let refused = 0
    for (const record of records) {
      const name = nameKey(record.name)
      const key = `${record.data.type}|${dataKey(record.data)}`
      let entry = this.#byName.get(name)?.get(key)
      if (record.ttl === 0) {
        if (entry === undefined) continue
        if (!entry.leaving) names.add(name)
        this.#leave(entry, now)
        heard.add(entry)
        continue
      }
      const life = Math.min(record.ttl, maxTtl) * 1000
      if (entry === undefined) {
        if (this.#size + weight(record) > this.#limit) {
          refused++
          continue
        }
        entry = { record, receivedAt: now, expiresAt: now + life, leaving: false, stage: 0 }
        let entries = this.#byName.get(name)
        if (entries === undefined) this.#byName.set(name, (entries = new Map()))
        entries.set(key, entry)
        this.#size += weight(record)
        names.add(name)
      } else {
        if (entry.leaving) names.add(name)
        Object.assign(entry, { record, receivedAt: now, expiresAt: now + life, leaving: false, stage: 0 })
      }
      heard.add(entry)
    }
    for (const record of records) {
      if (!record.flush) continue
      const name = nameKey(record.name)
      for (const entry of this.#byName.get(name)?.values() ?? []) {
        if (entry.record.data.type !== record.data.type || heard.has(entry) || entry.leaving) continue
        // The addresses of a host may come in several packets, one after the other; SRV and TXT come whole.
        if ('address' in record.data && now - entry.receivedAt < graceMs) continue
        this.#leave(entry, now)
        names.add(name)
      }
    }
    return { names, refused }
  }

  /** Live records of a name and type, the newest first. */
  find(name: string, type: number, now: number): CachedRecord[] {
    const found: Entry[] = []
    for (const entry of this.#byName.get(nameKey(name))?.values() ?? []) {
      if (entry.record.data.type === type && entry.expiresAt > now) found.push(entry)
    }
    return found.length > 1 ? found.sort((a, b) => b.receivedAt - a.receivedAt) : found
  }

  /** One live record by the key of its name, and its type and data as `type|dataKey`. */
  get(name: string, key: string, now: number): CachedRecord | undefined {
    const entry = this.#byName.get(name)?.get(key)
    return entry === undefined || entry.expiresAt <= now ? undefined : entry
  }

  /** Answers that need not be sent to us: at least half of their life is left (RFC 6762 §7.1). Their TTL is what is left. */
  knownAnswers(name: string, type: number, now: number): ResourceRecord[] {
    return this.find(name, type, now).flatMap(({ record, expiresAt, leaving }) => {
      const left = expiresAt - now
      return leaving || left * 2 < record.ttl * 1000 ? [] : [{ ...record, flush: false, ttl: Math.floor(left / 1000) }]
    })
  }

  /** Removes what has run out and returns it. */
  expire(now: number): ResourceRecord[] {
    const gone: ResourceRecord[] = []
    for (const [name, entries] of this.#byName) {
      for (const [key, entry] of entries) {
        if (entry.expiresAt > now) continue
        entries.delete(key)
        this.#size -= weight(entry.record)
        gone.push(entry.record)
      }
      if (entries.size === 0) this.#byName.delete(name)
    }
    return gone
  }

  /** Forgets records at once. */
  remove(name: string, type: number, data?: string): void {
    const entries = this.#byName.get(nameKey(name))
    for (const [key, entry] of entries ?? []) {
      if (entry.record.data.type !== type || (data !== undefined && dataKey(entry.record.data) !== data)) continue
      entries?.delete(key)
      this.#size -= weight(entry.record)
    }
    if (entries?.size === 0) this.#byName.delete(nameKey(name))
  }

  /** Records that are wanted and have passed a refresh point since the last call. */
  due(now: number, wanted: (record: ResourceRecord) => boolean): ResourceRecord[] {
    const due: ResourceRecord[] = []
    for (const entries of this.#byName.values()) {
      for (const entry of entries.values()) {
        if (this.#refreshTime(entry) > now) continue
        while (this.#refreshTime(entry) <= now) entry.stage++
        if (wanted(entry.record)) due.push(entry.record)
      }
    }
    return due
  }

  /** When `expire` or `due` will have something to say next; Infinity when never. */
  nextEvent(): number {
    let next = Infinity
    for (const entries of this.#byName.values()) {
      for (const entry of entries.values()) next = Math.min(next, entry.expiresAt, this.#refreshTime(entry))
    }
    return next
  }

  #leave(entry: Entry, now: number): void {
    entry.expiresAt = Math.min(entry.expiresAt, now + graceMs)
    entry.leaving = true
    entry.stage = refreshAt.length
  }

  #refreshTime(entry: Entry): number {
    const share = refreshAt[entry.stage]
    return share === undefined ? Infinity : entry.receivedAt + (entry.expiresAt - entry.receivedAt) * (share + this.#jitter)
  }
}
