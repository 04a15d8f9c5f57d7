// `kithmesh serve` with TLS in all its forms, and what `kithmesh replicate` accepts of it.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect } from 'chai'
import { cleanUp, done, run, temporaryDirectory } from '../support/kithmesh.mjs'
import { startServe } from './support.mjs'

describe('TLS between kithmesh serve and replicate', () => {
  let home
  let served
  const openssl = (...args) => execFileSync('openssl', args, { cwd: home, stdio: 'pipe' })

  beforeEach(async () => {
    home = temporaryDirectory()
    served = join(home, 'served')
    await done(['put', served, 'x', '{}'])
  })
  afterEach(cleanUp)

  const replicate = (url, ...args) => run(['replicate', join(home, 'copy'), url, '--json', ...args])

  /** An authority, and a certificate of it for localhost: ca.pem, leaf.crt, leaf.key, leaf.p12 (passphrase "pass"), leaf.pem. */
  function makeCertificates() {
    const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    openssl(
      'req',
      '-x509',
      ...ec,
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-days',
      '2',
      '-subj',
      '/CN=Test CA',
      '-addext',
      'keyUsage=critical,keyCertSign'
    )
    const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1'
    openssl(
      'req',
      '-x509',
      ...ec,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-keyout',
      'leaf.key',
      '-out',
      'leaf.crt',
      '-days',
      '2',
      '-subj',
      '/CN=localhost',
      '-addext',
      names,
      '-addext',
      'basicConstraints=critical,CA:FALSE',
      '-addext',
      'extendedKeyUsage=serverAuth'
    )
    openssl('pkcs12', '-export', '-inkey', 'leaf.key', '-in', 'leaf.crt', '-out', 'leaf.p12', '-passout', 'pass:pass')
    execFileSync('sh', ['-c', 'cat leaf.crt leaf.key > leaf.pem'], { cwd: home })
  }

  const expectRefused = (outcome, url) => {
    expect(outcome.code, `${url} ${outcome.out}`).to.equal(1)
    const { error, code, hint, causes } = JSON.parse(outcome.err)
    expect(error).to.include('Cannot connect')
    expect(hint).not.to.equal('')
    expect([code, ...causes.map((cause) => cause.code)]).to.include('ERR_IDENTITY_UNTRUSTED')
  }

  it('self-signed: is accepted with --self-signed, --insecure or its own certificate as --pin, and not without', async () => {
    const server = await startServe(served)
    expect(server.url).to.match(/^wss:/)
    for (const options of [['--self-signed'], ['--insecure'], ['--pin', join(served, 'identity.pem')]]) {
      const outcome = await replicate(server.url, ...options)
      expect(outcome.code, outcome.err).to.equal(0)
    }
    openssl('x509', '-in', join(served, 'identity.pem'), '-outform', 'DER', '-out', 'identity.der')
    expect((await replicate(server.url, '--pin', join(home, 'identity.der'))).code).to.equal(0)
    expectRefused(await replicate(server.url), server.url)
    openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-keyout',
      'o.key',
      '-out',
      'other.pem',
      '-subj',
      '/CN=localhost'
    )
    for (const option of ['--pin', '--ca']) expectRefused(await replicate(server.url, option, join(home, 'other.pem')), option)
    expect(await server.stop()).to.equal(0)
  })

  it('self-signed: keeps its certificate over restarts', async () => {
    for (let time = 0; time < 2; time++) {
      const server = await startServe(served)
      if (time === 0) openssl('x509', '-in', join(served, 'identity.pem'), '-out', 'pin.pem')
      const outcome = await replicate(server.url, '--pin', join(home, 'pin.pem'))
      expect(outcome.code, outcome.err).to.equal(0)
      await server.stop()
    }
  })

  it('a certificate of an authority, as PKCS#12 and as PEM: is accepted with --ca or --pin, not as self-signed', async () => {
    makeCertificates()
    for (const options of [
      ['--tls', join(home, 'leaf.p12'), '--passphrase', 'pass'],
      ['--tls', join(home, 'leaf.pem')]
    ]) {
      const server = await startServe(served, ...options)
      for (const trust of [
        ['--ca', 'ca.pem'],
        ['--pin', 'leaf.crt'],
        ['--pin', 'ca.pem']
      ]) {
        const outcome = await replicate(server.url, trust[0], join(home, trust[1]))
        expect(outcome.code, outcome.err).to.equal(0)
      }
      expectRefused(await replicate(server.url, '--self-signed'), '--self-signed')
      expectRefused(await replicate(server.url), 'no option')
      expect(await server.stop()).to.equal(0)
    }
  })

  it('passwords go over TLS, too', async () => {
    const server = await startServe(served, '--user', 'anna:secret')
    expect((await replicate(server.url, '--self-signed', '--user', 'anna:secret')).code).to.equal(0)
    const wrong = await replicate(server.url, '--self-signed', '--user', 'anna:wrong')
    expect(JSON.parse(wrong.err).code).to.equal('ERR_REPL_UNAUTHORIZED')
  })

  it('a certificate that cannot be used is reported at the start', async () => {
    makeCertificates()
    const serve = (...args) => run(['serve', served, '--port', 0, '--host', '127.0.0.1', ...args])
    for (const [args, code, message] of [
      [
        ['--tls', join(home, 'leaf.p12'), '--passphrase', 'wrong'],
        1,
        /leaf\.p12 cannot be used: [\s\S]*ERR_IDENTITY_PASSPHRASE[\s\S]*hint: /
      ],
      [['--tls', join(home, 'leaf.p12')], 1, /leaf\.p12 cannot be used/],
      [['--tls', join(home, 'leaf.crt')], 1, /leaf\.crt cannot be used: [\s\S]*ERR_IDENTITY_[A-Z_]+[\s\S]*hint: /],
      [['--tls', join(home, 'nope.pem')], 1, /nope\.pem cannot be read: ENOENT.*ERR_CLI_FILE/],
      [['--tls', 'on'], 2, /--tls takes off, self-signed, FILE\.p12 or FILE\.pem/]
    ]) {
      const outcome = await serve(...args)
      expect(outcome.err).to.match(message)
      expect(outcome.code).to.equal(code)
    }
    const replicateWith = await run(['replicate', join(home, 'copy'), 'wss://127.0.0.1:1/db', '--pin', join(home, 'leaf.key')])
    expect(replicateWith.code).to.equal(1)
    expect(replicateWith.err).to.match(/ERR_[A-Z_]+\][\s\S]*hint: /)
  })

  it('a client without TLS at a TLS port, and the other way round, get an error', async () => {
    const secured = await startServe(served)
    const plain = await startServe(join(home, 'plain'), '--tls', 'off')
    const a = await replicate(secured.url.replace('wss:', 'ws:'), '--attempts', 1)
    const b = await replicate(plain.url.replace('ws:', 'wss:'), '--self-signed', '--attempts', 1)
    for (const { code, err } of [a, b]) {
      expect(code).to.equal(1)
      expect(JSON.parse(err).code).to.match(/^ERR_REPL_/)
    }
    expect((await replicate(secured.url, '--self-signed')).code).to.equal(0)
    expect((await replicate(plain.url)).code).to.equal(0)
  })
})
