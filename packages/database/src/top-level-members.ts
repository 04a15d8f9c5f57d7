const QUOTE = 34
const BACKSLASH = 92
const OPEN = new Set([91, 123])
const CLOSE = new Set([93, 125])
const COMMA = 44
const COLON = 58

/**
 * The text of a JSON object without some of its top-level members, and with others added at its end. What stays keeps its text: numbers that no
 * double holds, and every other way to write a value, remain as they are.
 * @param text a valid JSON object.
 */
export function withMembers(text: string, keeps: (key: string) => boolean, added: Readonly<Record<string, unknown>>): string {
  const members = topLevelMembers(text).flatMap(({ key, start, end }) => (keeps(key) ? [text.slice(start, end)] : []))
  for (const [key, value] of Object.entries(added)) members.push(`${JSON.stringify(key)}:${JSON.stringify(value)}`)
  return `{${members.join(',')}}`
}

interface Member {
  readonly key: string
  /** From the quote of the key to the end of the value. */
  readonly start: number
  readonly end: number
}

/** Where the members of a valid JSON object lie in its text. */
function topLevelMembers(text: string): Member[] {
  const members: Member[] = []
  const begin = text.indexOf('{') + 1
  const end = text.lastIndexOf('}')
  let start = -1
  let key: string | undefined
  let depth = 0
  const finish = (at: number): void => {
    if (key !== undefined) members.push({ key, start, end: at })
    start = -1
    key = undefined
  }
  for (let at = begin; at < end; at += 1) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      if (depth === 0 && start < 0) start = at
      at = endOfString(text, at)
    } else if (OPEN.has(code)) depth += 1
    else if (CLOSE.has(code)) depth -= 1
    else if (depth === 0 && code === COLON) key ??= JSON.parse(text.slice(start, at)) as string
    else if (depth === 0 && code === COMMA) finish(at)
  }
  finish(end)
  return members
}

/** The position of the closing quote of the string that begins at `from`. */
function endOfString(text: string, from: number): number {
  for (let at = from + 1; ; at += 1) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) return at
    if (code === BACKSLASH) at += 1
  }
}
