const UNDERSCORE = 95
const SHADOW = 'blob_'
const ATTACHMENTS = '_attachments'

export interface ReservedKeys {
  /** The reserved top-level keys as they came. */
  readonly reserved: Readonly<Record<string, unknown>>
  /** The body is not what it was: only in its reserved keys, or somewhere inside of others. */
  readonly changed: 'nothing' | 'reserved' | 'inside'
}

/** The top-level keys an application must not use, if any is there. */
export function reservedKey(value: Record<string, unknown>): string | undefined {
  return Object.keys(value).find((key) => key.charCodeAt(0) === UNDERSCORE)
}

/**
 * Takes the reserved top-level keys (`_…`) out of a received body, in place; undefined when there are none. Of `_attachments` those entries
 * stay that do not shadow blobs (`blob_…`, cbmobile.md §9); a blob whose shadow was changed at the peer becomes what the shadow says.
 */
export function takeReserved(value: Record<string, unknown>): ReservedKeys | undefined {
  const keys = reservedKeys(value)
  if (keys === undefined) return undefined
  const reserved = Object.fromEntries(keys.map((key) => [key, value[key]]))
  let changed = false
  let inside = false
  for (const key of keys) {
    const attachments = value[key]
    delete value[key]
    if (key === ATTACHMENTS && isObject(attachments)) {
      const entries = Object.entries(attachments)
      const kept = entries.filter(([name]) => !name.startsWith(SHADOW))
      for (const [name, shadow] of entries)
        if (name.startsWith(SHADOW) && followShadow(value, name.slice(SHADOW.length), shadow)) inside = true
      if (kept.length > 0) {
        changed ||= kept.length < entries.length
        value[key] = Object.fromEntries(kept)
        continue
      }
    }
    changed = true
  }
  return { reserved, changed: inside ? 'inside' : changed ? 'reserved' : 'nothing' }
}

function reservedKeys(value: Record<string, unknown>): string[] | undefined {
  for (const key in value) {
    if (key.charCodeAt(0) === UNDERSCORE) return Object.keys(value).filter((name) => name.charCodeAt(0) === UNDERSCORE)
  }
  return undefined
}

/** The blob at a JSON pointer takes over the content that its shadow names, when that is another one; whether it was. */
function followShadow(body: Record<string, unknown>, pointer: string, shadow: unknown): boolean {
  if (!isObject(shadow) || typeof shadow['digest'] !== 'string') return false
  const blob = at(body, pointer)
  if (!isObject(blob) || blob['@type'] !== 'blob' || blob['digest'] === shadow['digest']) return false
  blob['digest'] = shadow['digest']
  for (const key of ['length', 'content_type']) {
    if (shadow[key] === undefined) delete blob[key]
    else blob[key] = shadow[key]
  }
  return true
}

function at(body: unknown, pointer: string): unknown {
  if (!pointer.startsWith('/')) return undefined
  let found = body
  for (const part of pointer.slice(1).split('/')) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return undefined
    found = (found as Record<string, unknown>)[key]
  }
  return found
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
