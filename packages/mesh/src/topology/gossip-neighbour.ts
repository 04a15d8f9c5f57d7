import { type TopologyRecord, keyOf } from './topology-record.ts'

/** What gossip keeps of a neighbour. */
export interface GossipNeighbour {
  readonly id: string
  readonly key: string
  /** From 0; its bit in the entries of the table. */
  readonly number: number
  /** What it has still to be told: whether we want the link. */
  toTell: boolean | undefined
  /** It has our own record. */
  hasOwn: boolean
  /** It may lack anything, and not only what changed lately. */
  behind: boolean
  /** A record in its name that came from elsewhere and is newer than what it said itself. */
  dispute: TopologyRecord | undefined
  /** Since when it says what cannot be true. */
  deniesSince: number | undefined
  inventsSince: number | undefined
  messages: number
  records: number
  filledAt: number
}

/** Honest neighbours send four messages in half a second when much is new, and now and then one about the link. */
const messageBurst = 100
const messagesPerSecond = 20
/** All records that there may be, twice, and then one change of everything in every interval: 100 in a second. */
const recordBurst = 8192
const recordsPerSecond = 200

export function createNeighbour(id: string, number: number, now: number): GossipNeighbour {
  return {
    id,
    key: keyOf(id),
    number,
    toTell: undefined,
    hasOwn: false,
    behind: true,
    dispute: undefined,
    deniesSince: undefined,
    inventsSince: undefined,
    messages: messageBurst,
    records: recordBurst,
    filledAt: now
  }
}

/** Takes one message off the neighbour's budget; false when there is none left. */
export function admitMessage(neighbour: GossipNeighbour, now: number): boolean {
  const seconds = Math.max(0, now - neighbour.filledAt) / 1000
  neighbour.filledAt = now
  neighbour.messages = Math.min(messageBurst, neighbour.messages + seconds * messagesPerSecond)
  neighbour.records = Math.min(recordBurst, neighbour.records + seconds * recordsPerSecond)
  if (neighbour.messages < 1) return false
  neighbour.messages--
  return true
}

/** Takes records off the neighbour's budget; false when they are too many. */
export function admitRecords(neighbour: GossipNeighbour, count: number): boolean {
  if (neighbour.records < count) return false
  neighbour.records -= count
  return true
}
