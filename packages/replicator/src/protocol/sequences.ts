/**
 * A remote sequence as JSON text, exactly as the peer gave it: `12`, `"20::35"`. Opaque except for ordering two of them
 * when checkpoints disagree (cbmobile.md §4, "SG sequence strings").
 */
export type RemoteSequence = string

interface Compound {
  readonly low: bigint | undefined
  readonly triggeredBy: bigint | undefined
  readonly seq: bigint
}

/** Sequences of others may need all 64 bits. */
function parseNumber(text: string): bigint | undefined {
  if (!/^\d{1,19}$/.test(text)) return undefined
  return BigInt(text)
}

/** Parses the JSON text of a sequence; undefined when it is none. */
function parseSequence(text: RemoteSequence): Compound | undefined {
  let inner = text
  if (text.startsWith('"')) {
    if (text.length < 2 || !text.endsWith('"')) return undefined
    inner = text.slice(1, -1)
  }
  const parts = inner.split(':')
  const seq = parseNumber(parts.at(-1) ?? '')
  if (seq === undefined || parts.length > 3) return undefined
  if (parts.length === 1) return { low: undefined, triggeredBy: undefined, seq }
  const triggeredText = parts.at(-2) ?? ''
  const triggeredBy = triggeredText === '' && parts.length === 3 ? 0n : parseNumber(triggeredText)
  if (triggeredBy === undefined) return undefined
  if (parts.length === 2) return { low: undefined, triggeredBy, seq }
  const low = parseNumber(parts[0] ?? '')
  return low === undefined ? undefined : { low, triggeredBy: triggeredBy === 0n ? undefined : triggeredBy, seq }
}

function kind(s: Compound): 'simple' | 'triggered' | 'low' {
  return s.low !== undefined ? 'low' : s.triggeredBy !== undefined ? 'triggered' : 'simple'
}

/** Whether `a` comes before `b`, by the table of cbmobile.md §4; undefined when either cannot be parsed. */
export function sequenceBefore(a: RemoteSequence, b: RemoteSequence): boolean | undefined {
  const x = parseSequence(a)
  const y = parseSequence(b)
  return x === undefined || y === undefined ? undefined : before(x, y)
}

function before(x: Compound, y: Compound): boolean {
  const xKind = kind(x)
  const yKind = kind(y)
  const xValue = x.low ?? x.triggeredBy ?? x.seq
  const yValue = y.low ?? y.triggeredBy ?? y.seq
  if (xKind === 'simple') return yKind === 'low' ? xValue <= yValue : xValue < yValue
  if (xKind === 'triggered') {
    if (yKind === 'triggered') return xValue < yValue || (xValue === yValue && x.seq < y.seq)
    return xValue <= yValue
  }
  if (yKind !== 'low' || xValue !== yValue) return xValue < yValue
  return before({ ...x, low: undefined }, { ...y, low: undefined })
}
