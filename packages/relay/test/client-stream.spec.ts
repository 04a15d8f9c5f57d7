import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { type ManualClock, eventually, manualClock } from '@kithmesh/testkit'
import { ClientStream } from '../dist/broker/client-stream.js'
import { checkLimits, type RelayLimits } from '../dist/limits.js'

describe('the stream of a client of the broker', () => {
  let clock: ManualClock
  let server: Server
  let client: Socket
  let socket: Socket
  let stream: ClientStream

  beforeEach(async () => {
    clock = manualClock()
    server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    client = connect((server.address() as AddressInfo).port, '127.0.0.1')
    client.on('error', () => {})
    ;[socket] = (await once(server, 'connection')) as [Socket]
  })

  const listen = (limits: Partial<RelayLimits> = {}): void => {
    stream = new ClientStream(socket, checkLimits(limits), clock)
    stream.on('error', () => {})
    stream.resume()
  }

  afterEach(() => {
    client.destroy()
    socket.destroy()
    server.close()
  })

  /** More than the kernel takes for a client that reads nothing, and less than it is cut off for. */
  const flood = async (): Promise<void> => {
    client.pause()
    await eventually('the kernel to take no more', async () => {
      stream.write(Buffer.alloc(65_536))
      await new Promise((resolve) => setImmediate(resolve))
      return socket.writableLength > 524_288
    })
    expect(stream.destroyed).to.equal(false)
  }

  it('that closes its connection leaves no timer behind', async () => {
    listen()
    const closed = Promise.all([once(socket, 'close'), once(stream, 'close')])
    client.end()
    await closed
    expect(clock.pending).to.equal(0)
  })

  it('whose connection is cut from below leaves none', async () => {
    listen()
    const closed = once(stream, 'close')
    socket.destroy()
    await closed
    expect(clock.pending).to.equal(0)
  })

  it('that is ended here leaves none either, once it has read what it was sent last', async () => {
    listen()
    const closed = Promise.all([once(socket, 'close'), once(stream, 'close')])
    client.resume()
    stream.write('farewell')
    stream.destroy()
    await closed
    expect(clock.pending).to.equal(0)
  })

  it('that reads nothing loses its connection, and its place, soon after the end', async () => {
    listen()
    await flood()
    stream.destroy()
    await clock.advance(4_999)
    expect(socket.closed).to.equal(false)
    const closed = once(socket, 'close')
    await clock.advance(1)
    await closed
    expect(clock.pending).to.equal(0)
  })

  it('that reads nothing is cut off when as much waits for it as may', async () => {
    listen({ waitingBytes: 100_000 })
    client.pause()
    let most = 0
    await eventually('the end', async () => {
      stream.write(Buffer.alloc(10_000))
      if (!stream.destroyed) most = Math.max(most, socket.writableLength)
      await new Promise((resolve) => setImmediate(resolve))
      return stream.destroyed
    })
    expect(most).to.be.within(1, 100_000)
  })

  it('that asks on and reads nothing is cut off', async () => {
    listen()
    await flood()
    const paced = Array.from({ length: 64 }, () => stream.paced())
    expect(stream.destroyed).to.equal(false)
    paced.push(stream.paced())
    expect(stream.destroyed).to.equal(true)
    await Promise.all(paced)
  })

  for (const [what, limits, burst] of [
    ['packets', { packetsPerSecond: 5 }, Buffer.alloc(40, Buffer.from([0xc0, 0]))],
    ['bytes', { mqttBytesPerSecond: 1_000 }, Buffer.concat([Buffer.from([0x30, 0x9d, 0x1f]), Buffer.alloc(3_997)])]
  ] as const)
    it(`is read no further when it has sent its ${what} of four seconds, until there are some again`, async () => {
      listen(limits)
      let read = 0
      stream.on('data', (chunk: Buffer) => (read += chunk.length))
      client.write(burst)
      await eventually('the first of them', () => read === burst.length)
      client.write(Buffer.from([0xc0, 0]))
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
      expect(read).to.equal(burst.length)
      await clock.advance(1_000)
      await eventually('the rest', () => read === burst.length + 2)
    })
})
