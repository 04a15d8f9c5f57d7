import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { expect } from 'chai'
import { errorCode } from '@kithmesh/core'
import { createIdentity, type Identity } from '@kithmesh/identity'
import { encodeMessage, openStunTcp, resolveServer, type OpenStunTcpOptions, type StunTcp } from '@kithmesh/stun'
import { eventually, manualClock, rejection } from '@kithmesh/testkit'
import { tcpServer, type Incoming, type ScriptedServer } from './support/scripted-server.ts'

describe('STUN over TCP', () => {
  const open: AsyncDisposable[] = []

  async function serve(handle?: (incoming: Incoming) => void): Promise<ScriptedServer> {
    const server = await tcpServer(handle)
    open.push(server)
    return server
  }
  async function client(options: OpenStunTcpOptions): Promise<StunTcp> {
    const stun = await openStunTcp(options)
    open.push(stun)
    return stun
  }

  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]()
  })

  it('learns its address from a given port, keeps the connection, and leaves the port usable for others', async () => {
    const [first, second] = [await serve(), await serve()]
    const stun = await client({ server: first.address, localAddress: '127.0.0.1' })
    expect((await stun.bind()).mapped).to.deep.equal({ address: '127.0.0.1', port: stun.localPort })
    const again = await client({ server: second.address, localAddress: '127.0.0.1', localPort: stun.localPort })
    expect((await again.bind()).mapped.port).to.equal(stun.localPort)
    const punch = createServer()
    punch.listen(stun.localPort, '127.0.0.1')
    await once(punch, 'listening')
    punch.close()
    expect((await stun.bind()).mapped.port).to.equal(stun.localPort)
    expect(first.connections.size).to.equal(1)
  })

  it('says which local port cannot be used', async () => {
    const server = await serve()
    const listener = createServer()
    listener.listen(0, '127.0.0.1')
    await once(listener, 'listening')
    const { port } = listener.address() as AddressInfo
    const error = await rejection(openStunTcp({ server: server.address, localAddress: '127.0.0.1', localPort: port }))
    listener.close()
    expect(errorCode(error)).to.equal('ERR_STUN_SOCKET')
    expect((error as Error & { details: object }).details).to.include({ code: 'EADDRINUSE' })
  })

  it('reads answers in any pieces, in any order', async () => {
    const waiting: Incoming[] = []
    const server = await serve((incoming) => {
      waiting.push(incoming)
      if (waiting.length < 2) return
      const answers = waiting
        .reverse()
        .map(({ message, from }) => encodeMessage({ ...message!, messageClass: 'success', attributes: { xorMappedAddress: from } }))
      for (const byte of Buffer.concat(answers)) incoming.raw(Buffer.from([byte]))
    })
    const stun = await client({ server: server.address })
    const answers = await Promise.all([stun.bind(), stun.bind()])
    expect(answers.map(({ mapped }) => mapped.port)).to.deep.equal([stun.localPort, stun.localPort])
  })

  it('says that nobody listens', async () => {
    const server = await serve()
    await server[Symbol.asyncDispose]()
    const error = await rejection(openStunTcp({ server: server.address }))
    expect(errorCode(error)).to.equal('ERR_STUN_CONNECT')
    expect((error as Error & { details: object }).details).to.include({ code: 'ECONNREFUSED' })
  })

  it('fails what is under way when the server closes, and when it speaks something else', async () => {
    const server = await serve((incoming) => {
      incoming.socket!.end()
    })
    const stun = await client({ server: server.address })
    expect(errorCode(await rejection(stun.bind()))).to.equal('ERR_STUN_CLOSED')
    expect(errorCode(await stun.ended)).to.equal('ERR_STUN_CLOSED')
    expect(errorCode(await rejection(stun.bind()))).to.equal('ERR_STUN_CLOSED')
    server.handle = (incoming) => {
      incoming.raw(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))
    }
    const web = await client({ server: server.address })
    const error = await rejection(web.bind())
    expect(errorCode(error)).to.equal('ERR_STUN_CLOSED')
    expect(errorCode(error.cause)).to.equal('ERR_STUN_MALFORMED')
  })

  it('waits for an answer until its deadline, and sends once', async () => {
    const clock = manualClock()
    const server = await serve(() => {})
    const stun = await client({ server: server.address, clock })
    const outcome = rejection(stun.bind())
    await eventually('the request', () => server.received.length === 1)
    await clock.advance(39_499)
    await clock.advance(1)
    expect(errorCode(await outcome)).to.equal('ERR_STUN_TIMEOUT')
    expect(server.received).to.have.length(1)
    expect(clock.pending).to.equal(0)
  })

  it('stops connecting when its caller does, or at its deadline', async () => {
    // A listener whose queue is full answers nothing; here none is needed, as an aborted signal comes first.
    const reason = new Error('not any more')
    const server = await serve()
    expect(await rejection(openStunTcp({ server: server.address, signal: AbortSignal.abort(reason) }))).to.equal(reason)
    const silent = createServer()
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const clock = manualClock()
    const { port } = silent.address() as AddressInfo
    for (const [ms, options] of [
      [10_000, {}],
      [700, { deadlineMs: 700 }]
    ] as const) {
      let over = false
      const failed = rejection(
        openStunTcp({ server: { address: '127.0.0.1', port }, tls: { host: 'localhost' }, clock, ...options })
      ).finally(() => {
        over = true
      })
      const [socket] = (await once(silent, 'connection')) as [Socket]
      await clock.advance(ms - 1)
      expect(over).to.equal(false)
      await clock.advance(1)
      expect(errorCode(await failed)).to.equal('ERR_STUN_TIMEOUT')
      socket.resume()
      if (!socket.closed) await once(socket, 'close')
    }
    silent.close()
    expect(clock.pending).to.equal(0)
  })

  describe('with TLS', () => {
    let identity: Identity

    before(async () => {
      identity = await createIdentity({ commonName: 'localhost' })
    })

    it('asks a server whose certificate fits, and no other', async () => {
      const { privateKeyPem: key, certificatePem: cert } = identity
      const server = await tcpServer(undefined, { key, cert })
      open.push(server)
      const stun = await client({ server: server.address, tls: { host: 'localhost', ca: cert } })
      expect((await stun.bind()).mapped.port).to.equal(stun.localPort)
      const unknown = await rejection(openStunTcp({ server: server.address, tls: { host: 'localhost' } }))
      expect(errorCode(unknown)).to.equal('ERR_STUN_CONNECT')
      const other = await rejection(openStunTcp({ server: server.address, tls: { host: 'example.org', ca: cert } }))
      expect(errorCode(other)).to.equal('ERR_STUN_CONNECT')
      expect(errorCode(other.cause)).to.equal('ERR_TLS_CERT_ALTNAME_INVALID')
    })
  })
})

describe('Names of servers', () => {
  const { signal } = new AbortController()

  it('are resolved, and addresses stay as they are', async () => {
    expect(await resolveServer('127.0.0.1', 1, { signal })).to.deep.equal([{ address: '127.0.0.1', port: 1 }])
    expect(await resolveServer('localhost', 1, { family: 4, signal })).to.deep.include({ address: '127.0.0.1', port: 1 })
    expect(errorCode(await rejection(resolveServer('127.0.0.1', 1, { family: 6, signal })))).to.equal('ERR_STUN_RESOLVE')
    const reason = new Error('not any more')
    expect(await rejection(resolveServer('localhost', 1, { signal: AbortSignal.abort(reason) }))).to.equal(reason)
  })
})
