import { MessageError } from './messages.ts'

/** A blob reference inside a document (cbmobile.md §9). */
export interface BlobReference {
  readonly digest: string
  /** Bytes, when stated. */
  readonly length: number | undefined
  readonly contentType: string | undefined
}

export interface CheckedBody {
  /** A JSON object without reserved top-level keys: the received bytes unless something had to be taken out. */
  readonly body: Buffer
  readonly blobs: readonly BlobReference[]
  /** The parsed value, for filters. */
  readonly value: Record<string, unknown>
}

const EMPTY_OBJECT = Buffer.from('{}')
const NO_BLOBS: readonly BlobReference[] = []
const DIGEST = /^sha1-[A-Za-z0-9+/]{27}=$/

/** Whether text is a blob digest as Couchbase writes it. */
export function isBlobDigest (text: unknown): text is string {
  return typeof text === 'string' && DIGEST.test(text)
}

/**
 * The one validation of a received document: it must be a JSON object of bounded size. Top-level keys with a leading underscore
 * belong to the protocol and are taken out (cbmobile.md §8).
 * @throws MessageError with the answer for the sender.
 */
export function checkReceivedBody (body: Buffer, maxBytes: number): CheckedBody {
  if (body.length === 0) return { body: EMPTY_OBJECT, blobs: NO_BLOBS, value: {} }
  if (body.length > maxBytes) throw new MessageError('HTTP', 413, `The document has ${body.length} bytes, more than ${maxBytes}`)
  const text = body.toString()
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new MessageError('HTTP', 400, 'The body of rev is not JSON', { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new MessageError('HTTP', 400, 'The body of rev is no JSON object')
  const object = value as Record<string, unknown>
  let cleaned = body
  if (text.includes('"_') || text.includes('"\\u005')) cleaned = withoutReserved(object) ?? body
  const mayHaveBlobs = text.includes('"@type"') || text.includes('\\u')
  return { body: cleaned, blobs: mayHaveBlobs ? blobsIn(object) : NO_BLOBS, value: object }
}

/** Removes reserved keys from the value; the new bytes, or undefined when there were none. */
function withoutReserved (object: Record<string, unknown>): Buffer | undefined {
  const reserved = Object.keys(object).filter((key) => key.startsWith('_'))
  if (reserved.length === 0) return undefined
  for (const key of reserved) Reflect.deleteProperty(object, key)
  return Buffer.from(JSON.stringify(object))
}

/** All blob references anywhere in a document, each digest once. */
export function blobsIn (value: unknown): readonly BlobReference[] {
  const found = new Map<string, BlobReference>()
  // Not recursive: a hostile document may be nested deeper than the stack.
  const stack: unknown[] = [value]
  while (stack.length > 0) {
    const next = stack.pop()
    if (typeof next !== 'object' || next === null) continue
    if (Array.isArray(next)) { for (const item of next) stack.push(item); continue }
    const object = next as Record<string, unknown>
    if (object['@type'] === 'blob' && typeof object['digest'] === 'string') {
      const { digest, length, content_type: contentType } = object
      if (!isBlobDigest(digest)) throw new MessageError('HTTP', 400, 'A blob of the document has an invalid digest')
      if (!found.has(digest)) {
        found.set(digest, {
          digest,
          length: typeof length === 'number' && Number.isSafeInteger(length) && length >= 0 ? length : undefined,
          contentType: typeof contentType === 'string' ? contentType : undefined
        })
      }
    }
    for (const item of Object.values(object)) if (typeof item === 'object') stack.push(item)
  }
  return found.size === 0 ? NO_BLOBS : [...found.values()]
}

/** Whether content of this type shrinks when compressed; decides `compress` of `getAttachment`. */
export function isCompressible (contentType: string | undefined): boolean {
  if (contentType === undefined) return false
  if (/^text\//i.test(contentType)) return true
  return /^(application\/(json|xml|javascript|rtf|x-tar)|image\/(svg|bmp|x-ms-bmp|tiff))|[+](json|xml)\b/i.test(contentType)
}
