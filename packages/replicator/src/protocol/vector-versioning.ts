import { formatHistory, headOf, isRevisionId, isVersion, parseHistory, vectorCovers } from '@kithmesh/database/replication'
import type { RevisionHistory, Versioning } from './versioning.ts'

const NO_HISTORY: RevisionHistory = { history: [], merges: 0 }

/**
 * Version vectors: `<time>@<source>` (cbmobile.md §15). A document that was not edited since its database had trees still goes by its
 * old revision id, so those are understood too.
 */
export const vectorVersioning: Versioning = {
  name: 'version-vectors',
  branches: false,
  accepts: (versioning) => versioning === 'version-vectors',
  isForeign: () => false,
  revIdOf(text) {
    if (isVersion(text)) return text
    const head = headOf(text)
    return isVersion(head) || isRevisionId(head) ? head : undefined
  },
  parseHistory(revId, text) {
    if (text === undefined || text === '') return NO_HISTORY
    try {
      return parseHistory(revId, text)
    } catch {
      return undefined
    }
  },
  formatHistory: formatHistory,
  descendsFrom: vectorCovers,
  isNews: (announced, noted) => announced !== noted
}
