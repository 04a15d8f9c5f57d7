import { blobsIn } from './body-check.ts'
import { DocumentFlag } from './contracts/storage.ts'
import type { StorageReader } from './contracts/storage.ts'
import type { RevisionModel } from './revision-model.ts'

const PAGE = 100

/** The digests of all blobs that any document of any collection mentions, unresolved branches included. */
export function referencedBlobs(reader: StorageReader, model: RevisionModel): Set<string> {
  const digests = new Set<string>()
  const add = (body: Uint8Array): void => {
    for (const { digest } of blobsIn(JSON.parse(Buffer.from(body).toString()) as Record<string, unknown>)) digests.add(digest)
  }
  for (const { id } of reader.collections()) {
    let since = 0
    for (;;) {
      const changes = reader.changesSince(id, since, PAGE * 10)
      for (const change of changes) {
        since = change.sequence
        if ((change.flags & (DocumentFlag.hasBlobs | DocumentFlag.conflicted)) === 0) continue
        const stored = reader.get(id, change.id)
        if (stored === undefined) continue
        if (stored.body.length > 0) add(stored.body)
        if ((stored.flags & DocumentFlag.conflicted) === 0) continue
        for (const body of model.rivalBodies(stored)) add(body)
      }
      if (changes.length === 0) break
    }
  }
  return digests
}
