import type { Clock } from '@kithmesh/core'
import type { Collection, Database } from '@kithmesh/database'
import type { CollectionSummary } from '../contracts.ts'

/** Counting takes time in large databases: it is repeated after this many times what it took, and at the earliest after so long. */
const pause = { factor: 50, minMs: 1_000 }
/** The same where nothing was written, since purging documents leaves no other trace. */
const purgePause = { factor: 500, minMs: 10_000 }
const maxCollections = 200

interface Counted {
  /** Monotonic. */
  readonly at: number
  readonly took: number
  /** What the database was like. */
  readonly mark: string
  readonly list: readonly CollectionSummary[]
}

interface Opened {
  readonly scope: string
  readonly name: string
  /** Undefined for the default collection before anything was written to it. */
  readonly collection: Collection | undefined
}

/** The collections and their sizes, counted again only when something changed and not too often. */
export class Collections {
  readonly #database: Database
  readonly #clock: Clock
  #counted: Counted | undefined

  constructor(database: Database, clock: Clock) {
    this.#database = database
    this.#clock = clock
  }

  /** As they were when they were last counted; see {@link Collections.stale}. */
  get list(): readonly CollectionSummary[] {
    const counted = this.#counted
    if (this.#database.closed) return counted?.list ?? []
    const now = this.#clock.monotonic()
    if (counted !== undefined && !isOver(pause, counted, now)) return counted.list
    const opened = this.#open()
    const mark = markOf(opened)
    if (counted?.mark === mark && !isOver(purgePause, counted, now)) return counted.list
    const list = opened.map(({ scope, name, collection }) => ({
      collection: collectionPath(scope, name),
      scope,
      name,
      documents: collection?.count ?? 0,
      lastSequence: collection?.lastSequence ?? 0
    }))
    const at = this.#clock.monotonic()
    const same = counted?.mark === mark && list.every(({ documents }, index) => documents === counted.list[index]?.documents)
    this.#counted = { at, took: at - now, mark, list: same ? counted.list : list }
    return this.#counted.list
  }

  /** This or another program has written to the database since the last count, or purged documents a while ago. Costs little on average. */
  get stale(): boolean {
    if (this.#database.closed) return false
    const counted = this.#counted
    const isFresh = counted !== undefined && !isOver(pause, counted, this.#clock.monotonic())
    return isFresh ? counted.mark !== markOf(this.#open()) : counted?.list !== this.list
  }

  #open(): Opened[] {
    const names = this.#database.collections()
    const opened = names.map(({ scope, name }): Opened => ({ scope, name, collection: this.#database.collection(name, scope) }))
    if (!names.some(({ scope, name }) => scope === '_default' && name === '_default'))
      opened.unshift({ scope: '_default', name: '_default', collection: undefined })
    return opened.slice(0, maxCollections)
  }
}

function isOver({ factor, minMs }: typeof pause, { at, took }: Counted, now: number): boolean {
  return now - at >= Math.max(minMs, took * factor)
}

function markOf(opened: readonly Opened[]): string {
  return opened.map(({ scope, name, collection }) => `${scope}.${name} ${collection?.lastSequence ?? 0}`).join()
}

/** As people and requests write it. */
export function collectionPath(scope: string, name: string): string {
  return scope === '_default' ? name : `${scope}.${name}`
}

/** Undefined when there is none. Nothing is created. */
export function openCollection(database: Database, scope: string, name: string): Collection | undefined {
  const exists = database.collections().some((each) => each.scope === scope && each.name === name)
  return exists ? database.collection(name, scope) : undefined
}
