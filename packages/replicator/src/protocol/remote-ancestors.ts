import type { ChangeEntry, ReplicationCollection } from '@kithmesh/database/replication'

/** One transaction for so many acknowledged documents; a crash before it costs a question to the peer, no more. */
const ANCESTORS_AT_ONCE = 1000
const NONE: readonly undefined[] = []

/** The change was read together with the peer's revision. */
const isTold = ({ remoteRevId }: ChangeEntry): boolean => remoteRevId !== undefined

/**
 * Which revision of each document the peer has, as far as a push knows: what it acknowledged is noted at once and stored many at a time.
 * Without a number of the remote (the passive side) nothing is kept.
 */
export class RemoteAncestors {
  readonly #collection: ReplicationCollection
  readonly #remote: number | undefined
  /** No revision of the peer waits to be stored: it would note an older state of the peer over a newer one. */
  readonly #mayRecord: () => boolean
  /** Noted and not stored. */
  #noted = new Map<string, { readonly id: string; readonly revId: string; readonly sequence: number }>()

  constructor(collection: ReplicationCollection, remote: number | undefined, mayRecord: () => boolean) {
    this.#collection = collection
    this.#remote = remote
    this.#mayRecord = mayRecord
  }

  /** The peer's revision of each of the documents, in their order, undefined or beyond the end where none is known. */
  of(entries: readonly ChangeEntry[]): readonly (string | undefined)[] {
    if (this.#remote === undefined || entries.length === 0) return NONE
    const stored = entries.every(isTold)
      ? entries.map(({ remoteRevId }) => (remoteRevId === '' ? undefined : remoteRevId))
      : this.#collection.remoteAncestors(this.#remote, entries)
    return this.#noted.size === 0 ? stored : entries.map(({ id }, i) => this.#noted.get(id)?.revId ?? stored[i])
  }

  /** The peer has this revision of the document. */
  note({ id, sequence }: { readonly id: string; readonly sequence: number }, revId: string): void {
    if (this.#remote !== undefined) this.#noted.set(id, { id, revId, sequence })
  }

  /** What was noted of the document is out of date: the peer told its revision itself. */
  forget(id: string): void {
    if (this.#noted.size > 0) this.#noted.delete(id)
  }

  /** Whether something, or this, is noted of the document since. */
  isNoted(id: string, revId?: string): boolean {
    const noted = this.#noted.get(id)
    return noted !== undefined && (revId === undefined || noted.revId === revId)
  }

  /** Something was noted that may be stored now. */
  get storable(): boolean {
    return this.#noted.size > 0 && this.#mayRecord()
  }

  /** Stores what was noted, if that may be done now: when it is worth a transaction, or, `atRest`, all. */
  store(atRest: boolean): void {
    if ((atRest || this.#noted.size >= ANCESTORS_AT_ONCE) && this.storable) this.storeAll()
  }

  storeAll(): void {
    if (this.#remote === undefined || this.#noted.size === 0) return
    const entries = [...this.#noted.values()].sort((a, b) => a.sequence - b.sequence)
    this.#noted = new Map()
    this.#collection.setRemoteAncestors(this.#remote, entries)
  }
}
