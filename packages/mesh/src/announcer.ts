import type { Logger } from '@kithmesh/core'
import type { DocumentEvent } from '@kithmesh/replicator'

type ChangedListener = () => void
type DocumentsListener = (deviceId: string, events: readonly DocumentEvent[]) => void

/** Tells listeners of changes: coalesced per turn of the event loop, each shielded from the others' exceptions, which are logged. */
export class Announcer {
  readonly #changed = new Set<ChangedListener>()
  readonly #documents = new Set<DocumentsListener>()
  readonly #logger: Logger
  #pending = false

  constructor(logger: Logger) {
    this.#logger = logger
  }

  onChanged(listener: ChangedListener): () => void {
    return add(this.#changed, () => {
      listener()
    })
  }

  onDocuments(listener: DocumentsListener): () => void {
    return add(this.#documents, (deviceId, events) => {
      listener(deviceId, events)
    })
  }

  changed(): void {
    if (this.#pending) return
    this.#pending = true
    setImmediate(() => {
      this.#pending = false
      for (const listener of [...this.#changed]) if (this.#changed.has(listener)) this.#shielded(listener)
    })
  }

  documents(deviceId: string, events: readonly DocumentEvent[]): void {
    for (const listener of [...this.#documents])
      this.#shielded(() => {
        listener(deviceId, events)
      })
    this.changed()
  }

  #shielded(call: () => void): void {
    try {
      call()
    } catch (error) {
      this.#logger.error('a listener threw', { error })
    }
  }
}

function add<T>(listeners: Set<T>, listener: T): () => void {
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}
