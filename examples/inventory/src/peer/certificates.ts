import type { X509Certificate } from 'node:crypto'
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { certificateToPem, identityToPem, isSelfSigned, loadIdentity, openOrCreateIdentity, parseCertificates } from '@kithmesh/identity'
import type { Identity } from '@kithmesh/identity'
import type { CertificateView } from '../contracts.ts'
import { inventoryErrors } from './errors.ts'

const GIVEN = 'listener-identity.pem'
const AUTHORITIES = 'authorities'
const MAX_AUTHORITIES = 20

/** The identity and the authorities of one device, in its directory. */
export class Certificates {
  /** By which the device is known to others; made at the first start. */
  readonly device: Identity
  readonly #directory: string
  #given: Identity
  #authorities: readonly string[]

  private constructor(directory: string, device: Identity, given: Identity, authorities: readonly string[]) {
    this.#directory = directory
    this.device = device
    this.#given = given
    this.#authorities = authorities
  }

  static async open(directory: string, name: string, altNames: readonly string[]): Promise<Certificates> {
    const device = await openOrCreateIdentity(directory, { commonName: name, altNames })
    const pem = await readFile(join(directory, GIVEN)).catch(() => undefined)
    const given = pem === undefined ? device : await loadIdentity({ pem })
    const names = await readdir(join(directory, AUTHORITIES)).catch(() => [])
    const files = names.filter((file) => file.endsWith('.pem')).sort()
    const texts = await Promise.all(files.map(async (file) => await readFile(join(directory, AUTHORITIES, file), 'utf8')))
    return new Certificates(directory, device, given, texts)
  }

  /** What the listener shows in the mode `identity`: the one that was given, else the device's own. */
  get given(): Identity {
    return this.#given
  }

  /** PEM of the authorities that were added; without any, those that come with Node are asked. */
  get authorities(): readonly string[] {
    return this.#authorities
  }

  /** Takes an identity from a PKCS#12 or PEM file and keeps it. @throws ERR_INVENTORY_CERTIFICATE */
  async give(file: Uint8Array, passphrase: string): Promise<void> {
    const phrase = passphrase === '' ? {} : { passphrase }
    const isPem = Buffer.from(file.buffer, file.byteOffset, file.byteLength).includes('-----BEGIN')
    try {
      this.#given = await loadIdentity(isPem ? { pem: file, ...phrase } : { pkcs12: file, ...phrase })
    } catch (cause) {
      throw inventoryErrors.create(
        'ERR_INVENTORY_CERTIFICATE',
        `The file holds no identity that can be used: ${(cause as Error).message}`,
        { cause }
      )
    }
    await writeFile(join(this.#directory, GIVEN), identityToPem(this.#given), { mode: 0o600 })
  }

  /** Trusts a further authority in the mode `ca`. @throws ERR_INVENTORY_CERTIFICATE */
  async addAuthority(file: Uint8Array): Promise<void> {
    const certificate = readCertificate(file)
    const pem = certificateToPem(certificate.raw)
    if (this.#authorities.includes(pem)) return
    if (this.#authorities.length >= MAX_AUTHORITIES)
      throw inventoryErrors.create('ERR_INVENTORY_REFUSED', `There are ${MAX_AUTHORITIES} authorities already`)
    await mkdir(join(this.#directory, AUTHORITIES), { recursive: true })
    await writeFile(join(this.#directory, AUTHORITIES, `${fingerprintOf(certificate).slice(0, 16)}.pem`), pem)
    this.#authorities = [...this.#authorities, pem]
  }
}

/** The first certificate of a PEM or DER file. @throws ERR_INVENTORY_CERTIFICATE */
export function readCertificate(file: Uint8Array): X509Certificate {
  try {
    const [certificate] = parseCertificates(file)
    if (certificate !== undefined) return certificate
  } catch (cause) {
    throw inventoryErrors.create('ERR_INVENTORY_CERTIFICATE', 'The file is no certificate', { cause })
  }
  throw inventoryErrors.create('ERR_INVENTORY_CERTIFICATE', 'The file holds no certificate')
}

export function viewOfCertificate(certificate: X509Certificate): CertificateView {
  const name = /^CN=(.+)$/m.exec(certificate.subject)?.[1] ?? certificate.subject
  return {
    commonName: name,
    fingerprint: fingerprintOf(certificate),
    selfSigned: isSelfSigned(certificate),
    notAfter: new Date(certificate.validTo).toISOString()
  }
}

function fingerprintOf(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(':', '').toLowerCase()
}
