import type { Logger } from '@kithmesh/core/plugin'
import { bleErrors } from '../errors.ts'
import type { StoppablePublisher } from '../publisher/publisher.ts'
import { BackendLife } from './backend-life.ts'
import type { BleBackend, BleBackendCapabilities, BleCentral, BlePublisher } from './contracts.ts'

/** A central with its life, which is its backend's business. */
export interface CentralPart extends BleCentral {
  /** Loads the library and waits until Bluetooth is on, or the signal aborts. @param lost called when it goes off later */
  start(lost: (error: Error) => void, options: { readonly signal: AbortSignal }): Promise<void>
  /** Ends scanning and links. Idempotent. */
  stop(): Promise<void>
}

/** What is below the library, if anything is. */
export interface AdapterPart {
  start(): Promise<void>
  stop(): Promise<void>
  onLost(listener: (error: Error) => void): () => void
}

export interface BackendParts {
  /** May say more once started. */
  readonly description: () => string
  readonly capabilities: BleBackendCapabilities
  readonly adapter?: AdapterPart
  readonly central: CentralPart
  /** @param usable throws unless Bluetooth is in use @param gone tells that Bluetooth went */
  readonly publisher?: (usable: () => void, gone: (error: Error) => void) => StoppablePublisher
  readonly logger: Logger
}

/** Makes a backend of its parts: they are started from below, ended from above, and all ended when one of them is lost. */
export function backendOf(parts: BackendParts): BleBackend {
  return new PartedBackend(parts)
}

class PartedBackend implements BleBackend {
  readonly capabilities: BleBackendCapabilities
  readonly central: BleCentral
  readonly publisher: BlePublisher | undefined
  readonly #describe: () => string
  readonly #life: BackendLife
  #gone: (error: Error) => void = () => {}

  constructor({ description, capabilities, adapter, central, publisher: publisherOf, logger }: BackendParts) {
    this.#describe = description
    this.capabilities = capabilities
    this.central = central
    const publisher = publisherOf?.(
      () => {
        if (!this.#life.started) throw bleErrors.create('ERR_BLE_SHUT_DOWN', 'Bluetooth is not in use')
      },
      (error) => {
        this.#gone(error)
      }
    )
    this.publisher = publisher
    let unwatch = (): void => {}
    this.#life = new BackendLife(
      {
        start: async (gone, signal) => {
          this.#gone = gone
          unwatch = adapter?.onLost(gone) ?? unwatch
          await adapter?.start()
          signal.throwIfAborted()
          await central.start(gone, { signal })
        },
        stop: [
          () => {
            unwatch()
          },
          async () => publisher?.stop(),
          () => central.stop(),
          async () => adapter?.stop()
        ]
      },
      logger
    )
  }

  get description(): string {
    return this.#describe()
  }

  start(lost: (error: Error) => void): Promise<void> {
    return this.#life.start(lost)
  }

  stop(): Promise<void> {
    return this.#life.stop()
  }
}
