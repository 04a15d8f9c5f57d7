import { X509Certificate } from 'node:crypto'
import { type Clock, type KnownPeer, type TrustLevel, type TrustProtocol, systemClock } from '@kithmesh/core'
import { parseCertificates } from './certificates.ts'
import { verifyChain } from './chain.ts'

/** A peer as its TLS handshake proved it: it holds the key of `certificateDer`. Whether that is welcome is the authenticator's to say. */
export interface PeerCertificate {
  /** Lowercase hex SHA-256 of `certificateDer`. */
  readonly peerId: string
  readonly certificateDer: Buffer
  /** DER, leaf first, as the peer sent them. Not verified. */
  readonly chain: readonly Buffer[]
  /** Subject common name; the peer chose it itself. */
  readonly commonName: string
  /** What the peer is in this connection, deciding the extended key usage its certificate needs. */
  readonly role: 'client' | 'server'
  /** The TLS library's own verdict against `authorities` and, for servers, the host name; undefined when it is content. */
  readonly tlsError?: string
}

/**
 * What an authenticator says of a certificate: welcome or not, or that the certificate alone does not decide. Then the peer is to prove more on
 * the open connection, by one of the protocols named or, with `prove` as text, of {@link Authenticator.protocols}.
 */
export type CertificateVerdict = boolean | 'prove' | { readonly prove: readonly TrustProtocol[] }

/** Decides who may connect. Refusing never throws; an exception counts as refusal and becomes the error's cause. */
export interface Authenticator {
  /** For logs and errors, e.g. `pinned peers`. */
  readonly name: string
  /** PEM certificates the TLS library verifies against (and announces, on servers); needed only by authenticators that read `tlsError`. */
  readonly authorities?: readonly string[]
  /** What peers can prove themselves with, best first. They are run where a channel exists, as in a mesh; elsewhere who needs one is refused. */
  readonly protocols?: readonly TrustProtocol[]
  check(peer: PeerCertificate): CertificateVerdict | Promise<CertificateVerdict>
}

/** Leaves the decision to the application. */
export function acceptCertificate(callback: (peer: PeerCertificate) => CertificateVerdict | Promise<CertificateVerdict>): Authenticator {
  return { name: 'certificate callback', check: callback }
}

/**
 * Accepts certificates that chain up to one of the authorities given, with all signatures, validity dates,
 * extended key usage and path length verified. Host names are not looked at: peers have none.
 * @throws ERR_IDENTITY_LOAD for a malformed certificate.
 */
export function trustedAuthorities(authorities: readonly string[], options: { readonly clock?: Clock } = {}): Authenticator {
  const anchors = authorities.flatMap((pem) => parseCertificates(pem))
  if (anchors.length === 0) throw new TypeError('at least one authority is needed')
  const clock = options.clock ?? systemClock
  return {
    name: 'trusted authorities',
    check: (peer) => {
      const verdict = verifyChain(
        peer.chain.map((der) => new X509Certificate(der)),
        anchors,
        { now: clock.now(), usage: peer.role }
      )
      if (!verdict.valid) throw new Error(verdict.reason)
      return true
    }
  }
}

/** Accepts exactly the peers with these ids (64 hexadecimal digits, either case). */
export function pinnedPeers(ids: Iterable<string>): Authenticator {
  const pinned = new Set<string>()
  for (const id of ids) {
    if (!/^[0-9a-f]{64}$/i.test(id)) throw new TypeError(`not a peer id: ${id}`)
    pinned.add(id.toLowerCase())
  }
  return { name: 'pinned peers', check: (peer) => pinned.has(peer.peerId) }
}

/** Accepts any peer with any certificate. The connection is encrypted, but to whomever. For experiments. */
export function insecureAcceptAnyone(): Authenticator {
  return { name: 'anyone (insecure)', check: () => true }
}

/** Where {@link trustOnFirstUse} remembers peers. Both calls may be asynchronous. */
export interface TrustStore {
  /** The peer id remembered for a name. */
  get(name: string): string | undefined | Promise<string | undefined>
  /** Remembers it durably before it resolves. */
  set(name: string, peerId: string): void | Promise<void>
}

/** The known peers as {@link trustOnFirstUse} needs them; `KnownPeers` of core is one. */
export interface FirstUsePeers {
  readonly list: { readonly current: readonly KnownPeer[] }
  get(peerId: string): KnownPeer | undefined
  /** Resolves once it is stored. */
  remember(peer: { readonly peerId: string; readonly name: string; readonly level: TrustLevel; readonly how: string }): Promise<void>
}

/**
 * Accepts a name's first peer and from then on only that one. Somebody who is first with a name they should not have is
 * not noticed: show the peer ids to the users where that matters.
 *
 * Given known peers rather than a store of names, it goes by what is remembered of a peer first: trusted ones are accepted under any name, blocked ones refused, and a name is taken when
 * a trusted peer has it.
 * @param nameOf default: the certificate's common name; peers without a name are refused.
 */
export function trustOnFirstUse(
  store: TrustStore | FirstUsePeers,
  nameOf: (peer: PeerCertificate) => string = (peer) => peer.commonName
): Authenticator {
  /** One decision at a time, so that two newcomers with one name cannot both be first. */
  let queue: Promise<unknown> = Promise.resolve()
  return {
    name: FIRST_USE,
    check: (peer) => {
      const decision = queue.then(() => ('remember' in store ? firstAmong(store, peer, nameOf) : firstInStore(store, peer, nameOf)))
      queue = decision.catch(() => {})
      return decision
    }
  }
}

const FIRST_USE = 'trust on first use'

type NameOf = (peer: PeerCertificate) => string

async function firstAmong(known: FirstUsePeers, peer: PeerCertificate, nameOf: NameOf): Promise<true> {
  const { peerId } = peer
  const level = known.get(peerId)?.level
  if (level === 'trusted') return true
  if (level === 'blocked') throw new Error('it is blocked')
  const name = nameOf(peer)
  if (name === '') throw new Error('the peer has no name')
  const holder = known.list.current.find((each) => each.level === 'trusted' && asRemembered(each.name) === asRemembered(name))
  if (holder !== undefined) throw new Error(`"${name}" was known as ${holder.peerId}`)
  await known.remember({ peerId, name, level: 'trusted', how: FIRST_USE })
  return true
}

/** Names that differ only in what a list of peers does not keep are the same. */
function asRemembered(name: string): string {
  return name.replaceAll(/\p{Cc}/gu, ' ').slice(0, 255)
}

async function firstInStore(store: TrustStore, peer: PeerCertificate, nameOf: NameOf): Promise<true> {
  const name = nameOf(peer)
  if (name === '') throw new Error('the peer has no name')
  const known = await store.get(name)
  if (known === undefined) await store.set(name, peer.peerId)
  else if (known !== peer.peerId) throw new Error(`"${name}" was known as ${known}`)
  return true
}
