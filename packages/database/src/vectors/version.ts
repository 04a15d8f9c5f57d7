/**
 * One version of a document in a vector (cbmobile.md §15): `<hex time>@<source>`, lowercase, without leading zeros. Kept as text everywhere,
 * because its time has 63 bits, more than a number holds, and because it is stored and sent as text: nothing is converted on the way.
 */
const PATTERN = /^(?:[1-9a-f][0-9a-f]{0,14}|[1-7][0-9a-f]{15})@[A-Za-z0-9+/]{21}[AQgw]$/

/** Characters of a source: 16 bytes in base64 without padding. */
const SOURCE_LENGTH = 22

/** What Couchbase Lite writes as `*` when it means itself; never another one's id. */
const NOBODY = 'A'.repeat(SOURCE_LENGTH)

/** Longest version, in characters. */
const MAX_VERSION = 16 + 1 + SOURCE_LENGTH

/** Whether `text` is a version in absolute form; `*` and the source of zeros it stands for are none. */
export function isVersion(text: string): boolean {
  return text.length <= MAX_VERSION && PATTERN.test(text) && !text.endsWith(NOBODY)
}

/** The time of a valid version, as hexadecimal digits. */
export function timeOf(version: string): string {
  return version.slice(0, -(SOURCE_LENGTH + 1))
}

/** The database that made a valid version. */
export function sourceOf(version: string): string {
  return version.slice(-SOURCE_LENGTH)
}

/** Orders times in hexadecimal digits without leading zeros; the empty text comes before all. */
export function compareTimes(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length
  return a === b ? 0 : a < b ? -1 : 1
}

/** Orders versions by time, and those of one time by source, so that all peers order them alike. Positive: `a` is later. */
export function compareVersions(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length
  return a === b ? 0 : a < b ? -1 : 1
}

/** The source under which a database makes versions: the bytes of its private UUID (cbmobile.md §15). */
export function sourceIdOf(uuid: string): string {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex').toString('base64').slice(0, SOURCE_LENGTH)
}
