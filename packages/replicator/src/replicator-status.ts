import type { KithmeshError } from '@kithmesh/core'
import type { SessionStatistics } from './protocol/context.ts'

/** `offline`: waiting for the next try, or suspended; `idle`: continuous and caught up both ways. */
export type ReplicatorActivity = 'stopped' | 'connecting' | 'busy' | 'idle' | 'offline'

/** How a replicator is doing; a snapshot. */
export interface ReplicatorStatus {
  readonly activity: ReplicatorActivity
  readonly progress: {
    /** Documents that went over, both ways, since `start`. */
    readonly documents: number
    /** Documents known to be concerned; grows while changes are found. */
    readonly total: number
    /** Of documents and blobs. */
    readonly bytes: number
  }
  /** Why it stopped, or why the last try failed. */
  readonly error: KithmeshError | undefined
}

export function statusOf(
  activity: ReplicatorActivity,
  error: KithmeshError | undefined,
  statistics: Readonly<SessionStatistics>
): ReplicatorStatus {
  const documents = statistics.documentsPushed + statistics.documentsPulled
  return {
    activity,
    progress: {
      documents,
      total: Math.max(documents, statistics.documentsAnnounced),
      bytes: statistics.bytesPushed + statistics.bytesPulled + statistics.blobBytesPushed + statistics.blobBytesPulled
    },
    error
  }
}
