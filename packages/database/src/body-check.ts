import { asBuffer } from './bytes.ts'
import { isUtf8 } from 'node:buffer'
import { databaseErrors } from './errors.ts'
import { findJsonError } from './json-error.ts'
import { takeReserved } from './reserved-keys.ts'
import type { ReservedKeys } from './reserved-keys.ts'
import { withMembers } from './top-level-members.ts'

/** Largest document body by default, bytes. */
export const MAX_DOCUMENT_SIZE = 20 * 1024 * 1024

export interface CheckedBody {
  /** The bytes that came in, or their text without the reserved keys. */
  readonly body: Uint8Array
  readonly value: Record<string, unknown>
  /** What {@link blobsIn} finds. */
  readonly blobs: readonly BlobReference[]
  readonly hasBlobs: boolean
  /** The reserved top-level keys as they came, when there were any. */
  readonly reserved?: Readonly<Record<string, unknown>>
}

/** A blob as a document mentions it (cbmobile.md §9). */
export interface BlobReference {
  readonly digest: string
  readonly length: number | undefined
  readonly contentType: string | undefined
}

export interface CheckBodyOptions {
  /** @default 20 MiB */
  readonly maxSize?: number
}

const NO_BLOBS: readonly BlobReference[] = []

/**
 * Checks the bytes of a body from outside: UTF-8 JSON, an object, not too large. Reserved top-level keys (`_…`) are taken out, except
 * `_attachments` entries that do not shadow blobs in the document (cbmobile.md §8); only then are there new bytes, and all else keeps its text.
 * @throws ERR_DB_MALFORMED_JSON, ERR_DB_TOO_LARGE
 */
export function checkBody(bytes: Uint8Array, options: CheckBodyOptions = {}): CheckedBody {
  const { value, text } = parseBody(bytes, options)
  const taken = takeReserved(value)
  const blobs = mayHaveBlobs(text) ? blobsIn(value) : NO_BLOBS
  const hasBlobs = blobs.length > 0
  if (taken === undefined) return { body: bytes, value, blobs, hasBlobs }
  return { body: rewritten(bytes, text, value, taken), value, blobs, hasBlobs, reserved: taken.reserved }
}

function rewritten(bytes: Uint8Array, text: string, value: Record<string, unknown>, { reserved, changed }: ReservedKeys): Uint8Array {
  if (changed === 'nothing') return bytes
  if (changed === 'inside') return Buffer.from(JSON.stringify(value))
  const { _attachments: kept } = value
  return Buffer.from(withMembers(text, (key) => !Object.hasOwn(reserved, key), kept === undefined ? {} : { _attachments: kept }))
}

/**
 * Parses the bytes of a body.
 * @throws ERR_DB_MALFORMED_JSON with the position, ERR_DB_TOO_LARGE with the limit.
 */
export function parseBody(
  bytes: Uint8Array,
  { maxSize = MAX_DOCUMENT_SIZE }: CheckBodyOptions = {}
): { value: Record<string, unknown>; text: string } {
  if (bytes.length > maxSize) {
    throw databaseErrors.create('ERR_DB_TOO_LARGE', `The document has ${bytes.length} bytes; the limit is ${maxSize}`, {
      details: { size: bytes.length, limit: maxSize }
    })
  }
  if (!isUtf8(bytes)) throw databaseErrors.create('ERR_DB_MALFORMED_JSON', 'The body is not UTF-8')
  const text = asBuffer(bytes).toString()
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    const position = findJsonError(text)
    throw databaseErrors.create('ERR_DB_MALFORMED_JSON', `The body is not valid JSON: error at character ${position} of ${text.length}`, {
      cause,
      details: { position }
    })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw databaseErrors.create('ERR_DB_MALFORMED_JSON', 'The body is JSON, but not an object')
  return { value: value as Record<string, unknown>, text }
}

/** False when there certainly is no blob in the JSON text; cheap. */
export function mayHaveBlobs(text: string): boolean {
  return (text.includes('"@type"') && text.includes('"blob"')) || text.includes('\\u00') || text.includes('"_attachments"')
}

/** Every blob mentioned in a parsed body, in document order, each digest once. */
export function blobsIn(value: Record<string, unknown>): BlobReference[] {
  const found = new Map<string, BlobReference>()
  const pending: unknown[] = [value]
  while (pending.length > 0) {
    const next = pending.pop()
    if (typeof next !== 'object' || next === null) continue
    const { '@type': type, digest, length, content_type: contentType } = next as Record<string, unknown>
    if (type === 'blob' && typeof digest === 'string') addBlob(found, digest, length, contentType)
    const children = Object.values(next)
    for (let index = children.length - 1; index >= 0; index -= 1) pending.push(children[index])
  }
  const attachments = value._attachments
  if (typeof attachments === 'object' && attachments !== null) {
    for (const attachment of Object.values(attachments)) {
      const { digest, length, content_type: contentType } = (attachment ?? {}) as Record<string, unknown>
      if (typeof digest === 'string') addBlob(found, digest, length, contentType)
    }
  }
  return [...found.values()]
}

function addBlob(found: Map<string, BlobReference>, digest: string, length: unknown, contentType: unknown): void {
  if (found.has(digest)) return
  found.set(digest, {
    digest,
    length: typeof length === 'number' && Number.isSafeInteger(length) && length >= 0 ? length : undefined,
    contentType: typeof contentType === 'string' ? contentType : undefined
  })
}
