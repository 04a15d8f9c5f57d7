import type { Properties } from '@kithmesh/blip'
import { isTrue } from './messages.ts'
import type { Versioning } from './versioning.ts'

/** What peers of our own make understand beyond Couchbase Lite, and say so in their answers to `getCollections` and `proposeChanges`. */
export interface OwnAbilities {
  /**
   * A revision may say which branch of the peer it ends (`deleted_branch`). Couchbase Lite's passive side does not say so, and would keep the branch
   * that it is told was ended as a conflict (litecore-observed.md, surprise 3).
   */
  readonly endsBranches: boolean
  /** Revisions may come without having been proposed. */
  readonly unproposed: boolean
  /** Deltas can be applied, said before the first list is answered. */
  readonly deltas: boolean
}

/** The properties of an answer that say so. */
export function ownProperties({ branches }: Versioning): Properties {
  return branches ? { endsBranches: 'true', unproposed: 'true' } : { unproposed: 'true' }
}

/** What the properties of an answer say. */
export function ownAbilities(properties: Properties, { branches }: Versioning): OwnAbilities {
  const endsBranches = isTrue(properties['endsBranches'])
  // What is sent unproposed may end a branch.
  const unproposed = isTrue(properties['unproposed']) && (endsBranches || !branches)
  return { endsBranches, unproposed, deltas: isTrue(properties['takesDeltas']) }
}
