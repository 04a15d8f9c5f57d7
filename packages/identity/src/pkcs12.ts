/** PKCS#12 files (RFC 7292), read and written. One file because both ways share the ciphers, the key derivation and the shapes of ASN.1. */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  pbkdf2Sync,
  randomBytes,
  timingSafeEqual,
  type KeyObject
} from 'node:crypto'
import { isKithmeshError } from '@kithmesh/core'
import * as asn1js from 'asn1js'
import { identityErrors } from './errors.ts'

/*
 * PKCS#12 (RFC 7292) as far as identities need it: one key, its certificates, password integrity and password privacy.
 * Reading knows PBES2 (AES-CBC or 3DES with PBKDF2, RFC 8018) and the older pbeWithSHAAnd3-KeyTripleDES-CBC; writing uses
 * AES-256-CBC with PBKDF2-HMAC-SHA256 and an HMAC-SHA256 over the whole, the defaults of OpenSSL 3.
 */
const OID = {
  data: '1.2.840.113549.1.7.1',
  encryptedData: '1.2.840.113549.1.7.6',
  keyBag: '1.2.840.113549.1.12.10.1.1',
  shroudedKeyBag: '1.2.840.113549.1.12.10.1.2',
  certBag: '1.2.840.113549.1.12.10.1.3',
  x509Certificate: '1.2.840.113549.1.9.22.1',
  friendlyName: '1.2.840.113549.1.9.20',
  localKeyId: '1.2.840.113549.1.9.21',
  pbes2: '1.2.840.113549.1.5.13',
  pbkdf2: '1.2.840.113549.1.5.12',
  pbeSha3Des: '1.2.840.113549.1.12.1.3',
  hmacSha1: '1.2.840.113549.2.7',
  hmacSha256: '1.2.840.113549.2.9',
  aes256: '2.16.840.1.101.3.4.1.42',
  sha256: '2.16.840.1.101.3.4.2.1'
} as const

const PRF: Readonly<Record<string, string>> = {
  [OID.hmacSha1]: 'sha1',
  '1.2.840.113549.2.8': 'sha224',
  [OID.hmacSha256]: 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512'
}
const DIGESTS: Readonly<Record<string, string>> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.4': 'sha224',
  [OID.sha256]: 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512'
}
const CIPHERS: Readonly<Record<string, { name: string; keyBytes: number }>> = {
  '2.16.840.1.101.3.4.1.2': { name: 'aes-128-cbc', keyBytes: 16 },
  '2.16.840.1.101.3.4.1.22': { name: 'aes-192-cbc', keyBytes: 24 },
  [OID.aes256]: { name: 'aes-256-cbc', keyBytes: 32 },
  '1.2.840.113549.3.7': { name: 'des-ede3-cbc', keyBytes: 24 }
}
/** Files that ask for more rounds are refused: deriving would block the process for seconds. */
const MAX_ITERATIONS = 1_000_000
const MAX_FILE_BYTES = 1024 * 1024
const WRITE_ITERATIONS = 10_000

export interface Pkcs12Content {
  /** DER, in the order of the file. */
  readonly certificates: readonly Buffer[]
  readonly privateKey: KeyObject
}

/**
 * Opens a PKCS#12 file.
 * @throws ERR_IDENTITY_LOAD, ERR_IDENTITY_PASSPHRASE or ERR_IDENTITY_PKCS12_CIPHER.
 */
export function readPkcs12(file: Uint8Array, passphrase: string): Pkcs12Content {
  if (file.byteLength > MAX_FILE_BYTES) throw malformed('larger than 1 MiB')
  try {
    return read(file, passphrase)
  } catch (cause) {
    if (isKithmeshError(cause)) throw cause
    // The reader of ASN.1 throws what comes up on some values that are malformed or nested without end.
    throw malformed('not the ASN.1 of such a file', cause)
  }
}

