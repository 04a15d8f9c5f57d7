import type { Offence, OffenceKind } from './offences.ts'
import { type GossipNeighbour, admitMessage, admitRecords, createNeighbour } from './gossip-neighbour.ts'
import { type TopologyCodec, mostBytes } from './topology-codec.ts'
import { isNewer, type TopologyRecord } from './topology-record.ts'
import type { TopologyEntry, TopologyTable } from './topology-table.ts'
import { TruthCheck } from './truth-check.ts'

export interface GossipOptions {
  readonly table: TopologyTable
  readonly codec: TopologyCodec
  readonly random: () => number
  /** A neighbour said whether it wants the link. */
  readonly onWanted: (id: string, wanted: boolean) => void
}

/** A message for a neighbour. */
export interface OutgoingGossip {
  readonly id: string
  readonly body: Uint8Array
}

/** So many neighbours can be told apart in the bits of an entry: nobody may have more links. */
export const mostNeighbours = 31
/** Messages to one neighbour at a time; what is left follows an interval later. */
const mostMessages = 4
/** Everybody says something new at least this often, and is forgotten after three times of it. */
const renewMs = 600_000
const expireMs = 3 * renewMs

/**
 * Spreads link-state records: tells each neighbour what it does not have yet, in batches whose pause grows with the number of peers. A record travels over each
 * link once at most, as who got it from the other side need not send it there. Does nothing by itself: see {@link due}.
 *
 * Of a neighbour only its own word counts; what others say of it is shown to it, so that it can outbid what it did not issue.
 */
export class Gossip {
  readonly #table: TopologyTable
  readonly #codec: TopologyCodec
  readonly #random: () => number
  readonly #onWanted: GossipOptions['onWanted']
  readonly #neighbours = new Map<string, GossipNeighbour>()
  readonly #byKey = new Map<string, GossipNeighbour>()
  readonly #truth: TruthCheck
  #numbers = 0
  /** Entries that changed since the last batch. */
  #changed = new Set<TopologyEntry>()
  #ownChanged = false
  #offences: Offence[] = []
  /** When the next batch goes out, once there is something to say. */
  #batchAt = Number.POSITIVE_INFINITY
  #lastBatch = Number.NEGATIVE_INFINITY
  #renewAt: number | undefined
  #checkAt = Number.POSITIVE_INFINITY
  #settles = false
  #tells = false

  constructor({ table, codec, random, onWanted }: GossipOptions) {
    this.#table = table
    this.#codec = codec
    this.#random = random
    this.#onWanted = onWanted
    this.#truth = new TruthCheck(table)
  }

