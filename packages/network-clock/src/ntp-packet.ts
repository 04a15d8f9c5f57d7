/** Seconds from the beginning of NTP's first era, 1900, to 1970 (RFC 5905 §6). */
const UNIX_EPOCH_S = 2_208_988_800
/** Seconds in an era. */
const ERA_S = 2 ** 32
/** The size of a header; what comes back to a request without extensions is no longer. */
const PACKET_BYTES = 48
/** A server further than this from its reference clock is not fit to be followed: MAXDISP of RFC 5905 §7.2. */
const MAX_ROOT_DISTANCE_MS = 16_000

const VERSION = 4
const MODE_CLIENT = 3
const MODE_SERVER = 4
const LEAP_UNSYNCHRONISED = 3

/** What a server says in a usable reply. Times are milliseconds since 1970, in the era that is next to the local clock. */
export interface NtpReply {
  readonly kind: 'reply'
  readonly stratum: number
  /** T2: when the request arrived. */
  readonly receivedAt: number
  /** T3: when the reply was sent. */
  readonly sentAt: number
  /** Round trip to the reference clock, milliseconds. */
  readonly rootDelay: number
  /** Error bound to the reference clock, milliseconds. */
  readonly rootDispersion: number
  /** The resolution of the server's clock, milliseconds. */
  readonly precision: number
}

/** The server refuses (RFC 5905 §7.4); `RATE`, `DENY`, `RSTR` and whatever else four letters can say. */
export interface KissOfDeath {
  readonly kind: 'kiss-o-death'
  readonly code: string
}

/** Not to be believed, for this reason. */
export interface InvalidReply {
  readonly kind: 'invalid'
  readonly reason: string
}

/**
 * A client's request. It carries no time of this machine, but in place of the transmit timestamp eight random bytes that the reply has to
 * repeat, so that nobody who does not see the request can answer it.
 */
export function encodeRequest(token: Uint8Array): Buffer {
  const packet = Buffer.alloc(PACKET_BYTES)
  packet[0] = (VERSION << 3) | MODE_CLIENT
  packet.set(token, 40)
  return packet
}

/** The eight bytes by which a reply says which request it answers, as text; undefined when the packet is too short for them. */
export function originOf(packet: Buffer): string | undefined {
  return packet.length < PACKET_BYTES ? undefined : packet.toString('hex', 24, 32)
}

/**
 * Reads a reply strictly (RFC 5905 §7.3, §9.2).
 * @param near the local wall clock, milliseconds since 1970; tells NTP's eras apart.
 */
export function parseReply(packet: Buffer, near: number): NtpReply | KissOfDeath | InvalidReply {
  if (packet.length !== PACKET_BYTES) return invalid(`it has ${packet.length} bytes instead of ${PACKET_BYTES}`)
  const head = packet.readUInt8(0)
  const version = (head >> 3) & 7
  const mode = head & 7
  if (mode !== MODE_SERVER) return invalid(`its mode is ${mode}, not that of a server`)
  if (version !== VERSION && version !== VERSION - 1) return invalid(`its version is ${version}`)
  const stratum = packet.readUInt8(1)
  if (stratum === 0) return { kind: 'kiss-o-death', code: kissCode(packet) }
  if (stratum > 15) return invalid(`its stratum is ${stratum}: the server is not synchronised`)
  if (head >> 6 === LEAP_UNSYNCHRONISED) return invalid('the server says that its clock is not synchronised')
  if (isZero(packet, 32) || isZero(packet, 40)) return invalid('it has no timestamps')
  const receivedAt = timestamp(packet, 32, near)
  const sentAt = timestamp(packet, 40, near)
  if (sentAt < receivedAt) return invalid('it was sent before the request arrived')
  if (!isZero(packet, 16) && timestamp(packet, 16, near) > sentAt) return invalid('the server was synchronised after it sent the reply')
  const rootDelay = shortMs(packet, 4)
  const rootDispersion = shortMs(packet, 8)
  if (rootDelay / 2 + rootDispersion >= MAX_ROOT_DISTANCE_MS) return invalid('the server is too far from its reference clock')
  const precision = 1_000 * 2 ** Math.min(0, packet.readInt8(3))
  return { kind: 'reply', stratum, receivedAt, sentAt, rootDelay, rootDispersion, precision }
}

function invalid(reason: string): InvalidReply {
  return { kind: 'invalid', reason }
}

function kissCode(packet: Buffer): string {
  const text = packet.toString('latin1', 12, 16)
  return /^[\x21-\x7e]{1,4}\0*$/.test(text) ? text.replaceAll('\0', '') : '????'
}

function isZero(packet: Buffer, at: number): boolean {
  return packet.readUInt32BE(at) === 0 && packet.readUInt32BE(at + 4) === 0
}

function timestamp(packet: Buffer, at: number, near: number): number {
  const inEra = packet.readUInt32BE(at)
  const nearS = near / 1_000 + UNIX_EPOCH_S
  const era = Math.round((nearS - inEra) / ERA_S)
  return (era * ERA_S + inEra - UNIX_EPOCH_S) * 1_000 + (packet.readUInt32BE(at + 4) / ERA_S) * 1_000
}

function shortMs(packet: Buffer, at: number): number {
  return (packet.readUInt32BE(at) / 65_536) * 1_000
}