function read(file: Uint8Array, passphrase: string): Pkcs12Content {
  const pfx = parse(file)
  const authSafe = octets(explicit(at(at(pfx, 1), 1)))
  const macData = children(pfx)[2]
  if (macData !== undefined) checkMac(macData, authSafe, passphrase)
  const certificates: Buffer[] = []
  let privateKey: KeyObject | undefined
  for (const info of children(parse(authSafe))) {
    for (const bag of children(parse(openContentInfo(info, passphrase)))) {
      const type = oid(at(bag, 0))
      const value = explicit(at(bag, 1))
      if (type === OID.certBag && oid(at(value, 0)) === OID.x509Certificate) certificates.push(octets(explicit(at(value, 1))))
      else if (type === OID.keyBag) privateKey ??= key(der(value))
      else if (type === OID.shroudedKeyBag) privateKey ??= key(decrypt(at(value, 0), octets(at(value, 1)), passphrase))
    }
  }
  if (privateKey === undefined) throw malformed('no private key in it')
  if (certificates.length === 0) throw malformed('no certificate in it')
  return { certificates, privateKey }
}

/** Writes a PKCS#12 file; the first certificate is the key's own. */
export function writePkcs12(certificates: readonly Uint8Array[], privateKey: KeyObject, passphrase: string, friendlyName: string): Buffer {
  const localKeyId = createHash('sha1').update(certificates[0]!).digest()
  const attributes = set(
    sequence(objectId(OID.localKeyId), set(octetString(localKeyId))),
    sequence(objectId(OID.friendlyName), set(new asn1js.BmpString({ value: friendlyName })))
  )
  const certBags = certificates.map((certificate, index) =>
    sequence(
      objectId(OID.certBag),
      tagged(sequence(objectId(OID.x509Certificate), tagged(octetString(certificate)))),
      ...(index === 0 ? [attributes] : [])
    )
  )
  const sealedCertificates = encrypt(der(sequence(...certBags)), passphrase)
  const sealedKey = encrypt(privateKey.export({ type: 'pkcs8', format: 'der' }), passphrase)
  const keyBag = sequence(objectId(OID.shroudedKeyBag), tagged(sequence(sealedKey.algorithm, octetString(sealedKey.bytes))), attributes)
  const authSafe = der(
    sequence(
      sequence(
        objectId(OID.encryptedData),
        tagged(
          sequence(
            new asn1js.Integer({ value: 0 }),
            sequence(
              objectId(OID.data),
              sealedCertificates.algorithm,
              new asn1js.Primitive({ idBlock: { tagClass: 3, tagNumber: 0 }, valueHex: bytes(sealedCertificates.bytes) })
            )
          )
        )
      ),
      sequence(objectId(OID.data), tagged(octetString(der(sequence(keyBag)))))
    )
  )
  const salt = randomBytes(16)
  const mac = createHmac('sha256', pkcs12Key('sha256', passphrase, salt, 3, WRITE_ITERATIONS, 32))
    .update(authSafe)
    .digest()
  return der(
    sequence(
      new asn1js.Integer({ value: 3 }),
      sequence(objectId(OID.data), tagged(octetString(authSafe))),
      sequence(
        sequence(sequence(objectId(OID.sha256), new asn1js.Null()), octetString(mac)),
        octetString(salt),
        new asn1js.Integer({ value: WRITE_ITERATIONS })
      )
    )
  )
}

function openContentInfo(info: asn1js.BaseBlock, passphrase: string): Buffer {
  const type = oid(at(info, 0))
  const content = explicit(at(info, 1))
  if (type === OID.data) return octets(content)
  if (type !== OID.encryptedData)
    throw identityErrors.create('ERR_IDENTITY_PKCS12_CIPHER', 'The PKCS#12 file is encrypted for a public key, which is not supported')
  const encrypted = at(content, 1)
  return decrypt(at(encrypted, 1), octets(at(encrypted, 2)), passphrase)
}

