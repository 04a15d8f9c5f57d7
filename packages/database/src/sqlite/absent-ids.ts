/** A power of two, and so many times what is under way at once that few ids push others out. */
const SLOTS = 32_768

/**
 * Ids that were looked for and are not there, so that they need not be looked for again when their documents are stored: in a large collection a page
 * of its index has to be read for each. Right for as long as nobody else writes, which is asked at the beginning of every transaction. A table with one
 * place for an id, which the next one takes: it forgets some, and makes no garbage as maps do whose entries come and go.
 */
export class AbsentIds {
  readonly #dataVersion: () => number
  readonly #byCollection = new Map<number, (string | undefined)[]>()
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
    if (ids === undefined) this.#byCollection.set(collection, (ids = new Array<string | undefined>(SLOTS).fill(undefined)))
    ids[slotOf(id)] = id
  }

  /** Whether the id is known not to be there; it is no more after this. To be asked within a transaction. */
  take(collection: number, id: string): boolean {
    const ids = this.#byCollection.get(collection)
    if (ids === undefined) return false
    const slot = slotOf(id)
    if (ids[slot] !== id) return false
    ids[slot] = undefined
    return true
  }

  /** What was done may be undone, or was done by others. */
  forget(): void {
    for (const ids of this.#byCollection.values()) ids.fill(undefined)
  }
}

/** FNV-1a over the units of the text. */
function slotOf(id: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193)
  return (hash ^ (hash >>> 16)) & (SLOTS - 1)
}
