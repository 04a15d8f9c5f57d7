import type { ReplicatorCollection, ReplicatorType } from '@kithmesh/replicator'
import type { RemoteHello } from '@kithmesh/channel'
import type { LinkDiagnostics } from '../engine/link-diagnostics.ts'
import type { LinkedCollection, MeshConflictResolver } from '../engine/collections.ts'

/** What each side does with documents, as it says in its hello. */
export interface Directions {
  /** Gives documents. */
  readonly push: boolean
  /** Takes documents. */
  readonly pull: boolean
}

export function directionsOf(type: ReplicatorType): Directions {
  return { push: type !== 'pull', pull: type !== 'push' }
}

/** What is left of ours with a device that said what it does; undefined when neither wants what the other gives. Who says nothing does both. */
export function commonType(ours: Directions, remote: RemoteHello | 'foreign' | undefined): ReplicatorType | undefined {
  const theirs = remote === undefined || remote === 'foreign' ? {} : remote.hello
  const push = ours.push && theirs['pull'] !== false
  const pull = ours.pull && theirs['push'] !== false
  if (push && pull) return 'push-and-pull'
  return push ? 'push' : pull ? 'pull' : undefined
}

/** A collection as a replicator wants it, for one peer. */
export function replicatorCollection(
  { scope, name, conflictResolver, pushFilter, pullFilter, documentIds }: LinkedCollection,
  byDefault: MeshConflictResolver | undefined,
  peerId: string,
  diagnostics: LinkDiagnostics
): ReplicatorCollection {
  const resolver = conflictResolver ?? byDefault
  return {
    scope,
    name,
    onConflict: (event) => {
      diagnostics.conflict(peerId, event)
    },
    ...(resolver === undefined ? {} : { conflictResolver: (conflict) => resolver({ ...conflict, peerId }) }),
    ...(pushFilter === undefined ? {} : { pushFilter }),
    ...(pullFilter === undefined ? {} : { pullFilter }),
    ...(documentIds === undefined ? {} : { documentIds })
  }
}
