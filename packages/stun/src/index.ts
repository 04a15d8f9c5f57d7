/**
 * STUN and TURN.
 *
 * @example
 * ```ts
 * import { decodeMessage, encodeMessage, newTransactionId } from '@kithmesh/stun'
 *
 * const request = encodeMessage(
 *   { method: 'binding', messageClass: 'request', transactionId: newTransactionId(), attributes: { software: 'example' } },
 *   { fingerprint: true }
 * )
 * process.stdout.write(`${decodeMessage(request).attributes.software}\n`)
 * ```
 * @packageDocumentation
 */
export { decodeChannelData, encodeChannelData, isChannelData } from './codec/channel-data.ts'
export type { ChannelData } from './codec/channel-data.ts'
export type {
  AddressErrorCode,
  IcmpReport,
  PasswordAlgorithm,
  StunAttributeName,
  StunAttributes,
  StunErrorCode
} from './codec/attributes.ts'
export { decodeMessage, verifyIntegrity } from './codec/decode-message.ts'
export type { DecodeOptions, ReceivedMessage } from './codec/decode-message.ts'
export { PASSWORD_ALGORITHMS, longTermKey, shortTermKey, userhash } from './codec/integrity.ts'
export type { IntegrityKey } from './codec/integrity.ts'
export { encodeMessage, newTransactionId } from './codec/message.ts'
export type { EncodeOptions, StunMessage } from './codec/message.ts'
export type { StunClass, StunMethod } from './codec/methods.ts'
export { StreamDeframer } from './codec/stream-deframer.ts'
export { addressFamily, canonicalAddress, formatTransportAddress, sameAddress, sameTransportAddress } from './codec/transport-address.ts'
export type { TransportAddress } from './codec/transport-address.ts'
export { authenticatedRequest } from './credentials/authenticated-request.ts'
export { LongTermCredentials } from './credentials/long-term.ts'
export { stunErrors } from './errors.ts'
export type { PortRange } from './probe/local-ports.ts'
export type { InterfaceTable } from './probe/local-routes.ts'
export { natProbe } from './probe/nat-probe.ts'
export type { NatProbeOptions } from './probe/nat-probe.ts'
export { openStunTcp } from './stream/client.ts'
export type { OpenStunTcpOptions, StunTcp } from './stream/client.ts'
export { resolveServer } from './stream/dial.ts'
export type { StunTlsOptions } from './stream/dial.ts'
export { bindingResult } from './transaction/binding.ts'
export type { BindingResult } from './transaction/binding.ts'
export type { StunRequest, StunRequestOptions, StunResponse } from './transaction/request.ts'
export type { RedirectPolicy } from './transaction/redirect-policy.ts'
export type {
  AllocateOptions,
  Allocation,
  TcpAllocation,
  TurnClient,
  TurnClientOptions,
  TurnOperationOptions,
  UdpAllocation
} from './turn/contracts.ts'
export { createTurnClient } from './turn/turn-client.ts'
export { openStunUdp } from './udp/socket.ts'
export type { OpenStunUdpOptions, StunUdp, StunUdpRequestOptions } from './udp/socket.ts'
export { formatStunUri, parseStunUri } from './uri.ts'
export type { StunTransport, StunUri } from './uri.ts'
