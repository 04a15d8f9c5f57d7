// Passwords and certificates.
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { createCertificateAuthority, createIdentity, passwordAuthenticator } from '@kithmesh/identity'
import { useStage } from './stage.mjs'
import { Witness } from './witness.mjs'

const authenticator = passwordAuthenticator((user, password) => user === 'größe' && password === 'pa:ss wörd')

describe('security with Couchbase Lite Java', () => {
  const stage = useStage()

  /** Whether a document came over. */
  async function pulls(ours, settings, witness = stage.witness) {
    ours.collection.put('secret', { of: 'ours' })
    const theirs = witness.database(`database-${Math.random()}`.replace('.', ''))
    const report = await theirs.replicate(ours.url, { type: 'PULL', ...settings })
    expect(report.pulled.length).to.equal((await theirs.list()).length)
    return { ...report, worked: report.pulled.length === 1 && report.error === undefined }
  }

  describe('by password', () => {
    it('lets in who knows it', async () => {
      const ours = await stage.ours({ authenticator })
      expect(await pulls(ours, { user: 'größe:pa:ss wörd' })).to.include({ worked: true })
    })
    it('refuses a wrong one', async () => {
      const ours = await stage.ours({ authenticator })
      const report = await pulls(ours, { user: 'größe:other' })
      expect(report.worked).to.equal(false)
      expect(report.error).to.match(/401/)
      expect(ours.replications).to.deep.equal([])
    })
    it('refuses none', async () => {
      const ours = await stage.ours({ authenticator })
      const report = await pulls(ours)
      expect(report.worked).to.equal(false)
      expect(report.error).to.match(/401/)
    })
    it('is asked for again at every connection of a continuous replication', async () => {
      const ours = await stage.ours({ authenticator })
      const theirs = stage.theirs()
      const settings = { user: 'größe:pa:ss wörd', continuous: true, maxAttempts: 100, maxAttemptWait: 1 }
      const replicator = await theirs.start(ours.url, settings)
      await replicator.idle()
      await ours.listener.stop()
      await replicator.until('OFFLINE')
      await ours.listen()
      await replicator.idle()
      expect(ours.replications.length).to.equal(2)
      await replicator.stop()
    })
    it('takes a header of the application', async () => {
      const ours = await stage.ours({ authenticator })
      const Authorization = `Basic ${Buffer.from('größe:pa:ss wörd').toString('base64')}`
      expect(await pulls(ours, { headers: { Authorization } })).to.include({ worked: true })
    })
  })

  for (const kind of ['ec', 'rsa']) {
    describe(`by a pinned certificate (${kind})`, () => {
      let identity
      before(async () => {
        identity = await createIdentity({ commonName: 'Listener', kind })
      })

      it('connects to the one that has it', async () => {
        const ours = await stage.ours({ tls: identity })
        expect(await pulls(ours, { pinned: identity.certificateDer.toString('base64') })).to.include({ worked: true })
      })
      it('and with a password', async () => {
        const ours = await stage.ours({ tls: identity, authenticator })
        const pinned = identity.certificateDer.toString('base64')
        expect(await pulls(ours, { pinned, user: 'größe:pa:ss wörd' })).to.include({ worked: true })
        expect((await pulls(ours, { pinned, user: 'größe:x' })).error).to.match(/401/)
      })
      it('refuses one with another', async () => {
        const other = await createIdentity({ commonName: 'Listener', kind })
        const ours = await stage.ours({ tls: identity })
        const report = await pulls(ours, { pinned: other.certificateDer.toString('base64') })
        expect(report.worked).to.equal(false)
        expect(report.error).to.match(/TLS|certificate|5011|1011/i)
        expect(ours.replications).to.deep.equal([])
      })
    })
  }

  it('carries many documents and large blobs over TLS', async () => {
    const identity = await createIdentity({ commonName: 'Listener' })
    const ours = await stage.ours({ tls: identity })
    const theirs = stage.theirs()
    await theirs.fill(1000, { blobs: true })
    await theirs.blob('large', 'picture', 1, 5_000_000)
    ours.collection.put('ours', { picture: await ours.database.blobs.saveBlob(randomBytes(5_000_000)) })
    const report = await theirs.replicate(ours.url, { pinned: identity.certificateDer.toString('base64') })
    expect(report)
      .to.deep.include({ pulled: ['ours'], failed: {} })
      .and.not.to.have.property('error')
    await ours.expectSame(theirs)
  })

  it('refuses a self-signed certificate that it was not told of', async () => {
    const ours = await stage.ours({ tls: 'self-signed' })
    const report = await pulls(ours)
    expect(report.worked).to.equal(false)
    expect(report.error).to.be.a('string')
    expect(ours.replications).to.deep.equal([])
  })

  describe('by an authority', () => {
    let authority
    let trusting

    before(async () => {
      authority = await createCertificateAuthority({ commonName: 'Authority' })
      const directory = stage.directory()
      const [file, store] = [join(directory, 'authority.pem'), join(directory, 'trust.p12')]
      writeFileSync(file, authority.certificatePem)
      await promisify(execFile)('keytool', [
        '-importcert',
        '-noprompt',
        '-alias',
        'a',
        '-file',
        file,
        '-keystore',
        store,
        '-storetype',
        'PKCS12',
        '-storepass',
        'changeit'
      ])
      trusting = new Witness(directory, {
        'javax.net.ssl.trustStore': store,
        'javax.net.ssl.trustStorePassword': 'changeit',
        'javax.net.ssl.trustStoreType': 'PKCS12'
      })
    })
    after(async () => {
      await trusting?.end()
    })

    it('connects to who was certified by it', async () => {
      const identity = await createIdentity({ commonName: 'Listener', issuer: authority, altNames: ['127.0.0.1'] })
      const ours = await stage.ours({ tls: identity })
      expect(await pulls(ours, {}, trusting)).to.include({ worked: true })
    })
    it('refuses who was certified by another', async () => {
      const stranger = await createCertificateAuthority({ commonName: 'Authority' })
      const identity = await createIdentity({ commonName: 'Listener', issuer: stranger, altNames: ['127.0.0.1'] })
      const ours = await stage.ours({ tls: identity })
      const report = await pulls(ours, {}, trusting)
      expect(report.worked).to.equal(false)
      expect(ours.replications).to.deep.equal([])
    })
    it('refuses who was certified for another address', async () => {
      const identity = await createIdentity({ commonName: 'Listener', issuer: authority, altNames: ['127.0.0.2'] })
      const ours = await stage.ours({ tls: identity })
      const report = await pulls(ours, {}, trusting)
      expect(report.worked).to.equal(false)
      expect(ours.replications).to.deep.equal([])
    })
  })

  it('has no client certificate to show, so that a listener that asks for one refuses it', async () => {
    const identity = await createIdentity({ commonName: 'Listener' })
    const ours = await stage.ours({ tls: identity, authenticator: { name: 'any device', check: () => true } })
    const report = await pulls(ours, { pinned: identity.certificateDer.toString('base64') })
    expect(report.worked).to.equal(false)
    expect(ours.replications).to.deep.equal([])
  })
})
