import { randomBytes } from 'node:crypto'
import { equalSecrets } from '@kithmesh/identity'

/** Parts of a request that decide whether it is let in. */
export interface GateRequest {
  readonly method: string
  readonly host: string | undefined
  readonly origin: string | undefined
  readonly cookie: string | undefined
  readonly authorization: string | undefined
  readonly token: string | undefined
}

export type Verdict =
  | { readonly allow: true }
  /** The token of the URL is right: set the cookie, and go on without the token. */
  | { readonly allow: 'with-cookie'; readonly setCookie: string }
  | { readonly allow: false; readonly status: 401 | 403 | 421; readonly message: string }

/**
 * Who may use the page's server. It answers on this machine only, but so do the requests of every web site that is open in a browser here and of every
 * other user; so it wants its own name in `Host` (against DNS rebinding), its own origin for whatever changes something (against forged requests), and
 * a secret that only who started the program knows.
 */
export class Gate {
  /** For the URL that is printed. */
  readonly token: string
  readonly #secret = randomBytes(24).toString('base64url')
  #port = 0

  constructor(token = randomBytes(24).toString('base64url')) {
    this.token = token
  }

  /** Told when the port is known. */
  listensOn(port: number): void {
    this.#port = port
  }

  judge({ method, host, origin, cookie, authorization, token }: GateRequest): Verdict {
    const own = [`127.0.0.1:${this.#port}`, `localhost:${this.#port}`]
    if (host === undefined || !own.includes(host.toLowerCase()))
      return { allow: false, status: 421, message: 'This server answers to its own name only.' }
    const foreign = origin !== undefined && origin !== `http://${host.toLowerCase()}`
    const reading = method === 'GET' || method === 'HEAD'
    if (foreign || (!reading && origin === undefined && authorization === undefined))
      return { allow: false, status: 403, message: 'Requests of other sites are refused.' }
    if (reading && token !== undefined && equalSecrets(token, this.token))
      return { allow: 'with-cookie', setCookie: `${this.#cookieName}=${this.#secret}; HttpOnly; SameSite=Strict; Path=/` }
    const known = equalSecrets(cookieNamed(cookie, this.#cookieName) ?? '', this.#secret)
    if (known || equalSecrets(authorization ?? '', `Bearer ${this.token}`)) return { allow: true }
    return { allow: false, status: 401, message: 'Open the address that the program printed when it started; it has the key to this page.' }
  }

  /** Cookies do not tell ports apart, and several peers run on one machine. */
  get #cookieName(): string {
    return `inventory-${this.#port}`
  }
}

function cookieNamed(header: string | undefined, name: string): string | undefined {
  for (const part of (header ?? '').split(';')) {
    const [key, ...value] = part.trim().split('=')
    if (key === name) return value.join('=')
  }
  return undefined
}
