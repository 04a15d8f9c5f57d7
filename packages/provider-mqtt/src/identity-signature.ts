/** Signatures with the key of a device's certificate, and the certificates that travel beside them. */
import { X509Certificate, createHash, createPrivateKey, constants, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { parseCertificates, peerIdOf } from '@kithmesh/identity'
import type { Identity } from '@kithmesh/identity'
import { ByteReader, ByteWriter } from './bytes.ts'
import { mqttErrors } from './errors.ts'

/** Certificates of one device, together. */
export const maxCertificateBytes = 5 * 1024
const maxCertificates = 4
const maxSignatureBytes = 1024
const curves = ['prime256v1', 'secp384r1', 'secp521r1']

/** What a signature is for: the same bytes signed for one purpose or group are worth nothing for another. */
export interface SignatureContext {
  readonly purpose: string
  /** 16 bytes that stand for the group. */
  readonly group: Uint8Array
}

/** Who signed, as the certificates tell; proven by {@link verifySignature} only. */
export interface Signatory {
  /** Lowercase hex SHA-256 of the leaf certificate. */
  readonly peerId: string
  readonly commonName: string
  readonly certificateDer: Buffer
  /** DER, leaf first. */
  readonly chain: readonly Buffer[]
  readonly key: KeyObject
}

/** Signs as a device. */
export interface Signer {
  readonly peerId: string
  /** The certificates as {@link readCertificates} takes them. */
  readonly certificates: Buffer
  sign(context: SignatureContext, data: Uint8Array): Buffer
}

/**
 * Keys of every kind that identities come with: RSA from 2,048 bits (signing with PSS), EC on the NIST curves, Ed25519 and Ed448.
 * @throws TypeError for other keys; ERR_MQTT_TOO_LARGE for certificates that do not fit.
 */
export function createSigner(identity: Identity): Signer {
  const key = createPrivateKey(identity.privateKeyPem)
  const reason = unfitKey(key)
  if (reason !== undefined) throw new TypeError(`This identity cannot sign MQTT messages: ${reason}`)
  const all = parseCertificates(identity.chainPem)
  // The root is left out: who trusts it has it.
  const sent = all.filter((certificate, index) => index === 0 || certificate.subject !== certificate.issuer).map(({ raw }) => raw)
  const writer = new ByteWriter().u8(sent.length)
  for (const der of sent) writer.block(der)
  const certificates = writer.end()
  if (sent.length > maxCertificates || certificates.length > maxCertificateBytes)
    throw mqttErrors.create(
      'ERR_MQTT_TOO_LARGE',
      `The ${sent.length} certificates take ${certificates.length} bytes, ${maxCertificateBytes} fit`
    )
  return {
    peerId: identity.peerId,
    certificates,
    sign: (context, data) => sign(digestOf(key), signedBytes(context, data), parameters(key) as never)
  }
}

/** @throws RangeError or Error when the certificates are malformed or of a kind that is not accepted */
function readCertificates(reader: ByteReader): Signatory {
  const count = reader.u8()
  if (count < 1 || count > maxCertificates) throw new RangeError(`${count} certificates`)
  const chain = Array.from({ length: count }, () => reader.block())
  if (chain.reduce((sum, { length }) => sum + length + 2, 1) > maxCertificateBytes) throw new RangeError('certificates too large')
  const certificateDer = Buffer.from(chain[0] as Buffer)
  const leaf = new X509Certificate(certificateDer)
  if (!leaf.raw.equals(certificateDer)) throw new RangeError('bytes behind the certificate')
  const key = leaf.publicKey
  const reason = unfitKey(key)
  if (reason !== undefined) throw new RangeError(reason)
  const name: unknown = leaf.toLegacyObject().subject?.CN
  return {
    peerId: peerIdOf(certificateDer),
    commonName: typeof name === 'string' ? name : Array.isArray(name) ? String(name[0]) : '',
    certificateDer,
    chain: chain.map((der) => Buffer.from(der)),
    key
  }
}

export function verifySignature({ key }: Signatory, context: SignatureContext, data: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length === 0 || signature.length > maxSignatureBytes) return false
  try {
    return verify(digestOf(key), signedBytes(context, data), parameters(key) as never, signature)
  } catch {
    return false
  }
}

/** Signatories whose signature was found good, so that a device's certificates are parsed once. */
export class KnownSignatories {
  readonly #known = new Map<string, Signatory>()
  readonly #limit: number

  constructor(limit = 1024) {
    this.#limit = limit
  }

  /** Reads the certificates, from memory where they are known. @throws as {@link readCertificates} */
  read(reader: ByteReader, bytes: Uint8Array): { readonly signatory: Signatory; readonly remember: () => void } {
    const start = reader.offset
    const count = reader.u8()
    for (let index = 0; index < Math.min(count, maxCertificates); index++) reader.block()
    const bundle = bytes.subarray(start, reader.offset)
    const digest = createHash('sha256').update(bundle).digest('base64')
    const signatory = this.#known.get(digest) ?? readCertificates(new ByteReader(bundle))
    return {
      signatory,
      remember: () => {
        this.#known.delete(digest)
        this.#known.set(digest, signatory)
        if (this.#known.size > this.#limit) this.#known.delete(this.#known.keys().next().value as string)
      }
    }
  }
}

function signedBytes({ purpose, group }: SignatureContext, data: Uint8Array): Buffer {
  return new ByteWriter().block(Buffer.from(purpose)).block(group).raw(data).end()
}

function digestOf({ asymmetricKeyType }: KeyObject): 'sha256' | null {
  return asymmetricKeyType === 'ed25519' || asymmetricKeyType === 'ed448' ? null : 'sha256'
}

function parameters(key: KeyObject): unknown {
  switch (key.asymmetricKeyType) {
    case 'rsa':
    case 'rsa-pss':
      return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
    case 'ec':
      return { key, dsaEncoding: 'ieee-p1363' }
    default:
      return key
  }
}

/** Why a key is not used: unknown kinds, and those that are too weak or take too long to verify with. */
function unfitKey({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string | undefined {
  switch (asymmetricKeyType) {
    case 'ed25519':
    case 'ed448':
      return undefined
    case 'ec':
      return curves.includes(asymmetricKeyDetails?.namedCurve ?? '')
        ? undefined
        : `the curve ${asymmetricKeyDetails?.namedCurve} is not used`
    case 'rsa':
    case 'rsa-pss': {
      const { modulusLength = 0, publicExponent = 0n } = asymmetricKeyDetails ?? {}
      if (modulusLength < 2048 || modulusLength > 4096) return `RSA keys have 2,048 to 4,096 bits, not ${modulusLength}`
      return publicExponent > 0xffff_ffffn ? 'the exponent of the RSA key is too large' : undefined
    }
    default:
      return `${String(asymmetricKeyType)} keys are not used`
  }
}
