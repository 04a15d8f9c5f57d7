import type { Duplex } from 'node:stream'
import { expect } from 'chai'
import {
  createWebSocketAcceptor,
  openWebSocket,
  unauthorized,
  type AcceptedRequest,
  type OpenWebSocketOptions,
  type WebSocketAcceptorOptions
} from '@kithmesh/websocket'
import type { MessageSocket } from '@kithmesh/core'
import { eventually, manualClock, recordingLogger, rejection } from '@kithmesh/testkit'
import { Recorder } from './support/recorder.ts'
import { readAll, Streams } from './support/streams.ts'

const BLIP = 'BLIP_3+CBMobile_3'
const UPGRADE = (path = '/db/_blipsync', extra = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: NNNnlFkVYj3TxKk9fq8Fmg==\r\n${extra}\r\n`

describe('the opening handshake', () => {
  const streams = new Streams()
  const accepted: Array<{ socket: MessageSocket; request: AcceptedRequest<string> }> = []
  afterEach(async () => {
    for (const { socket } of accepted) socket.terminate()
    accepted.length = 0
    await streams.dispose()
  })

  const acceptor = (options: Partial<WebSocketAcceptorOptions<string>> = {}) =>
    createWebSocketAcceptor<string>({
      selectProtocol: (offered) => offered.find((name) => name === BLIP),
      onConnection: (socket, request) => {
        accepted.push({ socket, request })
      },
      ...options
    })
  const open = async (stream: Duplex, options: Partial<OpenWebSocketOptions> = {}) =>
    await openWebSocket(stream, { url: 'ws://shop:4984/db/_blipsync', protocols: ['BLIP_3+CBMobile_4', BLIP], ...options })

  for (const kind of ['tcp', 'memory'] as const) {
    it(`opens both sides over ${kind}`, async () => {
      const [a, b] = await streams[kind]()
      acceptor({ serverHeader: 'Kithmesh/1' }).accept(b, 'context')
      const { socket, responseHeaders } = await open(a, { url: 'ws://ann:secret@shop:4984/db/_blipsync?x=1' })
      const { socket: other, request } = accepted[0]!
      expect([socket.protocol, other.protocol]).to.deep.equal([BLIP, BLIP])
      expect(socket.description).to.equal('ws://shop:4984/db/_blipsync?x=1')
      expect(responseHeaders.server).to.equal('Kithmesh/1')
      expect(request).to.include({ path: '/db/_blipsync', query: 'x=1', context: 'context', user: undefined })
      expect(request.headers.authorization).to.equal('Basic ' + Buffer.from('ann:secret').toString('base64'))
      expect(request.headers.host).to.equal('shop:4984')
      expect(request.headers).not.to.have.property('sec-websocket-extensions')
      const [left, right] = [new Recorder().attach(socket), new Recorder().attach(other)]
      socket.send(Buffer.from('ping'))
      await right.received(1)
      other.send(Buffer.from('pong'))
      await left.received(1)
      expect(left.texts()).to.deep.equal(['pong'])
      socket.terminate()
      await left.closed()
    })
  }

  it('answers exactly the headers that Couchbase clients insist on', async () => {
    const [a, b] = streams.memory()
    acceptor().accept(b, '')
    a.write(
      UPGRADE('/db/_blipsync', `Sec-WebSocket-Protocol: BLIP_3+CBMobile_4,${BLIP}\r\nSec-WebSocket-Extensions: permessage-deflate\r\n`)
    )
    const answer = await new Promise<string>((resolve) => {
      a.once('data', (data: Buffer) => {
        resolve(data.toString('latin1'))
      })
    })
    expect(answer.split('\r\n')[0]).to.equal('HTTP/1.1 101 Switching Protocols')
    expect(answer)
      .to.contain('\r\nUpgrade: websocket\r\n')
      .and.contain('\r\nConnection: Upgrade\r\n')
      .and.contain(`\r\nSec-WebSocket-Protocol: ${BLIP}\r\n`)
    expect(answer).not.to.match(/extensions/i)
  })

  it('omits the port of the Host header where it is the default', async () => {
    for (const [url, host] of [
      ['ws://shop/db', 'shop'],
      ['ws://shop:80/db', 'shop'],
      ['ws://[::1]:81/db', '[::1]:81'],
      ['wss://shop:443/db', 'shop'],
      ['wss://shop:80/db', 'shop:80']
    ] as const) {
      const [a, b] = streams.memory()
      const request = new Promise<string>((resolve) => {
        b.once('data', (data: Buffer) => {
          resolve(data.toString('latin1'))
        })
      })
      const pending = rejection(open(a, { url }))
      expect(/^Host: (.*)$/im.exec(await request)?.[1]?.trim()).to.equal(host)
      b.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n')
      expect(await pending).to.have.property('code', 'ERR_WS_HTTP')
    }
  })

  it('tells the user who logged in and challenges the others', async () => {
    const server = acceptor({
      authorize: async ({ headers }) => (headers.authorization === 'Basic YW5uOmI=' ? { allow: true, user: 'ann' } : unauthorized())
    })
    const [a, b] = await streams.tcp()
    server.accept(b, '')
    const error = (await rejection(open(a))) as Error & { details: { status: number; body: string; headers: Record<string, string> } }
    expect(error).to.have.property('code', 'ERR_WS_HTTP')
    expect(error.details.status).to.equal(401)
    expect(error.details.body).to.equal('Unauthorized')
    expect(error.details.headers['www-authenticate']).to.equal('Basic charset="UTF-8"')
    expect(a.destroyed).to.equal(true)
    const [c, d] = await streams.tcp()
    server.accept(d, '')
    await open(c, { headers: { Authorization: 'Basic YW5uOmI=' } })
    expect(accepted[0]?.request.user).to.equal('ann')
  })

  it('reports any other status with the beginning of its page', async () => {
    for (const status of [302, 404, 503]) {
      const [a, b] = await streams.tcp()
      b.on('error', () => {})
      const pending = rejection(open(a))
      b.once('data', () => {
        b.write(`HTTP/1.1 ${status} Whatever\r\nLocation: ws://elsewhere/\r\n\r\n${'x'.repeat(100_000)}`)
      })
      const error = (await pending) as Error & { details: Record<string, unknown> }
      expect(error).to.have.property('code', 'ERR_WS_HTTP')
      expect(error.details).to.include({ status, location: 'ws://elsewhere/' })
      expect(error.details['body']).to.equal('x'.repeat(1024))
      expect(a.destroyed).to.equal(true)
    }
  })

  it('answers 500 when the authorization breaks, and other requests 426 or as authorized', async () => {
    const server = acceptor({
      authorize: ({ path }) => {
        if (path === '/broken') throw new Error('x')
        return path === '/db' ? { allow: true } : { allow: false, status: 404, headers: { 'X-A': 'b\r\nInjected: 1' } }
      }
    })
    for (const [request, status] of [
      [UPGRADE('/broken'), 500],
      [UPGRADE('/other'), 404],
      ['GET /db HTTP/1.1\r\nHost: x\r\n\r\n', 426],
      ['POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc', 404],
      ['GET /db HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n', 426],
      [UPGRADE('/db', 'Sec-WebSocket-Protocol: unknown\r\n'), 400],
      [UPGRADE('/db').replace('Version: 13', 'Version: 99'), 400]
    ] as const) {
      const [a, b] = await streams.tcp()
      server.accept(b, '')
      a.write(request)
      const answer = await readAll(a)
      expect(answer, request).to.match(new RegExp(`^HTTP/1.1 ${status} `))
      expect(answer).not.to.match(/^Injected/m)
    }
    await eventually('all requests to be answered', () => server.pending === 0)
    expect(accepted).to.have.length(0)
  })

  it('accepts clients that offer no protocol only where the application says so', async () => {
    const [a, b] = streams.memory()
    acceptor({ selectProtocol: () => '' }).accept(b, '')
    expect((await open(a, { protocols: [] })).socket.protocol).to.equal('')
    const [c, d] = await streams.tcp()
    acceptor().accept(d, '')
    expect(await rejection(open(c, { protocols: [] }))).to.have.property('code', 'ERR_WS_HTTP')
  })

  for (const [title, protocol] of [
    ['none', undefined],
    ['another', 'BLIP_3+CBMobile_2'],
    ['a part of one', 'BLIP_3']
  ] as const) {
    it(`refuses a server that chooses ${title} of the protocols`, async () => {
      const [a, b] = streams.memory()
      const pending = rejection(open(a))
      b.once('data', (data: Buffer) => {
        void import('node:crypto').then(({ createHash }) => {
          const key = /^Sec-WebSocket-Key: (.*)$/im.exec(data.toString('latin1'))![1]!.trim()
          const answer = createHash('sha1')
            .update(key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11')
            .digest('base64')
          b.write(
            `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${answer}\r\n${protocol === undefined ? '' : `Sec-WebSocket-Protocol: ${protocol}\r\n`}\r\n`
          )
        })
      })
      expect(await pending).to.have.property('code', 'ERR_WS_PROTOCOL')
      expect(a.destroyed).to.equal(true)
    })
  }

  it('fails for a server that talks nonsense, hangs up, or was gone before', async () => {
    for (const speak of [
      (b: Duplex) => b.write('SSH-2.0-OpenSSH\r\n'),
      (b: Duplex) => b.end(),
      (b: Duplex) => b.destroy(),
      (b: Duplex) =>
        b.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n'),
      (b: Duplex) => b.write(`HTTP/1.1 200 OK\r\n${'X-Fill: aaaaaaaaaaaaaaa\r\n'.repeat(5000)}`)
    ]) {
      const [a, b] = await streams.tcp()
      b.on('error', () => {})
      const pending = rejection(open(a))
      b.once('data', () => {
        speak(b)
      })
      expect(await pending)
        .to.have.property('code')
        .that.is.oneOf(['ERR_WS_HANDSHAKE', 'ERR_WS_PROTOCOL'])
      expect(a.destroyed).to.equal(true)
      expect(await rejection(open(a))).to.have.property('code', 'ERR_WS_HANDSHAKE')
    }
  })

  it('gives up a silent server at the deadline, and when cancelled', async () => {
    const clock = manualClock()
    const [a] = await streams.tcp()
    const pending = rejection(open(a, { clock }))
    await clock.advance(15_000)
    expect(await pending).to.have.property('code', 'ERR_WS_TIMEOUT')
    expect(a.destroyed).to.equal(true)
    const controller = new AbortController()
    const [c] = await streams.tcp()
    const cancelled = rejection(open(c, { clock, signal: controller.signal }))
    controller.abort(new Error('enough'))
    expect(await cancelled).to.have.property('message', 'enough')
    expect(c.destroyed).to.equal(true)
    expect(clock.pending).to.equal(0)
  })

  it('gives the server as long as the caller says', async () => {
    const clock = manualClock()
    const [a] = await streams.tcp()
    const pending = rejection(open(a, { clock, deadlineMs: 700 }))
    await clock.advance(699)
    expect(a.destroyed).to.equal(false)
    await clock.advance(1)
    expect(await pending).to.deep.include({ code: 'ERR_WS_TIMEOUT', details: { deadlineMs: 700 } })
  })

  it('is a TypeError for nonsense from the caller', async () => {
    for (const options of [
      { url: 'nonsense' },
      { url: 'ftp://x' },
      { protocols: ['a b'] },
      { deadlineMs: 0 },
      { maxMessageBytes: NaN },
      { heartbeatMs: -1 },
      { heartbeatMs: Infinity }
    ]) {
      const [a] = streams.memory()
      expect(await rejection(open(a, options))).to.be.instanceOf(TypeError)
      expect(a.destroyed).to.equal(true)
    }
    for (const options of [
      { maxMessageBytes: 0 },
      { handshakeDeadlineMs: NaN },
      { heartbeatMs: NaN },
      { serverHeader: 'Kithmesh\r\nSet-Cookie: a=b' }
    ])
      expect(() => acceptor(options), JSON.stringify(options)).to.throw(TypeError)
  })

  it('cuts off clients that dawdle, and those only', async () => {
    const clock = manualClock()
    const server = acceptor({ clock, handshakeDeadlineMs: 1_000 })
    const [a, b] = await streams.tcp()
    server.accept(b, 'slow')
    a.write('GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ')
    const [c, d] = await streams.tcp()
    server.accept(d, 'good')
    const { socket } = await open(c)
    expect(server.pending).to.equal(1)
    await clock.advance(1_000)
    expect(server.pending).to.equal(0)
    expect(b.destroyed).to.equal(true)
    expect(await readAll(a)).to.equal('')
    const [left, right] = [new Recorder().attach(accepted[0]!.socket), new Recorder().attach(socket)]
    accepted[0]!.socket.send(Buffer.from('still here'))
    await right.received(1)
    socket.close()
    await left.closed()
  })

  it('says in the log why a connection came to nothing through the program itself', async () => {
    const logger = recordingLogger()
    const broken = new Error('the list of users is gone')
    const [a, b] = await streams.tcp()
    acceptor({
      logger,
      authorize: () => {
        throw broken
      }
    }).accept(b, '')
    expect(await rejection(open(a))).to.have.property('code', 'ERR_WS_HTTP')
    const [c, d] = await streams.tcp()
    acceptor({
      logger,
      onConnection: () => {
        throw broken
      }
    }).accept(d, '')
    const taken = await open(c)
    await new Recorder().attach(taken.socket).closed()
    expect(logger.entries.map(({ message, fields }) => [message, fields['error']])).to.deep.equal([
      ['The authorization of a request failed', broken],
      ['Taking over a connection failed', broken]
    ])
  })

  it('refuses garbage and too long headers', async () => {
    const server = acceptor()
    for (const [bytes, status] of [
      ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
      ['GET / HTTP/1.1\r\nHost: x\r\n' + 'X-Fill: aaaaaaaaaaaaaaaa\r\n'.repeat(2_000), 431]
    ] as const) {
      const [a, b] = await streams.tcp()
      server.accept(b, '')
      a.write(bytes, 'latin1')
      expect(await readAll(a)).to.match(new RegExp(`^HTTP/1.1 ${status} `))
    }
    const [a, b] = await streams.tcp()
    server.accept(b, '')
    a.resetAndDestroy()
    await new Promise((resolve) => b.once('close', resolve))
    expect(server.pending).to.equal(0)
  })

  it('ends handshakes under way when the acceptor closes, not open sockets', async () => {
    const server = acceptor()
    const [a, b] = await streams.tcp()
    server.accept(b, '')
    const { socket } = await open(a)
    const [, d] = await streams.tcp()
    server.accept(d, '')
    server.close()
    server.close()
    expect(d.destroyed).to.equal(true)
    const [, f] = await streams.tcp()
    server.accept(f, '')
    expect(f.destroyed).to.equal(true)
    const right = new Recorder().attach(socket)
    accepted[0]!.socket.send(Buffer.from('open'))
    await right.received(1)
  })
})
