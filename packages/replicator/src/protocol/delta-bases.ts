import type { ReplicationCollection } from '@kithmesh/database/replication'
import type { SessionContext } from './context.ts'
import { isTrue } from './messages.ts'
import type { PushProgress } from './progress.ts'

/** Has the database keep the bodies that the peer has, which later deltas are made from, as long as the peer takes deltas (delta.md). */
export class DeltaBases {
  readonly #context: SessionContext
  readonly #collection: ReplicationCollection
  readonly #progress: PushProgress
  #heard = false
  #taken = false

  constructor(context: SessionContext, collection: ReplicationCollection, progress: PushProgress) {
    this.#context = context
    this.#collection = collection
    this.#progress = progress
  }

  /** 6. The first answer says whether the peer takes deltas (Sync Gateway says it in every one). Returns whether it does. */
  hear(deltas: string | undefined): boolean {
    const first = !this.#heard
    this.#heard = true
    if (isTrue(deltas)) this.#taken = true
    else if (first) this.#collection.keepBases?.({ takesDeltas: false })
    return this.#taken
  }

  /** The passive side notes no remotes, but knows how far its subscriber is. */
  keep(durably: boolean): void {
    if (!this.#taken) return
    this.#collection.keepBases?.(this.#context.active ? { takesDeltas: true } : { takesDeltas: true, served: this.#progress.upTo, durably })
  }
}
