import type { SessionCollection } from './context.ts'
import type { OwnAbilities } from './own-properties.ts'
import type { PushProgress } from './progress.ts'

/** What a push of one collection is to send, to whom, and who else wants to know. */
export interface PusherOptions {
  readonly index: number | undefined
  readonly target: SessionCollection
  readonly progress: PushProgress
  /** Stays on after catching up. */
  readonly live: boolean
  /** Skips the tombstones of the backlog (`activeOnly` of subChanges). */
  readonly activeOnly: boolean
  readonly documentIds: ReadonlySet<string> | undefined
  /** Number of the remote in the collection's bookkeeping; undefined on the passive side, which keeps none. */
  readonly remote: number | undefined
  /** This session pulls too, so that rivals come by themselves. */
  readonly pulls: boolean
  /** What the peer said at the beginning that it understands. */
  readonly peer?: OwnAbilities
  /** No revision of the peer waits to be stored: it would note an older state of the peer over a newer one. */
  readonly mayRecord: () => boolean
  /** The peer takes another revision for one that is gone. */
  readonly sendReplacementRevs: boolean
  /** Told each document of which the peer has our revision now. */
  readonly acknowledged?: (id: string) => void
}
