import { asBuffer } from './context.ts'
import { generation } from './versioning.ts'

const SHADOW = 'blob_'
const ATTACHMENTS = '_attachments'
const CLOSING_BRACE = 0x7d
const BLANKS: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d])

type Json = Record<string, unknown>

/**
 * A stored body as a peer sees it that does not look for blobs in documents, such as Sync Gateway (cbmobile.md §9): each blob is named
 * once more in `_attachments`, under `blob_` and its JSON pointer. Other attachments stay. Without blobs the same bytes come back.
 * @param revId of the revision that has the body; its generation is the `revpos` of the shadows, vectors have none.
 * @param body JSON of an object.
 */
export function withShadowAttachments(revId: string, body: Uint8Array): Uint8Array {
  const bytes = asBuffer(body)
  // Cheap, and right for nearly all: only an escaped name can hide from it.
  if (!bytes.includes('"@type"') && !bytes.includes('\\u00')) return body
  const value = JSON.parse(bytes.toString()) as Json
  const shadows: [string, unknown][] = []
  const revpos = generation(revId)
  for (const [key, child] of Object.entries(value))
    if (key !== ATTACHMENTS) collectShadows(child, `/${escaped(key)}`, revpos === 0 ? {} : { revpos }, shadows)
  if (shadows.length === 0) return body
  const existing = value[ATTACHMENTS]
  if (existing === undefined) return spliced(bytes, Object.fromEntries(shadows))
  const others = isObject(existing) ? Object.entries(existing).filter(([name]) => !name.startsWith(SHADOW)) : []
  return Buffer.from(JSON.stringify({ ...value, [ATTACHMENTS]: Object.fromEntries([...others, ...shadows]) }))
}

/** Adds the property to the text as it stands: numbers beyond a double's precision stay what they are. */
function spliced(bytes: Buffer, attachments: Json): Buffer {
  let end = bytes.length - 1
  while (end > 0 && BLANKS.has(bytes[end] as number)) end--
  if (bytes[end] !== CLOSING_BRACE) throw new TypeError('The body is no JSON object')
  return Buffer.concat([bytes.subarray(0, end), Buffer.from(`,"${ATTACHMENTS}":${JSON.stringify(attachments)}}`)])
}

function collectShadows(root: unknown, rootPointer: string, revpos: Json, found: [string, unknown][]): void {
  const pending: [unknown, string][] = [[root, rootPointer]]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [value, pointer] = next
    if (typeof value !== 'object' || value === null) continue
    const { '@type': type, stub, ...rest } = value as Json
    if (type === 'blob' && typeof rest['digest'] === 'string') found.push([SHADOW + pointer, { ...rest, stub: true, ...revpos }])
    const children = Object.entries(value)
    for (let i = children.length - 1; i >= 0; i--) {
      const [key, child] = children[i] as [string, unknown]
      pending.push([child, `${pointer}/${escaped(key)}`])
    }
  }
}

function escaped(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1')
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
