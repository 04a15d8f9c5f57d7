import { createServer, Socket, type Server } from 'node:net'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import sinon from 'sinon'
import { errorCode } from '@kithmesh/core'
import { eventually, manualClock } from '@kithmesh/testkit'
import { h4Socket, type H4Address } from '../../dist/hci/h4/h4-socket.js'
import { H4Splitter } from '../../dist/hci/h4/h4-splitter.js'
import type { HciPort } from '../../dist/hci/hci-port.js'

const event = (bytes: number): Buffer => Buffer.concat([Buffer.of(4, 0x3e, bytes), Buffer.alloc(bytes, bytes)])
const acl = (bytes: number): Buffer =>
  Buffer.concat([Buffer.of(2, 0x40, 0x20, bytes & 0xff, bytes >> 8), Buffer.alloc(bytes, bytes & 0xff)])
const sound = (bytes: number): Buffer => Buffer.concat([Buffer.of(3, 0x40, 0, bytes), Buffer.alloc(bytes)])
const isochronous = (bytes: number): Buffer =>
  Buffer.concat([Buffer.of(5, 0x40, 0, bytes & 0xff, (bytes >> 8) | 0x40), Buffer.alloc(bytes)])

describe('H4 over a stream', () => {
  it('is cut into packets, however the stream was cut', () => {
    const packets = fc.array(
      fc.oneof(
        fc.integer({ min: 0, max: 255 }).map(event),
        fc.integer({ min: 0, max: 600 }).map(acl),
        fc.integer({ min: 0, max: 40 }).map(sound),
        fc.integer({ min: 0, max: 300 }).map(isochronous)
      ),
      { maxLength: 12 }
    )
    fc.assert(
      fc.property(packets, fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }), (sent, cuts) => {
        const got: Buffer[] = []
        const splitter = new H4Splitter((packet) => got.push(Buffer.from(packet)))
        const stream = Buffer.concat(sent)
        for (let offset = 0, turn = 0; offset < stream.length; turn++) {
          const end = offset + cuts[turn % cuts.length]!
          splitter.push(Buffer.from(stream.subarray(offset, end)))
          offset = end
        }
        expect(Buffer.concat(got)).to.deep.equal(Buffer.concat(sent.filter(([type]) => type === 2 || type === 4)))
        expect(got.length).to.equal(sent.filter(([type]) => type === 2 || type === 4).length)
      })
    )
  })

  it('is given up where no packet begins, or one is too long', () => {
    for (const bytes of [Buffer.of(0), Buffer.of(1, 3, 12, 0), Buffer.of(4, 0x13, 0, 0xff), acl(9_000).subarray(0, 5)]) {
      const splitter = new H4Splitter(() => {})
      expect(() => {
        splitter.push(bytes)
      }, bytes.toString('hex')).to.throw(/^The adapter sent/)
    }
  })
})

