import type { SessionStatistics } from '@kithmesh/replicator'
import type { MeshStatistics } from './contracts.ts'

interface Counting {
  readonly statistics: Readonly<SessionStatistics>
}

const none: MeshStatistics = { documentsIn: 0, documentsOut: 0, bytesIn: 0, bytesOut: 0, conflicts: 0 }

/** Adds up what all links moved, including those that have ended. */
export class Totals {
  #ended = none
  readonly #running = new Set<Counting>()

  /** Counts a link in, live, until {@link Totals.end}. */
  begin(link: Counting): void {
    this.#running.add(link)
  }

  /** The link has ended; its counters stay in the sum. Idempotent. */
  end(link: Counting): void {
    if (this.#running.delete(link)) this.#ended = add(this.#ended, view(link))
  }

  sum(): MeshStatistics {
    return [...this.#running].map(view).reduce(add, this.#ended)
  }
}

function view({ statistics: of }: Counting): MeshStatistics {
  return {
    documentsIn: of.documentsPulled,
    documentsOut: of.documentsPushed,
    bytesIn: of.bytesPulled + of.blobBytesPulled,
    bytesOut: of.bytesPushed + of.blobBytesPushed,
    conflicts: of.conflictsResolved
  }
}

function add(a: MeshStatistics, b: MeshStatistics): MeshStatistics {
  return {
    documentsIn: a.documentsIn + b.documentsIn,
    documentsOut: a.documentsOut + b.documentsOut,
    bytesIn: a.bytesIn + b.bytesIn,
    bytesOut: a.bytesOut + b.bytesOut,
    conflicts: a.conflicts + b.conflicts
  }
}
