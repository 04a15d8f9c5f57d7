import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { expect } from 'chai'
import { systemClock } from '@kithmesh/core'
import { ClaimTable, connectionPreamble } from '@kithmesh/core/plugin'
import { eventually, manualClock, rejection } from '@kithmesh/testkit'
import { thrown } from './fakes.ts'

const TOKEN = Buffer.alloc(16, 7)

describe('claims on incoming streams', () => {
  let server: Server
  let clients: Socket[]
  let accepted: Socket[]
  let ordinary: Socket[]
  let claims: ClaimTable

  beforeEach(async () => {
    clients = []
    accepted = []
    ordinary = []
    claims = new ClaimTable(systemClock)
    server = createServer((socket) => {
      accepted.push(socket)
      claims.sort(socket, 'somewhere', () => {
        ordinary.push(socket)
        server.emit('ordinary')
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  afterEach(async () => {
    for (const socket of [...clients, ...accepted]) socket.destroy()
    server.close()
    await once(server, 'close')
  })

  function open(...chunks: Uint8Array[]): Socket {
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
    client.on('error', () => {})
    client.setNoDelay(true)
    for (const chunk of chunks) client.write(chunk)
    clients.push(client)
    return client
  }

  async function text(socket: Socket, length: number): Promise<string> {
    let all = ''
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      all += String(chunk)
      if (all.length >= length) break
    }
    return all
  }

  it('gives the stream with the token to who waits for it, without the preamble', async () => {
    const { socket } = claims.expect(TOKEN)
    open(connectionPreamble(TOKEN), Buffer.from('hello'))
    const claimed = await socket
    expect(claimed.remote).to.equal('somewhere')
    expect(await text(claimed.socket as Socket, 5)).to.equal('hello')
    expect(ordinary).to.have.length(0)
  })

  it('understands a preamble that comes in pieces', async () => {
    const { socket } = claims.expect(TOKEN)
    const preamble = connectionPreamble(TOKEN)
    const client = open(preamble.subarray(0, 3))
    await once(server, 'connection')
    client.write(preamble.subarray(3, 20))
    client.write(Buffer.concat([preamble.subarray(20), Buffer.from('rest')]))
    expect(await text((await socket).socket as Socket, 4)).to.equal('rest')
  })

  it('hands on what begins otherwise, with every byte, while somebody waits', async () => {
    claims.expect(TOKEN)
    for (const first of ['K', 'KITHMESX and so on', '\u0016\u0003\u0001', 'GET / HTTP/1.1']) {
      const client = open(Buffer.from(first))
      client.write('…more')
      await once(server, 'ordinary')
      const socket = ordinary.at(-1) as Socket
      expect(await text(socket, Buffer.byteLength(`${first}…more`) - 2)).to.equal(`${first}…more`)
    }
  })

  it('cuts a stream with a token that nobody waits for', async () => {
    claims.expect(TOKEN)
    const client = open(connectionPreamble(Buffer.alloc(16, 8)))
    await once(client, 'close')
    expect(ordinary).to.have.length(0)
  })

  it('serves each token once', async () => {
    const { socket } = claims.expect(TOKEN)
    claims.expect(Buffer.alloc(16, 9))
    open(connectionPreamble(TOKEN))
    await socket
    const second = open(connectionPreamble(TOKEN))
    await once(second, 'close')
  })

  it('hands on a silent stream after a while, and cuts one that began a preamble', async () => {
    const clock = manualClock()
    claims = new ClaimTable(clock)
    claims.expect(TOKEN)
    const silent = open()
    await once(server, 'connection')
    const stalled = open(connectionPreamble(TOKEN).subarray(0, 9))
    await once(server, 'connection')
    await eventually('the halves to be read', () => accepted[1]?.bytesRead === 9 && accepted[1].readableLength === 0)
    await clock.advance(5_000)
    await eventually('the ordinary connection, and the end of the stalled one', () => ordinary.length === 1 && stalled.destroyed)
    expect(ordinary).to.deep.equal([accepted[0]])
    expect(silent.destroyed).to.equal(false)
  })

  it('waits for the first bytes of a bounded number of streams, and hands on the oldest when there is one more', async () => {
    claims.expect(TOKEN)
    const flood = Array.from({ length: 128 }, () => open())
    await eventually('the flood to be accepted', () => accepted.length === flood.length)
    expect(ordinary).to.have.length(0)
    const [first] = accepted
    open()
    await eventually('the first to be ordinary', () => ordinary.length === 1)
    expect(ordinary).to.deep.equal([first])
    open(Buffer.from('GET / HTTP/1.1'))
    await eventually('all three to be ordinary', () => ordinary.length === 3)
    expect(await text(ordinary.find((socket) => socket.readableLength > 0) as Socket, 3)).to.equal('GET / HTTP/1.1')
  })

  it('rejects claims and destroys what is undecided when it is closed', async () => {
    const claim = claims.expect(TOKEN)
    open()
    await eventually('the connection to be accepted', () => accepted.length === 1)
    const reason = new Error('shut down')
    claims.close(reason)
    claims.close(reason)
    expect(await rejection(claim.socket)).to.equal(reason)
    expect(accepted[0]?.destroyed).to.equal(true)
    expect(await rejection(claims.expect(TOKEN).socket)).to.have.property('name', 'AbortError')
    const late = open()
    await once(late, 'close')
    expect(ordinary).to.have.length(0)
  })

  it('no longer waits once cancelled', async () => {
    const claim = claims.expect(TOKEN)
    claim.cancel(new Error('too late'))
    claim.cancel()
    expect((await rejection(claim.socket)).message).to.equal('too late')
    claims.expect(Buffer.alloc(16, 9))
    await once(open(connectionPreamble(TOKEN)), 'close')
  })

  it('refuses tokens of the wrong size and ones in use', () => {
    claims.expect(TOKEN)
    expect(thrown(() => claims.expect(TOKEN))).to.be.instanceOf(TypeError)
    expect(thrown(() => claims.expect(Buffer.alloc(8)))).to.be.instanceOf(TypeError)
    expect(thrown(() => connectionPreamble(Buffer.alloc(8)))).to.be.instanceOf(TypeError)
  })
})
