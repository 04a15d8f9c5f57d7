import { X509Certificate } from 'node:crypto'
import { rootCertificates } from 'node:tls'
import { systemClock, type Clock } from '@kithmesh/core'
import type { Authenticator } from './authenticators.ts'
import { parseCertificates } from './certificates.ts'
import { isSelfSigned, verifyChain } from './chain.ts'

/**
 * How a client of a URL judges the server (discovery-api.md §E):
 * `ca` verifies against the authorities given (default: those Node ships) including the host name,
 * `pinned` wants exactly this certificate, as the leaf or as the authority that signed it, `self-signed` takes any
 * self-signed one (encryption, but to whomever), `insecure` takes anything. Host names are checked in `ca` mode only.
 */
export type ServerTrust =
  | { readonly mode: 'ca'; readonly ca?: readonly string[] }
  | { readonly mode: 'pinned'; readonly certificate: string | Uint8Array }
  | { readonly mode: 'self-signed' }
  | { readonly mode: 'insecure' }

/**
 * The authenticator for {@link secureClient} that applies a {@link ServerTrust}; the host to check is the `serverName` given there.
 * @throws ERR_IDENTITY_LOAD when a certificate of `trust` is malformed.
 */
export function serverTrustAuthenticator(trust: ServerTrust, options: { readonly clock?: Clock } = {}): Authenticator {
  switch (trust.mode) {
    case 'ca': {
      if (trust.ca !== undefined) trust.ca.forEach((pem) => parseCertificates(pem))
      return {
        name: 'certificate authorities',
        authorities: trust.ca ?? rootCertificates,
        check: (peer) => {
          if (peer.tlsError !== undefined) throw new Error(peer.tlsError)
          return true
        }
      }
    }
    case 'pinned': {
      const pins = parseCertificates(trust.certificate)
      const clock = options.clock ?? systemClock
      return {
        name: 'pinned certificate',
        check: (peer) => {
          if (pins.some((pin) => pin.raw.equals(peer.certificateDer))) return true
          return verifyChain(
            peer.chain.map((der) => new X509Certificate(der)),
            pins,
            { now: clock.now(), usage: peer.role }
          ).valid
        }
      }
    }
    case 'self-signed':
      return {
        name: 'self-signed certificate',
        check: (peer) => isSelfSigned(new X509Certificate(peer.certificateDer))
      }
    case 'insecure':
      return { name: 'anyone (insecure)', check: () => true }
    default:
      throw new TypeError(`unknown server trust mode: ${String((trust as { mode: unknown }).mode)}`)
  }
}
