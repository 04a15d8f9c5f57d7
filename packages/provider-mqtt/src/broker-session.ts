import type { Duplex } from 'node:stream'
import type { Clock } from '@kithmesh/core'
import { MqttClient } from 'mqtt'
import { PacketGuard } from './packet-guard.ts'
import { maxPacketBytes } from './dial.ts'
import { mqttErrors } from './errors.ts'
import type { CheckedBroker } from './options.ts'

/** How long a broker may take to acknowledge something. */
const acknowledgeMs = 10_000
/** How long a clean goodbye may take. */
const endMs = 1000
/** Answers by which a broker says that it does not speak a protocol version (MQTT 3.1.1 §3.2.2.3, MQTT 5.0 §3.2.2.2). */
const versionRefusals = [1, 0x84]
/** PUBACK reason code of MQTT 5.0 §3.4.2.1: nobody reads that topic. */
const noMatchingSubscribers = 0x10

export interface Will {
  readonly topic: string
  readonly payload: Buffer
  readonly expirySeconds: number
}

export interface SessionOptions {
  readonly broker: CheckedBroker
  readonly clock: Clock
  readonly clientId: string
  readonly protocolVersion: 4 | 5
  readonly keepAliveSeconds: number
  /** Published, retained, when the connection ends without a goodbye. */
  readonly will: Will
  readonly signal: AbortSignal
  readonly onMessage: (topic: string, payload: Buffer, retained: boolean) => void
}

export interface PublishSettings {
  readonly retain?: boolean
  /** How long the broker keeps it; brokers of MQTT 3.1.1 keep it for good. */
  readonly expirySeconds?: number
}

/** One MQTT connection: clean session, QoS 1. It ends once and does not come back. */
export class BrokerSession {
  readonly protocolVersion: 4 | 5
  /** Resolves with the reason when the connection has ended; undefined after {@link end}. Never rejects. */
  readonly ended: Promise<Error | undefined>
  readonly #client: MqttClient
  readonly #stream: Duplex
  readonly #clock: Clock
  readonly #name: string
  #end: ((reason: Error | undefined) => void) | undefined
  #open = true
  /** What waits for an acknowledgement. */
  readonly #unacknowledged = new Set<(cause: unknown) => void>()
  /** Packet identifiers of publications that nobody reads; the library tells of them nowhere else. */
  readonly #unheard = new Set<number | undefined>()

  private constructor(client: MqttClient, stream: Duplex, { broker, clock, protocolVersion }: SessionOptions) {
    this.#client = client
    this.#stream = stream
    this.#clock = clock
    this.#name = broker.id
    this.protocolVersion = protocolVersion
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
    client.on('packetreceive', (packet) => {
      if (packet.cmd === 'puback' && packet.reasonCode === noMatchingSubscribers) this.#unheard.add(packet.messageId)
    })
  }

