import type { Logger } from '@kithmesh/core'
import type { DocumentEvent } from '@kithmesh/replicator'
import type { MeshLink } from '../contracts.ts'
import type { Scheduler } from './contracts.ts'
import type { LinkDiagnostics } from './link-diagnostics.ts'

type ChangedListener = () => void
type DocumentsListener = (deviceId: string, events: readonly DocumentEvent[]) => void

/** Tells listeners of changes: coalesced per turn of the event loop, each shielded from the others' exceptions, which are logged. */
export class MeshListeners {
  readonly #changed = new Set<ChangedListener>()
  readonly #documents = new Set<DocumentsListener>()
  readonly #logger: Logger
  readonly #scheduler: Scheduler
  readonly #diagnostics: LinkDiagnostics
  readonly #links: () => readonly MeshLink[]
  #pending = false

  /** @param links is called when somebody listens to diagnostics. */
  constructor(logger: Logger, scheduler: Scheduler, diagnostics: LinkDiagnostics, links: () => readonly MeshLink[]) {
    this.#logger = logger
    this.#scheduler = scheduler
    this.#diagnostics = diagnostics
    this.#links = links
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
    if (this.#pending || (this.#changed.size === 0 && !this.#diagnostics.wantsLinks)) return
    this.#pending = true
    this.#scheduler.soon(() => {
      this.#pending = false
      if (this.#diagnostics.wantsLinks) this.#diagnostics.links(this.#links())
      else this.#diagnostics.forget()
      for (const listener of [...this.#changed]) if (this.#changed.has(listener)) this.#shielded(listener)
    })
  }

  documents(deviceId: string, events: readonly DocumentEvent[]): void {
    this.#diagnostics.documents(deviceId, events)
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
