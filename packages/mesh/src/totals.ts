import type { MeshStatistics } from './contracts.ts'

const none: MeshStatistics = { documentsIn: 0, documentsOut: 0, bytesIn: 0, bytesOut: 0, conflicts: 0 }

/** Adds up what all links moved, including those that have ended. Pure bookkeeping. */
export class Totals {
  #ended = none
  readonly #running = new Map<string, MeshStatistics>()

  /** The counters of a running link, each time it tells. */
  update (deviceId: string, direction: string, statistics: MeshStatistics): void {
    const { documentsIn, documentsOut, bytesIn, bytesOut, conflicts } = statistics
    this.#running.set(`${direction} ${deviceId}`, { documentsIn, documentsOut, bytesIn, bytesOut, conflicts })
  }

  /** The link has ended; its counters stay in the sum. */
  close (deviceId: string, direction: string): void {
    const key = `${direction} ${deviceId}`
    const last = this.#running.get(key)
    if (last === undefined) return
    this.#running.delete(key)
    this.#ended = add(this.#ended, last)
  }

  sum (): MeshStatistics {
    return [...this.#running.values()].reduce(add, this.#ended)
  }
}

function add (a: MeshStatistics, b: MeshStatistics): MeshStatistics {
  return {
    documentsIn: a.documentsIn + b.documentsIn,
    documentsOut: a.documentsOut + b.documentsOut,
    bytesIn: a.bytesIn + b.bytesIn,
    bytesOut: a.bytesOut + b.bytesOut,
    conflicts: a.conflicts + b.conflicts
  }
}
