// JSON laid out for reading, with a bound on everything. No DOM.

export interface JsonToken {
  readonly kind: 'key' | 'string' | 'number' | 'word' | 'mark' | 'cut'
  readonly text: string
}

export interface JsonLine {
  readonly depth: number
  readonly tokens: readonly JsonToken[]
}

export interface JsonLayout {
  readonly lines: readonly JsonLine[]
  /** There is more than is shown. */
  readonly cut: boolean
}

export interface JsonLimits {
  readonly lines?: number
  readonly depth?: number
  /** Characters of one string. */
  readonly text?: number
}

const mark = (text: string): JsonToken => ({ kind: 'mark', text })
const cutMark: JsonToken = { kind: 'cut', text: '…' }

/** A JSON value as lines with two levels of meaning: what stands on them, and how deep they are. Empty containers take no extra lines. */
export function layOutJson(
  value: unknown,
  { lines: maxLines = 2000, depth: maxDepth = 60, text: maxText = 5000 }: JsonLimits = {}
): JsonLayout {
  const lines: JsonLine[] = []
  let cut = false

  const push = (depth: number, tokens: readonly JsonToken[]): void => {
    if (lines.length < maxLines) lines.push({ depth, tokens })
    else cut = true
  }
  const scalar = (inner: unknown): readonly JsonToken[] => {
    if (typeof inner === 'string') {
      if (inner.length <= maxText) return [{ kind: 'string', text: JSON.stringify(inner) }]
      cut = true
      return [{ kind: 'string', text: JSON.stringify(inner.slice(0, maxText)) }, cutMark]
    }
    return [{ kind: typeof inner === 'number' ? 'number' : 'word', text: String(inner) }]
  }
  const put = (inner: unknown, depth: number, before: readonly JsonToken[], after: readonly JsonToken[]): void => {
    if (cut && lines.length >= maxLines) return
    if (typeof inner !== 'object' || inner === null) {
      push(depth, [...before, ...scalar(inner), ...after])
      return
    }
    const array = Array.isArray(inner)
    const [open, close] = array ? ['[', ']'] : ['{', '}']
    const entries: (readonly [string | undefined, unknown])[] = array ? inner.map((item) => [undefined, item]) : Object.entries(inner)
    if (entries.length === 0) {
      push(depth, [...before, mark(open + close), ...after])
      return
    }
    if (depth >= maxDepth) {
      cut = true
      push(depth, [...before, mark(open), cutMark, mark(close), ...after])
      return
    }
    push(depth, [...before, mark(open)])
    for (const [index, [key, item]] of entries.entries()) {
      if (lines.length >= maxLines) {
        cut = true
        return
      }
      const name: readonly JsonToken[] = key === undefined ? [] : [{ kind: 'key', text: JSON.stringify(key) }, mark(': ')]
      put(item, depth + 1, name, index < entries.length - 1 ? [mark(',')] : [])
    }
    push(depth, [mark(close), ...after])
  }

  put(value, 0, [], [])
  return { lines, cut }
}

/** The names of the members in which two objects differ; all of both when one of them is no object. */
export function differingKeys(a: unknown, b: unknown): Set<string> {
  const members = (value: unknown): Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
  const [one, other] = [members(a), members(b)]
  return new Set([...Object.keys(one), ...Object.keys(other)].filter((key) => canonical(one[key]) !== canonical(other[key])))
}

/** The same text for equal values, whatever the order of their members. */
function canonical(value: unknown): string | undefined {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([left], [right]) => (left < right ? -1 : 1)))
      : inner
  )
}
