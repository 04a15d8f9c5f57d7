import { generationOf } from '../trees/rev-id.ts'

/** The source of versions that stand for revisions of trees. */
export const LEGACY_SOURCE = 'Revision+Tree+Encoding'

/**
 * The version that stands for a revision of a tree (cbmobile.md §15): its time is the generation and the first 40 bits of the digest.
 * Undefined when the generation does not fit.
 */
export function legacyVersion(revId: string): string | undefined {
  const digest = revId.slice(revId.indexOf('-') + 1, revId.indexOf('-') + 11)
  const generation = generationOf(revId)
  return generation > 0x7f_ffff ? undefined : `${generation.toString(16)}${digest.padEnd(10, '0')}@${LEGACY_SOURCE}`
}
