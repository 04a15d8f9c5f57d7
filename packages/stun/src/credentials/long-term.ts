import { PASSWORD_ALGORITHMS, longTermKey, userhash, type IntegrityKey } from '../codec/integrity.ts'
import type { ReceivedMessage } from '../codec/decode-message.ts'
import type { PasswordAlgorithm, StunAttributes } from '../codec/attributes.ts'
import { stunErrors } from '../errors.ts'
import type { StunRequest } from '../transaction/request.ts'

interface Challenge {
  readonly realm: string
  readonly nonce: string
  readonly attributes: StunAttributes
  readonly integrity: IntegrityKey
}

/** Long-term credentials (RFC 8489 §9.2) and what the server last asked for. One per allocation: nonces belong to it, with all its connections. */
export class LongTermCredentials {
  readonly username: string
  readonly #password: string
  #challenge: Challenge | undefined

  constructor(username: string, password: string) {
    this.username = username
    this.#password = password
  }

  /** The request with credentials; without them as long as the server did not ask for any (RFC 8489 §9.2.3). */
  sign(request: StunRequest): StunRequest {
    if (this.#challenge === undefined) return request
    const { attributes, integrity } = this.#challenge
    return { ...request, attributes: { ...request.attributes, ...attributes }, integrity }
  }

  /**
   * Takes what a 401 or 438 response asks for (RFC 8489 §9.2.5).
   * @throws ERR_STUN_RESPONSE when realm or nonce is missing, ERR_STUN_INTEGRITY when the algorithms were taken out of the response,
   * ERR_STUN_CREDENTIALS when there is none that is known.
   */
  challenged({ attributes }: ReceivedMessage): void {
    const { realm = this.#challenge?.realm, nonce, passwordAlgorithms } = attributes
    if (realm === undefined || nonce === undefined)
      throw stunErrors.create('ERR_STUN_RESPONSE', 'The server asks for credentials without realm and nonce')
    const features = securityFeatures(nonce)
    if (features.passwordAlgorithms && passwordAlgorithms === undefined)
      throw stunErrors.create('ERR_STUN_INTEGRITY', 'The list of password algorithms was taken out of the response on its way')
    const chosen = passwordAlgorithms?.find(isKnown)
    if (passwordAlgorithms !== undefined && chosen === undefined)
      throw stunErrors.create('ERR_STUN_CREDENTIALS', 'The server knows no password algorithm that this client knows', {
        hint: 'The server must offer MD5 or SHA-256.'
      })
    const hash = chosen?.algorithm === PASSWORD_ALGORITHMS.sha256 ? 'sha256' : 'md5'
    this.#challenge = {
      realm,
      nonce,
      integrity: {
        algorithm: passwordAlgorithms === undefined ? 'sha1' : 'sha256',
        key: longTermKey(this.username, realm, this.#password, hash)
      },
      attributes: {
        ...(features.usernameAnonymity ? { userhash: userhash(this.username, realm) } : { username: this.username }),
        realm,
        nonce,
        ...(passwordAlgorithms !== undefined && chosen !== undefined && { passwordAlgorithms, passwordAlgorithm: chosen })
      }
    }
  }
}

function isKnown({ algorithm, parameters }: PasswordAlgorithm): boolean {
  return parameters.length === 0 && (algorithm === PASSWORD_ALGORITHMS.md5 || algorithm === PASSWORD_ALGORITHMS.sha256)
}

/** The bits in a nonce that begins with the nonce cookie (RFC 8489 §9.2, §18.1). */
function securityFeatures(nonce: string): { readonly passwordAlgorithms: boolean; readonly usernameAnonymity: boolean } {
  const encoded = /^obMatJos2([A-Za-z0-9+/]{4})/.exec(nonce)?.[1]
  const bits = encoded === undefined ? 0 : Buffer.from(encoded, 'base64')[0]!
  return { passwordAlgorithms: (bits & 0x80) !== 0, usernameAnonymity: (bits & 0x40) !== 0 }
}
