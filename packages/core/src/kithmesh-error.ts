/**
 * Errors of every Kithmesh package: a stable `code` (the API; messages may change), a `hint` a person can act on, and the `cause`.
 * Recognise them with {@link isKithmeshError}, never with `instanceof`: two copies of this package may live in one program.
 */
const brand = Symbol.for('@kithmesh/core/error@1')

export interface KithmeshErrorOptions {
  readonly cause?: unknown
  /** Overrides the catalogue's hint. */
  readonly hint?: string
  /** Plain facts for logs and `--json`, e.g. `{ path, size }`. */
  readonly details?: Readonly<Record<string, unknown>>
}

export class KithmeshError<Code extends string = string> extends Error {
  readonly code: Code
  /** What a person can do about it; empty when nothing is known. */
  readonly hint: string
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: Code, message: string, options: KithmeshErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'KithmeshError'
    this.code = code
    this.hint = options.hint ?? ''
    this.details = options.details ?? {}
    Object.defineProperty(this, brand, { value: true })
  }
}

/** Whether `error` is one of ours, and optionally has exactly this code. */
export function isKithmeshError(error: unknown, code?: string): error is KithmeshError {
  return error instanceof Error && brand in error && (code === undefined || (error as unknown as KithmeshError).code === code)
}

/** The code of any error: ours, Node's (`ECONNREFUSED`), or undefined. */
export function errorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : undefined
}

/** One row of a package's catalogue: when it happens and what to do. Both appear in docs/errors.md. */
export interface ErrorDescription {
  readonly when: string
  readonly hint: string
}

export type ErrorCatalogue<Code extends string = string> = Readonly<Record<Code, ErrorDescription>>

/**
 * Declares a package's error codes once; the result makes errors carrying the catalogue's hint.
 *
 * @example
 * export const dnssdErrors = defineErrors({
 *   ERR_DNSSD_SOCKET: { when: 'UDP port 5353 cannot be used.', hint: 'Another responder may hold the port exclusively.' },
 * })
 * throw dnssdErrors.create('ERR_DNSSD_SOCKET', 'Cannot bind UDP port 5353', { cause })
 */
export function defineErrors<const Code extends string>(
  catalogue: Record<Code, ErrorDescription>
): {
  readonly catalogue: ErrorCatalogue<Code>
  create(code: Code, message: string, options?: KithmeshErrorOptions): KithmeshError<Code>
} {
  return {
    catalogue,
    create: (code, message, options = {}) => new KithmeshError(code, message, { hint: catalogue[code].hint, ...options })
  }
}
