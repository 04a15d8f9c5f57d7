import type { KnownPeers, Logger } from '@kithmesh/core'
import { type Authenticator, allOf, insecureAcceptAnyone, onlyKnownPeers } from '@kithmesh/identity'
import type { MeshOptions } from '../contracts.ts'

/**
 * Whose certificates are accepted: by default those of known peers that are trusted, so that nobody unknown gets in; whoever an authority has
 * revoked is refused before anybody else is asked.
 * @throws TypeError for an authenticator beside `insecure`
 */
export function chooseAuthenticator(
  { authenticator, insecure, revocations }: Pick<MeshOptions, 'authenticator' | 'insecure' | 'revocations'>,
  knownPeers: KnownPeers,
  logger: Logger
): Authenticator {
  if (insecure === true && authenticator !== undefined) throw new TypeError('An authenticator and insecure: true exclude each other')
  const anyone = insecureAcceptAnyone()
  const chosen = insecure === true ? anyone : (authenticator ?? onlyKnownPeers(knownPeers))
  if (chosen.name === anyone.name) logger.warn('everybody is accepted, and reads and writes all documents: this mesh is insecure')
  return revocations === undefined ? chosen : allOf(revocations.authenticator, chosen)
}
