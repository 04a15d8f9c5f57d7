import type { TransportAddress } from './transport-address.ts'

/** ERROR-CODE (RFC 8489 §14.8). */
export interface StunErrorCode {
  /** 300 to 699. */
  readonly code: number
  /** What the server says about it; for people only. */
  readonly reason: string
}

/** A password algorithm (RFC 8489 §14.11): 1 is MD5, 2 is SHA-256; neither has parameters. */
export interface PasswordAlgorithm {
  readonly algorithm: number
  readonly parameters: Uint8Array
}

/** ADDRESS-ERROR-CODE (RFC 8656 §18.12). */
export interface AddressErrorCode extends StunErrorCode {
  readonly family: 4 | 6
}

/** ICMP (RFC 8656 §18.13): what a relay heard of a datagram it sent. */
export interface IcmpReport {
  readonly type: number
  readonly code: number
  readonly data: number
}

/**
 * The attributes of a message, by name. Integrity and fingerprint are not among them: encoding appends and decoding checks them.
 * An attribute that comes more than once counts the first time (RFC 8489 §14), except `xorPeerAddress`, which is a list.
 * Byte arrays are views into the message that was decoded.
 */
export interface StunAttributes {
  readonly mappedAddress?: TransportAddress
  readonly xorMappedAddress?: TransportAddress
  /** At most 508 bytes of UTF-8. */
  readonly username?: string
  /** SHA-256 of `username:realm`, 32 bytes. */
  readonly userhash?: Uint8Array
  readonly realm?: string
  /** One character per byte (Latin-1), so that it is sent back as it came. */
  readonly nonce?: string
  readonly errorCode?: StunErrorCode
  readonly unknownAttributes?: readonly number[]
  readonly passwordAlgorithms?: readonly PasswordAlgorithm[]
  readonly passwordAlgorithm?: PasswordAlgorithm
  readonly software?: string
  readonly alternateServer?: TransportAddress
  readonly alternateDomain?: string
  /** RFC 5780 §7.2: answer from the other address, the other port. */
  readonly changeRequest?: { readonly ip: boolean; readonly port: boolean }
  readonly responseOrigin?: TransportAddress
  readonly otherAddress?: TransportAddress
  readonly responsePort?: number
  readonly padding?: Uint8Array
  readonly cacheTimeout?: number
  /** RFC 3489 §11.2.3: what OTHER-ADDRESS was called. */
  readonly changedAddress?: TransportAddress
  /** RFC 3489 §11.2.5: what RESPONSE-ORIGIN was called. */
  readonly sourceAddress?: TransportAddress
  readonly reflectedFrom?: TransportAddress
  /** Seconds. */
  readonly lifetime?: number
  readonly xorPeerAddress?: readonly TransportAddress[]
  readonly xorRelayedAddress?: TransportAddress
  /** 17 UDP, 6 TCP. */
  readonly requestedTransport?: number
  readonly requestedAddressFamily?: 4 | 6
  readonly additionalAddressFamily?: 4 | 6
  readonly addressErrorCode?: AddressErrorCode
  readonly data?: Uint8Array
  /** 0x4000 to 0x4fff. */
  readonly channelNumber?: number
  /** Whether the next port shall be reserved too. */
  readonly evenPort?: { readonly reserveNext: boolean }
  readonly dontFragment?: true
  /** 8 bytes. */
  readonly reservationToken?: Uint8Array
  readonly icmp?: IcmpReport
  /** RFC 6062 §6.2.1. */
  readonly connectionId?: number
}

export type StunAttributeName = keyof StunAttributes
