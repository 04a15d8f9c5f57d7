import type { ReplicationCollection, RevisionForPush } from '@kithmesh/database/replication'
import { applyDelta } from '../delta/apply-delta.ts'
import { encodeDelta } from '../delta/encode-delta.ts'
import { replicatorErrors } from '../error-catalogue.ts'
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

/**
 * The delta that makes a revision of `source`, a revision the peer has, if it is smaller than the body it stands for (delta.md §1).
 * Never to or from a deletion; undefined also when the body of `source` is no longer here.
 */
export function deltaTo(
  revision: RevisionForPush,
  source: string,
  collection: ReplicationCollection,
  peerBody: PeerBody
): Buffer | undefined {
  if (revision.deleted || revision.body.length < MIN_BODY_BYTES) return undefined
  const base = collection.bodyOf?.(revision.id, source)
  if (base === undefined || base.length <= EMPTY_BODY) return undefined
  const body = peerBody(revision.revId, revision.body)
  const delta = encodeDelta(peerBody(source, base), body)
  return delta !== undefined && delta.length + source.length + PROPERTY_BYTES < body.length ? delta : undefined
}

const EMPTY_BODY = '{}'.length

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
