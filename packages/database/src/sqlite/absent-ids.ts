const MAX_IDS = 8192

interface Generations {
  recent: Set<string>
  older: Set<string>
}

/**
 * Ids that were looked for and are not there, so that they need not be looked for again when their documents are stored: in a large collection a page
 * of its index has to be read for each. Right for as long as nobody else writes, which is asked at the beginning of every transaction.
 */
export class AbsentIds {
  readonly #dataVersion: () => number
  readonly #byCollection = new Map<number, Generations>()
  #used = false
  /** As of the last transaction; what was noted before the first that asked may be out of date. */
  #seen: number | undefined

  /** @param dataVersion changes with every transaction of another connection. */
  constructor(dataVersion: () => number) {
    this.#dataVersion = dataVersion
  }

  /** Nobody else can write from here to the end of the transaction. */
  began(): void {
    if (!this.#used) return
    const version = this.#dataVersion()
    if (version !== this.#seen) this.forget()
    this.#seen = version
  }

  /** The id was looked for in vain. */
  note(collection: number, id: string): void {
    this.#used = true
    let ids = this.#byCollection.get(collection)
    if (ids === undefined) this.#byCollection.set(collection, (ids = { recent: new Set(), older: new Set() }))
    if (ids.recent.size === MAX_IDS) {
      ids.older = ids.recent
      ids.recent = new Set()
    }
    ids.recent.add(id)
  }

  /** Whether the id is known not to be there; it is no more after this. To be asked within a transaction. */
  take(collection: number, id: string): boolean {
    const ids = this.#byCollection.get(collection)
    if (ids === undefined) return false
    const recent = ids.recent.delete(id)
    return ids.older.delete(id) || recent
  }

  /** What was done may be undone, or was done by others. */
  forget(): void {
    this.#byCollection.clear()
  }
}
