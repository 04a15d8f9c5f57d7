import { canonicalAddress, formatTransportAddress, type TransportAddress } from '../codec/transport-address.ts'
import { stunErrors } from '../errors.ts'
import type { StunResponse } from './request.ts'

/** What a server says of a client (RFC 8489 §2, RFC 5780 §7, RFC 3489 §11.2). */
export interface BindingResult {
  /** Where the request seemed to come from: XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS of old servers. */
  readonly mapped: TransportAddress
  /** Where the response came from. */
  readonly from: TransportAddress
  /** The server's second address and port: OTHER-ADDRESS or CHANGED-ADDRESS. Servers are known to say nonsense here. */
  readonly other: TransportAddress | undefined
  /** Where the server says that the response came from: RESPONSE-ORIGIN or SOURCE-ADDRESS. */
  readonly origin: TransportAddress | undefined
  readonly software: string | undefined
  readonly roundTripMs: number
  readonly transmissions: number
}

/**
 * Reads the response to a Binding request.
 * @throws ERR_STUN_RESPONSE when it is an error (`details.errorCode`) or names no address.
 */
export function bindingResult({ message, from, roundTripMs, transmissions }: StunResponse): BindingResult {
  const { attributes } = message
  if (message.messageClass === 'error')
    throw errorResponse(message.attributes.errorCode, `${formatTransportAddress(from)} refused a Binding request`)
  const mapped = attributes.xorMappedAddress ?? attributes.mappedAddress
  if (mapped === undefined || mapped.port === 0)
    throw stunErrors.create('ERR_STUN_RESPONSE', `${formatTransportAddress(from)} answered a Binding request without a mapped address`)
  return {
    mapped: { address: canonicalAddress(mapped.address), port: mapped.port },
    from,
    other: attributes.otherAddress ?? attributes.changedAddress,
    origin: attributes.responseOrigin ?? attributes.sourceAddress,
    software: attributes.software,
    roundTripMs,
    transmissions
  }
}

/** ERR_STUN_RESPONSE with the server's code and reason. */
function errorResponse(error: { readonly code: number; readonly reason: string } | undefined, what: string): Error {
  if (error === undefined) return stunErrors.create('ERR_STUN_RESPONSE', `${what} without saying why`)
  return stunErrors.create('ERR_STUN_RESPONSE', `${what}: ${error.code} ${error.reason}`, {
    details: { errorCode: error.code, reason: error.reason }
  })
}
