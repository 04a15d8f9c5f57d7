import { execFile } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import {
  createCertificateAuthority,
  createIdentity,
  identityToPem,
  identityToPkcs12,
  loadIdentity,
  openOrCreateIdentity
} from '@kithmesh/identity'
import { rejection } from '@kithmesh/testkit'

const run = promisify(execFile)

describe('identities', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kithmesh-identity-'))
  })
  afterEach(async () => {
    await rm(directory, { recursive: true, force: true })
  })

  it('have the SHA-256 of their certificate as peer id', async () => {
    const identity = await createIdentity({ commonName: 'shop' })
    expect(identity.peerId).to.equal(createHash('sha256').update(identity.certificateDer).digest('hex'))
    expect(identity.commonName).to.equal('shop')
    expect(new X509Certificate(identity.certificatePem).raw).to.deep.equal(identity.certificateDer)
    expect(identity.chainPem).to.equal(identity.certificatePem)
  })

  it('carry names as they are, whatever is in them', async () => {
    for (const commonName of ['#30', 'a, b=c; d\\e', ' Bücher "Müller" ', '名前']) {
      const identity = await createIdentity({ commonName })
      expect(identity.commonName).to.equal(commonName)
    }
  })

  it('may be used as TLS server and as TLS client, P-256 or RSA', async () => {
    for (const kind of ['ec', 'rsa'] as const) {
      const identity = await createIdentity({ commonName: 'shop', kind, altNames: ['shop.local', '192.0.2.1', 'fe80::1'] })
      const certificate = new X509Certificate(identity.certificateDer)
      expect(certificate.keyUsage).to.have.members(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
      expect(certificate.checkHost('shop.local')).to.equal('shop.local')
      expect(certificate.checkIP('192.0.2.1')).to.equal('192.0.2.1')
      expect(certificate.checkIP('fe80::1')).to.equal('fe80::1')
      expect(certificate.publicKey.asymmetricKeyType).to.equal(kind)
    }
  })

  it('signed by an authority verify with openssl for both purposes', async () => {
    const authority = await createCertificateAuthority({ commonName: 'authority' })
    const identity = await createIdentity({ commonName: 'shop', kind: 'rsa', issuer: authority })
    expect(identity.chainPem).to.equal(identity.certificatePem + authority.certificatePem)
    await writeFile(join(directory, 'ca.pem'), authority.certificatePem)
    await writeFile(join(directory, 'leaf.pem'), identity.certificatePem)
    for (const purpose of ['sslserver', 'sslclient']) {
      const { stdout } = await run('openssl', [
        'verify',
        '-x509_strict',
        '-purpose',
        purpose,
        '-CAfile',
        join(directory, 'ca.pem'),
        join(directory, 'leaf.pem')
      ])
      expect(stdout).to.match(/: OK/)
    }
  })

  it('come back from PEM the same, in any order of its parts', async () => {
    const authority = await createCertificateAuthority({ commonName: 'authority' })
    const identity = await createIdentity({ commonName: 'shop', issuer: authority })
    expect(await loadIdentity({ pem: identityToPem(identity) })).to.deep.equal(identity)
    expect(
      await loadIdentity({ pem: Buffer.from(identity.privateKeyPem + authority.certificatePem + identity.certificatePem) })
    ).to.deep.equal(identity)
  })

  it('come back from PKCS#12 the same', async () => {
    const identity = await createIdentity({
      commonName: 'shop',
      issuer: await createCertificateAuthority({ commonName: 'authority', kind: 'rsa' })
    })
    const file = await identityToPkcs12(identity, 'päss')
    expect(await loadIdentity({ pkcs12: file, passphrase: 'päss' })).to.deep.equal(identity)
    expect(await rejection(loadIdentity({ pkcs12: file, passphrase: 'other' }))).to.have.property('code', 'ERR_IDENTITY_PASSPHRASE')
  })

  it('in our PKCS#12 are read by openssl', async () => {
    const identity = await createIdentity({ commonName: 'shop', issuer: await createCertificateAuthority({ commonName: 'authority' }) })
    const path = join(directory, 'shop.p12')
    for (const passphrase of ['secret', '']) {
      await writeFile(path, await identityToPkcs12(identity, passphrase))
      const { stdout } = await run('openssl', ['pkcs12', '-in', path, '-passin', `pass:${passphrase}`, '-nodes'])
      expect(stdout).to.contain('friendlyName: shop')
      expect(await loadIdentity({ pem: stdout })).to.deep.equal(identity)
    }
  })

  for (const [title, extra] of [
    ['current', []],
    ['AES-128 and SHA-1', ['-keypbe', 'AES-128-CBC', '-certpbe', 'AES-128-CBC', '-macalg', 'SHA1']],
    ['triple DES of older programs', ['-keypbe', 'PBE-SHA1-3DES', '-certpbe', 'PBE-SHA1-3DES', '-macalg', 'SHA1']],
    ['SHA-512 checksum', ['-macalg', 'SHA512']],
    ['unencrypted', ['-keypbe', 'NONE', '-certpbe', 'NONE', '-nomac']]
  ] as const) {
    it(`in openssl's PKCS#12 are read by us: ${title}`, async () => {
      const identity = await createIdentity({
        commonName: 'shop',
        kind: 'rsa',
        issuer: await createCertificateAuthority({ commonName: 'authority' })
      })
      const [pem, path] = [join(directory, 'shop.pem'), join(directory, 'shop.p12')]
      await writeFile(pem, identityToPem(identity))
      await run('openssl', ['pkcs12', '-export', '-in', pem, '-out', path, '-passout', 'pass:secret', '-name', 'shop', ...extra])
      expect(await loadIdentity({ pkcs12: await readFile(path), passphrase: 'secret' })).to.deep.equal(identity)
    })
  }

  it('in a PKCS#12 file with a retired cipher are refused with a way out', async () => {
    const identity = await createIdentity({ commonName: 'shop' })
    const [pem, path] = [join(directory, 'shop.pem'), join(directory, 'shop.p12')]
    await writeFile(pem, identityToPem(identity))
    await run('openssl', ['pkcs12', '-export', '-legacy', '-in', pem, '-out', path, '-passout', 'pass:secret'])
    const error = await rejection(loadIdentity({ pkcs12: await readFile(path), passphrase: 'secret' }))
    expect(error).to.have.property('code', 'ERR_IDENTITY_PKCS12_CIPHER')
    expect(error).to.have.property('hint').that.contains('OpenSSL 3')
  })

  it('that are damaged in any byte never crash the reader', async () => {
    const identity = await createIdentity({ commonName: 'shop' })
    const file = await identityToPkcs12(identity, '')
    for (let index = 0; index < 60; index++) {
      const damaged = Buffer.from(file)
      damaged[index] = damaged[index]! ^ 0xff
      const error = await loadIdentity({ pkcs12: damaged }).then(
        () => undefined,
        (reason: unknown) => reason
      )
      if (error !== undefined)
        expect(error)
          .to.have.property('code')
          .that.matches(/^ERR_IDENTITY_/)
    }
    expect(await rejection(loadIdentity({ pkcs12: file.subarray(0, 100) }))).to.have.property('code', 'ERR_IDENTITY_LOAD')
    expect(await rejection(loadIdentity({ pkcs12: Buffer.alloc(0) }))).to.have.property('code', 'ERR_IDENTITY_LOAD')
  })

  it('that are ASN.1 of another kind, or nested without end, are refused', async () => {
    const odd = Buffer.from('30031c0100', 'hex')
    const deep = Buffer.from('a080'.repeat(200_000), 'hex')
    for (const pkcs12 of [odd, deep]) expect(await rejection(loadIdentity({ pkcs12 }))).to.have.property('code', 'ERR_IDENTITY_LOAD')
  })

  it('need the key that belongs to the certificate', async () => {
    const [one, other] = [await createIdentity({ commonName: 'one' }), await createIdentity({ commonName: 'other' })]
    expect(await rejection(loadIdentity({ pem: one.certificatePem + other.privateKeyPem }))).to.have.property(
      'code',
      'ERR_IDENTITY_KEY_MISMATCH'
    )
    expect(await rejection(loadIdentity({ pem: one.certificatePem }))).to.have.property('code', 'ERR_IDENTITY_LOAD')
    expect(await rejection(loadIdentity({ pem: 'nonsense' }))).to.have.property('code', 'ERR_IDENTITY_LOAD')
  })

  it('in a directory are made once, readable by the owner only', async () => {
    const all = await Promise.all([1, 2, 3].map(async () => await openOrCreateIdentity(join(directory, 'peer'), { commonName: 'shop' })))
    expect(new Set(all.map(({ peerId }) => peerId)).size).to.equal(1)
    expect((await openOrCreateIdentity(join(directory, 'peer'), { commonName: 'ignored' })).peerId).to.equal(all[0]!.peerId)
    expect((await stat(join(directory, 'peer', 'identity.pem'))).mode & 0o777).to.equal(0o600)
    expect(await readdir(join(directory, 'peer'))).to.deep.equal(['identity.pem'])
  })

  it('in a directory may be behind a link, and are not made anew when that leads nowhere', async function () {
    if (process.platform === 'win32') this.skip()
    const [elsewhere, peer] = [join(directory, 'elsewhere'), join(directory, 'peer')]
    const { peerId } = await openOrCreateIdentity(elsewhere, { commonName: 'shop' })
    await mkdir(peer)
    await symlink(join(elsewhere, 'identity.pem'), join(peer, 'identity.pem'))
    expect((await openOrCreateIdentity(peer, { commonName: 'shop' })).peerId).to.equal(peerId)
    await rename(elsewhere, join(directory, 'unmounted'))
    const error = await rejection(openOrCreateIdentity(peer, { commonName: 'shop' }))
    expect(error).to.have.property('code', 'ERR_IDENTITY_STORE')
    expect((error as Error).message).to.match(/a link to a file that is not there/)
    expect(await readdir(peer), 'nothing is left behind').to.deep.equal(['identity.pem'])
    await rename(join(directory, 'unmounted'), elsewhere)
    expect((await openOrCreateIdentity(peer, { commonName: 'shop' })).peerId).to.equal(peerId)
  })

  it('in a directory are never overwritten when damaged', async () => {
    await writeFile(join(directory, 'identity.pem'), 'garbage')
    expect(await rejection(openOrCreateIdentity(directory, { commonName: 'shop' }))).to.have.property('code', 'ERR_IDENTITY_LOAD')
    expect(await readFile(join(directory, 'identity.pem'), 'utf8')).to.equal('garbage')
    expect(await rejection(openOrCreateIdentity(join(directory, 'identity.pem'), { commonName: 'shop' }))).to.have.property(
      'code',
      'ERR_IDENTITY_STORE'
    )
  })
})
