import { duplexPair, type Duplex } from 'node:stream'
import { once } from 'node:events'
import { connect, TLSSocket } from 'node:tls'
import { expect } from 'chai'
import type { TrustProtocol } from '@kithmesh/core'
import {
  type Authenticator,
  type CertificateVerdict,
  type Identity,
  type SecureStream,
  createIdentity,
  insecureAcceptAnyone,
  judgeCertificate,
  secureClient,
  secureServer
} from '@kithmesh/identity'
import { rejection } from '@kithmesh/testkit'

const protocol = (name: string): TrustProtocol => ({ name, run: async () => ({ trusted: true }) })
const saying = (verdict: CertificateVerdict): Authenticator => ({ name: 'test', protocols: [protocol('a/1')], check: () => verdict })

describe('what a certificate leaves open', () => {
  let shop: Identity
  let warehouse: Identity
  const open: Duplex[] = []
  before(async () => {
    shop = await createIdentity({ commonName: 'shop' })
    warehouse = await createIdentity({ commonName: 'warehouse' })
  })
  afterEach(() => {
    for (const stream of open.splice(0)) stream.destroy()
  })

  function streams(): [Duplex, Duplex] {
    const pair = duplexPair() as [Duplex, Duplex]
    open.push(...pair)
    return pair
  }

  async function securePair(server: Authenticator = insecureAcceptAnyone(), proofs = true): Promise<[SecureStream, SecureStream]> {
    const [a, b] = streams()
    const pair = await Promise.all([
      secureClient(a, { identity: shop, authenticator: insecureAcceptAnyone() }),
      secureServer(b, { identity: warehouse, authenticator: server, proofs })
    ])
    for (const { stream } of pair) {
      stream.on('error', () => {})
      open.push(stream)
    }
    return pair
  }

  it('may be proven where that was asked for, by the protocols that the authenticator named for this peer', async () => {
    const [, all] = await securePair(saying('prove'))
    expect([all.standing, all.protocols.map(({ name }) => name)]).to.deep.equal(['prove', ['a/1']])
    const [, some] = await securePair(saying({ prove: [protocol('b/1')] }))
    expect([some.standing, some.protocols.map(({ name }) => name)]).to.deep.equal(['prove', ['b/1']])
    const [client, trusted] = await securePair(saying(true))
    expect([trusted.standing, trusted.protocols.map(({ name }) => name)]).to.deep.equal(['trusted', ['a/1']])
    expect([client.standing, client.protocols]).to.deep.equal(['trusted', []])
  })

  it('is a refusal where nothing can prove it, and says so', async () => {
    const [a, b] = streams()
    secureServer(b, { identity: warehouse, authenticator: insecureAcceptAnyone() }).then(
      ({ stream }) => stream.on('error', () => {}),
      () => {}
    )
    const error = await rejection(secureClient(a, { identity: shop, authenticator: saying('prove') }))
    expect(error).to.include({ code: 'ERR_IDENTITY_UNPROVEN' })
    expect(error).to.have.property('hint').that.contains('mesh')
    expect(a.destroyed).to.equal(true)
  })

  it('is never taken for acceptance when the authenticator says something else', async () => {
    const [a, b] = streams()
    const [{ stream, peer }] = await Promise.all([
      secureClient(a, { identity: shop, authenticator: insecureAcceptAnyone() }),
      secureServer(b, { identity: warehouse })
    ])
    open.push(stream)
    for (const wrong of [false, undefined, null, 1, 'true', 'Prove'])
      expect(await rejection(judgeCertificate(saying(wrong as boolean), peer!)), String(wrong)).to.include({
        code: 'ERR_IDENTITY_UNTRUSTED'
      })
  })

  describe('is bound to the connection by bytes that', () => {
    it('both ends have, and no other connection of the two', async () => {
      const seen = new Set<string>()
      for (let i = 0; i < 3; i++) {
        const [client, server] = await securePair()
        expect(client.stream.getProtocol()).to.equal('TLSv1.3')
        expect(client.binding()).to.have.length(32)
        expect(client.binding().equals(server.binding())).to.equal(true)
        seen.add(client.binding().toString('hex'))
      }
      expect(seen.size).to.equal(3)
    })

    it('any TLS library has for the channel binding tls-exporter, in TLS 1.2 and 1.3', async () => {
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        const [a, b] = streams()
        const other = new TLSSocket(b, {
          isServer: true,
          key: warehouse.privateKeyPem,
          cert: warehouse.chainPem,
          minVersion: version,
          maxVersion: version
        })
        open.push(other)
        const [client] = await Promise.all([
          secureClient(a, { identity: shop, authenticator: insecureAcceptAnyone() }),
          once(other, 'secure')
        ])
        open.push(client.stream)
        expect(client.stream.getProtocol()).to.equal(version)
        expect(client.binding().equals(other.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0)))).to.equal(true)

        const [c, d] = streams()
        const dialler = connect({ socket: c, minVersion: version, maxVersion: version, rejectUnauthorized: false })
        open.push(dialler)
        const [server] = await Promise.all([secureServer(d, { identity: warehouse }), once(dialler, 'secureConnect')])
        open.push(server.stream)
        expect(server.stream.getProtocol()).to.equal(version)
        const expected = dialler.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0))
        expect(server.binding().equals(expected)).to.equal(true)
      }
    })

    it('are gone with the connection', async () => {
      const [client] = await securePair()
      const closed = once(client.stream, 'close')
      client.stream.destroy()
      await closed
      expect(() => client.binding())
        .to.throw()
        .with.property('code', 'ERR_IDENTITY_HANDSHAKE')
    })
  })
})
