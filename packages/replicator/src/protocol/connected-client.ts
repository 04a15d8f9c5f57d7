import type { IncomingRequest } from '@kithmesh/blip'
import { replicatorErrors } from '../errors.ts'
import { documentEnded } from './context.ts'
import type { SessionCollection, SessionContext } from './context.ts'
import { passesPushFilter } from './document-filter.ts'

/** Answers `getRev`: the current revision of one document, unless the client has it already (cbmobile.md §10). */
export function serveGetRev(
  context: SessionContext,
  target: SessionCollection,
  documentIds: ReadonlySet<string> | undefined,
  request: IncomingRequest
): void {
  const { id, ifNotRev } = request.properties
  if (id === undefined || id === '') {
    request.respondError('HTTP', 400, "Missing 'id'")
    return
  }
  const revision = documentIds?.has(id) === false ? undefined : target.collection.revision(id)
  if (revision === undefined || revision.deleted || !mayGo(context, target, revision)) request.respondError('HTTP', 404, 'not found')
  else if (revision.revId === ifNotRev) request.respondError('HTTP', 304, 'not modified')
  else request.respond({ properties: { rev: revision.revId }, body: revision.body, compress: true })
}

function mayGo(context: SessionContext, target: SessionCollection, revision: Parameters<typeof passesPushFilter>[2]): boolean {
  try {
    return passesPushFilter(target, context.peerId, revision)
  } catch (cause) {
    const error = replicatorErrors.create('ERR_REPL_FILTER', `The push filter failed for document "${revision.id}"`, { cause })
    documentEnded(context, 'push', target, revision, error, false)
    return false
  }
}
