import { isDeepStrictEqual } from 'node:util'
import { type KithmeshError, errorCode, isKithmeshError } from '@kithmesh/core'
import type { ConflictedDocument, ConflictResolution } from '@kithmesh/database/replication'
import { replicatorErrors } from '../errors.ts'
import { conflictOf, defaultWinner } from './conflict-resolver.ts'
import type { CollectionConflictEvent, Resolution } from './conflict-resolver.ts'
import { asBuffer, documentEnded } from './context.ts'
import type { SessionCollection, SessionContext } from './context.ts'

const MAX_TRIES = 10
const PAGE = 100

/** Ends the conflicts of one collection, one document after the other (cbmobile.md §11). Only the active side has any. */
export class ConflictWorker {
  readonly #context: SessionContext
  readonly #target: SessionCollection
  readonly #queue = new Set<string>()
  #running = false

  constructor(context: SessionContext, target: SessionCollection) {
    this.#context = context
    this.#target = target
  }

  get busy(): boolean {
    return this.#running || this.#queue.size > 0
  }

  /** Takes up what earlier sessions left unresolved. */
  start(): void {
    let after: string | undefined
    for (;;) {
      const page = this.#target.collection.conflicts(PAGE, after)
      for (const { id } of page) this.#queue.add(id)
      after = page.at(-1)?.id
      if (page.length < PAGE) break
    }
    this.#run()
  }

  enqueue(id: string): void {
    this.#queue.add(id)
    this.#run()
  }

  #run(): void {
    if (this.#running || this.#queue.size === 0) return
    this.#running = true
    this.#drain()
      .catch((error: unknown) => {
        this.#context.logger.error('Conflicts could not be resolved', { error })
      })
      .finally(() => {
        this.#running = false
        if (!this.#context.closed) this.#run()
        this.#context.changed()
      })
  }

  async #drain(): Promise<void> {
    for (const id of this.#queue) {
      if (this.#context.closed) {
        this.#queue.clear()
        return
      }
      this.#queue.delete(id)
      // The default decides at once; yielding per document would only cost.
      if (this.#target.conflictResolver === undefined)
        this.#attempt(id, (document) => ({ take: defaultWinner(document.local, document.remote) }))
      else await this.#resolveCustom(id)
    }
  }

  async #resolveCustom(id: string): Promise<void> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const document = this.#target.collection.conflict(id)
      if (document === undefined || this.#context.closed) return
      let resolution: ConflictResolution
      try {
        const resolve = this.#target.conflictResolver
        resolution = sameContent(document)
          ? { take: defaultWinner(document.local, document.remote) }
          : toStored(await resolve?.(conflictOf(this.#target.collection, document)))
      } catch (cause) {
        this.#report(document, cause)
        return
      }
      if (this.#attempt(id, () => resolution, document)) return
    }
    this.#context.logger.warn('A document kept changing while its conflict was resolved', { id })
  }

  /** True when there is nothing more to do for the document now. */
  #attempt(id: string, decide: (document: ConflictedDocument) => ConflictResolution, given?: ConflictedDocument): boolean {
    const document = given ?? this.#target.collection.conflict(id)
    if (document === undefined) return true
    try {
      const resolution = decide(document)
      this.#target.collection.resolveConflict(id, document.local.revId, document.remote.revId, resolution)
      this.#context.statistics.conflictsResolved++
      this.#tell(document, resolution.take, undefined)
      // A document may have more than two leaves.
      if (this.#target.collection.conflict(id) !== undefined) this.#queue.add(id)
      return true
    } catch (cause) {
      if (errorCode(cause) === 'ERR_DB_CONFLICT') {
        if (given === undefined) this.#queue.add(id)
        return false
      }
      // Purged meanwhile.
      if (errorCode(cause) === 'ERR_DB_NO_DOCUMENT') return true
      this.#report(document, cause)
      return true
    }
  }

  #report(document: ConflictedDocument, cause: unknown): void {
    const { id, remote } = document
    const error = isKithmeshError(cause)
      ? cause
      : replicatorErrors.create('ERR_REPL_RESOLVER', `The conflict of document "${id}" was not resolved`, { cause })
    documentEnded(this.#context, 'pull', this.#target, { id, revId: remote.revId, deleted: remote.deleted }, error)
    this.#tell(document, undefined, error)
  }

  #tell({ id, local, remote }: ConflictedDocument, taken: Resolution['take'] | undefined, error: KithmeshError | undefined): void {
    const { collection, onConflict } = this.#target
    if (onConflict === undefined) return
    const revision = ({ revId, deleted }: ConflictedDocument['local']): CollectionConflictEvent['local'] => ({ revId, deleted })
    const { scope, name } = collection
    try {
      onConflict({ id, collection: { scope, name }, local: revision(local), remote: revision(remote), taken, error })
    } catch (failure) {
      this.#context.logger.error('a listener threw', { error: failure })
    }
  }
}

/**
 * Equal contents need no decision of the application's: peers that merge alike, each with another, would otherwise conflict again
 * with equal contents, and a merge that adds would add again.
 */
function sameContent({ local, remote }: ConflictedDocument): boolean {
  if (local.deleted || remote.deleted) return local.deleted && remote.deleted
  const [one, other] = [local.body, remote.body].map((body) => JSON.parse(asBuffer(body).toString()) as unknown)
  return isDeepStrictEqual(one, other)
}

function toStored(resolution: Resolution | undefined): ConflictResolution {
  switch (resolution?.take) {
    case 'local':
    case 'remote':
    case 'deleted':
      return { take: resolution.take }
    case 'merged': {
      const { body } = resolution
      if (typeof body !== 'object' || body === null || Array.isArray(body))
        throw new TypeError('A conflict resolver returned a body that is no object')
      if (Object.keys(body).some((key) => key.startsWith('_')))
        throw new TypeError('A conflict resolver returned a body with reserved keys')
      return { take: 'merged', body: Buffer.from(JSON.stringify(body)) }
    }
    default:
      throw new TypeError('A conflict resolver must return { take: "local" | "remote" | "deleted" | "merged" }')
  }
}
