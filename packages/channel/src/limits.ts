import type { Rate } from '@kithmesh/core'

/** Bounds of a channel: times in milliseconds, sizes in bytes. */
export interface ChannelLimits {
  /** How long the peer may take to say hello. @default 10000 */
  readonly helloWithinMs: number
  /** How long its word may take beyond what its trust protocols may. @default 10000 */
  readonly wordWithinMs: number
  /** Longest control message, either way. @default 65536 */
  readonly maxControlBytes: number
  /** Control messages that are sent and not yet answered. @default 256 */
  readonly maxControlsUnanswered: number
  /** Control messages of the peer: so many at once, and so many per minute; more are dropped. @default 512 */
  readonly controlBurst: number
  /** @default 6000 */
  readonly controlsPerMinute: number
  /** Packets that the peer may send before the first of them is handled, at most 256. @default 64 */
  readonly window: number
  /** Bytes of such packets, when there is more than one. @default 4 MiB */
  readonly windowBytes: number
  /** Longest packet taken from the peer. @default 1 MiB */
  readonly maxPacketBytes: number
  /** Packets that wait to be sent, and bytes of them: above it `send` rejects. @default 1024 */
  readonly maxQueued: number
  /** @default 16 MiB */
  readonly maxQueuedBytes: number
  /** Requests of the peer that are handled at a time; more wait. @default 32 */
  readonly maxHandledRequests: number
  /** Requests that wait for the peer's answer. @default 1024 */
  readonly maxPendingRequests: number
  /** Longest packet of a peer that is not trusted. @default 16384 */
  readonly restrictedPacketBytes: number
  /** Packets of such a peer: so many at once, and so many per minute; it is slowed down to that. @default 60 */
  readonly restrictedBurst: number
  /** @default 600 */
  readonly restrictedPerMinute: number
  /** Bytes of a file or stream asked for at a time. @default 262144 */
  readonly chunkBytes: number
  /** Chunks of one transfer that are asked for or not yet stored: with `chunkBytes` the memory it takes. @default 8 */
  readonly chunksAhead: number
  /** Transfers that are received at a time; more wait. @default 4 */
  readonly maxReceiving: number
  /** Offers of the peer that are open, and offers to it. @default 64 */
  readonly maxOffers: number
  /** How long a transfer may stand still while there is a connection. @default 120000 */
  readonly transferIdleMs: number
}

const DEFAULTS: ChannelLimits = Object.freeze({
  helloWithinMs: 10_000,
  wordWithinMs: 10_000,
  maxControlBytes: 65_536,
  maxControlsUnanswered: 256,
  controlBurst: 512,
  controlsPerMinute: 6_000,
  window: 64,
  windowBytes: 4 * 1024 * 1024,
  maxPacketBytes: 1024 * 1024,
  maxQueued: 1024,
  maxQueuedBytes: 16 * 1024 * 1024,
  maxHandledRequests: 32,
  maxPendingRequests: 1024,
  restrictedPacketBytes: 16_384,
  restrictedBurst: 60,
  restrictedPerMinute: 600,
  chunkBytes: 262_144,
  chunksAhead: 8,
  maxReceiving: 4,
  maxOffers: 64,
  transferIdleMs: 120_000
})

/** The largest window: the hello has room for as many refusals. */
export const MAX_WINDOW = 256
/** The largest chunk that is served, and how many may be asked for at once, over all transfers. */
export const MAX_CHUNK_BYTES = 1024 * 1024
export const MAX_PULLS = 32
/** Longest offer. */
export const MAX_OFFER_BYTES = 16_384
/** Longest hello, with what the program says in it. */
export const MAX_HELLO_BYTES = 16_384
/** Longest hello of the program in it. */
export const MAX_PROGRAM_HELLO_BYTES = 8_192
/** Longest word about trust. */
export const MAX_WORD_BYTES = 2_048
/** How often a peer may change its word about trust: whoever does it more often is not deciding anything. */
export const WORD_RATE: Rate = Object.freeze({ burst: 60, perMinute: 600 })
/** Longest message of a trust protocol, and how many of them in one run, and waiting. */
export const MAX_PROOF_BYTES = 16_384
export const MAX_PROOFS = 256
export const MAX_PROOFS_WAITING = 16
/** The longest that a peer may say its verdict takes. */
export const MAX_TRUST_MS = 600_000
/** Longest reason that is told to the peer or believed of it, characters. */
export const MAX_REASON = 100

/** @throws TypeError for a limit that is no positive integer */
export function checkLimits(limits: Partial<ChannelLimits> = {}): ChannelLimits {
  const all: { -readonly [Key in keyof ChannelLimits]: ChannelLimits[Key] } = { ...DEFAULTS }
  for (const key of Object.keys(DEFAULTS) as (keyof ChannelLimits)[]) {
    const value = limits[key]
    if (value === undefined) continue
    if (!Number.isInteger(value) || value < 1) throw new TypeError(`limits.${key} must be a positive integer`)
    all[key] = value
  }
  if (all.window > MAX_WINDOW) throw new TypeError(`limits.window must be at most ${MAX_WINDOW}`)
  if (all.chunkBytes > MAX_CHUNK_BYTES) throw new TypeError(`limits.chunkBytes must be at most ${MAX_CHUNK_BYTES}`)
  if (all.chunksAhead * all.maxReceiving > MAX_PULLS)
    throw new TypeError(`limits.chunksAhead times limits.maxReceiving must be at most ${MAX_PULLS}`)
  return all
}
