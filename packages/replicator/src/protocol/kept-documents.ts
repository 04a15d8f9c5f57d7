import type { ReplicationCollection } from '@kithmesh/database/replication'
import type { SessionContext } from './context.ts'

/** A document that the peer says we may not see any more. */
export interface LostDocument {
  readonly id: string
  /** The peer's revision of it. */
  readonly revId: string
}

interface Kept extends LostDocument {
  /** Our revision when it was kept: what is made anew under its id does not descend from that. */
  readonly ours: string
}

/**
 * The documents kept for their local changes although access to them was lost, beyond the session: the peer says it once, and may take the
 * changes only in a later one. A document that was purged or made anew meanwhile is no longer meant.
 */
export class KeptDocuments {
  readonly #context: SessionContext
  readonly #key: string | undefined
  readonly #kept = new Map<string, Kept>()
  #changed = false
  #saving = false

  /** @param checkpoint id of the checkpoint whose pull they belong to; without it they are forgotten with the session. */
  constructor(context: SessionContext, checkpoint: string | undefined) {
    this.#context = context
    this.#key = checkpoint === undefined ? undefined : `kept ${checkpoint}`
  }

  get(id: string): LostDocument | undefined {
    return this.#kept.size === 0 ? undefined : this.#kept.get(id)
  }

  all(): LostDocument[] {
    return [...this.#kept.values()]
  }

  add(document: LostDocument, ours: string): void {
    this.#kept.set(document.id, { id: document.id, revId: document.revId, ours })
    this.#changed = true
  }

  delete(id: string): boolean {
    const found = this.#kept.size > 0 && this.#kept.delete(id)
    if (found) this.#changed = true
    return found
  }

  /** Takes up those of earlier sessions that are still there. */
  load(collection: ReplicationCollection): void {
    if (this.#key === undefined) return
    const stored = this.#context.store.getLocalCheckpoint(this.#key)
    if (stored === undefined) return
    for (const [id, revId, ours] of readList(stored)) {
      const current = this.#kept.has(id) ? undefined : collection.revision(id)
      const descends = current?.revId === ours || (current !== undefined && this.#context.versioning.descendsFrom(current, ours))
      if (descends) this.#kept.set(id, { id, revId, ours })
      else this.#changed = true
    }
  }

  /** What an earlier session kept does not concern the peer as it is now. */
  forget(): void {
    if (this.#key === undefined || this.#context.store.getLocalCheckpoint(this.#key) === undefined) return
    this.#changed = true
    this.save()
  }

  /** Stores what changed: before the checkpoint can pass what said so. */
  save(): void {
    if (!this.#changed || this.#key === undefined) return
    this.#changed = false
    const list = [...this.#kept.values()].map(({ id, revId, ours }) => [id, revId, ours])
    try {
      this.#context.store.setLocalCheckpoint(this.#key, list.length === 0 ? undefined : Buffer.from(JSON.stringify(list)))
    } catch (error) {
      this.#context.logger.warn('The documents that were kept for their changes could not be noted', { error })
    }
  }

  /** The same for what only became shorter, once for many. */
  saveSoon(): void {
    if (this.#saving || !this.#changed) return
    this.#saving = true
    this.#context.scheduler.soon(() => {
      this.#saving = false
      this.save()
    })
  }
}

function readList(stored: Uint8Array): (readonly [id: string, revId: string, ours: string])[] {
  let list: unknown
  try {
    list = JSON.parse(Buffer.from(stored).toString())
  } catch {
    return []
  }
  return Array.isArray(list) ? list.filter(isEntry) : []
}

function isEntry(entry: unknown): entry is readonly [string, string, string] {
  return Array.isArray(entry) && entry.length === 3 && entry.every((part) => typeof part === 'string')
}
