import { type IncomingTrustPolicy, type PacketKind, type TrustLevel, packetAllowed } from '@kithmesh/core'
import type { TrustWord } from '../contracts.ts'
import { channelErrors } from '../errors.ts'
import { type JsonValue, jsonBytes, parseJsonObject } from '../json.ts'
import { MAX_REASON, MAX_WORD_BYTES } from '../limits.ts'

/** Every kind of packet. */
const PACKET_KINDS: readonly PacketKind[] = Object.freeze(['message', 'disconnect', 'identity', 'peer-group', 'data'])

/** The kinds of packets that are taken from a peer of that level. */
export function kindsAllowed(level: TrustLevel, policy: IncomingTrustPolicy): readonly PacketKind[] {
  return level === 'blocked' ? [] : PACKET_KINDS.filter((kind) => packetAllowed(kind, policy, level === 'trusted'))
}

export function encodeWord(word: TrustWord): Buffer {
  return jsonBytes(word as unknown as JsonValue)
}

/** @throws ERR_CHANNEL_PROTOCOL */
export function parseWord(bytes: Buffer): TrustWord {
  const { level, settled, allows, reason } = parseJsonObject(bytes, MAX_WORD_BYTES, 'The word about trust')
  if (!isLevel(level) || typeof settled !== 'boolean' || !Array.isArray(allows) || (reason !== undefined && typeof reason !== 'string'))
    throw channelErrors.create('ERR_CHANNEL_PROTOCOL', 'The word about trust is malformed')
  return {
    level,
    settled,
    // Kinds of later versions are none of ours.
    allows: PACKET_KINDS.filter((kind) => allows.includes(kind)),
    ...(reason === undefined ? {} : { reason: cutReason(reason) })
  }
}

/** A reason short enough to be told, without control characters. */
export function cutReason(reason: string): string {
  return reason.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ').slice(0, MAX_REASON)
}

function isLevel(value: JsonValue | undefined): value is TrustLevel {
  return value === 'trusted' || value === 'restricted' || value === 'blocked'
}
