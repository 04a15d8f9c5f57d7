import { isUtf8 } from 'node:buffer'
import { diffArrays } from 'diff/lib/diff/array.js'
import { commonPrefix, commonSuffix } from './common-ends.ts'
import { replicatorErrors } from '../errors.ts'

/** Strings below this many bytes are replaced as a whole (delta.md §3). */
const MIN_TEXT_BYTES = 60
/** Beyond it, or when more words differ than {@link MAX_EDITS}, the changed stretch is replaced as a whole: time is bounded, not guessed by a clock. */
const MAX_COMPARED = 1024 * 1024
const MAX_EDITS = 250
/** Equal bytes between two changes that cost no less to be copied than to be sent. */
const WORTH_COPYING = 7
const MAX_COUNT = 0x7fffffff

/** Words, single signs of scripts that write without blanks, blanks, and anything else sign by sign. */
const TOKENS = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]|[\p{L}\p{M}\p{N}_]+|\s+|./gsu
const LONE_SURROGATE = /\p{Surrogate}/u

interface Change {
  /** Bytes to copy first, to leave out then, and text to put in. */
  readonly copied: number
  readonly removed: number
  readonly added: string
}

/** Whether text has a UTF-8 form at all. */
export function hasUtf8(text: string): boolean {
  return !LONE_SURROGATE.test(text)
}

/**
 * The operations that make `after` of `before`, over their UTF-8 bytes (delta.md §2), when that is worthwhile.
 * Every inserted run consists of whole characters.
 */
export function makeTextPatch(before: string, after: string): string | undefined {
  const size = Buffer.byteLength(after)
  if (size < MIN_TEXT_BYTES || !hasUtf8(before) || !hasUtf8(after)) return undefined
  const patch = format(changesOf(before, after))
  return Buffer.byteLength(patch) + 6 < size ? patch : undefined
}

/**
 * The bytes that operations make of `before`.
 * @throws ERR_REPL_DELTA_MALFORMED when they are no operations, ERR_REPL_DELTA_MISMATCH when they are not of this text.
 */
export function applyTextPatch(before: Uint8Array, patch: Uint8Array): Buffer {
  const pieces: Uint8Array[] = []
  let from = 0
  let at = 0
  while (at < patch.length) {
    let count = 0
    const start = at
    for (let code = patch[at] as number; code >= 0x30 && code <= 0x39; code = patch[++at] ?? 0) {
      count = count * 10 + code - 0x30
      if (count > MAX_COUNT) throw malformed('a count is too large')
    }
    if (at === start) throw malformed('a count is missing')
    const operation = patch[at++]
    if (operation === PLUS) {
      if (patch[at + count] !== BAR) throw malformed('an insertion does not end where it should')
      pieces.push(patch.subarray(at, at + count))
      at += count + 1
      continue
    }
    if (operation !== EQUALS && operation !== MINUS) throw malformed('there is an unknown operation')
    if (from + count > before.length) throw mismatch(`it goes on for more than the ${before.length} bytes of the old text`)
    if (operation === EQUALS) pieces.push(before.subarray(from, from + count))
    from += count
  }
  if (patch.length === 0) throw malformed('it is empty')
  if (from !== before.length) throw mismatch(`it ends at byte ${from} of the ${before.length} of the old text`)
  const after = Buffer.concat(pieces)
  if (!isUtf8(after)) throw mismatch('the new text is not UTF-8')
  return after
}

const PLUS = 0x2b
const MINUS = 0x2d
const EQUALS = 0x3d
const BAR = 0x7c

function changesOf(before: string, after: string): Change[] {
  const prefix = wholePrefix(before, after)
  const suffix = wholeSuffix(before, after, Math.min(before.length, after.length) - prefix)
  const changed = { before: before.slice(prefix, before.length - suffix), after: after.slice(prefix, after.length - suffix) }
  const changes = stretches(changed.before, changed.after)
  const lead = Buffer.byteLength(before.slice(0, prefix))
  const trail = Buffer.byteLength(before.slice(before.length - suffix))
  const first = changes[0]
  if (first !== undefined) changes[0] = { ...first, copied: first.copied + lead }
  changes.push({ copied: first === undefined ? lead + trail : trail, removed: 0, added: '' })
  return changes
}

/** The changes between two texts that differ at their start and at their end. */
function stretches(before: string, after: string): Change[] {
  if (before === '' && after === '') return []
  const whole = [{ copied: 0, removed: Buffer.byteLength(before), added: after }]
  if (before === '' || after === '' || before.length > MAX_COMPARED || after.length > MAX_COMPARED) return whole
  const parts = diffArrays(before.match(TOKENS) ?? [], after.match(TOKENS) ?? [], { maxEditLength: MAX_EDITS })
  if (parts === undefined) return whole
  const changes: Change[] = []
  let copied = 0
  let removed = 0
  let added = ''
  for (const part of parts) {
    const text = part.value.join('')
    const bytes = Buffer.byteLength(text)
    if (part.removed) removed += bytes
    else if (part.added) added += text
    else if (bytes < WORTH_COPYING && (removed > 0 || added !== '')) {
      removed += bytes
      added += text
    } else {
      if (removed > 0 || added !== '') changes.push({ copied, removed, added })
      copied = bytes
      removed = 0
      added = ''
    }
  }
  changes.push({ copied, removed, added })
  return changes
}

function format(changes: readonly Change[]): string {
  let patch = ''
  for (const { copied, removed, added } of changes) {
    if (copied > 0) patch += `${copied}=`
    if (removed > 0) patch += `${removed}-`
    if (added !== '') patch += `${Buffer.byteLength(added)}+${added}|`
  }
  return patch
}

/** The same as {@link commonPrefix}, without half a character at its end. */
function wholePrefix(a: string, b: string): number {
  const length = commonPrefix(a, b)
  return length > 0 && isHigh(a.charCodeAt(length - 1)) ? length - 1 : length
}

function wholeSuffix(a: string, b: string, limit: number): number {
  const length = commonSuffix(a, b, limit)
  return length > 0 && isLow(a.charCodeAt(a.length - length)) ? length - 1 : length
}

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit < 0xdc00
const isLow = (unit: number): boolean => unit >= 0xdc00 && unit < 0xe000

const malformed = (why: string): Error =>
  replicatorErrors.create('ERR_REPL_DELTA_MALFORMED', `The text patch of a delta cannot be read: ${why}`)
const mismatch = (why: string): Error =>
  replicatorErrors.create('ERR_REPL_DELTA_MISMATCH', `The text patch of a delta does not fit the document: ${why}`)
