import { randomBytes } from 'node:crypto'
import type { StunAttributes } from '../codec/attributes.ts'
import type { ReceivedMessage } from '../codec/decode-message.ts'
import type { IntegrityKey } from '../codec/integrity.ts'
import { encodeMessage, newTransactionId } from '../codec/message.ts'
import type { StunMethod } from '../codec/methods.ts'
import type { TransportAddress } from '../codec/transport-address.ts'

/** A request to a server; transaction id and frame are added. */
export interface StunRequest {
  readonly method: StunMethod
  readonly attributes?: StunAttributes
  /**
   * Signs the request. Success responses must then be signed with the same key; error responses need not be, but must not be signed wrongly:
   * servers cannot sign what they refuse for the signature (RFC 8489 §9.2.5).
   */
  readonly integrity?: IntegrityKey | undefined
  /** Adds FINGERPRINT; default false. */
  readonly fingerprint?: boolean
  /** Sends it without magic cookie, for servers of RFC 3489; default false. */
  readonly legacy?: boolean
}

/** An answer: success or error. */
export interface StunResponse {
  readonly message: ReceivedMessage
  readonly from: TransportAddress
  /** Since the request was sent first. */
  readonly roundTripMs: number
  /** How often the request was sent. When it is more than once, `roundTripMs` may be too long. */
  readonly transmissions: number
}

export interface StunRequestOptions {
  readonly signal?: AbortSignal
  /** Milliseconds, 3,600,000 at most; default 39,500: what RFC 8489 §6.2 gives a request over UDP and TCP alike. */
  readonly deadlineMs?: number
}

/** The request as it goes out. */
export function encodeRequest(request: StunRequest): { readonly transactionId: Buffer; readonly bytes: Buffer } {
  const transactionId = request.legacy === true ? legacyTransactionId() : newTransactionId()
  const { method, attributes = {}, integrity, fingerprint = false } = request
  return { transactionId, bytes: encodeMessage({ method, messageClass: 'request', transactionId, attributes }, { integrity, fingerprint }) }
}

/** 128 bits that do not begin with the magic cookie. */
function legacyTransactionId(): Buffer {
  const id = randomBytes(16)
  id[0]! |= 0x80
  return id
}
