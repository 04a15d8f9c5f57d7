import { isPeerId } from '@kithmesh/core/plugin'
import type { LinkTopology } from './contracts.ts'
import { type TopologyGraph, roleOf } from './components.ts'
import { type TopologyRecord, createRecord, isNewer, keyOf, lastEpoch, mostNeighbours, nextNumber } from './topology-record.ts'

/** A record as the table keeps it. */
export interface TopologyEntry {
  record: TopologyRecord
  /** Bit n: neighbour n has it. */
  has: number
  /** Number of the neighbour that brought it first; -1: one that is gone. */
  source: number
  /** When it came, in whole seconds. */
  at: number
  /** Of the last walk that came by. */
  walk: number
}

export interface TopologyTableOptions {
  readonly localId: string
  /** When this device began, milliseconds since 1970. */
  readonly epoch: number
  /** Most records that are kept. Default 4,096. */
  readonly limit?: number
}

/** A device of the mesh as gossip shows it. */
export interface TopologyPeer {
  readonly id: string
  /** The devices that both sides say they are linked with; a short id (16 digits) where its record is not known. */
  readonly neighbours: readonly string[]
  /** It hangs together with us. */
  readonly reached: boolean
  /** Milliseconds since its record came. */
  readonly ageMs: number
}

const shortestInterval = 500
const longestInterval = 30_000
const intervalPerPeer = 10
/** A record is news for so many intervals. */
const newsIntervals = 3

/**
 * What is known of everybody's links: the newest record of each device, and what follows from it for the plan of our own links. Bounded in number; who brings
 * the most records is the first to lose some.
 */
export class TopologyTable implements LinkTopology {
  readonly localId: string
  readonly #limit: number
  readonly #entries = new Map<string, TopologyEntry>()
  readonly #bySource = new Map<number, number>()
  #own: TopologyRecord
  #revision = 0
  #now = 0
  #candidates = 0
  #walk = 0
  #walked = -1
  #reached = 0
  #grewAt = 0
  readonly #simple = new Set<string>()

  constructor({ localId, epoch, limit = 4096 }: TopologyTableOptions) {
    this.localId = localId
    this.#limit = limit
    this.#own = createRecord(localId, Math.min(Math.max(0, Math.floor(epoch)), lastEpoch - 1), 1, [], 0)
  }