function checkMac(macData: asn1js.BaseBlock, authSafe: Buffer, passphrase: string): void {
  const digest = DIGESTS[oid(at(at(at(macData, 0), 0), 0))]
  if (digest === undefined) throw identityErrors.create('ERR_IDENTITY_PKCS12_CIPHER', 'The PKCS#12 file uses an unsupported checksum')
  const expected = octets(at(at(macData, 0), 1))
  const rounds = children(macData)[2]
  const derived = pkcs12Key(
    digest,
    passphrase,
    octets(at(macData, 1)),
    3,
    rounds === undefined ? 1 : iterations(rounds),
    createHash(digest).digest().length
  )
  const actual = createHmac(digest, derived).update(authSafe).digest()
  if (actual.length !== expected.length || !timingSafeEqual(actual, expected))
    throw identityErrors.create('ERR_IDENTITY_PASSPHRASE', 'The PKCS#12 file does not open with this passphrase')
}

function decrypt(algorithm: asn1js.BaseBlock, data: Buffer, passphrase: string): Buffer {
  const scheme = oid(at(algorithm, 0))
  const parameters = at(algorithm, 1)
  let cipher: { name: string; keyBytes: number } | undefined
  let secret: Buffer
  let iv: Buffer
  if (scheme === OID.pbes2) {
    const derivation = at(at(parameters, 0), 1)
    cipher = CIPHERS[oid(at(at(parameters, 1), 0))]
    const prf = children(derivation).find((part) => part instanceof asn1js.Sequence)
    const digest = prf === undefined ? 'sha1' : PRF[oid(at(prf, 0))]
    if (oid(at(at(parameters, 0), 0)) !== OID.pbkdf2 || cipher === undefined || digest === undefined) throw unsupported()
    secret = pbkdf2Sync(Buffer.from(passphrase, 'utf8'), octets(at(derivation, 0)), iterations(at(derivation, 1)), cipher.keyBytes, digest)
    iv = octets(at(at(parameters, 1), 1))
  } else if (scheme === OID.pbeSha3Des) {
    cipher = { name: 'des-ede3-cbc', keyBytes: 24 }
    const salt = octets(at(parameters, 0))
    secret = pkcs12Key('sha1', passphrase, salt, 1, iterations(at(parameters, 1)), 24)
    iv = pkcs12Key('sha1', passphrase, salt, 2, iterations(at(parameters, 1)), 8)
  } else {
    throw unsupported()
  }
  try {
    const decipher = createDecipheriv(cipher.name, secret, iv)
    return Buffer.concat([decipher.update(data), decipher.final()])
  } catch (cause) {
    throw identityErrors.create('ERR_IDENTITY_PASSPHRASE', 'The PKCS#12 file does not open with this passphrase', { cause })
  }
}

function encrypt(data: Uint8Array, passphrase: string): { algorithm: asn1js.Sequence; bytes: Buffer } {
  const salt = randomBytes(16)
  const iv = randomBytes(16)
  const cipher = createCipheriv('aes-256-cbc', pbkdf2Sync(Buffer.from(passphrase, 'utf8'), salt, WRITE_ITERATIONS, 32, 'sha256'), iv)
  const algorithm = sequence(
    objectId(OID.pbes2),
    sequence(
      sequence(
        objectId(OID.pbkdf2),
        sequence(octetString(salt), new asn1js.Integer({ value: WRITE_ITERATIONS }), sequence(objectId(OID.hmacSha256), new asn1js.Null()))
      ),
      sequence(objectId(OID.aes256), octetString(iv))
    )
  )
  return { algorithm, bytes: Buffer.concat([cipher.update(data), cipher.final()]) }
}