  /**
   * Sends CONNECT and waits for the answer. Takes over `stream`; it is destroyed on failure.
   * @throws ERR_MQTT_CONNECT, ERR_MQTT_REFUSED, with `details.unknownVersion` when another protocol version may work
   */
  static greet(stream: Duplex, options: SessionOptions): Promise<BrokerSession> {
    const { broker, clientId, protocolVersion, keepAliveSeconds, will, signal, onMessage } = options
    const guard = new PacketGuard(maxPacketBytes)
    let session: BrokerSession | undefined
    let reason: Error | undefined
    stream.on('error', (error: Error) => {
      reason ??= error
    })
    stream.on('data', (chunk: Buffer) => {
      if (guard.accepts(chunk)) return
      reason = mqttErrors.create('ERR_MQTT_PROTOCOL', `The broker ${broker.id} sent a packet of more than ${maxPacketBytes} bytes`)
      stream.destroy()
    })
    const client = new MqttClient(() => stream, {
      clientId,
      protocolVersion,
      clean: true,
      reconnectPeriod: 0,
      keepalive: keepAliveSeconds,
      timerVariant: 'native',
      resubscribe: false,
      ...(broker.username === undefined ? {} : { username: broker.username }),
      ...(broker.password === undefined ? {} : { password: broker.password }),
      will: {
        topic: will.topic,
        payload: will.payload,
        qos: 1,
        retain: true,
        ...(protocolVersion === 5 ? { properties: { messageExpiryInterval: will.expirySeconds } } : {})
      },
      ...(protocolVersion === 5 ? { properties: { sessionExpiryInterval: 0, maximumPacketSize: maxPacketBytes } } : {})
    })
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        reason ??= signal.reason as Error
        stream.destroy()
      }
      signal.addEventListener('abort', abort, { once: true })
      client.on('error', (error) => {
        reason ??= error
        stream.destroy()
      })
      client.on('disconnect', ({ reasonCode }) => {
        reason ??= new Error(`the broker said goodbye with reason code ${reasonCode}`)
      })
      client.once('connect', () => {
        session = new BrokerSession(client, stream, options)
        signal.removeEventListener('abort', abort)
        resolve(session)
      })
      client.on('message', (topic, payload, { retain }) => {
        if (session?.open === true) onMessage(topic, payload, retain)
      })
      stream.once('close', () => {
        signal.removeEventListener('abort', abort)
        if (session !== undefined) session.#close(reason)
        else reject(refusal(broker, protocolVersion, reason, signal.aborted))
        client.end(true)
      })
      if (signal.aborted) abort()
    })
  }

  get open(): boolean {
    return this.#open
  }

  /**
   * Resolves when the broker has it; false where it says that nobody reads the topic.
   * @throws ERR_MQTT_LOST, ERR_MQTT_DENIED
   */
  publish(topic: string, payload: Buffer, { retain = false, expirySeconds }: PublishSettings = {}): Promise<boolean> {
    const properties = this.protocolVersion === 5 && expirySeconds !== undefined ? { messageExpiryInterval: expirySeconds } : undefined
    return this.#acknowledged((done) => {
      this.#client.publish(topic, payload, { qos: 1, retain, ...(properties === undefined ? {} : { properties }) }, (error, packet) => {
        done(error ?? undefined, !this.#unheard.delete(packet?.messageId))
      })
    })
  }

  /** @throws ERR_MQTT_LOST, ERR_MQTT_DENIED */
  async subscribe(topic: string): Promise<void> {
    await this.#acknowledged<void>((done) => {
      this.#client.subscribe(topic, { qos: 1 }, (error, granted) => {
        const refused = granted?.some(({ qos }) => qos >= 128) === true
        done(error ?? (refused ? new Error('the broker refused the subscription') : undefined), undefined)
      })
    })
  }

  /** @throws ERR_MQTT_LOST, ERR_MQTT_DENIED */
  async unsubscribe(topic: string): Promise<void> {
    await this.#acknowledged<void>((done) => {
      this.#client.unsubscribe(topic, (error) => {
        done(error ?? undefined, undefined)
      })
    })
  }

  /** Says goodbye, so that the last will is not executed, and closes. Idempotent. */
  async end(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    const cancel = this.#clock.after(endMs, () => {
      this.#stream.destroy()
    })
    this.#client.end(false)
    await this.ended
    cancel()
  }

  /** Closes at once; the broker executes the last will. */
  destroy(reason: Error): void {
    this.#stream.destroy(reason)
  }

  #close(reason: Error | undefined): void {
    const expected = !this.#open
    this.#open = false
    const why = expected
      ? undefined
      : mqttErrors.create(
          'ERR_MQTT_LOST',
          `The connection to the broker ${this.#name} ended${reason === undefined ? '' : `: ${reason.message}`}`,
          { cause: reason }
        )
    for (const lost of [...this.#unacknowledged]) lost(why)
    this.#end?.(why)
  }

  #acknowledged<T>(begin: (done: (error: Error | undefined, value: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        cancel()
        this.#unacknowledged.delete(lost)
      }
      const lost = (cause: unknown): void => {
        end()
        reject(mqttErrors.create('ERR_MQTT_LOST', `The broker ${this.#name} did not acknowledge`, { cause }))
      }
      const cancel = this.#clock.after(acknowledgeMs, () => {
        const silent = new Error(`no acknowledgement within ${acknowledgeMs} ms`)
        this.destroy(silent)
        lost(silent)
      })
      if (!this.#open) {
        lost(undefined)
        return
      }
      this.#unacknowledged.add(lost)
      begin((error, value) => {
        end()
        if (error === undefined) resolve(value)
        else reject(mqttErrors.create('ERR_MQTT_DENIED', `The broker ${this.#name} refused: ${error.message}`, { cause: error }))
      })
    })
  }
}

function refusal(broker: CheckedBroker, protocolVersion: 4 | 5, cause: Error | undefined, aborted: boolean): Error {
  const code: unknown = (cause as { code?: unknown } | undefined)?.code
  const refused = typeof code === 'number'
  // Brokers that are older than MQTT 5 may close the connection without a word.
  const unknownVersion = protocolVersion === 5 && !aborted && (refused ? versionRefusals.includes(code) : true)
  return mqttErrors.create(
    refused ? 'ERR_MQTT_REFUSED' : 'ERR_MQTT_CONNECT',
    `The broker ${broker.id} ${refused ? 'refused the connection' : 'did not answer the greeting'}${cause === undefined ? '' : `: ${cause.message}`}`,
    { cause, details: { ...(refused ? { reasonCode: code } : {}), unknownVersion } }
  )
}
