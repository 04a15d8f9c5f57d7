import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import { addressKind } from '@kithmesh/core/plugin'
import { dashboardErrors } from '../errors.ts'

/** What of a request decides whether it is answered. */
export interface AccessRequest {
  readonly host: string | undefined
  readonly origin: string | undefined
  /** The header `Sec-Fetch-Site`, which browsers send and pages cannot change. */
  readonly fetchSite: string | undefined
  readonly authorization: string | undefined
  readonly cookie: string | undefined
}

export interface AccessOptions {
  readonly token: string
  /** Names under which it may be asked beside loopback ones, lower case. */
  readonly hosts: readonly string[]
  /** Any IP address is a fine host name: other machines may ask. */
  readonly remote: boolean
}

/**
 * Who gets an answer. Pure.
 *
 * A token alone does not keep other web pages away: their scripts can make a browser send requests, with the cookie where it counts as the same
 * site (another port of this machine does). So requests have to be for a host name that nobody else can point here (DNS rebinding), and those of
 * scripts have to come from our own page.
 */
export class Access {
  readonly #token: Buffer
  readonly #cookie: Buffer
  readonly #hosts: ReadonlySet<string>
  readonly #remote: boolean
  readonly cookieValue: string

  constructor({ token, hosts, remote }: AccessOptions) {
    this.#token = digest(token)
    // Every server on this machine gets to see the cookie: it must not tell the token.
    this.cookieValue = createHmac('sha256', token).update('kithmesh dashboard cookie').digest('base64url')
    this.#cookie = digest(this.cookieValue)
    this.#hosts = new Set(hosts)
    this.#remote = remote
  }

  /** @throws ERR_DASHBOARD_HOST */
  checkHost({ host, origin }: AccessRequest): void {
    if (host === undefined || !this.#knows(hostname(host)))
      throw dashboardErrors.create('ERR_DASHBOARD_HOST', 'This is not the address of the dashboard')
    if (origin === undefined) return
    const asked = /^https?:\/\/([^/]+)$/i.exec(origin)?.[1]
    if (asked?.toLowerCase() !== host.toLowerCase())
      throw dashboardErrors.create('ERR_DASHBOARD_HOST', 'Pages of other sites may not ask the dashboard')
  }

  /** Keeps scripts of other pages of this machine away. @throws ERR_DASHBOARD_HOST */
  checkSite({ fetchSite }: AccessRequest): void {
    if (fetchSite !== undefined && fetchSite !== 'same-origin' && fetchSite !== 'none')
      throw dashboardErrors.create('ERR_DASHBOARD_HOST', 'Pages of other sites may not ask the dashboard')
  }

  /** @throws ERR_DASHBOARD_TOKEN */
  checkToken({ authorization, cookie }: AccessRequest, cookieName: string): void {
    const bearer = /^Bearer +([^ ]+)$/i.exec(authorization ?? '')?.[1]
    if (bearer !== undefined && this.isToken(bearer)) return
    if (cookiesNamed(cookieName, cookie).some((value) => timingSafeEqual(digest(value), this.#cookie))) return
    throw dashboardErrors.create('ERR_DASHBOARD_TOKEN', 'This dashboard is opened with its token')
  }

  isToken(given: string): boolean {
    return timingSafeEqual(digest(given), this.#token)
  }

  #knows(name: string): boolean {
    return isLoopback(name) || this.#hosts.has(name) || (this.#remote && isIP(name) !== 0)
  }
}

/** Whether an address, without brackets, is this machine's own and nobody else's. */
export function isLoopback(address: string): boolean {
  return address === 'localhost' || addressKind(address)?.kind === 'loopback'
}

/** Of `name`, `name:port`, `[address]` or `[address]:port`; lower case; empty when it is none. */
export function hostname(host: string): string {
  const match = /^(?:\[([0-9a-f:.%]+)\]|([^:[\]/@\s]+))(?::\d{1,5})?$/i.exec(host)
  return (match?.[1] ?? match?.[2] ?? '').toLowerCase().replace(/\.$/, '')
}

function cookiesNamed(name: string, header = ''): string[] {
  return header
    .split(';')
    .slice(0, 100)
    .flatMap((pair) => {
      const at = pair.indexOf('=')
      return at !== -1 && pair.slice(0, at).trim() === name ? [pair.slice(at + 1).trim()] : []
    })
}

/** Of equal length, so that comparing takes the same time whatever was given. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