/** Key derivation of RFC 7292 appendix B.2; `id` 1 encryption key, 2 initialisation vector, 3 MAC key. */
function pkcs12Key(digest: string, passphrase: string, salt: Buffer, id: number, rounds: number, length: number): Buffer {
  const blockBytes = digest === 'sha384' || digest === 'sha512' ? 128 : 64
  const password = Buffer.from(passphrase + '\0', 'utf16le').swap16()
  const repeat = (value: Buffer): Buffer =>
    value.length === 0 ? value : Buffer.alloc(blockBytes * Math.ceil(value.length / blockBytes), value)
  const input = Buffer.concat([repeat(salt), repeat(password)])
  const parts: Buffer[] = []
  for (let have = 0; have < length; ) {
    let part = createHash(digest).update(Buffer.alloc(blockBytes, id)).update(input).digest()
    for (let round = 1; round < rounds; round++) part = createHash(digest).update(part).digest()
    parts.push(part)
    have += part.length
    const addend = Buffer.alloc(blockBytes, part)
    for (let offset = 0; offset < input.length; offset += blockBytes) {
      for (let index = blockBytes - 1, carry = 1; index >= 0; index--) {
        carry += input[offset + index]! + addend[index]!
        input[offset + index] = carry & 0xff
        carry >>= 8
      }
    }
  }
  return Buffer.concat(parts).subarray(0, length)
}

function key(pkcs8: Buffer): KeyObject {
  try {
    return createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
  } catch (cause) {
    throw identityErrors.create('ERR_IDENTITY_LOAD', 'The private key in the PKCS#12 file is malformed', { cause })
  }
}

function iterations(block: asn1js.BaseBlock): number {
  const value = block instanceof asn1js.Integer ? block.valueBlock.valueDec : 0
  if (!(value >= 1 && value <= MAX_ITERATIONS)) throw malformed(`iteration count ${value}`)
  return value
}

const malformed = (why: string, cause?: unknown): Error =>
  identityErrors.create('ERR_IDENTITY_LOAD', `Cannot read the PKCS#12 file: ${why}`, { cause })
const unsupported = (): Error => identityErrors.create('ERR_IDENTITY_PKCS12_CIPHER', 'The PKCS#12 file uses an unsupported cipher')

function parse(input: Uint8Array): asn1js.BaseBlock {
  const { offset, result } = asn1js.fromBER(bytes(input))
  if (offset === -1) throw malformed('not ASN.1')
  return result
}

function children(block: asn1js.BaseBlock): asn1js.BaseBlock[] {
  const value: unknown = (block.valueBlock as { value?: unknown }).value
  return Array.isArray(value) ? (value as asn1js.BaseBlock[]) : []
}

function at(block: asn1js.BaseBlock, index: number): asn1js.BaseBlock {
  const child = children(block)[index]
  if (child === undefined) throw malformed('a part is missing')
  return child
}

const explicit = (block: asn1js.BaseBlock): asn1js.BaseBlock => at(block, 0)

function oid(block: asn1js.BaseBlock): string {
  if (!(block instanceof asn1js.ObjectIdentifier)) throw malformed('an object identifier is missing')
  return block.valueBlock.toString()
}

/** The content of an octet string, also of a constructed or implicitly tagged one. */
function octets(block: asn1js.BaseBlock): Buffer {
  const parts = children(block)
  if (parts.length > 0 && block.idBlock.isConstructed) return Buffer.concat(parts.map(octets))
  const view = (block.valueBlock as { valueHexView?: Uint8Array }).valueHexView
  if (view === undefined) throw malformed('an octet string is missing')
  return Buffer.from(view)
}

const bytes = (input: Uint8Array): ArrayBuffer => new Uint8Array(input).buffer
const der = (block: asn1js.BaseBlock): Buffer => Buffer.from(block.toBER(false))
const sequence = (...value: asn1js.BaseBlock[]): asn1js.Sequence => new asn1js.Sequence({ value })
const set = (...value: asn1js.BaseBlock[]): asn1js.Set => new asn1js.Set({ value })
const objectId = (value: string): asn1js.ObjectIdentifier => new asn1js.ObjectIdentifier({ value })
const octetString = (value: Uint8Array): asn1js.OctetString => new asn1js.OctetString({ valueHex: bytes(value) })
const tagged = (value: asn1js.BaseBlock): asn1js.Constructed =>
  new asn1js.Constructed({ idBlock: { tagClass: 3, tagNumber: 0 }, value: [value] })