describe('a controller behind a socket', () => {
  const ends: Array<() => Promise<void> | void> = []
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })
  const signal = new AbortController().signal

  const served = async (listen: (server: Server) => void): Promise<{ server: Server; sockets: Socket[]; received: Buffer[] }> => {
    const sockets: Socket[] = []
    const received: Buffer[] = []
    const server = createServer((socket) => {
      sockets.push(socket)
      socket.on('data', (bytes: Buffer) => received.push(bytes))
      socket.on('error', () => {})
    })
    listen(server)
    await new Promise((resolve) => server.once('listening', resolve))
    ends.push(
      () =>
        new Promise((resolve) => {
          for (const socket of sockets) socket.destroy()
          server.close(() => {
            resolve()
          })
        })
    )
    return { server, sockets, received }
  }
  const opened = async (address: H4Address): Promise<{ port: HciPort; packets: string[]; closes: Error[] }> => {
    const packets: string[] = []
    const closes: Error[] = []
    const port = await h4Socket(address).open(
      { packet: (packet) => packets.push(packet.toString('hex')), closed: (error) => closes.push(error) },
      { signal }
    )
    ends.push(() => port.close())
    return { port, packets, closes }
  }
  const tcp = async (): ReturnType<typeof served> => served((server) => server.listen(0, '127.0.0.1'))
  const addressOf = (server: Server): H4Address => ({ host: '127.0.0.1', port: (server.address() as { port: number }).port })

  it('is spoken with over TCP', async () => {
    const { server, sockets, received } = await tcp()
    const { port, packets, closes } = await opened(addressOf(server))
    port.send(Buffer.from('01030c00', 'hex'))
    port.send(Buffer.from('01011000', 'hex'))
    await eventually('the commands to arrive', () => Buffer.concat(received).toString('hex') === '01030c0001011000')
    sockets[0]!.write(Buffer.from('040e0401030c00', 'hex'))
    await eventually('the answer to arrive', () => packets.length === 1)
    expect(packets).to.deep.equal(['040e0401030c00'])
    await port.close()
    await port.close()
    port.send(Buffer.from('01030c00', 'hex'))
    await eventually('the connection to end', () => sockets[0]!.readableEnded)
    expect(closes).to.deep.equal([])
  })

  it('is spoken with over a Unix socket', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'h4-'))
    ends.push(() => rm(folder, { recursive: true }))
    const path = join(folder, 'controller')
    const { received } = await served((server) => server.listen(path))
    const { port } = await opened({ path })
    port.send(Buffer.from('01030c00', 'hex'))
    await eventually('the command to arrive', () => Buffer.concat(received).toString('hex') === '01030c00')
  })

  it('that ends, breaks, or talks nonsense is gone', async () => {
    const { server, sockets } = await tcp()
    for (const end of [
      (socket: Socket): void => void socket.end(),
      (socket: Socket): void => void socket.resetAndDestroy(),
      (socket: Socket): void => void socket.write('GET / HTTP/1.1\r\n\r\n')
    ]) {
      const { port, packets, closes } = await opened(addressOf(server))
      await eventually('the connection to be there', () => sockets.length === 1)
      end(sockets.shift()!)
      await eventually('the end to be told', () => closes.length === 1)
      expect(errorCode(closes[0])).to.equal('ERR_BLE_ADAPTER_FAILED')
      port.send(Buffer.from('01030c00', 'hex'))
      await port.close()
      expect(closes).to.have.length(1)
      expect(packets).to.deep.equal([])
    }
  })

  it('that takes nothing any more is gone, and does not fill the memory', async () => {
    const { server, sockets } = await tcp()
    const { port, closes } = await opened(addressOf(server))
    await eventually('the connection to be there', () => sockets.length === 1)
    sockets[0]!.pause()
    const packet = Buffer.alloc(64 * 1024, 2)
    for (let count = 0; count < 1_000 && closes.length === 0; count++) {
      port.send(packet)
      if (count % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    expect(closes.map(errorCode)).to.deep.equal(['ERR_BLE_ADAPTER_FAILED'])
  })

  it('that takes nothing any more, and does not fall silent, is closed in a bounded time', async function () {
    // The buffers between two ends of a Unix socket are small.
    if (process.platform === 'win32') this.skip()
    const folder = await mkdtemp(join(tmpdir(), 'h4-'))
    ends.push(() => rm(folder, { recursive: true }))
    const path = join(folder, 'controller')
    const { sockets } = await served((server) => server.listen(path))
    const clock = manualClock()
    let packets = 0
    const port = await h4Socket({ path }, { clock }).open({ packet: () => packets++, closed: () => {} }, { signal })
    await eventually('the connection to be there', () => sockets.length === 1)
    const [controller] = sockets
    controller!.pause()
    const talking = setInterval(() => controller!.write(event(1)), 5)
    ends.push(() => {
      clearInterval(talking)
    })
    await eventually('it to talk', () => packets > 0)
    port.send(Buffer.alloc(1_000_000, 2))
    let closed = false
    const closing = port.close().then(() => {
      closed = true
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(closed).to.equal(false)
    await clock.advance(500)
    await closing
    expect(clock.pending, 'timers left').to.equal(0)
  })

  it('that is not there is reported as that', async () => {
    const { server } = await tcp()
    const address = addressOf(server)
    await ends.pop()!()
    const failed = async (run: Promise<unknown>): Promise<string | undefined> => run.then(() => undefined, errorCode)
    expect(await failed(opened(address))).to.equal('ERR_BLE_NO_ADAPTER')
    expect(await failed(opened({ path: join(tmpdir(), 'no such controller') }))).to.equal('ERR_BLE_NO_ADAPTER')
  })

  it('is not waited for longer than wanted', async () => {
    const { server } = await tcp()
    const handlers = { packet: () => {}, closed: () => {} }
    const reason = new Error('not wanted')
    const given = new AbortController()
    given.abort(reason)
    const thrown = async (run: Promise<unknown>): Promise<unknown> => run.catch((error: unknown) => error)
    expect(await thrown(h4Socket(addressOf(server)).open(handlers, { signal: given.signal }))).to.equal(reason)
    const later = new AbortController()
    const waiting = thrown(h4Socket(addressOf(server)).open(handlers, { signal: later.signal }))
    later.abort(reason)
    expect(await waiting).to.equal(reason)
    const clock = manualClock()
    const opening = h4Socket(addressOf(server), { clock, deadlineMs: 100 }).open(handlers, { signal })
    ends.push(async () => (await opening).close())
    await opening
    expect(clock.pending, 'the deadline is over').to.equal(0)
  })

  it('is given up at the deadline', async () => {
    const connect = sinon.stub(Socket.prototype, 'connect').returnsThis()
    const clock = manualClock()
    try {
      const handlers = { packet: () => {}, closed: () => {} }
      let failed: string | undefined
      const opening = h4Socket({ host: '127.0.0.1', port: 9 }, { clock, deadlineMs: 60_000 })
        .open(handlers, { signal })
        .catch((error: unknown) => {
          failed = errorCode(error)
        })
      await clock.advance(59_999)
      expect(failed).to.equal(undefined)
      await clock.advance(1)
      await opening
      expect(failed).to.equal('ERR_BLE_NO_ADAPTER')
    } finally {
      connect.restore()
    }
  })

  it('is not made with a deadline that makes no sense', () => {
    for (const deadlineMs of [Number.NaN, 0, -1, 2 ** 31])
      expect(() => h4Socket({ host: '127.0.0.1', port: 9 }, { deadlineMs }), `${deadlineMs}`).to.throw(TypeError)
  })
})
