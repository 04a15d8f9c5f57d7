import { isIP } from 'node:net'
import { directErrors } from './errors.ts'
import { normalizeAddress } from './addresses.ts'

/** Where a URL leads, as far as dialling needs it. */
export interface TargetUrl {
  /** Without colon. */
  readonly scheme: string
  /** Name or address without brackets. */
  readonly host: string
  readonly port: number
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = { ws: 80, wss: 443 }

/**
 * Reads scheme, host and port. Pure.
 * @throws ERR_DIRECT_URL for other schemes than those given, or without a host or port.
 */
export function parseTargetUrl(text: string, schemes: readonly string[]): TargetUrl {
  let url: URL
  try {
    url = new URL(text)
  } catch (cause) {
    throw directErrors.create('ERR_DIRECT_URL', 'Not a URL', { cause })
  }
  const scheme = url.protocol.slice(0, -1)
  if (!schemes.includes(scheme))
    throw directErrors.create('ERR_DIRECT_URL', `The scheme "${scheme}" is none of ${schemes.join(', ')}`, { details: { scheme } })
  const host = normalizeAddress(url.hostname)
  const port = url.port === '' ? DEFAULT_PORTS[scheme] : Number(url.port)
  if (host === '') throw directErrors.create('ERR_DIRECT_URL', 'The URL has no host')
  if (port === undefined || port === 0) throw directErrors.create('ERR_DIRECT_URL', 'The URL has no port')
  return { scheme, host, port }
}

/** Whether a host is an address already. */
export function isAddress(host: string): boolean {
  return isIP(host) !== 0
}
