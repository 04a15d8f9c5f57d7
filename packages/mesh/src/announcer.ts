import type { DocumentEvent } from '@kithmesh/replicator'

type DocumentsListener = (deviceId: string, events: readonly DocumentEvent[]) => void

/** Tells listeners of changes: coalesced per turn of the event loop, each isolated from the others' exceptions. */
export class Announcer {
  readonly #changed = new Set<() => void>()
  readonly #documents = new Set<DocumentsListener>()
  #pending = false

  onChanged (listener: () => void): () => void {
    this.#changed.add(listener)
    return () => { this.#changed.delete(listener) }
  }

  onDocuments (listener: DocumentsListener): () => void {
    this.#documents.add(listener)
    return () => { this.#documents.delete(listener) }
  }

  changed (): void {
    if (this.#pending) return
    this.#pending = true
    setImmediate(() => {
      this.#pending = false
      for (const listener of [...this.#changed]) isolated(listener)
    })
  }

  documents (deviceId: string, events: readonly DocumentEvent[]): void {
    for (const listener of [...this.#documents]) isolated(() => { listener(deviceId, events) })
    this.changed()
  }
}

/** An exception of a listener belongs to the listener: it surfaces as an unhandled rejection and stops nothing here. */
function isolated (call: () => void): void {
  try {
    call()
  } catch (error) {
    void Promise.reject(error)
  }
}
