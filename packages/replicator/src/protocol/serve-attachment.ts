import { createHash } from 'node:crypto'
import type { BodyReader, IncomingRequest } from '@kithmesh/blip'
import { isBlobDigest } from './body.ts'
import type { SessionContext } from './context.ts'
import { isTrue } from './messages.ts'

/** Blobs up to this size are read as their frames are written: opening a stream costs more than reading so much. */
const READ_AT_ONCE_BYTES = 512 * 1024

/** Answers `getAttachment` with the blob, a large one as a stream that is read only as fast as the peer takes it. */
export function serveAttachment(context: SessionContext, request: IncomingRequest): void {
  const { digest, compress } = request.properties
  if (!isBlobDigest(digest)) {
    request.respondError('HTTP', 400, 'getAttachment has no valid digest')
    return
  }
  const found = bodyOf(context, digest)
  if (found === undefined) {
    request.respondError('HTTP', 404, 'no such attachment')
    return
  }
  context.statistics.blobsPushed++
  context.statistics.blobBytesPushed += found.bytes
  request.respond({ body: found.body, compress: isTrue(compress) })
}

interface Found {
  readonly body: Uint8Array | BodyReader | AsyncIterable<Uint8Array>
  readonly bytes: number
}

function bodyOf(context: SessionContext, digest: string): Found | undefined {
  const { blobs } = context.store
  const reader = blobs.openReader(digest, READ_AT_ONCE_BYTES)
  if (reader !== undefined) return { body: reader, bytes: reader.length }
  const bytes = blobs.size(digest)
  if (bytes === undefined) return undefined
  // A small one in one piece, when many are open already.
  const body = bytes > READ_AT_ONCE_BYTES ? streamOf(context, digest) : blobs.readNow(digest, READ_AT_ONCE_BYTES)
  return body === undefined ? undefined : { body, bytes }
}

function streamOf(context: SessionContext, digest: string): AsyncIterable<Buffer> | undefined {
  const stream = context.store.blobs.openRead(digest)
  return stream === undefined ? undefined : touching(context, stream)
}

async function* touching(context: SessionContext, stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, void> {
  for await (const piece of stream) {
    context.touch()
    yield piece
  }
}

/** Answers `proveAttachment`. */
export function serveProof(context: SessionContext, request: IncomingRequest): void {
  const { digest } = request.properties
  const nonce = request.body
  if (nonce.length === 0 || nonce.length > 255) {
    request.respondError('BLIP', 400, 'the nonce must have 1 to 255 bytes')
    return
  }
  if (!isBlobDigest(digest)) {
    request.respondError('HTTP', 400, 'proveAttachment has no valid digest')
    return
  }
  const stream = context.store.blobs.openRead(digest)
  if (stream === undefined) {
    request.respondError('HTTP', 404, 'no such attachment')
    return
  }
  attachmentProof(nonce, stream).then(
    (proof) => {
      request.respond({ body: Buffer.from(proof) })
    },
    (error: unknown) => {
      context.logger.warn('A blob could not be read', { digest, error })
      request.respondError('HTTP', 500, 'the attachment cannot be read')
    }
  )
}

/**
 * SHA-1 of `length byte ‖ nonce ‖ blob`, as `sha1-` and base64 (cbmobile.md §9): proof of having a blob.
 */
export async function attachmentProof(nonce: Uint8Array, blob: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha1').update(Uint8Array.of(nonce.length)).update(nonce)
  for await (const piece of blob) hash.update(piece)
  return `sha1-${hash.digest('base64')}`
}
