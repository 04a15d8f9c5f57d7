import type { StoredDocument } from '../contracts/storage.ts'
import { compareUtf8 } from './compare-utf8.ts'

/** A document as it is kept, which is its own change too. */
export interface KeptDocument extends StoredDocument {
  readonly bodySize: number
}

const deleted = (document: KeptDocument): boolean => (document.flags & 1) !== 0

/** One collection in memory: by id, by sequence, and (made when asked for) in id order. */
export class MemoryCollection {
  readonly scope: string
  readonly name: string
  readonly #byId = new Map<string, KeptDocument>()
  /** Ascending by sequence; entries that `#byId` does not hold (any more) are leftovers. */
  #bySequence: KeptDocument[] = []
  #sorted: string[] | undefined
  #live = 0
  #lastSequence = 0

  constructor(scope: string, name: string) {
    this.scope = scope
    this.name = name
  }

  get live(): number {
    return this.#live
  }
  get lastSequence(): number {
    return this.#lastSequence
  }

  get(id: string): KeptDocument | undefined {
    return this.#byId.get(id)
  }

  /** Sets or removes a document; the returned function undoes it (in reverse order only). */
  replace(id: string, document: KeptDocument | undefined, lastSequence: number): () => void {
    const old = this.#byId.get(id)
    const oldLast = this.#lastSequence
    this.#set(id, old, document, lastSequence)
    return () => {
      this.#set(id, document, old, oldLast)
    }
  }

  #set(id: string, from: KeptDocument | undefined, to: KeptDocument | undefined, last: number): void {
    this.#live += (to === undefined || deleted(to) ? 0 : 1) - (from === undefined || deleted(from) ? 0 : 1)
    if ((from === undefined) !== (to === undefined)) this.#sorted = undefined
    if (to === undefined) this.#byId.delete(id)
    else {
      this.#byId.set(id, to)
      this.#place(to)
    }
    this.#lastSequence = last
  }

  since(since: number, limit: number): KeptDocument[] {
    const found: KeptDocument[] = []
    for (let index = this.#firstAfter(since); index < this.#bySequence.length && found.length < limit; index += 1) {
      const document = this.#bySequence[index] as KeptDocument
      if (this.#byId.get(document.id) === document) found.push(document)
    }
    return found
  }

  liveAfter(after: string, limit: number): KeptDocument[] {
    this.#sorted ??= [...this.#byId.keys()].sort(compareUtf8)
    const ids = this.#sorted
    let low = 0
    for (let high = ids.length; low < high; ) {
      const middle = (low + high) >>> 1
      if (compareUtf8(ids[middle] as string, after) > 0) high = middle
      else low = middle + 1
    }
    const found: KeptDocument[] = []
    for (; low < ids.length && found.length < limit; low += 1) {
      const document = this.#byId.get(ids[low] as string) as KeptDocument
      if (!deleted(document)) found.push(document)
    }
    return found
  }

  #firstAfter(sequence: number): number {
    let low = 0
    for (let high = this.#bySequence.length; low < high; ) {
      const middle = (low + high) >>> 1
      if ((this.#bySequence[middle] as KeptDocument).sequence > sequence) high = middle
      else low = middle + 1
    }
    return low
  }

  #place(document: KeptDocument): void {
    const last = this.#bySequence.at(-1)
    if (last === undefined || last.sequence < document.sequence) {
      this.#bySequence.push(document)
      this.#dropLeftovers()
      return
    }
    const index = this.#firstAfter(document.sequence - 1)
    const there = this.#bySequence[index]
    if (there === undefined) this.#bySequence.push(document)
    else if (there.sequence === document.sequence) this.#bySequence[index] = document
    else this.#bySequence.splice(index, 0, document)
    this.#dropLeftovers()
  }

  #dropLeftovers(): void {
    if (this.#bySequence.length > 64 && this.#bySequence.length > 2 * this.#byId.size + 64) {
      this.#bySequence = this.#bySequence.filter((entry) => this.#byId.get(entry.id) === entry)
    }
  }
}
