const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const VALUE = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*$/
const MAX_COOKIES = 50
const MAX_COOKIE_BYTES = 4096

/** The cookies of one URL: those given, and what the server makes of them, such as a session that it extends. */
export class CookieJar {
  readonly #cookies: Map<string, string>

  /** @throws TypeError for what cannot be a cookie. */
  constructor(cookies: Readonly<Record<string, string>>) {
    this.#cookies = new Map(Object.entries(cookies))
    for (const [name, value] of this.#cookies)
      if (!isCookie(name, value)) throw new TypeError(`The cookie ${JSON.stringify(name)} has characters that cookies cannot have`)
  }

  /** Value of the `Cookie` header, or undefined without cookies. */
  get header(): string | undefined {
    return this.#cookies.size === 0 ? undefined : [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  /** Takes over what the server sent with `Set-Cookie`; `now` in milliseconds. */
  take(setCookie: readonly string[] | undefined, now: number): void {
    for (const line of setCookie ?? []) {
      const [pair = '', ...attributes] = line.split(';')
      const equals = pair.indexOf('=')
      const name = pair.slice(0, equals).trim()
      const value = unquoted(pair.slice(equals + 1).trim())
      if (equals <= 0 || !isCookie(name, value)) continue
      if (isOver(attributes, now)) this.#cookies.delete(name)
      else if (this.#cookies.has(name) || this.#cookies.size < MAX_COOKIES) this.#cookies.set(name, value)
    }
  }
}

function isCookie(name: string, value: string): boolean {
  return NAME.test(name) && VALUE.test(value) && name.length + value.length <= MAX_COOKIE_BYTES
}

function unquoted(value: string): string {
  return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
}

/** The server takes the cookie back. */
function isOver(attributes: readonly string[], now: number): boolean {
  const parsed = new Map(
    attributes.map((attribute) => {
      const equals = attribute.indexOf('=')
      return equals < 0
        ? ([attribute.trim().toLowerCase(), ''] as const)
        : ([attribute.slice(0, equals).trim().toLowerCase(), attribute.slice(equals + 1).trim()] as const)
    })
  )
  const maxAge = parsed.get('max-age')
  if (maxAge !== undefined && /^-?\d+$/.test(maxAge)) return Number(maxAge) <= 0
  const expires = Date.parse(parsed.get('expires') ?? '')
  return !Number.isNaN(expires) && expires <= now
}
