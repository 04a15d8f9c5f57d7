import type { Authenticator, Identity, ServerTrust } from '@kithmesh/identity'
import { checkInteger, formatHostPort } from '@kithmesh/core/plugin'
import type { GroupKey } from './group.ts'

/** A broker and how to log in there. */
export interface BrokerOptions {
  /**
   * `mqtt://`, `mqtts://`, `ws://` or `wss://`; user name and password may be in it. Ports default to 1883, 8883, 80 and 443, the path of
   * WebSockets to `/mqtt`.
   */
  readonly url: string
  /**
   * What this broker is called among all devices of the group. Default: host and port of the URL. Devices that reach one broker by
   * different URLs should give it one id; they find each other anyway, but messages may take a detour.
   */
  readonly id?: string
  readonly username?: string
  readonly password?: string
  /** How the certificate of `mqtts:` and `wss:` is judged. Default: by the authorities that Node ships, with the host name. */
  readonly trust?: ServerTrust
  /** A certificate to show to the broker. Default: none. */
  readonly clientIdentity?: Identity
  /** 5, 4 (MQTT 3.1.1), or `auto`: 5, and 4 where the broker does not know it. Default `auto`. */
  readonly protocolVersion?: 4 | 5 | 'auto'
}

/** What a provider knows of one of its brokers. */
export interface BrokerStatus {
  readonly id: string
  /** Without user name, password and query, which often has a key. */
  readonly url: string
  /** `waiting`: the connection failed or broke and is tried again later. */
  readonly state: 'idle' | 'connecting' | 'connected' | 'waiting'
  /** Of the connection there is. */
  readonly protocolVersion?: 4 | 5
  /** Why the last connection failed or broke. */
  readonly error?: Error
}

/** What {@link mqtt} is told. */
export interface MqttOptions {
  /** 1 to 8 brokers, as URLs or with more options. All are used at once. */
  readonly brokers: readonly (string | BrokerOptions)[]
  /** This device. Presence and messages are signed with its key. */
  readonly identity: Identity
  /** Whose messages are delivered; judged as a TLS client would be. Default: everybody's, the receiver is told who it is. */
  readonly authenticator?: Authenticator
  /** With it, everything on the brokers is encrypted for those who have the same one, and topics say nothing. At least 16 bytes, or a passphrase of at least 12 characters. */
  readonly groupKey?: GroupKey
  /** First part of all topics: letters, digits, `-`, `_`, and `/` between levels. Default `kithmesh`. */
  readonly topicPrefix?: string
  /** How long others believe a presence that is not repeated, in milliseconds; it is repeated three times as often. 5 s to 1 h, default 180,000. */
  readonly presenceTtlMs?: number
  /** How far the clocks of two devices may differ, milliseconds. Default 120,000. */
  readonly clockSkewMs?: number
  /** On how many brokers messages are received. Default 2. */
  readonly inboxBrokers?: number
  /**
   * Messages taken of one sender per second in the long run; three times as many at once. Of all senders that were heard before ten times
   * as many together, of all others two and a half times. Default 40.
   */
  readonly messagesPerSecond?: number
  /** Devices that are listed at most. Default 1,000. */
  readonly maxPeers?: number
  /** Per attempt to connect to a broker, greeting included, milliseconds. Default 10,000. */
  readonly connectTimeoutMs?: number
  /** Seconds between signs of life to a broker. Default 30. */
  readonly keepAliveSeconds?: number
  /** The wait after the first failed connection, milliseconds; it doubles up to 60 times that. Default 500. */
  readonly reconnectMs?: number
  /** Told the states of all brokers whenever one changes. */
  readonly onBrokers?: (brokers: readonly BrokerStatus[]) => void
}

export interface CheckedBroker {
  readonly id: string
  /** As it may be shown. */
  readonly url: string
  readonly host: string
  readonly port: number
  readonly secure: boolean
  readonly webSocketPath: string | undefined
  readonly username: string | undefined
  readonly password: string | undefined
  readonly trust: ServerTrust
  readonly clientIdentity: Identity | undefined
  readonly protocolVersion: 4 | 5 | 'auto'
}

export interface CheckedOptions {
  readonly brokers: readonly CheckedBroker[]
  readonly identity: Identity
  readonly authenticator: Authenticator | undefined
  readonly groupKey: GroupKey | undefined
  readonly topicPrefix: string
  readonly presenceTtlMs: number
  readonly clockSkewMs: number
  readonly inboxBrokers: number
  readonly messagesPerSecond: number
  readonly maxPeers: number
  readonly connectTimeoutMs: number
  readonly keepAliveSeconds: number
  readonly reconnectMs: number
  readonly onBrokers: (brokers: readonly BrokerStatus[]) => void
}

