import { isIPv4, isIPv6 } from 'node:net'
import { stunErrors } from './errors.ts'

/** How a client talks to a server. */
export type StunTransport = 'udp' | 'tcp' | 'tls'

/** A STUN server (RFC 7064) or TURN server (RFC 7065). */
export interface StunUri {
  readonly kind: 'stun' | 'turn'
  readonly transport: StunTransport
  /** A name in lower case, or an IP address without brackets. */
  readonly host: string
  readonly port: number
}

/**
 * Reads `stun:host:port`, `stuns:host` (TLS), `turn:host:port?transport=tcp` or `turns:host`. Ports are 3478, and 5349 with TLS, unless
 * given; `turn:` is UDP unless told otherwise.
 * @throws ERR_STUN_URI with a reason, also for DTLS (`turns:…?transport=udp`), which is not spoken.
 */
export function parseStunUri(uri: string): StunUri {
  const refuse = (reason: string): Error =>
    stunErrors.create('ERR_STUN_URI', `"${uri}" is no STUN or TURN URI: ${reason}`, { details: { reason } })
  if (uri.includes('@')) {
    // RFC 7065 §3.1 has no place for them; they are not repeated.
    const reason = 'no user name and no password stand before the host name'
    throw stunErrors.create('ERR_STUN_URI', `A STUN or TURN URI is malformed: ${reason}`, { details: { reason } })
  }
  if (uri.length > 1024) throw stunErrors.create('ERR_STUN_URI', 'A STUN or TURN URI has at most 1024 characters')
  const scheme = /^(stun|turn)(s?):(.*)$/is.exec(uri)
  if (scheme === null) throw refuse('it does not begin with stun:, stuns:, turn: or turns:')
  const kind = scheme[1]!.toLowerCase() as 'stun' | 'turn'
  const secure = scheme[2] !== ''
  const rest = scheme[3]!
  if (rest.startsWith('//')) throw refuse('the host follows the scheme without slashes')
  const [, authority = '', query] = /^([^?]*)(?:\?(.*))?$/s.exec(rest)!
  const [, literal, name, portText] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/s.exec(authority) ?? []
  if ((literal === undefined && name === undefined) || /^[^[]*:.*:/s.test(authority)) throw refuse('IPv6 addresses stand in brackets')
  if (literal !== undefined && !isIPv6(literal)) throw refuse(`[${literal}] is no IPv6 address`)
  if (name !== undefined && !isHost(name))
    throw refuse(name === '' ? 'the host is missing' : `${name} is neither a host name nor an IPv4 address`)
  const port = portText === undefined ? (secure ? 5349 : 3478) : /^[0-9]{1,5}$/.test(portText) ? Number(portText) : 0
  if (port < 1 || port > 65_535) throw refuse(`${portText} is no port`)
  return { kind, transport: transportOf(kind, secure, query, refuse), host: (literal ?? name!).toLowerCase(), port }
}

/** The shortest URI that {@link parseStunUri} reads as this. There is none for STUN over plain TCP: that comes out as `stun:`. */
export function formatStunUri({ kind, transport, host, port }: StunUri): string {
  const secure = transport === 'tls'
  return `${kind}${secure ? 's' : ''}:${host.includes(':') ? `[${host}]` : host}${port === (secure ? 5349 : 3478) ? '' : `:${port}`}${
    kind === 'turn' && transport === 'tcp' ? '?transport=tcp' : ''
  }`
}

function transportOf(kind: 'stun' | 'turn', secure: boolean, query: string | undefined, refuse: (reason: string) => Error): StunTransport {
  if (query === undefined) return secure ? 'tls' : 'udp'
  if (kind === 'stun') throw refuse('stun: and stuns: have nothing after "?"')
  const transport = /^transport=(udp|tcp)$/i.exec(query)?.[1]?.toLowerCase()
  if (transport === undefined) throw refuse('only ?transport=udp and ?transport=tcp are understood')
  if (secure && transport === 'udp') throw refuse('DTLS is not supported; leave "?transport=udp" away for TLS over TCP')
  return secure ? 'tls' : (transport as 'udp' | 'tcp')
}

function isHost(name: string): boolean {
  if (isIPv4(name)) return true
  if (/^[0-9.]+$/.test(name)) return false
  return name.length <= 253 && /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*\.?$/i.test(name)
}
