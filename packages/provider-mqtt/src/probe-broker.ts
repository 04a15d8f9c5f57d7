import { randomBytes } from 'node:crypto'
import { isKithmeshError, systemClock } from '@kithmesh/core'
import type { Clock } from '@kithmesh/core'
import { limitedSignal } from '@kithmesh/core/plugin'
import { BrokerSession } from './broker-session.ts'
import { dialBroker } from './dial.ts'
import { mqttErrors } from './errors.ts'
import { createGroup } from './group.ts'
import { checkBroker, checkTopicPrefix } from './options.ts'
import type { BrokerOptions, CheckedBroker } from './options.ts'

/** How far {@link probeBroker} got with a broker. */
export interface BrokerProbe {
  /** Host and port, or the id given. */
  readonly id: string
  /** Without user name, password and query. */
  readonly url: string
  /** Whether a user name was given. */
  readonly login: boolean
  readonly protocolVersion: 4 | 5 | undefined
  /** Until the broker had accepted the connection and the login, milliseconds; undefined when it has not. */
  readonly connectMs: number | undefined
  /** From publishing a message until it came back, milliseconds. */
  readonly roundTripMs: number | undefined
  /** What did not work, and in which step: `connect` includes TLS and the login. */
  readonly failure: { readonly step: 'connect' | 'subscribe' | 'publish' | 'receive'; readonly error: Error } | undefined
}

export interface ProbeBrokerOptions {
  /** For everything together, 1 to 3,600,000 milliseconds. @default 5,000 */
  readonly timeoutMs?: number
  /** As in `MqttOptions`. @default kithmesh */
  readonly topicPrefix?: string
  /** The peer group whose topics are tried; nobody reads the inbox that is used. @default one that nobody has */
  readonly peerGroupId?: string
  /** @default systemClock */
  readonly clock?: Clock
  readonly signal?: AbortSignal
}

const TIMEOUT_MS = 5_000
const MAX_TIMEOUT_MS = 3_600_000
const KEEP_ALIVE_SECONDS = 30

/**
 * Tries what discovery needs of a broker: connects, logs in, subscribes to an inbox as devices have them, and sends a message to itself that is not kept.
 * Nothing stays on the broker. What does not work is told, not thrown.
 * @throws TypeError for options that cannot be understood; the signal's reason
 */
export async function probeBroker(given: string | BrokerOptions, options: ProbeBrokerOptions = {}): Promise<BrokerProbe> {
  const { timeoutMs = TIMEOUT_MS, topicPrefix = 'kithmesh', clock = systemClock, signal } = options
  const broker = checkBroker(given)
  checkTopicPrefix(topicPrefix)
  if (!(timeoutMs >= 1 && timeoutMs <= MAX_TIMEOUT_MS)) throw new TypeError(`timeoutMs is from 1 to ${MAX_TIMEOUT_MS}, not ${timeoutMs}`)
  signal?.throwIfAborted()
  const ending = limitedSignal(clock, timeoutMs, () => new Error(`no answer within ${timeoutMs} ms`), signal)
  const group = createGroup(options.peerGroupId ?? `probe-${randomBytes(8).toString('hex')}`, topicPrefix)
  const topic = group.inboxTopic(randomBytes(32).toString('hex'))
  const begun = clock.monotonic()
  const result: { -readonly [Key in keyof BrokerProbe]: BrokerProbe[Key] } = {
    id: broker.id,
    url: broker.url,
    login: broker.username !== undefined,
    protocolVersion: undefined,
    connectMs: undefined,
    roundTripMs: undefined,
    failure: undefined
  }
  let step: NonNullable<BrokerProbe['failure']>['step'] = 'connect'
  let session: BrokerSession | undefined
  const broken = (): void => {
    session?.destroy(ending.signal.reason as Error)
  }
  ending.signal.addEventListener('abort', broken, { once: true })
  try {
    let heard = (): void => {}
    const echo = new Promise<void>((resolve) => {
      heard = resolve
    })
    const opened = await open(broker, topic, clock, ending.signal, heard)
    session = opened
    result.protocolVersion = opened.protocolVersion
    result.connectMs = clock.monotonic() - begun
    step = 'subscribe'
    await opened.subscribe(topic)
    step = 'publish'
    const sentAt = clock.monotonic()
    await opened.publish(topic, randomBytes(16))
    step = 'receive'
    const lost = opened.ended.then((error) => {
      throw error ?? new Error('the connection ended')
    })
    await Promise.race([echo, lost])
    result.roundTripMs = clock.monotonic() - sentAt
  } catch (error) {
    signal?.throwIfAborted()
    result.failure = { step, error: explained(step, broker, error as Error, ending.signal) }
  } finally {
    ending.signal.removeEventListener('abort', broken)
    ending.release()
    await session?.end()
  }
  return result
}

/** The session, with MQTT 3.1.1 where the broker does not know version 5. The last will is empty, so that it leaves nothing behind. */
async function open(broker: CheckedBroker, topic: string, clock: Clock, signal: AbortSignal, heard: () => void): Promise<BrokerSession> {
  const attempt = async (protocolVersion: 4 | 5): Promise<BrokerSession> =>
    await BrokerSession.greet(await dialBroker(broker, clock, signal), {
      broker,
      clock,
      clientId: `kithmesh-probe-${randomBytes(8).toString('hex')}`,
      protocolVersion,
      keepAliveSeconds: KEEP_ALIVE_SECONDS,
      will: { topic, payload: Buffer.alloc(0), expirySeconds: 1 },
      signal,
      onMessage: heard
    })
  if (broker.protocolVersion !== 'auto') return await attempt(broker.protocolVersion)
  try {
    return await attempt(5)
  } catch (error) {
    if (signal.aborted || !isKithmeshError(error) || error.details['unknownVersion'] !== true) throw error
    return await attempt(4)
  }
}

/** A message that does not come back although everything was acknowledged is a rule of the broker's. */
function explained(step: string, broker: CheckedBroker, error: Error, signal: AbortSignal): Error {
  if (step !== 'receive' || !signal.aborted) return error
  return mqttErrors.create('ERR_MQTT_DENIED', `The broker ${broker.id} took a message and did not deliver it`, { cause: signal.reason })
}
