/** Documents as lines of JSON, the id in `_id`. Bodies keep their bytes: numbers, order of keys and blanks are not touched. Pure. */

export interface DocumentLine {
  readonly id: string
  /** JSON text without `_id` and `_rev`. */
  readonly body: string
}

/**
 * Separates `_id` (and `_rev`, which is dropped) from the rest of a JSON object. Only what has to be looked at is checked; the rest is left
 * to whoever parses the body.
 * @throws SyntaxError for what is not JSON, TypeError for JSON that is no object with a string `_id`.
 */
export function parseDocumentLine(text: string): DocumentLine {
  return shortWay(text) ?? longWay(text)
}

/** One line with its line break: `_id` first, then the stored bytes; line breaks between tokens become blanks. */
export function formatDocumentLine(id: string, revId: string | undefined, json: Buffer): Buffer {
  const body = onOneLine(json)
  let at = body.indexOf(OPEN) + 1
  const rest = body.subarray(at)
  at = 0
  while (isBlank(rest[at])) at++
  const head = `{"_id":${JSON.stringify(id)}${revId === undefined ? '' : `,"_rev":${JSON.stringify(revId)}`}${rest[at] === CLOSE ? '' : ','}`
  return Buffer.concat([Buffer.from(head), rest, NEWLINE])
}

/** JSON bytes with blanks for line breaks, which in JSON stand between tokens only. */
export function onOneLine(json: Buffer): Buffer {
  if (!json.includes(LF) && !json.includes(CR)) return json
  const copy = Buffer.from(json)
  for (let at = 0; at < copy.length; at++) if (copy[at] === LF || copy[at] === CR) copy[at] = BLANK
  return copy
}

/** Lines as `export` writes them: `{"_id":"…",` and no `_rev`. */
function shortWay(text: string): DocumentLine | undefined {
  if (!text.startsWith(START) || text.includes('"_rev"')) return undefined
  const start = START.length - 1
  const end = stringEnd(text, start)
  if (text[end] !== ',' || text[skip(BLANKS, text, end + 1)] !== '"') return undefined
  const id = JSON.parse(text.slice(start, end)) as string
  return { id, body: `{${text.slice(end + 1)}` }
}

function longWay(text: string): DocumentLine {
  const members = topLevelMembers(text)
  const kept = members.filter(({ key }) => key !== '_id' && key !== '_rev')
  const ids = members.filter(({ key }) => key === '_id')
  const [member] = ids
  if (member === undefined) throw new TypeError('it has no "_id"')
  if (ids.length > 1) throw new TypeError('it has more than one "_id"')
  const id: unknown = JSON.parse(text.slice(member.value, member.end))
  if (typeof id !== 'string') throw new TypeError('its "_id" is not a string')
  const last = members.at(-1) as Member
  const inside =
    kept.length === 0 ? text.slice(last.end, last.delimiter) : kept.map((each) => text.slice(each.start, each.delimiter)).join(',')
  return { id, body: `{${inside}}` }
}

interface Member {
  readonly key: string
  /** Behind the `{` or `,` in front. */
  readonly start: number
  readonly value: number
  readonly end: number
  /** Of the `,` or `}` behind. */
  readonly delimiter: number
}

/** @throws SyntaxError for what is not JSON as far as it was looked at, TypeError for other JSON than an object. */
function topLevelMembers(text: string): Member[] {
  const open = skip(BLANKS, text, 0)
  if (text[open] !== '{') throw malformed(text)
  const members: Member[] = []
  let start = open + 1
  if (text[skip(BLANKS, text, start)] === '}') {
    if (skip(BLANKS, text, skip(BLANKS, text, start) + 1) !== text.length) throw malformed(text)
    return members
  }
  for (;;) {
    const key = skip(BLANKS, text, start)
    const keyEnd = text[key] === '"' ? stringEnd(text, key) : key
    const colon = skip(BLANKS, text, keyEnd)
    const value = skip(BLANKS, text, colon + 1)
    const end = valueEnd(text, value)
    const delimiter = skip(BLANKS, text, end)
    const mark = text[delimiter]
    if (keyEnd === key || text[colon] !== ':' || end === value || (mark !== ',' && mark !== '}')) throw malformed(text)
    members.push({ key: JSON.parse(text.slice(key, keyEnd)) as string, start, value, end, delimiter })
    start = delimiter + 1
    if (mark === ',') continue
    if (skip(BLANKS, text, start) !== text.length) throw malformed(text)
    return members
  }
}

/** What the real parser says about it, or that it is no object. */
function malformed(text: string): Error {
  const value: unknown = JSON.parse(text)
  return new TypeError(`it is ${Array.isArray(value) ? 'an array' : value === null ? 'null' : `a ${typeof value}`}, not a JSON object`)
}

/** The index behind the value that starts at `start`; `start` when there is none. */
function valueEnd(text: string, start: number): number {
  const first = text[start]
  if (first === '"') return stringEnd(text, start)
  if (first !== '{' && first !== '[') return skip(SCALAR, text, start)
  let depth = 0
  for (let at = start; at < text.length; ) {
    const char = text[at]
    if (char === '"') {
      const end = stringEnd(text, at)
      if (end === at) return start
      at = end
      continue
    }
    if (char === '{' || char === '[') depth++
    else if ((char === '}' || char === ']') && --depth === 0) return at + 1
    at++
  }
  return start
}

/** The index behind the string that starts at `start`; `start` when it does not end. */
function stringEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) return at + 1
    if (code === BACKSLASH) at++
  }
  return start
}

function skip(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from
  return pattern.test(text) ? pattern.lastIndex : from
}

function isBlank(byte: number | undefined): boolean {
  return byte === BLANK || byte === 0x09 || byte === LF || byte === CR
}

const START = '{"_id":"'
const BLANKS = /[ \t\r\n]*/y
const SCALAR = /[-+.\w]+/y
const LF = 0x0a
const CR = 0x0d
const BLANK = 0x20
const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN = 0x7b
const CLOSE = 0x7d
const NEWLINE = Buffer.from('\n')
