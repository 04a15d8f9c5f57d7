import { formatStunUri, parseStunUri, type StunTlsOptions } from '@kithmesh/stun'
import type { RelayKind } from './offer.ts'

/** A TURN server and the long-term credentials for it. */
export interface TurnServer {
  /** `turn:host`, `turn:host:port?transport=tcp`, `turn:host?transport=udp` or `turns:host` (RFC 7065). */
  readonly url: string
  readonly username: string
  readonly credential: string
  /** For `turns:`: certificates, and the name to check. */
  readonly tls?: StunTlsOptions
}

/** One kind of relay to ask one server for, and the transport to ask over. */
export interface Way {
  readonly server: TurnServer
  /** Says which transport. */
  readonly uri: string
  readonly kind: RelayKind
  /** The server answers STUN to anyone at the address it was reached at, over the relay's kind of transport. */
  readonly plain: boolean
}

/**
 * What to ask servers for, best first: TCP connections before datagrams on each server. A `turn:` URL that names no transport means all of
 * them (RFC 5928 §3).
 * @throws ERR_STUN_URI
 */
export function waysOf(servers: readonly TurnServer[]): Way[] {
  return servers.flatMap((server) => {
    const uri = parseStunUri(server.url)
    if (uri.kind !== 'turn') throw new TypeError(`${server.url} is no URL of a TURN server`)
    const { transport } = uri
    const over = (kind: RelayKind, by: typeof transport): Way => ({
      server,
      uri: formatStunUri({ ...uri, transport: by }),
      kind,
      plain: by !== 'tls'
    })
    if (transport === 'tls') return [over('tcp', 'tls'), over('udp', 'tls')]
    if (transport === 'tcp') return [over('tcp', 'tcp'), over('udp', 'tcp')]
    if (/\?transport=/i.test(server.url)) return [over('udp', 'udp')]
    return [over('tcp', 'tcp'), over('udp', 'udp'), over('udp', 'tcp')]
  })
}
