import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { expect } from 'chai'
import { errorCode } from '@kithmesh/core'
import { eventually, realClock } from '@kithmesh/testkit'
import { RelayedStream } from '../dist/relayed-stream.js'

describe('a stream through a relayed connection', () => {
  let server: Server
  let sockets: [Socket, Socket]
  let guest: RelayedStream
  let host: RelayedStream
  beforeEach(async () => {
    server = createServer({ noDelay: true }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const accepted = once(server, 'connection') as Promise<[Socket]>
    const dialled = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true })
    sockets = [dialled, (await accepted)[0]]
    guest = new RelayedStream(sockets[0], 'guest', realClock)
    host = new RelayedStream(sockets[1], 'host', realClock)
    for (const stream of [guest, host]) stream.on('error', () => {})
  })
  afterEach(() => {
    for (const one of [guest, host, ...sockets]) one.destroy()
    server.close()
  })

  it('lets nothing be written', async () => {
    const received = buffer(host)
    guest.write(Buffer.alloc(0))
    guest.write('some')
    guest.write('')
    guest.end('thing')
    expect(String(await received)).to.equal('something')
  })

  it('carries on in one direction when the other has ended, to a slow reader', async () => {
    host.end()
    guest.resume()
    const sent = Buffer.alloc(1_000_000, 'abcdefg')
    guest.end(sent)
    const received: Buffer[] = []
    for await (const chunk of host) {
      received.push(chunk as Buffer)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(Buffer.concat(received).equals(sent)).to.equal(true)
    await eventually('both to be closed', () => guest.closed && host.closed && sockets.every(({ destroyed }) => destroyed))
    expect([guest.errored, host.errored]).to.deep.equal([null, null])
  })

  it('tells of a cut with a code of its own, also who writes just then', async () => {
    sockets[0].destroy()
    const told = await new Promise((resolve) => guest.write('lost', resolve))
    await eventually('both to be closed', () => guest.closed && host.closed)
    expect(errorCode(told)).to.equal('ERR_TURN_CUT')
    expect(errorCode(guest.errored)).to.equal('ERR_TURN_CUT')
    expect(errorCode(host.errored)).to.equal('ERR_TURN_CUT')
  })

  it('calls back who waits for room when it is destroyed, and cuts the other side', async () => {
    const reason = new Error('enough')
    // More than the kernel takes on its own.
    const told = new Promise((resolve) => guest.write(Buffer.alloc(64_000_000), resolve))
    await once(host, 'readable')
    guest.destroy(reason)
    expect(await told).to.equal(reason)
    host.resume()
    await eventually('the other side to hear of it', () => host.destroyed)
    expect(errorCode(host.errored)).to.equal('ERR_TURN_CUT')
  })
})
