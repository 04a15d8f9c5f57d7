import { createHash } from 'node:crypto'
import { generationOf } from './rev-id.ts'

/**
 * The revision id of a new revision, by the rule of cbmobile.md §14:
 * SHA-1 of byte(length of parent) ‖ parent ‖ byte(deleted) ‖ canonical JSON, behind the next generation.
 * The same content on the same parent gives the same id everywhere.
 * @param parent `''` for a first revision.
 * @param canonical the body as {@link canonicalBody} writes it.
 */
export function makeRevisionId(parent: string, deleted: boolean, canonical: string | Uint8Array): string {
  const head = Buffer.allocUnsafe(parent.length + 2)
  head[0] = parent.length
  head.write(parent, 1, 'latin1')
  head[parent.length + 1] = deleted ? 1 : 0
  const digest = createHash('sha1').update(head).update(canonical).digest('hex')
  return `${generationOf(parent) + 1}-${digest}`
}

/** The tombstone that ends a branch without a body of its own. */
export function tombstoneIdFor(parent: string): string {
  return makeRevisionId(parent, true, '{}')
}
