/**
 * Where a text stops being JSON: the index of the first character that cannot be right, or its length when it ends too early.
 * Only called for texts that `JSON.parse` refused, whose messages do not always say where.
 */
export function findJsonError(text: string): number {
  const nesting: ('[' | '{')[] = []
  let at = 0
  let expect: 'value' | 'key' | 'first key' | 'first value' | 'after' = 'value'
  const skip = (pattern: RegExp): boolean => {
    pattern.lastIndex = at
    const found = pattern.exec(text)
    if (found === null) return false
    at += found[0].length
    return true
  }
  for (;;) {
    skip(BLANKS)
    const char = text[at]
    if (char === undefined) return at
    if (expect === 'after') {
      const open = nesting[nesting.length - 1]
      if (open === undefined) return at
      if (char === ',') {
        at += 1
        expect = open === '{' ? 'key' : 'value'
      } else if (char === (open === '{' ? '}' : ']')) {
        at += 1
        nesting.pop()
      } else return at
    } else if (expect === 'key' || expect === 'first key') {
      if (char === '}' && expect === 'first key') {
        at += 1
        nesting.pop()
        expect = 'after'
        continue
      }
      if (char !== '"') return at
      const end = stringEnd(text, at)
      if (end.error) return end.at
      at = end.at
      skip(BLANKS)
      if (text[at] !== ':') return at
      at += 1
      expect = 'value'
    } else if (char === ']' && expect === 'first value') {
      at += 1
      nesting.pop()
      expect = 'after'
    } else if (char === '{' || char === '[') {
      nesting.push(char)
      at += 1
      expect = char === '{' ? 'first key' : 'first value'
    } else if (char === '"') {
      const end = stringEnd(text, at)
      if (end.error) return end.at
      at = end.at
      expect = 'after'
    } else if (skip(SCALAR)) {
      expect = 'after'
    } else return at
  }
}

const BLANKS = /[ \t\r\n]*/y
const SCALAR = /true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y

/** The index after a string that starts at `start`, or of the character that spoils it. */
function stringEnd(text: string, start: number): { at: number; error: boolean } {
  for (let at = start + 1; at < text.length; at += 1) {
    const char = text.charCodeAt(at)
    if (char === 34) return { at: at + 1, error: false }
    if (char < 32) return { at, error: true }
    if (char === 92) {
      if (text[at + 1] === 'u' && !/^[0-9a-fA-F]{4}/.test(text.slice(at + 2, at + 6))) return { at, error: true }
      if (at + 1 < text.length && !'"\\/bfnrtu'.includes(text[at + 1] as string)) return { at, error: true }
      at += 1
    }
  }
  return { at: text.length, error: true }
}
