import { isKithmeshError } from '@kithmesh/core'
import type { Logger } from '@kithmesh/core'
import type { BrokerLink } from './broker-link.ts'
import type { BrokerSession, PublishSettings } from './broker-session.ts'

/** What a broker should have of this device now. */
export interface WantedState {
  readonly topics: ReadonlySet<string>
  /** What to publish; undefined when nothing is. */
  readonly publication:
    | { readonly version: number; readonly topic: string; readonly settings: PublishSettings; encode(): Buffer }
    | undefined
}

/**
 * Brings one broker to the wanted state, after each new connection from the start: subscribes, publishes, then unsubscribes. One step at a
 * time; what changes meanwhile is done afterwards. A broker that hangs holds up nobody else.
 */
export class LinkSync {
  readonly link: BrokerLink
  readonly #wanted: () => WantedState
  readonly #settled: () => void
  readonly #logger: Logger
  #session: BrokerSession | undefined
  readonly #topics = new Set<string>()
  #version = -1
  #error: Error | undefined
  #running = false
  #again = false

  /** @param settled called when the broker has what was wanted, or refused it */
  constructor(link: BrokerLink, logger: Logger, wanted: () => WantedState, settled: () => void) {
    this.link = link
    this.#logger = logger
    this.#wanted = wanted
    this.#settled = settled
  }

  /** Why the broker cannot be used now: not connected, or it refused something. */
  get error(): Error | undefined {
    const { state, error } = this.link.status
    return state === 'waiting' ? error : this.#error
  }

  /** Whether the broker has acknowledged this subscription on the connection there is. */
  reads(topic: string): boolean {
    return this.#current && this.#topics.has(topic)
  }

  /** The newest version of the publication that the broker has acknowledged on the connection there is; -1 for none. */
  get published(): number {
    return this.#current ? this.#version : -1
  }

  /** Something wanted has changed, or the connection has. */
  run(): void {
    this.#again = true
    if (this.#running) return
    this.#running = true
    void this.#loop()
  }

  get #current(): boolean {
    return this.#session !== undefined && this.#session === this.link.session
  }

  async #loop(): Promise<void> {
    while (this.#again) {
      this.#again = false
      const { session } = this.link
      if (session === undefined) continue
      if (session !== this.#session) {
        this.#session = session
        this.#topics.clear()
        this.#version = -1
      }
      try {
        await this.#apply(session)
        this.#error = undefined
      } catch (error) {
        this.#error = error as Error
        if (session === this.link.session && !isKithmeshError(error, 'ERR_MQTT_LOST'))
          this.#logger.warn('A broker refuses what this device needs there', { broker: this.link.id, error })
      }
      this.#settled()
    }
    this.#running = false
  }

  async #apply(session: BrokerSession): Promise<void> {
    const { topics } = this.#wanted()
    const missing = [...topics].filter((topic) => !this.#topics.has(topic))
    await Promise.all(
      missing.map(async (topic) => {
        await session.subscribe(topic)
        this.#topics.add(topic)
      })
    )
    const { publication } = this.#wanted()
    if (publication !== undefined && publication.version > this.#version) {
      await session.publish(publication.topic, publication.encode(), publication.settings)
      this.#version = publication.version
    }
    for (const topic of [...this.#topics].filter((topic) => !topics.has(topic))) {
      this.#topics.delete(topic)
      await session.unsubscribe(topic)
    }
  }
}
