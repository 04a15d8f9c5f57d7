import { expect } from 'chai'
import { systemClock, type Clock, type MessageSocket, type TransportContext } from '@kithmesh/core'
import {
  createCertificateAuthority,
  createIdentity,
  insecureAcceptAnyone,
  passwordAuthenticator,
  type Identity,
  type ServerTrust
} from '@kithmesh/identity'
import {
  createTcpListener,
  direct,
  tcpSocketFactory,
  type AcceptedConnection,
  webSocketFactory,
  type OpenedConnection,
  type TcpListener
} from '@kithmesh/transport-direct'
import { connectTarget, eventually, manualClock, rejection } from '@kithmesh/testkit'
import { createWebSocketAcceptor, unauthorized } from '@kithmesh/websocket'
import { strikingClock } from './support/striking-clock.ts'

describe('WebSocket URLs', () => {
  let authority: Identity
  let server: Identity
  let listener: TcpListener | undefined
  let sockets: MessageSocket[] = []
  before(async () => {
    authority = await createCertificateAuthority({ commonName: 'authority' })
    server = await createIdentity({ commonName: 'server', issuer: authority, altNames: ['localhost', '127.0.0.1'] })
  })
  afterEach(async () => {
    for (const socket of sockets) socket.terminate()
    sockets = []
    await listener?.close()
    listener = undefined
  })

  async function serve(tls: boolean): Promise<string> {
    const password = passwordAuthenticator((username, secret) => username === 'ann' && secret === 'pässword')
    const acceptor = createWebSocketAcceptor<string | undefined>({
      authorize: async ({ path, headers }) => {
        if (path !== '/inventory/_blipsync') return { allow: false, status: 404, message: 'no such database' }
        const user = await password.check(headers.authorization)
        return user === undefined ? unauthorized() : { allow: true, user }
      },
      selectProtocol: (offered) => offered.find((name) => name === 'BLIP_3+CBMobile_3'),
      onConnection: (socket, { user }) => {
        sockets.push(socket)
        socket.send(Buffer.from(`hello ${user}`))
      }
    })
    listener = await createTcpListener({
      host: '127.0.0.1',
      onConnection: (stream, { peer }) => {
        acceptor.accept(stream, peer?.peerId)
      },
      ...(tls ? { tls: { identity: server } } : {})
    })
    return `${tls ? 'wss' : 'ws'}://127.0.0.1:${listener.port}/inventory/_blipsync`
  }

  const open = async (
    url: string,
    options: Parameters<typeof webSocketFactory>[0] = {},
    protocols = ['BLIP_3+CBMobile_3'],
    addresses?: string[]
  ): Promise<MessageSocket> => {
    const socket = await webSocketFactory({ basicAuth: { username: 'ann', password: 'pässword' }, ...options }).open(url, {
      protocols,
      signal: AbortSignal.timeout(30_000),
      ...(addresses === undefined ? {} : { addresses })
    })
    sockets.push(socket)
    return socket
  }

  for (const tls of [false, true]) {
    it(`open with a password ${tls ? 'over TLS' : 'in the clear'} and say what they found`, async () => {
      let opened: OpenedConnection | undefined
      const socket = await open(await serve(tls), {
        trust: { mode: 'ca', ca: [authority.certificatePem] },
        onOpened: (connection) => {
          opened = connection
        }
      })
      const first = await new Promise<string>((resolve) => {
        socket.attach({
          message: (data) => {
            resolve(data.toString())
          },
          drained() {},
          closed() {}
        })
      })
      expect(first).to.equal('hello ann')
      expect(socket.protocol).to.equal('BLIP_3+CBMobile_3')
      expect(opened?.responseHeaders.upgrade).to.equal('websocket')
      expect(opened?.peer?.peerId).to.equal(tls ? server.peerId : undefined)
    })
  }

  it('report wrong passwords, paths and protocols', async () => {
    const url = await serve(false)
    expect(await rejection(open(url, { basicAuth: { username: 'ann', password: '' } })))
      .to.have.property('details')
      .that.includes({ status: 401 })
    expect(await rejection(open(url.replace('inventory', 'other'))))
      .to.have.property('details')
      .that.includes({ status: 404, body: 'no such database' })
    expect(await rejection(open(url, {}, ['other'])))
      .to.have.property('details')
      .that.includes({ status: 400 })
  })

  it("judge the server's certificate by the trust given", async () => {
    const url = await serve(true)
    const verdict = async (trust: ServerTrust | undefined, where = url): Promise<string> => {
      try {
        ;(await open(where, trust === undefined ? {} : { trust }, undefined, ['127.0.0.1'])).terminate()
        return 'accepted'
      } catch (error) {
        return (error as { code: string }).code
      }
    }
    expect(await verdict({ mode: 'ca', ca: [authority.certificatePem] })).to.equal('accepted')
    expect(await verdict({ mode: 'ca', ca: [authority.certificatePem] }, url.replace('127.0.0.1', 'elsewhere.example'))).to.equal(
      'ERR_IDENTITY_UNTRUSTED'
    )
    expect(await verdict({ mode: 'pinned', certificate: server.certificatePem }, url.replace('127.0.0.1', 'elsewhere.example'))).to.equal(
      'accepted'
    )
    expect(await verdict({ mode: 'self-signed' })).to.equal('ERR_IDENTITY_UNTRUSTED')
    expect(await verdict({ mode: 'insecure' })).to.equal('accepted')
    expect(await verdict(undefined)).to.equal('ERR_IDENTITY_UNTRUSTED')
  })

  it('show the identity, come from the address and send the headers that are given', async () => {
    const seen: unknown[] = []
    const acceptor = createWebSocketAcceptor<AcceptedConnection>({
      selectProtocol: () => '',
      onConnection: (socket, { context, headers }) => {
        sockets.push(socket)
        seen.push([context.peer?.peerId, context.remote.split(':')[0], headers['x-till']])
      }
    })
    listener = await createTcpListener({
      host: '127.0.0.1',
      tls: { identity: server, authenticator: insecureAcceptAnyone() },
      onConnection: (stream, connection) => {
        acceptor.accept(stream, connection)
      }
    })
    const options = { identity: authority, networkInterface: '127.0.0.8', headers: { 'X-Till': '3' }, trust: { mode: 'insecure' } } as const
    await open(`wss://127.0.0.1:${listener.port}/`, options, [])
    expect(seen).to.deep.equal([[authority.peerId, '127.0.0.8', '3']])
  })

  it('are given up after the time for the whole of it', async () => {
    const url = await serve(false)
    for (const [deadlineMs, ms] of [
      [700, 700],
      [undefined, 15_000]
    ] as const) {
      const late = await rejection(open(url, { clock: strikingClock(ms), ...(deadlineMs === undefined ? {} : { deadlineMs }) }))
      expect(late).to.include({ code: 'ERR_DIRECT_TIMEOUT' }).and.to.have.property('message').that.includes(`within ${ms} ms`)
    }
    for (const options of [{ deadlineMs: NaN }, { maxMessageBytes: 0 }])
      expect(() => webSocketFactory(options), JSON.stringify(options)).to.throw(TypeError)
    expect(() => tcpSocketFactory({ deadlineMs: 0 })).to.throw(TypeError)
  })

  it('try the next address after the head start that is told', async () => {
    const url = await serve(false)
    const waits: number[] = []
    const clock: Clock = {
      ...systemClock,
      after: (ms, run) => {
        waits.push(ms)
        return systemClock.after(ms, run)
      }
    }
    await open(url, { staggerMs: 70, clock }, undefined, ['127.0.0.1', '127.0.0.2'])
    expect(waits).to.include(70).and.not.include(250)
  })

  it('end when a server that has nothing to say does not answer a ping', async () => {
    const clock = manualClock()
    const socket = await open(await serve(false), { clock, heartbeatMs: 7_000 })
    let error: Error | undefined
    let greeted = false
    socket.attach({
      message: () => {
        greeted = true
      },
      drained() {},
      closed: (info) => {
        error = info.error
      }
    })
    await eventually('the greeting', () => greeted)
    await clock.advance(7_000)
    await clock.advance(13_000)
    await eventually('the end', () => error !== undefined)
    expect(error).to.have.property('code', 'ERR_WS_PONG_TIMEOUT')
  })

  it('that are no such URLs are refused', async () => {
    for (const url of ['nonsense', 'http://127.0.0.1/', 'tcp://127.0.0.1:1', 'ws://127.0.0.1:0/'])
      expect(await rejection(open(url)), url).to.have.property('code', 'ERR_DIRECT_URL')
    expect(await rejection(tcpSocketFactory().open('tcp://127.0.0.1', { signal: AbortSignal.timeout(1_000) }))).to.have.property(
      'code',
      'ERR_DIRECT_URL'
    )
  })

  it('fail when the server speaks TLS and the URL does not say so, and the other way round', async () => {
    const secure = await serve(true)
    expect(await rejection(open(secure.replace('wss:', 'ws:')))).to.have.property('code', 'ERR_WS_HANDSHAKE')
    await listener?.close()
    const plain = await serve(false)
    expect(await rejection(open(plain.replace('ws:', 'wss:'), { trust: { mode: 'insecure' } }))).to.have.property(
      'code',
      'ERR_IDENTITY_HANDSHAKE'
    )
  })

  it('are assessed by the direct transport', () => {
    const strategy = direct().create({} as TransportContext)
    const target = (url: string) => connectTarget({ url, addresses: [] })
    expect(strategy.assess(target('wss://shop.local:4984/db'))).to.deep.equal({ usable: true, rank: 0 })
    expect(strategy.assess(target('l2cap://x:1'))).to.have.property('usable', false)
  })
})
