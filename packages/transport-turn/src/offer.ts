import { isIP } from 'node:net'
import type { SignalingBody } from '@kithmesh/core'
import { canonicalAddress, type TransportAddress } from '@kithmesh/stun'
import { turnErrors } from './errors.ts'

export const TURN_OFFER = 'turn-offer'
export const ID_BYTES = 16
export const SECRET_BYTES = 32
/** Addresses of a device that are looked at. */
export const MAX_ADDRESSES = 8

/** `tcp`: whoever connects to the relay meets its owner (RFC 6062); `udp`: datagrams do. */
export type RelayKind = 'tcp' | 'udp'

/** A relay that one device has, for the other one to connect to. */
export interface Relay {
  readonly kind: RelayKind
  readonly address: TransportAddress
  /** Where the guest may ask by STUN, over the relay's kind of transport, what its own address looks like from the relay's server. */
  readonly stun: TransportAddress | undefined
}

/**
 * What devices ask each other by `turn-offer` (JSON):
 * `offer` by who dials, with its relay (`{ kind, address, port, stun? }`) or, without one, to be given one; answered by `{ addresses }`, the
 * addresses that the other one comes from, or by `{ relay }`. `permit` by the guest of a relay, with further addresses it comes from;
 * answered by `{}`.
 */
export type Offer =
  | {
      readonly step: 'offer'
      readonly id: string
      readonly secret: Buffer
      readonly relay: Relay | undefined
      readonly addresses: readonly string[]
    }
  | { readonly step: 'permit'; readonly id: string; readonly addresses: readonly string[] }

export function formatOffer(offer: Offer): SignalingBody {
  const { step, id, addresses } = offer
  if (step === 'permit') return { step, id, addresses }
  return { step, id, addresses, secret: offer.secret.toString('base64url'), ...(offer.relay && { relay: formatRelay(offer.relay) }) }
}

/** @throws ERR_TURN_OFFER */
export function parseOffer(body: SignalingBody): Offer {
  const { step, id, secret, relay } = body
  if (typeof id !== 'string' || !/^[0-9a-f]{32}$/.test(id)) throw malformed('id')
  const addresses = parseAddresses(body)
  if (step === 'permit') return { step, id, addresses }
  if (step !== 'offer') throw malformed('step')
  if (typeof secret !== 'string' || !/^[A-Za-z0-9_-]{43}$/.test(secret)) throw malformed('secret')
  return { step, id, addresses, secret: Buffer.from(secret, 'base64url'), relay: relay === undefined ? undefined : parseRelay(relay) }
}

export function formatRelay({ kind, address, stun }: Relay): SignalingBody {
  return { kind, address: address.address, port: address.port, ...(stun && { stun: { address: stun.address, port: stun.port } }) }
}

/** @throws ERR_TURN_OFFER */
export function parseRelay(value: unknown): Relay {
  const { kind, stun, ...address } = (value ?? {}) as Record<string, unknown>
  if (kind !== 'tcp' && kind !== 'udp') throw malformed('relay.kind')
  return { kind, address: parseAddress(address, 'relay'), stun: stun === undefined ? undefined : parseAddress(stun, 'relay.stun') }
}

/** IP literals of `addresses`, without doubles. @throws ERR_TURN_OFFER */
export function parseAddresses({ addresses }: SignalingBody): readonly string[] {
  if (!Array.isArray(addresses) || addresses.length > MAX_ADDRESSES) throw malformed('addresses')
  for (const address of addresses) if (typeof address !== 'string' || isIP(address) === 0) throw malformed('addresses')
  return [...new Set(addresses as string[])]
}

function parseAddress(value: unknown, where: string): TransportAddress {
  const { address, port } = (value ?? {}) as Record<string, unknown>
  if (typeof address !== 'string' || isIP(address) === 0 || address.includes('%')) throw malformed(`${where}.address`)
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) throw malformed(`${where}.port`)
  return { address: canonicalAddress(address), port }
}

function malformed(member: string): Error {
  return turnErrors.create('ERR_TURN_OFFER', `The member "${member}" of a relay offer is missing or wrong`, { details: { member } })
}
