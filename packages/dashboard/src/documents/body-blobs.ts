import type { BlobSummary } from '../contracts.ts'
import { clipped } from '../problem.ts'

const maxBlobs = 100
/** Values that are looked at; the body of a document that has more is not searched any further. */
const maxValues = 200_000
const maxDepth = 100

/** Kinds of pictures that browsers show and that can run nothing. */
export const pictureTypes: ReadonlySet<string> = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif'])

/** As blob stores write digests. */
export const digestPattern = /^sha1-[A-Za-z0-9+/]{27}=$/

/**
 * The blobs that a body mentions (cbmobile.md §9), in the order in which they come. Pure.
 * @param body parsed JSON, of any depth
 * @param present whether the bytes of a digest are there
 */
export function blobsOf(body: unknown, present: (digest: string) => boolean): BlobSummary[] {
  const blobs: BlobSummary[] = []
  const stack: { readonly value: unknown; readonly path: string; readonly depth: number }[] = [{ value: body, path: '', depth: 0 }]
  for (let seen = 0; stack.length > 0 && seen < maxValues && blobs.length < maxBlobs; seen++) {
    const { value, path, depth } = stack.pop() as (typeof stack)[number]
    if (typeof value !== 'object' || value === null) continue
    const blob = asBlob(value as Record<string, unknown>, path, present)
    if (blob !== undefined) {
      blobs.push(blob)
      continue
    }
    if (depth >= maxDepth) continue
    const members = Object.entries(value).filter(([, member]) => typeof member === 'object' && member !== null)
    for (const [key, member] of members.reverse())
      stack.push({ value: member, path: path === '' ? key : `${path}.${key}`, depth: depth + 1 })
  }
  return blobs
}

function asBlob(value: Record<string, unknown>, path: string, present: (digest: string) => boolean): BlobSummary | undefined {
  const { '@type': type, digest, length, content_type: contentType } = value
  if (type !== 'blob' || typeof digest !== 'string') return undefined
  const valid = digestPattern.test(digest)
  const shown = typeof contentType === 'string' ? clipped(contentType, 200) : null
  const picture = valid && shown !== null && pictureTypes.has(shown)
  const parameters = new URLSearchParams({ digest, ...(picture ? { type: shown } : {}) })
  return {
    digest: clipped(digest, 200),
    length: typeof length === 'number' ? length : null,
    contentType: shown,
    path: clipped(path, 500),
    url: valid ? `/api/blob?${parameters.toString()}` : '',
    picture,
    present: valid && present(digest)
  }
}
