import type { DeviceRecord } from '../backend/contracts.ts'
import { Rate } from './rate.ts'
import { SignalStrength } from './signal-strength.ts'

/** Names are at most this long when they reach applications; in advertisements they have 29 bytes. */
const maxNameLength = 100
/** Reads from one address: so many at once, and per second in the long run. */
const readBurst = 8
const readsPerSecond = 0.5

/** What is known of the device behind one address. */
export interface Sighting {
  readonly id: string
  /** Undefined until a scan response was heard. */
  readonly name: string | undefined
  readonly strength: SignalStrength
  /** What was read last. */
  readonly record: DeviceRecord | undefined
  /** Applications were told of it. */
  readonly listed: boolean
  /** It advertises no tag: changes show only to who asks or subscribes. */
  readonly untagged: boolean
}

/** A {@link Sighting} as its table sees it. Times are milliseconds of the monotonic clock. */
export interface Entry extends Sighting {
  name: string | undefined
  record: DeviceRecord | undefined
  listed: boolean
  untagged: boolean
  advertisesConnectable: boolean
  tag: number | undefined
  readonly firstHeard: number
  lastHeard: number
  /** Advertisements so far: what is really there goes on being heard. */
  heard: number
  reading: boolean
  /** The tag that was advertised when the reading under way, and the last that succeeded, began. */
  readingTag: number | undefined
  readTag: number | undefined
  readAt: number
  /** What was read has proved wrong. */
  stale: boolean
  failures: number
  /** When reading failed last, if it did after the last success. */
  failedAt: number | undefined
  /** The device turned out not to be a peer; not listed for want of success. */
  noPeer: boolean
  /** It is this device, heard by itself. */
  own: boolean
  notBefore: number
  readonly reads: Rate
  /** Something that was reported has changed. */
  dirty: boolean
  reportedAt: number
}

export function newEntry(id: string, minRssi: number, now: number): Entry {
  return {
    id,
    name: undefined,
    strength: new SignalStrength(minRssi),
    record: undefined,
    listed: false,
    untagged: true,
    advertisesConnectable: true,
    tag: undefined,
    firstHeard: now,
    lastHeard: now,
    heard: 0,
    reading: false,
    readingTag: undefined,
    readTag: undefined,
    readAt: now,
    stale: false,
    failures: 0,
    failedAt: undefined,
    noPeer: false,
    own: false,
    notBefore: now,
    reads: new Rate(readsPerSecond, readBurst, now),
    dirty: false,
    reportedAt: -Infinity
  }
}

/** A name as the air carries it, fit to be shown; undefined when nothing is left of it. */
export function cleanName(name: string | undefined): string | undefined {
  const clean = name?.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ').trim()
  return clean === undefined || clean === '' ? undefined : clean.slice(0, maxNameLength)
}
