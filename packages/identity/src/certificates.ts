import { createHash, createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { identityErrors } from './errors.ts'

/**
 * Lowercase hex SHA-256 of a certificate's DER, 64 characters: the peer id of whoever holds its key
 * (discovery-api.md §A10).
 */
export function peerIdOf(certificateDer: Uint8Array): string {
  return createHash('sha256').update(certificateDer).digest('hex')
}

/** PEM text of one DER certificate, with a final newline. */
export function certificateToPem(der: Uint8Array): string {
  return toPem('CERTIFICATE', der)
}

/** PEM text of any DER structure. */
function toPem(label: string, der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .replace(/(.{64})(?=.)/g, '$1\n')
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`
}

/**
 * All certificates of a PEM text in their order, or the single one of a DER buffer.
 * @throws ERR_IDENTITY_LOAD when there is none or one is malformed.
 */
export function parseCertificates(input: string | Uint8Array): X509Certificate[] {
  const text = typeof input === 'string' ? input : looksLikePem(input) ? Buffer.from(input).toString('latin1') : undefined
  try {
    if (text === undefined) return [new X509Certificate(input as Uint8Array)]
    const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
    if (blocks.length === 0) throw new Error('no CERTIFICATE block')
    return blocks.map((block) => new X509Certificate(block))
  } catch (cause) {
    throw identityErrors.create('ERR_IDENTITY_LOAD', `Cannot read a certificate: ${(cause as Error).message}`, { cause })
  }
}

/** Common name of a certificate's subject; empty when it has none. */
export function commonNameOf(certificate: X509Certificate): string {
  const line = certificate.subject?.split('\n').find((part) => part.startsWith('CN='))
  return line === undefined ? '' : line.slice(3).replace(/\\(.)/g, '$1')
}

/**
 * The private key of a PEM text.
 * @throws ERR_IDENTITY_LOAD when there is none, ERR_IDENTITY_PASSPHRASE when it is encrypted and does not open.
 */
export function parsePrivateKey(pem: string, passphrase?: string): KeyObject {
  const block = /-----BEGIN ((?:RSA |EC |ENCRYPTED )?PRIVATE KEY)-----[\s\S]*?-----END \1-----/.exec(pem)?.[0]
  if (block === undefined) throw identityErrors.create('ERR_IDENTITY_LOAD', 'The PEM text holds no private key')
  const encrypted = block.includes('ENCRYPTED')
  try {
    return createPrivateKey({ key: block, ...(passphrase === undefined ? {} : { passphrase }) })
  } catch (cause) {
    if (encrypted)
      throw identityErrors.create(
        'ERR_IDENTITY_PASSPHRASE',
        passphrase === undefined
          ? 'The private key is encrypted and no passphrase was given'
          : 'The private key does not open with this passphrase',
        { cause }
      )
    throw identityErrors.create('ERR_IDENTITY_LOAD', `Cannot read the private key: ${(cause as Error).message}`, { cause })
  }
}

function looksLikePem(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 65_536)).includes('-----BEGIN ')
}
