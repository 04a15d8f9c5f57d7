import type { Observers } from './observers.ts'
import type { ReplicatorStatus } from './replicator-status.ts'

/**
 * Tells a replicator's listeners each change of its status once and in order: a listener that changes it again, by `stop` for instance, makes
 * the next call and not a call within the call. What is equal to the last one told is left out.
 */
export class StatusTeller {
  readonly #observers: Observers<ReplicatorStatus>
  readonly #queue: ReplicatorStatus[] = []
  #last: ReplicatorStatus | undefined
  #telling = false

  constructor(observers: Observers<ReplicatorStatus>) {
    this.#observers = observers
  }

  tell(status: ReplicatorStatus): void {
    if (this.#last !== undefined && isSame(this.#last, status)) return
    this.#last = status
    this.#queue.push(status)
    if (this.#telling) return
    this.#telling = true
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#observers.emit(next)
    } finally {
      this.#telling = false
    }
  }
}

function isSame(a: ReplicatorStatus, b: ReplicatorStatus): boolean {
  return (
    a.activity === b.activity &&
    a.error === b.error &&
    a.progress.documents === b.progress.documents &&
    a.progress.total === b.progress.total &&
    a.progress.bytes === b.progress.bytes
  )
}
