/** JSON with keys sorted by UTF-16 unit and no blanks; what the revision digest is taken of (cbmobile.md §14). */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const record = value as Record<string, unknown>
  let text = '{'
  for (const key of Object.keys(record).sort()) {
    if (text.length > 1) text += ','
    text += `${JSON.stringify(key)}:${canonicalJson(record[key])}`
  }
  return text + '}'
}

/**
 * What of a body goes into the digest. A number with more digits than a double holds would lose them in parsing, and two different
 * bodies could get one id; such bodies are taken as they are written.
 * @param text the body, `value` the same parsed.
 */
export function canonicalBody(text: string, value: unknown): string {
  return WIDE_NUMBER.test(text) ? text : canonicalJson(value)
}

const WIDE_NUMBER = /[:,[\s]-?[0-9][0-9.eE+-]{15,}/
