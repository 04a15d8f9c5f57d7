import { type Clock, type Logger, isKithmeshError, limitedSignal } from '@kithmesh/core/plugin'
import { BrokerSession } from './broker-session.ts'
import type { Will } from './broker-session.ts'
import { dialBroker } from './dial.ts'
import { mqttErrors } from './errors.ts'
import type { BrokerStatus, CheckedBroker } from './options.ts'
import { brokerTag } from './rendezvous.ts'

const maxBackoffFactor = 60
/** A connection that lived that long was good: the next one is tried soon. */
const goodMs = 10_000

export interface LinkOptions {
  readonly broker: CheckedBroker
  readonly clock: Clock
  readonly logger: Logger
  readonly clientId: string
  readonly connectTimeoutMs: number
  readonly keepAliveSeconds: number
  readonly reconnectMs: number
  readonly random: () => number
  /** The last will of the connection with this number. */
  readonly will: (tag: string, number: number) => Will
  /** The state changed; a new session is in {@link BrokerLink.session}. */
  readonly changed: () => void
  readonly message: (link: BrokerLink, topic: string, payload: Buffer, retained: boolean) => void
}

/** Keeps a connection to one broker, with growing, jittered pauses between attempts, until it is stopped. */
export class BrokerLink {
  readonly tag: string
  readonly id: string
  readonly #options: LinkOptions
  #session: BrokerSession | undefined
  #number = -1
  #failures = 0
  #state: BrokerStatus['state'] = 'idle'
  #error: Error | undefined
  #version: 4 | 5
  #life: AbortController | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(options: LinkOptions) {
    this.#options = options
    this.id = options.broker.id
    this.tag = brokerTag(options.broker.id)
    this.#version = options.broker.protocolVersion === 4 ? 4 : 5
  }

  /** While connected. */
  get session(): BrokerSession | undefined {
    return this.#session
  }

  /** Of the connection there is. */
  get connectionNumber(): number {
    return this.#number
  }

  get status(): BrokerStatus {
    return {
      id: this.id,
      url: this.#options.broker.url,
      state: this.#state,
      ...(this.#session === undefined ? {} : { protocolVersion: this.#session.protocolVersion }),
      ...(this.#error === undefined ? {} : { error: this.#error })
    }
  }

  start(): void {
    if (this.#life !== undefined) return
    this.#life = new AbortController()
    this.#running = this.#run(this.#life.signal)
  }

  /** Says goodbye to the broker, within a second. */
  async stop(): Promise<void> {
    this.#life?.abort(mqttErrors.create('ERR_MQTT_STOPPED', 'The connection to the broker was given up'))
    await this.#session?.end()
    await this.#running
    this.#set('idle', undefined)
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options
    while (!signal.aborted) {
      this.#set('connecting', this.#error)
      try {
        const session = await this.#connect(signal)
        if (signal.aborted) {
          await session.end()
          return
        }
        const since = clock.monotonic()
        this.#session = session
        logger.debug('Connected', { broker: this.id, protocolVersion: session.protocolVersion })
        this.#set('connected', undefined)
        const reason = await session.ended
        this.#session = undefined
        if (clock.monotonic() - since >= goodMs) this.#failures = 0
        this.#error = reason
      } catch (error) {
        this.#error = error as Error
      }
      if (signal.aborted) return
      this.#failures++
      const pause = this.#pause()
      logger.info('A broker cannot be used now', { broker: this.id, error: this.#error, retryMs: Math.round(pause) })
      this.#set('waiting', this.#error)
      await clock.sleep(pause, { signal }).catch(() => {})
    }
  }

  async #connect(signal: AbortSignal): Promise<BrokerSession> {
    const { broker } = this.#options
    try {
      return await this.#attempt(signal)
    } catch (error) {
      const unknownVersion = isKithmeshError(error) && error.details['unknownVersion'] === true
      if (signal.aborted || broker.protocolVersion !== 'auto' || this.#version !== 5 || !unknownVersion) throw error
      this.#version = 4
      try {
        return await this.#attempt(signal)
      } catch (again) {
        // It was not the version: begin with the better one next time.
        this.#version = 5
        throw again
      }
    }
  }

  async #attempt(signal: AbortSignal): Promise<BrokerSession> {
    const { broker, clock, clientId, connectTimeoutMs, keepAliveSeconds, will, message } = this.#options
    const limit = limitedSignal(clock, connectTimeoutMs, () => new Error(`no answer within ${connectTimeoutMs} ms`), signal)
    try {
      const stream = await dialBroker(broker, clock, limit.signal)
      this.#number++
      return await BrokerSession.greet(stream, {
        broker,
        clock,
        clientId,
        protocolVersion: this.#version,
        keepAliveSeconds,
        will: will(this.tag, this.#number),
        signal: limit.signal,
        onMessage: (topic, payload, retained) => {
          message(this, topic, payload, retained)
        }
      })
    } finally {
      limit.release()
    }
  }

  /** Doubling, and somewhere in the upper half, so that a broker that returns is not met by everybody at once. */
  #pause(): number {
    const { reconnectMs, random } = this.#options
    return reconnectMs * Math.min(maxBackoffFactor, 2 ** (this.#failures - 1)) * (0.5 + random() / 2)
  }

  #set(state: BrokerStatus['state'], error: Error | undefined): void {
    this.#state = state
    this.#error = error
    this.#options.changed()
  }
}
