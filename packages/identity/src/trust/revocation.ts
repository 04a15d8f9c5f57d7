import { type KeyObject, createPrivateKey, sign, verify } from 'node:crypto'
import { type Clock, isPeerId, systemClock } from '@kithmesh/core'
import { parseCertificates, peerIdOf } from '../certificates.ts'
import type { Identity } from '../identity.ts'
import { joinParts } from './transcript.ts'

const MAX_REASON = 200
const MAX_SIGNATURE = 1024

/** An authority's word that a device is no longer to be trusted: its certificate was lost, stolen or is no longer wanted. JSON. */
export interface Revocation {
  /** Whose certificate is revoked; 64 lowercase hex digits. */
  readonly peerId: string
  /** Wall-clock milliseconds, by the authority's clock. For people: it takes effect whatever it is. */
  readonly issuedAt: number
  /** For people, at most 200 characters; may be empty. */
  readonly reason: string
  /** Peer id of the authority's certificate. */
  readonly authority: string
  /** Of the authority's key over all of that, in base64: ECDSA or RSASSA-PKCS1-v1_5 with SHA-256. */
  readonly signature: string
}

export interface CreateRevocationOptions {
  readonly reason?: string
  readonly clock?: Pick<Clock, 'now'>
}

/**
 * Revokes a device for everybody who believes this authority, for good: a device that is to come back needs a new identity.
 * @param authority of `createCertificateAuthority`, or any identity that the others name as one whose revocations they believe
 * @throws TypeError for what is no peer id, or a reason that is too long
 */
export function createRevocation(
  authority: Identity,
  peerId: string,
  { reason = '', clock = systemClock }: CreateRevocationOptions = {}
): Revocation {
  if (!isPeerId(peerId)) throw new TypeError('a peer id is 64 lowercase hex digits')
  if (reason.length > MAX_REASON) throw new TypeError(`a reason has at most ${MAX_REASON} characters`)
  const unsigned = { peerId, issuedAt: Math.floor(clock.now()), reason, authority: authority.peerId }
  const signature = sign('sha256', signedBytes(unsigned), createPrivateKey(authority.privateKeyPem)).toString('base64')
  return { ...unsigned, signature }
}

/**
 * Whether one of the authorities said so. Their dates do not matter: a revocation outlives its authority.
 * @param authorities PEM
 * @throws ERR_IDENTITY_LOAD for a malformed certificate of an authority
 */
export function verifyRevocation(revocation: Revocation, authorities: readonly string[]): boolean {
  const authority = authorities.flatMap((pem) => parseCertificates(pem)).find(({ raw }) => peerIdOf(raw) === revocation.authority)
  return authority !== undefined && isSignedWith(authority.publicKey, revocation)
}

/** @param key the public key of `revocation.authority` */
export function isSignedWith(key: KeyObject, revocation: Revocation): boolean {
  try {
    return verify('sha256', signedBytes(revocation), key, Buffer.from(revocation.signature, 'base64'))
  } catch {
    return false
  }
}

/** Reads a revocation that came from elsewhere; undefined when it is none. Not verified. */
export function parseRevocation(value: unknown): Revocation | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { peerId, issuedAt, reason, authority, signature } = value as Partial<Record<keyof Revocation, unknown>>
  if (!isPeerId(peerId) || !isPeerId(authority)) return undefined
  if (typeof issuedAt !== 'number' || !Number.isSafeInteger(issuedAt) || issuedAt < 0) return undefined
  if (typeof reason !== 'string' || reason.length > MAX_REASON) return undefined
  if (typeof signature !== 'string' || signature.length > MAX_SIGNATURE || !/^[A-Za-z0-9+/]+={0,2}$/.test(signature)) return undefined
  return { peerId, issuedAt, reason, authority, signature }
}

function signedBytes({ peerId, issuedAt, reason, authority }: Omit<Revocation, 'signature'>): Buffer {
  return joinParts('kithmesh revocation/1', peerId, String(issuedAt), reason, authority)
}
