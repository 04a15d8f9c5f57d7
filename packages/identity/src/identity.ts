import type { KeyObject, X509Certificate } from 'node:crypto'
import { certificateToPem, commonNameOf, parseCertificates, parsePrivateKey, peerIdOf } from './certificates.ts'
import { identityErrors } from './errors.ts'

/** A certificate with its private key: who this device is towards peers, as TLS server and as TLS client. Immutable. */
export interface Identity {
  /** The leaf certificate. */
  readonly certificatePem: string
  /** The leaf certificate's bytes. */
  readonly certificateDer: Buffer
  /** PKCS#8, unencrypted. Keep it secret. */
  readonly privateKeyPem: string
  /** The leaf and its issuers, leaf first; what is sent in the TLS handshake. */
  readonly chainPem: string
  /** Lowercase hex SHA-256 of `certificateDer`. */
  readonly peerId: string
  readonly commonName: string
  readonly notBefore: Date
  readonly notAfter: Date
}

/** Where an identity comes from. */
export type IdentitySource =
  | { /** Certificate chain and key, in any order. */ readonly pem: string | Uint8Array; readonly passphrase?: string }
  | { /** The bytes of a `.p12` or `.pfx` file. */ readonly pkcs12: Uint8Array; readonly passphrase?: string }

/**
 * Reads an identity from PEM or PKCS#12. The certificate that belongs to the key is the leaf; the others follow it
 * in the chain in the order of issuance, strangers are dropped.
 * @throws ERR_IDENTITY_LOAD, ERR_IDENTITY_PASSPHRASE, ERR_IDENTITY_PKCS12_CIPHER or ERR_IDENTITY_KEY_MISMATCH.
 */
export async function loadIdentity(source: IdentitySource): Promise<Identity> {
  if ('pkcs12' in source) {
    const { readPkcs12 } = await import('./pkcs12.ts')
    const content = readPkcs12(source.pkcs12, source.passphrase ?? '')
    return assembleIdentity(
      content.certificates.flatMap((der) => parseCertificates(der)),
      content.privateKey
    )
  }
  const text = typeof source.pem === 'string' ? source.pem : Buffer.from(source.pem).toString('latin1')
  return assembleIdentity(parseCertificates(text), parsePrivateKey(text, source.passphrase))
}

/** Certificate chain followed by the unencrypted PKCS#8 key, as {@link loadIdentity} reads it back. */
export function identityToPem(identity: Identity): string {
  return identity.chainPem + identity.privateKeyPem
}

/** A PKCS#12 file encrypted with AES-256-CBC and PBKDF2-HMAC-SHA256, readable by OpenSSL 1.1 and later, Java 12 and later. */
export async function identityToPkcs12(identity: Identity, passphrase: string): Promise<Buffer> {
  const { writePkcs12 } = await import('./pkcs12.ts')
  return writePkcs12(
    parseCertificates(identity.chainPem).map(({ raw }) => raw),
    parsePrivateKey(identity.privateKeyPem),
    passphrase,
    identity.commonName
  )
}

/** Finds the key's certificate, orders its issuers behind it and derives the rest. */
export function assembleIdentity(certificates: readonly X509Certificate[], privateKey: KeyObject): Identity {
  const leaf = certificates.find((certificate) => certificate.checkPrivateKey(privateKey))
  if (leaf === undefined) throw identityErrors.create('ERR_IDENTITY_KEY_MISMATCH', 'The private key belongs to none of the certificates')
  const chain = [leaf]
  for (let last = leaf; ; ) {
    const issuer = certificates.find(
      (candidate) => !chain.includes(candidate) && last.checkIssued(candidate) && last.verify(candidate.publicKey)
    )
    if (issuer === undefined) break
    chain.push(issuer)
    last = issuer
  }
  return {
    certificatePem: certificateToPem(leaf.raw),
    certificateDer: Buffer.from(leaf.raw),
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    chainPem: chain.map((certificate) => certificateToPem(certificate.raw)).join(''),
    peerId: peerIdOf(leaf.raw),
    commonName: commonNameOf(leaf),
    notBefore: new Date(leaf.validFrom),
    notAfter: new Date(leaf.validTo)
  }
}
