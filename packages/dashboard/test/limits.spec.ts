import type { ServerResponse } from 'node:http'
import { type Socket, connect } from 'node:net'
import { Writable } from 'node:stream'
import { expect } from 'chai'
import type { Dashboard } from '@kithmesh/dashboard'
import { eventually, manualClock } from '@kithmesh/testkit'
import { EventStream, eventText } from '../dist/events/event-stream.js'
import { readEvents } from './support/events.ts'
import { type TestPeer, World, ask, tokenOf } from './support/world.ts'

describe('a dashboard that is asked too much', () => {
  let world: World
  let peer: TestPeer
  const sockets: Socket[] = []
  beforeEach(async () => {
    world = new World()
    peer = await world.peer('Shop')
  })
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    await world.end()
  })

  /** A connection that sends what it likes. */
  const open = (dashboard: Dashboard): { readonly socket: Socket; readonly received: () => string; readonly ended: () => boolean } => {
    const socket = connect(dashboard.port ?? 0, '127.0.0.1')
    sockets.push(socket)
    let received = ''
    let ended = false
    socket.on('data', (data) => {
      received += data.toString('latin1')
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      ended = true
    })
    return { socket, received: () => received, ended: () => ended }
  }
  const stillAnswers = async (dashboard: Dashboard): Promise<void> => {
    expect((await ask(dashboard, '/api/state')).status).to.equal(200)
  }

  it('cuts off what is no HTTP, has headers without end, or no host', async () => {
    const dashboard = await world.dashboard(peer)
    const texts = [
      '\u0016\u0003\u0001 this is TLS',
      `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`,
      'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
      'NONSENSE\r\n\r\n'
    ]
    for (const text of texts) {
      const visitor = open(dashboard)
      visitor.socket.write(text)
      await eventually(
        `the end of ${JSON.stringify(text.slice(0, 40))}`,
        () => visitor.ended() || /^HTTP\/1\.1 4\d\d /.test(visitor.received())
      )
      expect(visitor.received()).not.to.include('200 OK')
    }
    const old = open(dashboard)
    old.socket.write(`GET /api/state HTTP/1.0\r\nAuthorization: Bearer ${tokenOf(dashboard)}\r\n\r\n`)
    await eventually('an answer', () => old.received().includes('ERR_DASHBOARD_HOST'))
    await stillAnswers(dashboard)
  })

  it('does not take upgrades over, and does not read what is sent after a request', async () => {
    const dashboard = await world.dashboard(peer)
    const visitor = open(dashboard)
    visitor.socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    await eventually('the end', () => visitor.ended())
    const sender = open(dashboard)
    sender.socket.write('POST /api/state HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n')
    await eventually('the refusal', () => sender.received().includes('405'))
    await eventually('the end', () => {
      sender.socket.write('1000\r\n')
      return sender.ended()
    })
    await stillAnswers(dashboard)
  })

  it('takes a bounded number of connections, and others again when they have gone', async () => {
    const dashboard = await world.dashboard(peer, { maxPages: 1 })
    const visitors = Array.from({ length: 60 }, () => open(dashboard))
    await eventually('the surplus to be cut off', () => visitors.filter(({ ended }) => ended()).length >= 60 - 33)
    for (const { socket } of visitors) socket.destroy()
    await eventually('an answer', async () => {
      const answer = await ask(dashboard, '/api/state').catch(() => undefined)
      return answer?.status === 200
    })
  })

  it('sends one who reads nothing no more than a bounded amount, and cuts it off in time', async () => {
    const clock = manualClock()
    // Takes nothing, like a connection whose other end does not read.
    const response = new Writable({ highWaterMark: 16_384, write: () => {} })
    let ends = 0
    const stream = new EventStream(response as unknown as ServerResponse, clock, () => {
      ends++
    })
    const state = eventText('state', JSON.stringify('x'.repeat(100_000)))
    let made = 0
    for (let n = 0; n < 1_000; n++)
      stream.state(() => {
        made++
        return state
      })
    expect(made).to.equal(1)
    const notice = eventText('documents', JSON.stringify('y'.repeat(1_000)))
    for (let n = 0; n < 10_000; n++) stream.notice(notice)
    expect(response.writableLength).to.be.lessThan(256 * 1_024 + notice.length + 1)
    await clock.advance(29_999)
    expect(ends).to.equal(0)
    await clock.advance(2)
    expect(response.destroyed).to.equal(true)
    expect(ends).to.equal(1)
    stream.notice(notice)
    stream.end()
    expect(ends).to.equal(1)
  })

  it('gives one who was slow the newest state once it has read what it was sent, and forgives it', async () => {
    const clock = manualClock()
    const written: string[] = []
    let take = (): void => {}
    const response = new Writable({
      highWaterMark: 10,
      decodeStrings: false,
      write: (text: string, _encoding, done) => {
        written.push(text)
        take = done
      }
    })
    const stream = new EventStream(response as unknown as ServerResponse, clock, () => {})
    for (const state of ['first of all', 'second', 'third']) stream.state(() => state)
    expect(written).to.deep.equal(['first of all'])
    take()
    await eventually('the newest', () => written.length === 2)
    expect(written[1]).to.equal('third')
    take()
    await clock.advance(60_000)
    expect(response.destroyed).to.equal(false)
  })

  it('goes on when one of many readers stops reading', async () => {
    const dashboard = await world.dashboard(peer)
    const slow = open(dashboard)
    slow.socket.pause()
    slow.socket.write(`GET /api/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${tokenOf(dashboard)}\r\n\r\n`)
    const quick = await readEvents(dashboard)
    await peer.mesh.start()
    await eventually('the quick one to be told', () => quick.of('state').at(-1)?.self.meshState === 'started')
    await peer.mesh.stop()
    await eventually('the quick one to be told', () => quick.of('state').at(-1)?.self.meshState === 'stopped')
  })
})
