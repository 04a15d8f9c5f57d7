import { connect, createServer, type Server, type Socket } from 'node:net'
import { duplexPair, type Duplex } from 'node:stream'
import { once } from 'node:events'
import { connect as connectTls, createSecureContext } from 'node:tls'
import { expect } from 'chai'
import {
  acceptCertificate,
  createCertificateAuthority,
  createIdentity,
  insecureAcceptAnyone,
  pinnedPeers,
  secureClient,
  secureServer,
  serverTrustAuthenticator,
  type Identity,
  type SecureStream,
  type ServerTrust
} from '@kithmesh/identity'
import { manualClock, rejection } from '@kithmesh/testkit'

describe('TLS over any byte stream', () => {
  let shop: Identity
  let warehouse: Identity
  let authority: Identity
  let server: Server | undefined
  let open: Duplex[] = []
  before(async () => {
    authority = await createCertificateAuthority({ commonName: 'authority' })
    shop = await createIdentity({ commonName: 'shop' })
    warehouse = await createIdentity({ commonName: 'warehouse', kind: 'rsa', issuer: authority, altNames: ['localhost', '127.0.0.1'] })
  })
  afterEach(async () => {
    for (const stream of open) stream.destroy()
    open = []
    if (server !== undefined) await new Promise((resolve) => server?.close(resolve))
    server = undefined
  })

  async function tcpPair(): Promise<[Socket, Socket]> {
    server ??= createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
    if (!server.listening) await once(server, 'listening')
    const accepted = once(server, 'connection') as Promise<[Socket]>
    const client = connect((server.address() as { port: number }).port, '127.0.0.1')
    await once(client, 'connect')
    const [other] = await accepted
    open.push(client, other)
    return [client, other]
  }

  function memoryPair(): [Duplex, Duplex] {
    const pair = duplexPair()
    open.push(...pair)
    return pair as [Duplex, Duplex]
  }

  async function echo({ stream: a }: SecureStream, { stream: b }: SecureStream): Promise<void> {
    open.push(a, b)
    const payload = Buffer.alloc(300_000, 'kith')
    b.pipe(b)
    a.write(payload)
    const parts: Buffer[] = []
    for await (const part of a) {
      parts.push(part as Buffer)
      if (parts.reduce((sum, { length }) => sum + length, 0) >= payload.length) break
    }
    expect(Buffer.concat(parts).equals(payload)).to.equal(true)
  }

  for (const [title, make] of [
    ['TCP', tcpPair],
    ['a stream that is no socket', async () => memoryPair()]
  ] as const) {
    it(`authenticates both sides over ${title}`, async () => {
      const [a, b] = await make()
      const [client, accepted] = await Promise.all([
        secureClient(a, {
          identity: shop,
          authenticator: pinnedPeers([warehouse.peerId]),
          expectedPeerId: warehouse.peerId,
          alpn: ['kith']
        }),
        secureServer(b, { identity: warehouse, authenticator: pinnedPeers([shop.peerId]), alpn: ['other', 'kith'] })
      ])
      expect(client.peer).to.include({ peerId: warehouse.peerId, commonName: 'warehouse', role: 'server' })
      expect(client.peer?.chain).to.deep.equal([warehouse.certificateDer, authority.certificateDer])
      expect(accepted.peer).to.include({ peerId: shop.peerId, commonName: 'shop', role: 'client' })
      expect([client.alpnProtocol, accepted.alpnProtocol]).to.deep.equal(['kith', 'kith'])
      await echo(client, accepted)
    })

    it(`ends the stream beneath with the encrypted one and the other way round over ${title}`, async () => {
      for (const cut of ['above', 'beneath'] as const) {
        const [a, b] = await make()
        const [client, accepted] = await Promise.all([
          secureClient(a, { authenticator: insecureAcceptAnyone() }),
          secureServer(b, { identity: warehouse })
        ])
        for (const { stream } of [client, accepted]) {
          stream.on('error', () => {}).resume()
          open.push(stream)
        }
        const closed = Promise.all(
          [client.stream, accepted.stream, a, b].map(async (stream) => {
            if (!stream.closed) await new Promise((resolve) => stream.once('close', resolve))
          })
        )
        for (const side of cut === 'above' ? [client.stream, accepted.stream] : [a, b]) side.destroy()
        await closed
      }
    })

    it(`ends in order: what was written before arrives over ${title}`, async () => {
      const [a, b] = await make()
      const [client, accepted] = await Promise.all([
        secureClient(a, { authenticator: insecureAcceptAnyone() }),
        secureServer(b, { identity: warehouse })
      ])
      open.push(client.stream, accepted.stream)
      client.stream.resume()
      client.stream.end(Buffer.alloc(200_000, 'k'))
      let size = 0
      for await (const part of accepted.stream) size += (part as Buffer).length
      expect(size).to.equal(200_000)
    })

    it(`destroys both streams when the client's authenticator refuses over ${title}`, async () => {
      const [a, b] = await make()
      const accepted = secureServer(b, { identity: warehouse, authenticator: insecureAcceptAnyone(), deadlineMs: 300 }).then(
        ({ stream }) => {
          open.push(stream)
          stream.on('error', () => {})
        },
        () => {}
      )
      const error = await rejection(secureClient(a, { identity: shop, authenticator: acceptCertificate(() => false) }))
      expect(error).to.have.property('code', 'ERR_IDENTITY_UNTRUSTED')
      expect(a.destroyed).to.equal(true)
      await accepted
    })

    it(`ends a stalled handshake at its deadline over ${title}`, async () => {
      const [a, b] = await make()
      const error = await rejection(secureServer(b, { identity: warehouse, authenticator: insecureAcceptAnyone(), deadlineMs: 50 }))
      expect(error).to.have.property('code', 'ERR_IDENTITY_HANDSHAKE_TIMEOUT')
      expect(b.destroyed).to.equal(true)
      const [c] = await make()
      expect(await rejection(secureClient(c, { authenticator: insecureAcceptAnyone(), deadlineMs: 50 }))).to.have.property(
        'code',
        'ERR_IDENTITY_HANDSHAKE_TIMEOUT'
      )
      expect(c.destroyed).to.equal(true)
      a.destroy()
    })
  }

  it('refuses a peer that is not the expected one, whatever the authenticator says', async () => {
    const [a, b] = await tcpPair()
    secureServer(b, { identity: warehouse, authenticator: insecureAcceptAnyone() }).then(
      ({ stream }) => {
        open.push(stream)
        stream.on('error', () => {})
      },
      () => {}
    )
    expect(
      await rejection(secureClient(a, { identity: shop, authenticator: insecureAcceptAnyone(), expectedPeerId: shop.peerId }))
    ).to.have.property('code', 'ERR_IDENTITY_PEER_MISMATCH')
  })

  it('refuses clients without certificate when there is an authenticator', async () => {
    const [a, b] = await tcpPair()
    const client = secureClient(a, { authenticator: insecureAcceptAnyone() }).then(
      ({ stream }) => {
        open.push(stream)
        stream.on('error', () => {})
      },
      () => {}
    )
    expect(await rejection(secureServer(b, { identity: warehouse, authenticator: insecureAcceptAnyone() }))).to.have.property(
      'code',
      'ERR_IDENTITY_NO_CERTIFICATE'
    )
    await client
  })

  it('accepts clients without certificate when there is no authenticator', async () => {
    const [a, b] = await tcpPair()
    const [client, accepted] = await Promise.all([
      secureClient(a, { authenticator: insecureAcceptAnyone() }),
      secureServer(b, { identity: warehouse })
    ])
    expect(accepted.peer).to.equal(undefined)
    await echo(client, accepted)
  })

  it('asks clients for a certificate without an authenticator, unless told not to', async () => {
    for (const [options, expected] of [
      [{}, shop.peerId],
      [{ requestCertificate: true }, shop.peerId],
      [{ requestCertificate: false }, undefined],
      [{ requestCertificate: false, authenticator: insecureAcceptAnyone() }, shop.peerId]
    ] as const) {
      const [a, b] = await tcpPair()
      const [client, accepted] = await Promise.all([
        secureClient(a, { identity: shop, authenticator: insecureAcceptAnyone() }),
        secureServer(b, { identity: warehouse, ...options })
      ])
      open.push(client.stream, accepted.stream)
      expect(accepted.peer?.peerId, JSON.stringify(Object.keys(options))).to.equal(expected)
    }
  })

  it('refuses a deadline that makes no sense', async () => {
    for (const deadlineMs of [NaN, 0, -1]) {
      const [a, b] = await tcpPair()
      expect(await rejection(secureClient(a, { authenticator: insecureAcceptAnyone(), deadlineMs }))).to.be.instanceOf(TypeError)
      expect(await rejection(secureServer(b, { identity: warehouse, deadlineMs }))).to.be.instanceOf(TypeError)
      expect([a.destroyed, b.destroyed]).to.deep.equal([true, true])
    }
  })

  it('tells the client of a refusal that came after its handshake', async () => {
    const [a, b] = await tcpPair()
    const refused = rejection(secureServer(b, { identity: warehouse, authenticator: acceptCertificate(() => false) }))
    const { stream } = await secureClient(a, { identity: shop, authenticator: insecureAcceptAnyone() })
    open.push(stream)
    stream.resume()
    const [error] = (await once(stream, 'error', { signal: AbortSignal.timeout(30_000) }).catch(() => [undefined])) as [
      (Error & { code?: string }) | undefined
    ]
    expect(error?.code).to.be.oneOf(['ERR_IDENTITY_REFUSED', 'ECONNRESET'])
    expect(await refused).to.have.property('code', 'ERR_IDENTITY_UNTRUSTED')
  })

  it('reports an authenticator that throws as a refusal with its cause', async () => {
    const [a, b] = await tcpPair()
    secureServer(b, { identity: warehouse }).then(
      ({ stream }) => {
        open.push(stream)
        stream.on('error', () => {})
      },
      () => {}
    )
    const cause = new Error('database is down')
    const error = await rejection(
      secureClient(a, {
        authenticator: acceptCertificate(() => {
          throw cause
        })
      })
    )
    expect(error).to.include({ code: 'ERR_IDENTITY_UNTRUSTED', cause })
  })

  it('fails for a peer that speaks something else, hangs up or was closed before', async () => {
    const [a, b] = await tcpPair()
    a.write('GET / HTTP/1.1\r\n\r\n')
    expect(await rejection(secureServer(b, { identity: warehouse }))).to.have.property('code', 'ERR_IDENTITY_HANDSHAKE')
    const [c, d] = await tcpPair()
    c.end()
    expect(await rejection(secureServer(d, { identity: warehouse }))).to.have.property('code', 'ERR_IDENTITY_HANDSHAKE')
    const [e, f] = await tcpPair()
    f.resetAndDestroy()
    expect(await rejection(secureClient(e, { authenticator: insecureAcceptAnyone() }))).to.have.property('code', 'ERR_IDENTITY_HANDSHAKE')
    expect(await rejection(secureClient(e, { authenticator: insecureAcceptAnyone() }))).to.have.property('code', 'ERR_IDENTITY_HANDSHAKE')
  })

  it("ends with the signal's reason", async () => {
    const [a] = await tcpPair()
    const controller = new AbortController()
    const pending = rejection(secureClient(a, { authenticator: insecureAcceptAnyone(), signal: controller.signal }))
    const reason = new Error('changed my mind')
    controller.abort(reason)
    expect(await pending).to.equal(reason)
    expect(a.destroyed).to.equal(true)
  })

  it('leaves no listeners on the signal and one on the stream beneath', async () => {
    const [a, b] = memoryPair()
    const before = a.listenerCount('error')
    const [client, accepted] = await Promise.all([
      secureClient(a, { authenticator: insecureAcceptAnyone() }),
      secureServer(b, { identity: warehouse })
    ])
    open.push(client.stream, accepted.stream)
    expect(client.stream.listenerCount('secureConnect')).to.equal(0)
    expect(a.listenerCount('error') - before).to.be.at.most(2)
  })

  it('does not let fifty stalled handshakes delay a good one', async () => {
    const clock = manualClock()
    const stalled: Array<Promise<Error>> = []
    for (let index = 0; index < 50; index++) {
      const [a, b] = await tcpPair()
      if (index % 2 === 0) a.write(Buffer.from([0x16, 0x03, 0x01, 0x02]))
      stalled.push(rejection(secureServer(b, { identity: warehouse, authenticator: insecureAcceptAnyone(), deadlineMs: 800, clock })))
    }
    const [a, b] = await tcpPair()
    let pending = stalled.length
    for (const one of stalled)
      void one.then(() => {
        pending--
      })
    const [client, accepted] = await Promise.all([
      secureClient(a, { identity: shop, authenticator: insecureAcceptAnyone() }),
      secureServer(b, { identity: warehouse, authenticator: insecureAcceptAnyone() })
    ])
    expect(pending).to.equal(50)
    await echo(client, accepted)
    await clock.advance(800)
    for (const error of await Promise.all(stalled)) expect(error).to.have.property('code', 'ERR_IDENTITY_HANDSHAKE_TIMEOUT')
  })

  it('tells many clients of one server apart, those that fail included', async () => {
    const clients = await Promise.all(Array.from({ length: 6 }, (_each, index) => createIdentity({ commonName: `client ${index}` })))
    const authenticator = pinnedPeers(clients.filter((_each, index) => index % 3 !== 0).map(({ peerId }) => peerId))
    const visits: Array<{ identity: Identity; a: Duplex; b: Duplex }> = []
    for (const identity of clients)
      for (const make of [tcpPair, tcpPair, async () => memoryPair()]) {
        const [a, b] = await make()
        visits.push({ identity, a, b })
      }
    const outcomes = await Promise.all(
      visits.map(async ({ identity, a, b }) => {
        const dialled = secureClient(a, { identity, authenticator: insecureAcceptAnyone() }).then((client) => {
          client.stream.on('error', () => {})
          return client
        })
        const accepted = await secureServer(b, { identity: warehouse, authenticator }).catch((error: { code?: string }) => error.code)
        if (typeof accepted !== 'object') {
          await dialled.catch(() => {})
          return `${identity.commonName} ${accepted}`
        }
        await echo(await dialled, accepted)
        return `${identity.commonName} ${accepted.peer?.commonName}`
      })
    )
    expect(outcomes).to.deep.equal(
      clients.flatMap(({ commonName }, index) =>
        Array.from({ length: 3 }, () => `${commonName} ${index % 3 === 0 ? 'ERR_IDENTITY_UNTRUSTED' : commonName}`)
      )
    )
  })

  it('has every connection prove anew who is there', async () => {
    let session: Buffer | undefined
    for (let turn = 0; turn < 2; turn++) {
      const [a, b] = await tcpPair()
      const accepted = secureServer(b, { identity: warehouse, authenticator: pinnedPeers([shop.peerId]) })
      const client = connectTls({
        socket: a,
        key: shop.privateKeyPem,
        cert: shop.chainPem,
        rejectUnauthorized: false,
        ...(session === undefined ? {} : { session })
      })
      client.on('session', (each) => {
        session = each
      })
      const { stream, peer } = await accepted
      open.push(client, stream)
      expect(peer?.peerId).to.equal(shop.peerId)
      stream.write('.')
      await once(client, 'data')
      expect(client.isSessionReused()).to.equal(false)
    }
    expect(session).to.be.an.instanceOf(Buffer)
  })

  describe('judging the server of a URL', () => {
    async function judged(trust: ServerTrust, serverName: string, identity = warehouse): Promise<string> {
      const [a, b] = await tcpPair()
      secureServer(b, { identity }).then(
        ({ stream }) => {
          open.push(stream)
          stream.on('error', () => {})
        },
        () => {}
      )
      try {
        const { stream } = await secureClient(a, { authenticator: serverTrustAuthenticator(trust), serverName })
        stream.destroy()
        return 'accepted'
      } catch (error) {
        return (error as { code: string }).code
      }
    }

    it('checks authority and host name in ca mode', async () => {
      const ca = [authority.certificatePem]
      expect(await judged({ mode: 'ca', ca }, 'localhost')).to.equal('accepted')
      expect(await judged({ mode: 'ca', ca }, '127.0.0.1')).to.equal('accepted')
      expect(await judged({ mode: 'ca', ca }, 'elsewhere.example')).to.equal('ERR_IDENTITY_UNTRUSTED')
      expect(await judged({ mode: 'ca', ca }, '192.0.2.7')).to.equal('ERR_IDENTITY_UNTRUSTED')
      expect(await judged({ mode: 'ca' }, 'localhost')).to.equal('ERR_IDENTITY_UNTRUSTED')
      expect(await judged({ mode: 'ca', ca }, 'localhost', shop)).to.equal('ERR_IDENTITY_UNTRUSTED')
    })

    it('takes the pinned certificate or what it signed, under any name', async () => {
      expect(await judged({ mode: 'pinned', certificate: warehouse.certificateDer }, 'elsewhere.example')).to.equal('accepted')
      expect(await judged({ mode: 'pinned', certificate: authority.certificatePem }, 'elsewhere.example')).to.equal('accepted')
      expect(await judged({ mode: 'pinned', certificate: shop.certificatePem }, 'localhost')).to.equal('ERR_IDENTITY_UNTRUSTED')
    })

    it('is not fooled by a pinned authority that is merely sent along', async () => {
      const impostor = await createIdentity({ commonName: 'impostor' })
      expect(() => createSecureContext({ cert: impostor.certificatePem + authority.certificatePem })).not.to.throw()
      expect(
        await judged({ mode: 'pinned', certificate: authority.certificatePem }, 'localhost', {
          ...impostor,
          chainPem: impostor.certificatePem + authority.certificatePem
        })
      ).to.equal('ERR_IDENTITY_UNTRUSTED')
    })

    it('takes self-signed ones only, or anything', async () => {
      expect(await judged({ mode: 'self-signed' }, 'localhost', shop)).to.equal('accepted')
      expect(await judged({ mode: 'self-signed' }, 'localhost')).to.equal('ERR_IDENTITY_UNTRUSTED')
      expect(await judged({ mode: 'insecure' }, 'localhost')).to.equal('accepted')
      expect(() => serverTrustAuthenticator({ mode: 'pinned', certificate: 'x' }))
        .to.throw()
        .with.property('code', 'ERR_IDENTITY_LOAD')
    })
  })
})