  /** Our own record. */
  get own(): TopologyRecord {
    return this.#own
  }
  get size(): number {
    return this.#entries.size
  }
  get revision(): number {
    return this.#revision
  }
  get intervalMs(): number {
    return Math.min(Math.max(shortestInterval, intervalPerPeer * Math.max(this.#entries.size, this.#candidates)), longestInterval)
  }
  get grewAt(): number {
    return this.#grewAt
  }
  get entries(): Iterable<TopologyEntry> {
    return this.#entries.values()
  }

  entry(key: string): TopologyEntry | undefined {
    return this.#entries.get(key)
  }

  /** Time goes by. @param candidates number of devices in view: many of them make gossip slower before their records are known. */
  tick(now: number, candidates: number): void {
    this.#now = now
    this.#candidates = candidates
  }

  /** What came in takes effect on the answers that the plan gets. */
  settle(): void {
    this.#revision++
  }

  /** We are linked with these now; others than devices with a peer id are nobody's business. @returns whether that is another record. */
  setLinks(links: Iterable<{ readonly id: string; readonly wanted: boolean }>): boolean {
    const neighbours: string[] = []
    let wanted = 0
    for (const link of links) {
      if (neighbours.length === mostNeighbours) break
      if (!isPeerId(link.id)) continue
      if (link.wanted) wanted += 2 ** neighbours.length
      neighbours.push(keyOf(link.id))
    }
    const own = this.#own
    if (wanted === own.wanted && neighbours.length === own.neighbours.length && neighbours.every((key, i) => key === own.neighbours[i]))
      return false
    this.#issue(own, neighbours, wanted)
    return true
  }

  /** Says the same again under a new number, so that others know that we are still there, or against a record of ours that we did not issue. */
  reissue(against: TopologyRecord = this.#own): void {
    this.#issue(isNewer(against, this.#own) ? against : this.#own, this.#own.neighbours, this.#own.wanted)
  }

  /** Stores a record. @returns undefined when there is no room for it. */
  store(record: TopologyRecord, source: number): TopologyEntry | undefined {
    let entry = this.#entries.get(record.key)
    if (entry === undefined) {
      if (this.#entries.size >= this.#limit && !this.#makeRoom(source)) return undefined
      entry = { record, has: 0, source, at: 0, walk: -1 }
      this.#entries.set(record.key, entry)
      this.#count(source, 1)
    }
    entry.record = record
    entry.has = 0
    entry.at = Math.floor(this.#now / 1000)
    return entry
  }

  /** Forgets records that nobody has renewed for this time. */
  expire(olderThanMs: number): void {
    const before = Math.floor((this.#now - olderThanMs) / 1000)
    for (const entry of this.#entries.values()) if (entry.at < before) this.#delete(entry)
  }

  /** A neighbour is gone; its number will be another's. */
  sourceGone(source: number): void {
    const bit = 2 ** source
    for (const entry of this.#entries.values()) {
      if (entry.has & bit) entry.has ^= bit
      if (entry.source === source) entry.source = -1
    }
    this.#count(-1, this.#bySource.get(source) ?? 0)
    this.#bySource.delete(source)
  }

  reaches(id: string): boolean {
    const key = keyOf(id)
    this.#walkNow()
    const entry = this.#entries.get(key)
    return entry === undefined ? this.#simple.has(key) : entry.walk === this.#walk
  }

  role(id: string): 'redundant' | 'bridge' | 'unknown' {
    const key = keyOf(id)
    if (this.#entries.has(key)) return roleOf(this.#graph, key)
    // A device that does not gossip: somebody else of our part has to be linked with it.
    this.#walkNow()
    for (const { record, walk } of this.#entries.values()) if (walk === this.#walk && record.neighbours.includes(key)) return 'redundant'
    return this.#now - this.#grewAt > newsIntervals * this.intervalMs ? 'bridge' : 'unknown'
  }

  degreeOf(id: string): number | undefined {
    return this.#entries.get(keyOf(id))?.record.neighbours.length
  }

  /** Everything, for people. */
  peers(): TopologyPeer[] {
    this.#walkNow()
    const graph = this.#graph
    const { own } = graph
    const name = (key: string): string => (key === own.key ? own.id : (this.#entries.get(key)?.record.id ?? key))
    const list: TopologyPeer[] = [{ id: own.id, neighbours: own.neighbours.map(name), reached: true, ageMs: 0 }]
    for (const { record, walk, at } of this.#entries.values()) {
      const neighbours = record.neighbours.filter((key) => graph.record(key)?.neighbours.includes(record.key) ?? true).map(name)
      list.push({ id: record.id, neighbours, reached: walk === this.#walk, ageMs: Math.max(0, this.#now - 1000 * at) })
    }
    return list
  }

  get #graph(): TopologyGraph {
    const own = this.#own
    return {
      own,
      record: (key) => (key === own.key ? own : this.#entries.get(key)?.record),
      isNews: (key) => this.#isNews(key)
    }
  }

  /** Marks everything in our part of the mesh. A link counts when both ends claim it; our own links count as we have them. */
  #walkNow(): void {
    if (this.#walked === this.#revision) return
    this.#walked = this.#revision
    const walk = ++this.#walk
    const own = this.#own
    const part: TopologyEntry[] = []
    this.#simple.clear()
    const step = (from: TopologyRecord): void => {
      for (const key of from.neighbours) {
        const entry = this.#entries.get(key)
        if (entry === undefined) {
          if (key !== own.key) this.#simple.add(key)
        } else if (entry.walk !== walk && (from === own || entry.record.neighbours.includes(from.key))) {
          entry.walk = walk
          part.push(entry)
        }
      }
    }
    step(own)
    for (let i = 0; i < part.length; i++) step((part[i] as TopologyEntry).record)
    if (part.length > this.#reached) this.#grewAt = this.#now
    this.#reached = part.length
  }

  #isNews(key: string): boolean {
    const entry = this.#entries.get(key)
    return entry === undefined || this.#now - 1000 * entry.at < newsIntervals * this.intervalMs
  }

  #issue(after: TopologyRecord, neighbours: readonly string[], wanted: number): void {
    const number = nextNumber(after)
    if (number === undefined) return
    this.#own = createRecord(this.localId, number.epoch, number.version, neighbours, wanted)
    this.#revision++
  }

  /** One record goes for a new one: of who brought the most, the oldest that is out of our reach. */
  #makeRoom(source: number): boolean {
    let [most, count] = [source, this.#bySource.get(source) ?? 0]
    for (const [other, number] of this.#bySource) if (number > count) [most, count] = [other, number]
    if (most === source) return false
    let oldest: TopologyEntry | undefined
    for (const entry of this.#entries.values()) {
      if (entry.source !== most) continue
      const reached = entry.walk === this.#walk
      const worse = oldest === undefined || (reached === (oldest.walk === this.#walk) ? entry.at < oldest.at : !reached)
      if (worse) oldest = entry
    }
    if (oldest !== undefined) this.#delete(oldest)
    return oldest !== undefined
  }

  #delete(entry: TopologyEntry): void {
    this.#entries.delete(entry.record.key)
    this.#count(entry.source, -1)
  }

  #count(source: number, change: number): void {
    this.#bySource.set(source, (this.#bySource.get(source) ?? 0) + change)
  }
}
