import { Readable } from 'node:stream'
import type { Clock } from '@kithmesh/core'
import type { Retained, RetainedStore } from './retained-store.ts'

/** What aedes hands over to be kept. */
interface StoredPacket extends Retained {
  readonly cmd: string
}

/**
 * What aedes wants to have stored (aedes-persistence 11). All sessions are clean and nothing is taken with QoS 2, so that retained messages
 * are all there is: no queue can grow for somebody who never comes back.
 */
export class CleanSessions {
  readonly #retained: RetainedStore
  readonly #clock: Clock
  /** Called before each message that a new subscriber is sent; resolves when it may come. */
  pace: () => () => Promise<void> = () => () => Promise.resolve()

  constructor(retained: RetainedStore, clock: Clock) {
    this.#retained = retained
    this.#clock = clock
  }

  async setup(): Promise<void> {}

  async destroy(): Promise<void> {}

  async storeRetained({ topic, payload, qos }: StoredPacket): Promise<void> {
    this.#retained.store({ topic, payload, qos }, this.#clock.monotonic())
  }

  createRetainedStreamCombi(filters: readonly string[]): Readable {
    const paced = this.pace()
    const found = filters.flatMap((filter) => this.#retained.match(filter))
    return Readable.from(
      (async function* () {
        for (const message of found) {
          await paced()
          yield { cmd: 'publish', retain: true, ...message }
        }
      })()
    )
  }

  async addSubscriptions(): Promise<void> {}
  async removeSubscriptions(): Promise<void> {}
  async cleanSubscriptions(): Promise<void> {}
  async cleanIncoming(): Promise<void> {}
  async subscriptionsByClient(): Promise<never[]> {
    return []
  }
  async subscriptionsByTopic(): Promise<never[]> {
    return []
  }
  async outgoingEnqueue(): Promise<void> {}
  async outgoingEnqueueCombi(): Promise<void> {}
  async outgoingUpdate(): Promise<void> {}
  async outgoingClearMessageId(): Promise<void> {}
  outgoingStream(): Readable {
    return Readable.from([])
  }
  async incomingStorePacket(): Promise<void> {}
  async incomingGetPacket(): Promise<never> {
    throw new Error('no such packet')
  }
  async incomingDelPacket(): Promise<void> {}
  async putWill(): Promise<void> {}
  async delWill(): Promise<void> {}
  streamWill(): Readable {
    return Readable.from([])
  }
}