  /** The neighbour can be told things from now on, and knows nothing yet. */
  opened(id: string, now: number): void {
    this.closed(id)
    let number = 0
    while (number < mostNeighbours && this.#numbers & (1 << number)) number++
    if (number === mostNeighbours) return
    this.#numbers |= 1 << number
    const neighbour = createNeighbour(id, number, now)
    this.#neighbours.set(id, neighbour)
    this.#byKey.set(neighbour.key, neighbour)
    this.#checkAt = Math.min(this.#checkAt, now + this.#checkPause)
    this.#plan(now)
  }

  /** It is no neighbour any more. */
  closed(id: string): void {
    const neighbour = this.#neighbours.get(id)
    if (neighbour === undefined) return
    this.#neighbours.delete(id)
    this.#byKey.delete(neighbour.key)
    this.#numbers &= ~(1 << neighbour.number)
    this.#table.sourceGone(neighbour.number)
  }

  /** The neighbour has to know whether we want the link. */
  tell(id: string, wanted: boolean): void {
    const neighbour = this.#neighbours.get(id)
    if (neighbour === undefined) return
    neighbour.toTell = wanted
    this.#tells = true
  }

  /** Our own links changed. */
  ownChanged(now: number): void {
    this.#ownChanged = true
    for (const neighbour of this.#neighbours.values()) neighbour.hasOwn = false
    this.#plan(now)
  }

  /** A message came in. Whatever is in it, nothing is thrown. */
  received(id: string, body: Uint8Array, now: number): void {
    const neighbour = this.#neighbours.get(id)
    if (neighbour === undefined) return
    if (!admitMessage(neighbour, now)) {
      this.#offend(neighbour, 'flood', 'more topology messages than anybody needs')
      return
    }
    const message = this.#codec.decode(body)
    if (message === undefined) {
      this.#offend(neighbour, 'malformed', 'a topology message that is not well formed')
      return
    }
    if (message.wanted !== undefined) this.#onWanted(id, message.wanted)
    if (!admitRecords(neighbour, message.records.length)) {
      this.#offend(neighbour, 'flood', 'more topology records than there can be changes')
      return
    }
    for (const record of message.records) this.#take(record, neighbour)
    if (this.#changed.size > 0 || this.#ownChanged) this.#plan(now)
  }

  /** Adds the batches whose time has come to what is sent. */
  due(now: number, send: OutgoingGossip[]): void {
    this.#renewAt ??= now + renewMs * (0.75 + 0.25 * this.#random())
    if (now >= this.#renewAt) this.#renew(now)
    if (now >= this.#batchAt) this.#batch(now, send)
    if (now >= this.#checkAt) {
      for (const { id, detail } of this.#truth.check(this.#neighbours.values(), now)) this.#offences.push({ id, kind: 'lie', detail })
      this.#checkAt = this.#neighbours.size === 0 ? Number.POSITIVE_INFINITY : now + this.#checkPause
    }
  }

  /** Adds to what is sent who has to know whether we want the link. That does not wait for a batch. */
  tellings(send: OutgoingGossip[]): void {
    if (!this.#tells) return
    this.#tells = false
    for (const neighbour of this.#neighbours.values()) {
      if (neighbour.toTell === undefined) continue
      send.push({ id: neighbour.id, body: this.#codec.encode({ wanted: neighbour.toTell, records: this.#ownFor(neighbour) }) })
      neighbour.toTell = undefined
    }
  }

  /** What neighbours did wrong since the last time. */
  takeOffences(): readonly Offence[] {
    const offences = this.#offences
    if (offences.length > 0) this.#offences = []
    return offences
  }

  /** Ids of the neighbours that are open. */
  get open(): Iterable<string> {
    return this.#neighbours.keys()
  }

  /** When {@link due} has something next, if nothing happens before. */
  get nextAt(): number {
    return Math.min(this.#batchAt, this.#checkAt, this.#renewAt ?? Number.NEGATIVE_INFINITY)
  }

  get #checkPause(): number {
    return Math.max(15_000, 3 * this.#table.intervalMs)
  }

  /** How often records of ours came along that we did not issue: somebody lies in our name, or uses our identity. */
  get contested(): number {
    return this.#truth.contested
  }

  #take(record: TopologyRecord, neighbour: GossipNeighbour): void {
    const table = this.#table
    if (record.key === table.own.key) {
      this.#takeOwn(record)
      return
    }
    const first = record.id === neighbour.id
    const known = table.entry(record.key)
    const bit = 1 << neighbour.number
    if (known !== undefined && known.record.id !== record.id) return
    if (known !== undefined && known.record.epoch === record.epoch && known.record.version === record.version) {
      known.has |= bit
      if (!first || known.record === record || known.record.text === record.text) return
    } else if (!first) {
      const subject = this.#byKey.get(record.key)
      if (subject !== undefined && subject !== neighbour) {
        // It is a neighbour itself, and will tell us if this is true.
        if (known === undefined || isNewer(record, known.record)) subject.dispute = record
        return
      }
      if (known !== undefined && !isNewer(record, known.record)) {
        known.has &= ~bit
        this.#changed.add(known)
        return
      }
    }
    const entry = table.store(record, neighbour.number)
    if (entry === undefined) return
    entry.has = bit
    this.#changed.add(entry)
    this.#settles = true
    if (first) neighbour.dispute = undefined
  }

  /** A record in our name: if we did not issue it, ours gets a higher number. */
  #takeOwn(record: TopologyRecord): void {
    const { own, localId } = this.#table
    if (record.id !== localId || isNewer(own, record) || record.text === own.text) return
    this.#truth.contested++
    this.#table.reissue(record)
    this.#ownChanged = true
    for (const neighbour of this.#neighbours.values()) neighbour.hasOwn = false
  }

  #batch(now: number, send: OutgoingGossip[]): void {
    const changed = this.#changed
    this.#changed = new Set()
    this.#ownChanged = false
    this.#lastBatch = now
    this.#batchAt = Number.POSITIVE_INFINITY
    for (const neighbour of this.#neighbours.values()) {
      const records = this.#ownFor(neighbour)
      if (neighbour.dispute !== undefined) records.push(neighbour.dispute)
      neighbour.dispute = undefined
      const complete = this.#collect(neighbour, neighbour.behind ? this.#table.entries : changed, records)
      neighbour.behind = !complete
      if (!complete) this.#plan(now)
      this.#pack(neighbour, records, send)
    }
    if (this.#settles) this.#table.settle()
    this.#settles = false
  }

  /** Adds what the neighbour does not have, as much as may be sent at a time. @returns whether that is all. */
  #collect(neighbour: GossipNeighbour, entries: Iterable<TopologyEntry>, records: TopologyRecord[]): boolean {
    const bit = 1 << neighbour.number
    let room = mostMessages * mostBytes
    for (const { text } of records) room -= text.length + 1
    for (const entry of entries) {
      if (entry.has & bit || entry.record.key === neighbour.key) continue
      room -= entry.record.text.length + 1
      if (room < 0) return false
      entry.has |= bit
      records.push(entry.record)
    }
    return true
  }

  #pack(neighbour: GossipNeighbour, records: readonly TopologyRecord[], send: OutgoingGossip[]): void {
    let [from, bytes] = [0, 0]
    for (const [index, { text }] of records.entries()) {
      if (bytes + text.length > mostBytes - 100) {
        send.push({ id: neighbour.id, body: this.#codec.encode({ wanted: undefined, records: records.slice(from, index) }) })
        from = index
        bytes = 0
      }
      bytes += text.length + 1
    }
    if (from < records.length)
      send.push({ id: neighbour.id, body: this.#codec.encode({ wanted: undefined, records: records.slice(from) }) })
  }

  #ownFor(neighbour: GossipNeighbour): TopologyRecord[] {
    if (neighbour.hasOwn) return []
    neighbour.hasOwn = true
    return [this.#table.own]
  }

  #renew(now: number): void {
    this.#renewAt = now + renewMs * (0.75 + 0.25 * this.#random())
    this.#table.expire(expireMs)
    this.#table.reissue()
    this.#settles = true
    this.ownChanged(now)
  }

  /** A batch goes out an interval after the last one, and not at once: what belongs together comes together. */
  #plan(now: number): void {
    if (this.#batchAt < Number.POSITIVE_INFINITY || this.#neighbours.size === 0) return
    const { intervalMs } = this.#table
    const earliest = now + Math.min(intervalMs, 500) * (0.2 + 0.2 * this.#random())
    this.#batchAt = Math.max(earliest, this.#lastBatch + intervalMs * (0.9 + 0.2 * this.#random()))
  }

  #offend(neighbour: GossipNeighbour, kind: OffenceKind, detail: string): void {
    if (this.#offences.length < 64) this.#offences.push({ id: neighbour.id, kind, detail })
  }
}
