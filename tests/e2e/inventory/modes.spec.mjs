import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { createIdentity, identityToPkcs12 } from '../../../packages/identity/dist/index.js'
import { useChromium } from '../../support/chromium.mjs'
import { useDevices } from './devices.mjs'
import {
  connect,
  disconnect,
  downloadCertificate,
  expectConnected,
  expectConnections,
  expectRefused,
  startListener,
  threeLoggedIn
} from './pages.mjs'

const noTls = ['ERR_REPL_CONNECT', /offers no TLS/]
const wantsTls = ['ERR_REPL_CONNECT', /wants TLS/]
const untrusted = ['ERR_REPL_CONNECT', /^Its certificate is not accepted/]

/** What has to come of each TLS mode with each check; true is a connection. The given identity is issued by an authority that all devices trust. */
const outcomes = {
  off: { any: noTls, 'self-signed': noTls, ca: noTls, pinned: noTls, plain: true },
  anonymous: { any: true, 'self-signed': true, ca: untrusted, pinned: true, plain: wantsTls },
  identity: { any: true, 'self-signed': untrusted, ca: true, pinned: true, plain: wantsTls }
}

describe('TLS modes of the listener and checks of the replicator', () => {
  const browser = useChromium()
  const devices = useDevices()

  for (const [tls, checks] of Object.entries(outcomes))
    it(`${tls}: ${Object.entries(checks)
      .map(([mode, outcome]) => `${mode} ${outcome === true ? 'connects' : 'is refused'}`)
      .join(', ')}`, async () => {
      const { alice, bob } = await threeLoggedIn(browser, devices)
      await startListener(alice, tls)
      const certificate = tls === 'off' ? await someCertificate(devices.directory) : await downloadCertificate(alice)
      for (const [mode, outcome] of Object.entries(checks)) {
        await connect(bob, 'alice', { mode, ...(mode === 'pinned' && { pin: certificate }) })
        if (outcome === true) {
          await expectConnected(bob, 'alice', { mode })
          await expectConnections(alice, 1)
          await disconnect(bob, 'alice')
          await expectConnections(alice, 0)
        } else {
          await expectRefused(bob, 'alice', { mode }, ...outcome)
          await expectConnections(alice, 0)
        }
      }
    })

  it('refuse a listener that shows another certificate than the pinned one, and take the pinned one', async () => {
    const { alice, bob } = await threeLoggedIn(browser, devices)
    await startListener(alice, 'identity')
    await connect(bob, 'alice', { mode: 'pinned', pin: await someCertificate(devices.directory) })
    await expectRefused(bob, 'alice', { mode: 'pinned' }, ...untrusted)
    await expectConnections(alice, 0)
    await connect(bob, 'alice', { mode: 'pinned', pin: await downloadCertificate(alice) })
    await expectConnected(bob, 'alice')
  })

  it('take another identity from a PKCS#12 file: self-signed, so an authority does not vouch for it', async () => {
    const { alice, bob } = await threeLoggedIn(browser, devices)
    const identity = await createIdentity({ commonName: 'bundled' })
    const file = join(devices.directory, 'listener-cert-pkey.p12')
    await writeFile(file, await identityToPkcs12(identity, 'secret'))
    browser.allow(alice, /^console: .*400/)

    await alice.locator('#listener summary').click()
    await alice.getByRole('button', { name: 'Use another identity…' }).click()
    const dialog = alice.getByRole('dialog')
    await dialog.getByLabel('File').setInputFiles(file)
    await dialog.getByLabel('Passphrase').fill('wrong')
    await dialog.getByRole('button', { name: 'Use', exact: true }).click()
    await dialog
      .getByText(/passphrase/i)
      .last()
      .waitFor()
    await dialog.getByLabel('Passphrase').fill('secret')
    await dialog.getByRole('button', { name: 'Use', exact: true }).click()
    await alice.getByText('Given identity: bundled, self-signed').waitFor()

    await startListener(alice, 'identity')
    const shown = (await alice.locator('#listener .certificate').textContent()).replace('SHA-256 ', '').replaceAll(' ', '')
    expect(shown).to.equal(identity.peerId)
    await connect(bob, 'alice', { mode: 'ca' })
    await expectRefused(bob, 'alice', { mode: 'ca' }, ...untrusted)
    await connect(bob, 'alice', { mode: 'self-signed' })
    await expectConnected(bob, 'alice')
    await disconnect(bob, 'alice')
    await expectConnections(alice, 0)
    const pem = join(devices.directory, 'bundled.pem')
    await writeFile(pem, identity.certificatePem)
    await connect(bob, 'alice', { mode: 'pinned', pin: pem })
    await expectConnected(bob, 'alice')
  })

  it('follow a listener that changes its mode while it runs', async () => {
    const { alice, bob } = await threeLoggedIn(browser, devices)
    await startListener(alice, 'anonymous')
    await connect(bob, 'alice', { mode: 'self-signed' })
    await expectConnected(bob, 'alice')
    await startListener(alice, 'off')
    await expectRefused(bob, 'alice', { mode: 'self-signed' }, ...noTls)
    await connect(bob, 'alice', { mode: 'plain' })
    await expectConnected(bob, 'alice')
  })
})

async function someCertificate(directory) {
  const path = join(directory, 'other.cer')
  await writeFile(path, (await createIdentity({ commonName: 'somebody else' })).certificateDer)
  return path
}