const schemes: Readonly<Record<string, { readonly port: number; readonly secure: boolean; readonly webSocket: boolean }>> = {
  'mqtt:': { port: 1883, secure: false, webSocket: false },
  'mqtts:': { port: 8883, secure: true, webSocket: false },
  'ws:': { port: 80, secure: false, webSocket: true },
  'wss:': { port: 443, secure: true, webSocket: true }
}

/** Fills in the defaults. @throws TypeError for values that cannot work */
export function checkOptions(options: MqttOptions): CheckedOptions {
  const brokers = options.brokers.map(checkBroker)
  if (brokers.length < 1 || brokers.length > 8) throw new TypeError(`brokers must name 1 to 8 brokers, not ${brokers.length}`)
  if (new Set(brokers.map(({ id }) => id)).size !== brokers.length) throw new TypeError('two of the brokers have the same id')
  const { groupKey, topicPrefix = 'kithmesh' } = options
  if (groupKey !== undefined && groupKey.length < (typeof groupKey === 'string' ? 12 : 16))
    throw new TypeError('groupKey must have at least 16 bytes, or 12 characters as a passphrase')
  checkTopicPrefix(topicPrefix)
  const number = (
    name:
      | 'presenceTtlMs'
      | 'clockSkewMs'
      | 'inboxBrokers'
      | 'maxPeers'
      | 'messagesPerSecond'
      | 'connectTimeoutMs'
      | 'keepAliveSeconds'
      | 'reconnectMs',
    fallback: number,
    min: number,
    max: number
  ): number => checkInteger(name, options[name] ?? fallback, min, max)
  return {
    brokers,
    identity: options.identity,
    authenticator: options.authenticator,
    groupKey,
    topicPrefix,
    presenceTtlMs: number('presenceTtlMs', 180_000, 5000, 3_600_000),
    clockSkewMs: number('clockSkewMs', 120_000, 1000, 3_600_000),
    inboxBrokers: number('inboxBrokers', 2, 1, 8),
    messagesPerSecond: number('messagesPerSecond', 40, 1, 1_000_000),
    maxPeers: number('maxPeers', 1000, 1, 100_000),
    connectTimeoutMs: number('connectTimeoutMs', 10_000, 100, 120_000),
    keepAliveSeconds: number('keepAliveSeconds', 30, 1, 3600),
    reconnectMs: number('reconnectMs', 500, 1, 60_000),
    onBrokers: options.onBrokers ?? (() => {})
  }
}

/** @throws TypeError for one that could not begin a topic */
export function checkTopicPrefix(prefix: string): void {
  if (!/^[A-Za-z0-9_-]{1,64}(?:\/[A-Za-z0-9_-]{1,64}){0,7}$/.test(prefix))
    throw new TypeError('topicPrefix is 1 to 8 levels of letters, digits, "-" and "_"')
}

/** One broker, with the defaults filled in. @throws TypeError for values that cannot work */
export function checkBroker(given: string | BrokerOptions): CheckedBroker {
  const options: BrokerOptions = typeof given === 'string' ? { url: given } : given
  let url: URL
  try {
    url = new URL(options.url)
  } catch {
    // The text may hold a password: it is not repeated, and neither is the cause, which has it as a property.
    throw new TypeError('a broker URL is malformed')
  }
  const scheme = schemes[url.protocol]
  if (scheme === undefined) throw new TypeError(`a broker URL begins with mqtt://, mqtts://, ws:// or wss://, not ${url.protocol}`)
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase()
  if (host === '') throw new TypeError('a broker URL has no host')
  if (url.hash !== '') throw new TypeError('a broker URL has a fragment')
  if (!scheme.webSocket && !['', '/'].includes(url.pathname + url.search))
    throw new TypeError(`a path means nothing in ${url.protocol} URLs`)
  const port = url.port === '' ? scheme.port : Number(url.port)
  if (port === 0) throw new TypeError('port 0 in a broker URL')
  const protocolVersion = options.protocolVersion ?? 'auto'
  if (![4, 5, 'auto'].includes(protocolVersion)) throw new TypeError('protocolVersion must be 4, 5 or "auto"')
  const authority = formatHostPort(host, port)
  const path = scheme.webSocket ? (url.pathname === '/' ? '/mqtt' : url.pathname) : undefined
  return {
    id: options.id ?? authority,
    url: `${url.protocol}//${authority}${path ?? ''}`,
    host,
    port,
    secure: scheme.secure,
    webSocketPath: path === undefined ? undefined : path + url.search,
    username: options.username ?? decoded(url.username),
    password: options.password ?? decoded(url.password),
    trust: options.trust ?? { mode: 'ca' },
    clientIdentity: options.clientIdentity,
    protocolVersion
  }
}

function decoded(text: string): string | undefined {
  if (text === '') return undefined
  try {
    return decodeURIComponent(text)
  } catch {
    throw new TypeError('user name or password of a broker URL have a % that is not followed by two hexadecimal digits of UTF-8')
  }
}
