import type { Authenticator, PeerCertificate } from './authenticators.ts'
import { identityErrors } from './errors.ts'
import type { TrustProtocol } from '@kithmesh/core'

/** How a peer stands after its certificate was judged. */
export interface Standing {
  /** `prove`: it is yet to be trusted, once one of `protocols` has succeeded on this connection. */
  readonly standing: 'trusted' | 'prove'
  /** Best first. Of a trusted peer those that it may want us to run, as it decides for itself. */
  readonly protocols: readonly TrustProtocol[]
}

/**
 * Asks an authenticator about a certificate.
 * @throws ERR_IDENTITY_UNTRUSTED, with the exception of the authenticator as cause where it threw.
 */
export async function judgeCertificate(authenticator: Authenticator, peer: PeerCertificate): Promise<Standing> {
  const { name, protocols = [] } = authenticator
  const { peerId, commonName } = peer
  const refusal = `${name} refused "${commonName}" (${peerId})`
  const details = { peerId, commonName }
  let verdict: Awaited<ReturnType<Authenticator['check']>>
  try {
    verdict = await authenticator.check(peer)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw identityErrors.create('ERR_IDENTITY_UNTRUSTED', `${refusal}: ${why}`, { cause, details })
  }
  if (verdict === true) return { standing: 'trusted', protocols }
  if (verdict === 'prove') return { standing: 'prove', protocols }
  if (typeof verdict === 'object' && verdict !== null) return { standing: 'prove', protocols: verdict.prove }
  throw identityErrors.create('ERR_IDENTITY_UNTRUSTED', refusal, { details })
}

/**
 * The same where nothing but the certificate can decide, as no protocol is run there.
 * @throws ERR_IDENTITY_UNTRUSTED; ERR_IDENTITY_UNPROVEN when the authenticator wants a proof.
 */
export async function requireTrusted(authenticator: Authenticator, peer: PeerCertificate): Promise<Standing> {
  const judged = await judgeCertificate(authenticator, peer)
  if (judged.standing === 'trusted') return judged
  const { peerId, commonName } = peer
  throw identityErrors.create(
    'ERR_IDENTITY_UNPROVEN',
    `${authenticator.name} wants "${commonName}" (${peerId}) to prove more than its certificate, which this connection has no way for`,
    { details: { peerId, commonName } }
  )
}
