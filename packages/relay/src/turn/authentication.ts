import {
  PASSWORD_ALGORITHMS,
  verifyIntegrity,
  type IntegrityKey,
  type PasswordAlgorithm,
  type ReceivedMessage,
  type StunAttributes
} from '@kithmesh/stun'
import type { UserTable } from '../users.ts'
import type { Nonces } from './nonces.ts'

/** Who made a request, and how the answer is signed. */
export interface Authenticated {
  readonly username: string
  readonly integrity: IntegrityKey
}

/** Why a request is not taken: an error response, which is not signed. */
export interface Refusal {
  readonly code: number
  readonly reason: string
  readonly attributes?: StunAttributes
}

const NO_PARAMETERS = new Uint8Array(0)
/** What this server knows, best first. */
const ALGORITHMS: readonly PasswordAlgorithm[] = [
  { algorithm: PASSWORD_ALGORITHMS.sha256, parameters: NO_PARAMETERS },
  { algorithm: PASSWORD_ALGORITHMS.md5, parameters: NO_PARAMETERS }
]

/** Long-term credentials as the server checks them (RFC 8489 §9.2.4). */
export class Authentication {
  readonly #users: UserTable
  readonly #nonces: Nonces

  constructor(users: UserTable, nonces: Nonces) {
    this.#users = users
    this.#nonces = nonces
  }

  /** @param address of the client */
  check(message: ReceivedMessage, address: string): Authenticated | Refusal {
    const { attributes, signed } = message
    const { username, realm, nonce, passwordAlgorithm, passwordAlgorithms } = attributes
    if (!signed.sha1 && !signed.sha256) return this.#challenge(401, 'Unauthorized', address)
    if (username === undefined || realm === undefined || nonce === undefined) return { code: 400, reason: 'Bad Request' }
    if (!sameAlgorithms(passwordAlgorithm, passwordAlgorithms)) return { code: 400, reason: 'Bad Request' }
    const hash = passwordAlgorithm?.algorithm === PASSWORD_ALGORITHMS.sha256 ? 'sha256' : 'md5'
    const key = this.#users.key(username, hash)
    if (key === undefined || realm !== this.#users.realm) return this.#challenge(401, 'Unauthorized', address)
    const integrity: IntegrityKey = { algorithm: signed.sha256 ? 'sha256' : 'sha1', key }
    if (!verifyIntegrity(message, integrity)) return this.#challenge(401, 'Unauthorized', address)
    if (!this.#nonces.valid(nonce, address)) return this.#challenge(438, 'Stale Nonce', address)
    return { username, integrity }
  }

  #challenge(code: number, reason: string, address: string): Refusal {
    return { code, reason, attributes: { realm: this.#users.realm, nonce: this.#nonces.issue(address), passwordAlgorithms: ALGORITHMS } }
  }
}

/** Old clients name no algorithms and mean MD5; others repeat the list as it was sent, and choose from it. */
function sameAlgorithms(chosen: PasswordAlgorithm | undefined, list: readonly PasswordAlgorithm[] | undefined): boolean {
  if (chosen === undefined && list === undefined) return true
  if (chosen === undefined || list === undefined || list.length !== ALGORITHMS.length) return false
  const same = (a: PasswordAlgorithm, b: PasswordAlgorithm | undefined): boolean =>
    a.algorithm === b?.algorithm && a.parameters.length === 0 && b.parameters.length === 0
  return list.every((each, index) => same(each, ALGORITHMS[index])) && ALGORITHMS.some((each) => same(chosen, each))
}
