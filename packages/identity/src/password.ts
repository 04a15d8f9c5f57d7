import { isUtf8 } from 'node:buffer'
import { createHash, timingSafeEqual } from 'node:crypto'

/** A user name and password as HTTP Basic carries them (RFC 7617, UTF-8). */
export interface PasswordCredentials {
  readonly username: string
  readonly password: string
}

/** What is known of a request beside its login. */
export interface LoginOrigin {
  /** The IP address that it comes from, in its usual spelling; null when it came over something else than IP. Behind a proxy it is the proxy's. */
  readonly address: string | null
}

/** Checks the `Authorization` header of requests to a listener. */
export interface PasswordAuthenticator {
  readonly name: string
  /** Value of the `WWW-Authenticate` header of a 401 (cbmobile.md §1). */
  readonly challenge: string
  /**
   * The user's name, or undefined to refuse. An exception of the callback counts as refusal.
   * @param origin Where the request comes from; a listener says so.
   */
  check(authorization: string | undefined, origin?: LoginOrigin): Promise<string | undefined>
}

/**
 * Asks the application about user names and passwords; compare secrets with {@link equalSecrets}. How often one address may be wrong is the
 * listener's concern (`loginTries` of `UrlEndpointListener`).
 */
export function passwordAuthenticator(
  verify: (username: string, password: string, origin: LoginOrigin) => boolean | Promise<boolean>
): PasswordAuthenticator {
  return {
    name: 'password',
    challenge: 'Basic charset="UTF-8"',
    check: async (authorization, origin = { address: null }) => {
      const credentials = parseBasicAuthorization(authorization)
      if (credentials === undefined) return undefined
      try {
        return (await verify(credentials.username, credentials.password, origin)) ? credentials.username : undefined
      } catch {
        return undefined
      }
    }
  }
}

/**
 * Reads an `Authorization: Basic` header; undefined when it is something else or malformed. Text that is no UTF-8 is taken as ISO 8859-1, in which
 * clients write that pass over the challenge's `charset`, Couchbase Lite Java among them.
 */
export function parseBasicAuthorization(header: string | undefined): PasswordCredentials | undefined {
  const match = /^basic +([A-Za-z0-9+/]+={0,2})\s*$/i.exec(header ?? '')
  if (match === null) return undefined
  const bytes = Buffer.from(match[1]!, 'base64')
  const text = bytes.toString(isUtf8(bytes) ? 'utf8' : 'latin1')
  const colon = text.indexOf(':')
  return colon === -1 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) }
}

/** The header's value for these credentials. A user name with a colon cannot be written: TypeError. */
export function basicAuthorization({ username, password }: PasswordCredentials): string {
  if (username.includes(':')) throw new TypeError('a user name for HTTP Basic must not contain a colon (RFC 7617 §2)')
  return 'Basic ' + Buffer.from(`${username}:${password}`, 'utf8').toString('base64')
}

/** Compares two secrets in a time that tells nothing about where they differ. */
export function equalSecrets(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text, 'utf8').digest()
  return timingSafeEqual(digest(a), digest(b)) && a.length === b.length
}
