import type { BleBackend, BleBackendCapabilities, BleBackendContext, BleBackendFactory, BleCentral, BlePublisher } from './contracts.ts'
import { BackendLife } from './backend-life.ts'

/** A way to Bluetooth, and when the next one is worth a try instead. */
export interface BackendCandidate {
  readonly factory: BleBackendFactory
  /** Whether the next one is tried after this failure. */
  readonly giveWay: (error: unknown) => boolean
  /** For the log: what the next one costs compared with this one. */
  readonly otherwise: string
}

/** At each start, the first of several backends that starts. */
export function firstUsableBackend(candidates: readonly [BackendCandidate, ...BackendCandidate[]]): BleBackendFactory {
  return (context) => new FirstUsableBackend(candidates, context)
}

class FirstUsableBackend implements BleBackend {
  readonly #backends: readonly { readonly backend: BleBackend; readonly candidate: BackendCandidate }[]
  readonly #life: BackendLife
  #current: BleBackend

  constructor(candidates: readonly [BackendCandidate, ...BackendCandidate[]], context: BleBackendContext) {
    this.#backends = candidates.map((candidate) => ({ backend: candidate.factory(context), candidate }))
    this.#current = this.#backends[0]!.backend
    this.#life = new BackendLife(
      {
        start: async (gone, signal) => {
          for (const [index, { backend, candidate }] of this.#backends.entries()) {
            signal.throwIfAborted()
            try {
              await backend.start(gone)
              this.#current = backend
              return
            } catch (error) {
              if (signal.aborted || index === this.#backends.length - 1 || !candidate.giveWay(error)) throw error
              context.logger.warn(candidate.otherwise, { error })
            }
          }
        },
        stop: this.#backends.map(
          ({ backend }) =>
            () =>
              backend.stop()
        )
      },
      context.logger
    )
  }

  get description(): string {
    return this.#current.description
  }

  get capabilities(): BleBackendCapabilities {
    return this.#current.capabilities
  }

  get central(): BleCentral {
    return this.#current.central
  }

  get publisher(): BlePublisher | undefined {
    return this.#current.publisher
  }

  start(lost: (error: Error) => void): Promise<void> {
    return this.#life.start(lost)
  }

  stop(): Promise<void> {
    return this.#life.stop()
  }
}
