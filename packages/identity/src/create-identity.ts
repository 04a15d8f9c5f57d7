import { createPrivateKey, generateKeyPair, randomBytes, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import { promisify } from 'node:util'
import { systemClock, type Clock } from '@kithmesh/core'
import { parseCertificates } from './certificates.ts'
import { assembleIdentity, type Identity } from './identity.ts'

const DAY_MS = 86_400_000

/** Key types: `ec` is P-256 (small and fast), `rsa` is 2048 bits for peers that know nothing else. */
export type KeyKind = 'ec' | 'rsa'

export interface CreateCertificateOptions {
  /** Shown to people; the certificate's subject common name, 1–64 characters. */
  readonly commonName: string
  /** Default `ec`. */
  readonly kind?: KeyKind
  /** Default 365. The validity begins a day in the past, for peers whose clocks are behind. */
  readonly validDays?: number
  readonly clock?: Clock
}

export interface CreateIdentityOptions extends CreateCertificateOptions {
  /** DNS names and IP addresses for clients that check host names; none by default. */
  readonly altNames?: readonly string[]
  /** Signs the certificate, see {@link createCertificateAuthority}; without it the certificate is self-signed. */
  readonly issuer?: Identity
}

/**
 * Makes a key and a certificate for it, usable as TLS server and as TLS client (discovery-api.md §E).
 * @throws TypeError for options out of range.
 */
export async function createIdentity(options: CreateIdentityOptions): Promise<Identity> {
  return await issue(options, false)
}

/** Makes a self-signed certificate that may sign others; give it to {@link createIdentity} as `issuer`, its `certificatePem` to `trustedAuthorities`. */
export async function createCertificateAuthority(options: CreateCertificateOptions): Promise<Identity> {
  return await issue(options, true)
}

async function issue(options: CreateIdentityOptions, authority: boolean): Promise<Identity> {
  const { commonName, kind = 'ec', validDays = 365, altNames = [], issuer, clock = systemClock } = options
  if (commonName.length === 0 || commonName.length > 64)
    throw new TypeError('commonName must have 1 to 64 characters (RFC 5280 appendix A)')
  if (!(validDays > 0) || validDays > 36_500) throw new TypeError('validDays must be between 0 and 36500')
  if (kind !== 'ec' && kind !== 'rsa') throw new TypeError('kind must be "ec" or "rsa"')

  // The library resolves its algorithms through decorators and wants this polyfill first; loaded only where certificates are made.
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')
  const crypto = webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0]

  const pair =
    kind === 'ec'
      ? await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' })
      : await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  const own = await importForSigning(pair.privateKey.export({ type: 'pkcs8', format: 'der' }), kind)
  const publicKey = await webcrypto.subtle.importKey(
    'spki',
    pair.publicKey.export({ type: 'spki', format: 'der' }),
    parameters(kind),
    true,
    ['verify']
  )
  const issuerKey = issuer === undefined ? undefined : createPrivateKey(issuer.privateKeyPem)
  const issuerKind: KeyKind = issuerKey === undefined ? kind : issuerKey.asymmetricKeyType === 'rsa' ? 'rsa' : 'ec'
  const signingKey = issuerKey === undefined ? own : await importForSigning(issuerKey.export({ type: 'pkcs8', format: 'der' }), issuerKind)
  const issuerCertificate = issuer === undefined ? undefined : new x509.X509Certificate(new Uint8Array(issuer.certificateDer))

  const usages = authority
    ? x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign
    : x509.KeyUsageFlags.digitalSignature | (kind === 'rsa' ? x509.KeyUsageFlags.keyEncipherment : 0)
  const subject = new x509.Name([{ CN: [{ utf8String: commonName }] }])
  const serial = randomBytes(16)
  serial[0] = (serial[0]! & 0x7f) | 0x40
  const now = clock.now()
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serial.toString('hex'),
      subject,
      issuer: issuerCertificate?.subjectName ?? subject,
      notBefore: new Date(now - DAY_MS),
      notAfter: new Date(now + validDays * DAY_MS),
      publicKey: publicKey,
      signingKey: signingKey,
      signingAlgorithm: { ...parameters(issuerKind), hash: 'SHA-256' },
      extensions: [
        new x509.BasicConstraintsExtension(authority, undefined, true),
        new x509.KeyUsagesExtension(usages, true),
        ...(authority ? [] : [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth])]),
        await x509.SubjectKeyIdentifierExtension.create(publicKey, false, crypto),
        ...(issuerCertificate === undefined
          ? []
          : [await x509.AuthorityKeyIdentifierExtension.create(issuerCertificate.publicKey, false, crypto)]),
        ...(altNames.length === 0
          ? []
          : [new x509.SubjectAlternativeNameExtension(altNames.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })))])
      ]
    },
    crypto
  )
  const chain = [
    ...parseCertificates(new Uint8Array(certificate.rawData)),
    ...(issuer === undefined ? [] : parseCertificates(issuer.chainPem))
  ]
  return assembleIdentity(chain, pair.privateKey)
}

function parameters(kind: KeyKind): { name: string; namedCurve: string } | { name: string; hash: string } {
  return kind === 'ec' ? { name: 'ECDSA', namedCurve: 'P-256' } : { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
}

async function importForSigning(pkcs8: Buffer, kind: KeyKind): Promise<webcrypto.CryptoKey> {
  return await webcrypto.subtle.importKey('pkcs8', pkcs8, parameters(kind), false, ['sign'])
}
