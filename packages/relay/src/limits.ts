/** What a relay grants. All of them positive whole numbers; `relayedBytesPerSecond` may be Infinity, too. */
export interface RelayLimits {
  /** Connections to the broker, and connections to STUN and TURN, at a time; each. Default 1,000. */
  readonly connections: number
  /** Of those, from one address (of IPv6, one /64). Default 256: whole offices are behind one. */
  readonly connectionsPerAddress: number
  /** The largest MQTT packet, bytes. Default 65,536. */
  readonly packetBytes: number
  /** MQTT packets of one client per second in the long run; four times as many at once. Whoever sends more is read more slowly. Default 100. */
  readonly packetsPerSecond: number
  /** Bytes of one MQTT client, likewise. Default 262,144. */
  readonly mqttBytesPerSecond: number
  /** What may wait for an MQTT client that does not read, bytes; more cuts it off. Default 1 MiB. */
  readonly waitingBytes: number
  /** Subscriptions of one MQTT client. Default 64. */
  readonly subscriptionsPerClient: number
  /** Messages that are kept on the broker. Default 4,096. */
  readonly retained: number
  /** Bytes of these. Default 16 MiB. */
  readonly retainedBytes: number
  /** Topics on which one MQTT client may leave a message. Default 32. */
  readonly retainedPerClient: number
  /** How long a message is kept that is not renewed, milliseconds. Default one hour, which no presence outlives. */
  readonly retainedMs: number
  /** Answers over UDP without a login, to one address per second in the long run; six times as many at once. Default 50. */
  readonly answersPerSecond: number
  /** TURN allocations. Default 512. */
  readonly allocations: number
  /** Of those, of one user. Default 256: the devices of a team may share a login. */
  readonly allocationsPerUser: number
  /** The longest lifetime that is granted, seconds, 600 at least. Default 3,600. */
  readonly lifetimeSeconds: number
  /** Permissions of one allocation. Default 64. */
  readonly permissionsPerAllocation: number
  /** Channels of one allocation. Default 64. */
  readonly channelsPerAllocation: number
  /** Relayed TCP connections of one allocation, those that are being made included. Default 16. */
  readonly connectionsPerAllocation: number
  /** What is relayed for one user per second in the long run, both directions together; twice as much at once. Default no bound. */
  readonly relayedBytesPerSecond: number
}

export const DEFAULT_LIMITS: RelayLimits = Object.freeze({
  connections: 1_000,
  connectionsPerAddress: 256,
  packetBytes: 65_536,
  packetsPerSecond: 100,
  mqttBytesPerSecond: 262_144,
  waitingBytes: 1 << 20,
  subscriptionsPerClient: 64,
  retained: 4_096,
  retainedBytes: 16 << 20,
  retainedPerClient: 32,
  retainedMs: 3_600_000,
  answersPerSecond: 50,
  allocations: 512,
  allocationsPerUser: 256,
  lifetimeSeconds: 3_600,
  permissionsPerAllocation: 64,
  channelsPerAllocation: 64,
  connectionsPerAllocation: 16,
  relayedBytesPerSecond: Number.POSITIVE_INFINITY
})

/** Fills in the defaults. @throws TypeError for a limit that is none */
export function checkLimits(given: Partial<RelayLimits> = {}): RelayLimits {
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(DEFAULT_LIMITS, name)) throw new TypeError(`There is no limit ${name}`)
    const unbounded = name === 'relayedBytesPerSecond' && value === Number.POSITIVE_INFINITY
    if (value !== undefined && !unbounded && !(Number.isSafeInteger(value) && value >= 1))
      throw new TypeError(`limits.${name} is a positive whole number`)
  }
  const limits = { ...DEFAULT_LIMITS, ...given }
  if (limits.lifetimeSeconds < 600) throw new TypeError('limits.lifetimeSeconds is at least 600 (RFC 8656 §7.2)')
  return limits
}
