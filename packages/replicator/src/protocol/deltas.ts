import type { ReplicationCollection, RevisionForPush } from '@kithmesh/database/replication'
import { applyDelta } from '../delta/apply-delta.ts'
import { encodeDelta } from '../delta/encode-delta.ts'
import { replicatorErrors } from '../errors.ts'
import { asBuffer } from './context.ts'
import { MessageError } from './messages.ts'
import { withShadowAttachments } from './shadow-attachments.ts'

/** Smaller bodies are always sent whole (delta.md §1). */
const MIN_BODY_BYTES = 200
/** What the property `deltaSrc` takes beside the revision id. */
const PROPERTY_BYTES = 'deltaSrc'.length + 2

/** A stored body, as a certain peer sees it: deltas are made of what the peer has. */
export type PeerBody = (revId: string, body: Uint8Array) => Uint8Array

/** Peers that take blobs inside documents see what is stored (cbmobile.md §9). */
export const asStored: PeerBody = (_revId, body) => body

export interface Delta {
  /** The revision that it is to be applied to. */
  readonly source: string
  readonly bytes: Buffer
}

/**
 * The delta that makes a revision of one that the peer has, the first of `sources` whose body is here, if it is smaller than the body it stands
 * for (delta.md §1). Never to or from a deletion.
 */
export function deltaTo(
  revision: RevisionForPush,
  sources: Iterable<string>,
  collection: ReplicationCollection,
  peerBody: PeerBody
): Delta | undefined {
  if (revision.deleted || revision.body.length < MIN_BODY_BYTES) return undefined
  let tried = 0
  for (const source of sources) {
    const base = collection.bodyOf?.(revision.id, source)
    if (base !== undefined) {
      if (base.length <= EMPTY_BODY) return undefined
      const body = peerBody(revision.revId, revision.body)
      const bytes = encodeDelta(peerBody(source, base), body)
      return bytes !== undefined && bytes.length + source.length + PROPERTY_BYTES < body.length ? { source, bytes } : undefined
    }
    if (++tried === MAX_SOURCES) return undefined
  }
  return undefined
}

const EMPTY_BODY = '{}'.length
/** In vectors a peer in conflict names what it has made itself, of which nothing is known here, before what it had from here. */
const MAX_SOURCES = 3

/**
 * The body of a received revision that came as a delta. It is still to be checked like one that came whole.
 * @throws MessageError with 422, at which the peer sends the whole body: the source is not here, or the delta does not fit it.
 */
export function bodyFromDelta(id: string, source: string, delta: Uint8Array, collection: ReplicationCollection): Buffer {
  const base = collection.bodyOf?.(id, source)
  try {
    // A gateway that names blobs in `_attachments` makes its deltas of bodies that have them.
    if (base !== undefined)
      return applyDelta(asBuffer(delta).includes('"_attachments"') ? withShadowAttachments(source, base) : base, delta)
  } catch (cause) {
    throw unusable(cause)
  }
  throw unusable(
    replicatorErrors.create('ERR_REPL_DELTA_MISMATCH', `The body of revision ${source} of document "${id}" is not here`, {
      details: { id, source }
    })
  )
}

function unusable(cause: unknown): MessageError {
  return new MessageError('HTTP', UNUSABLE_DELTA, (cause as Error).message, { cause })
}

/** The answer to a delta that cannot be applied (cbmobile.md §8). */
export const UNUSABLE_DELTA = 422
