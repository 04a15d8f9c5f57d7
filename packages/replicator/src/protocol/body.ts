import { errorCode } from '@kithmesh/core'
import { checkBody } from '@kithmesh/database/replication'
import type { BlobReference } from '@kithmesh/database/replication'
import { MessageError } from './messages.ts'

/** A received document, checked. */
export interface ReceivedBody {
  /** A JSON object without reserved top-level keys: the received bytes unless something had to be taken out. */
  readonly body: Uint8Array
  readonly blobs: readonly BlobReference[]
  /** The parsed value, for filters. */
  readonly value: Record<string, unknown>
  /** `_removed`: not the document, but word that access to it is lost (cbmobile.md §9). */
  readonly removed: boolean
  /** Digests of blobs that the `_attachments` which came along do not have: nobody can send them (cbmobile.md §9). */
  readonly dangling: readonly string[]
}

const EMPTY: ReceivedBody = { body: Buffer.from('{}'), blobs: [], value: {}, removed: false, dangling: [] }
const NOTHING: readonly string[] = []
const DIGEST = /^sha1-[A-Za-z0-9+/]{27}=$/

/** Whether text is a blob digest as Couchbase writes it. */
export function isBlobDigest(text: unknown): text is string {
  return typeof text === 'string' && DIGEST.test(text)
}

/**
 * The one validation of a received document (cbmobile.md §8): a JSON object of bounded size, whose blobs have proper digests.
 * @throws MessageError with the answer for the sender.
 */
export function checkReceivedBody(bytes: Buffer, maxBytes: number): ReceivedBody {
  if (bytes.length === 0) return EMPTY
  let checked: ReturnType<typeof checkBody>
  try {
    checked = checkBody(bytes, { maxSize: maxBytes })
  } catch (cause) {
    throw new MessageError('HTTP', errorCode(cause) === 'ERR_DB_TOO_LARGE' ? 413 : 400, (cause as Error).message, { cause })
  }
  const { body, value, blobs, reserved } = checked
  if (!blobs.every(({ digest }) => isBlobDigest(digest)))
    throw new MessageError('HTTP', 400, 'A blob of the document has an invalid digest')
  if (reserved === undefined) return { body, blobs, value, removed: false, dangling: NOTHING }
  return { body, blobs, value, removed: reserved['_removed'] === true, dangling: danglingBlobs(blobs, reserved['_attachments']) }
}

function danglingBlobs(blobs: readonly BlobReference[], attachments: unknown): readonly string[] {
  if (blobs.length === 0 || typeof attachments !== 'object' || attachments === null) return NOTHING
  const present = new Set(Object.values(attachments).map((entry: unknown) => (entry as { digest?: unknown } | null)?.digest))
  return blobs.flatMap(({ digest }) => (present.has(digest) ? [] : digest))
}

/** Whether content of this type shrinks when compressed; decides `compress` of `getAttachment`. */
export function isCompressible(contentType: string | undefined): boolean {
  if (contentType === undefined) return false
  if (/^text\//i.test(contentType)) return true
  return /^(application\/(json|xml|javascript|rtf|x-tar)|image\/(svg|bmp|x-ms-bmp|tiff))|[+](json|xml)\b/i.test(contentType)
}
