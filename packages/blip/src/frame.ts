/** Message and frame types, the low three bits of the flags (blip.md §3). */
export const REQUEST = 0
export const RESPONSE = 1
export const ERROR = 2
export const ACK_REQUEST = 4
export const ACK_RESPONSE = 5

/** Flag bits above the type (blip.md §3). */
export const TYPE_MASK = 0x07
export const COMPRESSED = 0x08
export const URGENT = 0x10
export const NO_REPLY = 0x20
export const MORE_COMING = 0x40

/** What comes after a non-ACK frame's body. */
export const CHECKSUM_BYTES = 4

/** Frame sizes in bytes, header and checksum included: alone on the line, and sharing it with urgent messages (blip.md §8). */
export const LARGE_FRAME = 16_384
export const SMALL_FRAME = 4_096

/** Room kept for header, checksum and what deflate may add to incompressible input. */
export const FRAME_SLACK = 64

/** A receiver acknowledges after this many bytes of a message (blip.md §9). */
export const ACK_INTERVAL = 50_000
/** A sender pauses a message with this many unacknowledged bytes (blip.md §9). */
export const SEND_WINDOW = 128_000

/** Longest properties block, either way (blip.md §4). */
export const MAX_PROPERTIES_BYTES = 102_400
