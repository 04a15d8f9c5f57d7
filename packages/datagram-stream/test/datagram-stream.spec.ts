import { createHash, randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { finished } from 'node:stream/promises'
import { type DatagramPath, type DatagramStreamOptions, openDatagramStream } from '@kithmesh/datagram-stream'
import { errorCode } from '@kithmesh/core'
import { eventually, manualClock, rejection, within } from '@kithmesh/testkit'
import { expect } from 'chai'
import { pathPair, udpPaths } from './support/paths.ts'

const secret = randomBytes(32)
const streams: Duplex[] = []

async function open(path: DatagramPath, role: 'initiator' | 'responder', more: Partial<DatagramStreamOptions> = {}): Promise<Duplex> {
  const stream = await openDatagramStream({ path, secret, role, ...more })
  streams.push(stream)
  return stream
}

async function openBoth(
  paths: readonly [DatagramPath, DatagramPath],
  more: Partial<DatagramStreamOptions> = {}
): Promise<[Duplex, Duplex]> {
  return await Promise.all([open(paths[0], 'initiator', more), open(paths[1], 'responder', more)])
}

describe('datagram stream', () => {
  afterEach(() => {
    for (const stream of streams.splice(0)) stream.destroy()
  })

  describe('over UDP', () => {
    it('carries 5 MB each way intact, ends, and closes its sockets', async () => {
      const { paths, sockets } = await udpPaths()
      const closed = Promise.all(sockets.map((socket) => once(socket, 'close')))
      const both = await openBoth(paths)
      const bytes = randomBytes(5_000_000)
      const digest = createHash('sha256').update(bytes).digest('hex')
      const digests = await Promise.all(
        both.map(async (stream) => {
          const hash = createHash('sha256')
          stream.on('data', (chunk: Buffer) => hash.update(chunk))
          stream.end(bytes)
          await finished(stream)
          return hash.digest('hex')
        })
      )
      expect(digests).to.deep.equal([digest, digest])
      await within(closed, 30_000, 'closing the sockets')
    })
    it('ignores datagrams of others, whatever they say', async () => {
      const { paths, sockets } = await udpPaths()
      const [one, other] = await openBoth(paths)
      const stranger = createSocket('udp4')
      await new Promise((resolve) => {
        stranger.send(Buffer.alloc(40, 0xff), sockets[1].address().port, '127.0.0.1', resolve)
      })
      stranger.close()
      one.write('still here')
      expect(String((await once(other, 'data'))[0])).to.equal('still here')
    })
    it('does not throw when it has something to send in the turn in which its socket was closed', async () => {
      const { paths, sockets } = await udpPaths()
      sockets[0].close()
      expect(() => {
        paths[0].send(Buffer.alloc(10))
      }).to.not.throw()
      sockets[1].close()
    })
    it('fails when its socket is closed', async () => {
      const { paths, sockets } = await udpPaths()
      const [one] = await openBoth(paths)
      const failed = once(one, 'error')
      sockets[0].close()
      expect(errorCode((await failed)[0])).to.equal('ERR_DATAGRAM_PATH')
    })
  })

  describe('ends', () => {
    it('lets one direction go on after the other has ended', async () => {
      const [one, other] = await openBoth(pathPair())
      other.resume()
      one.end('last words')
      await once(other, 'end')
      other.write('more')
      expect(String((await once(one, 'data'))[0])).to.equal('more')
    })
    it('finishes only when the other side has everything', async () => {
      const paths = pathPair()
      const [one, other] = await openBoth(paths)
      paths[0].passes = () => false
      one.end('unheard')
      let finished = false
      one.once('finish', () => {
        finished = true
      })
      await eventually('the datagram to be sent again', () => paths[0].sent.length > 4)
      expect(finished).to.equal(false)
      paths[0].passes = () => true
      other.resume()
      await within(once(one, 'finish'), 30_000, 'finish')
    })
    it('destroys the other side with a reset', async () => {
      const paths = pathPair()
      const [one, other] = await openBoth(paths)
      const failed = once(other, 'error')
      one.destroy()
      expect(errorCode((await failed)[0])).to.equal('ERR_DATAGRAM_RESET')
      await eventually('the paths to be closed', () => paths.every((path) => path.closed))
    })
    it('lets what came be read after the other side has ended and gone', async () => {
      const paths = pathPair()
      const [one, other] = await openBoth(paths)
      one.resume()
      other.end()
      one.end(Buffer.alloc(200_000, 1))
      await eventually('both paths to be closed', () => paths.every((path) => path.closed))
      let bytes = 0
      for await (const chunk of other) bytes += (chunk as Buffer).length
      expect(bytes).to.equal(200_000)
    })
  })

  describe('back-pressure', () => {
    it('holds the writer back while nobody reads', async () => {
      const [one] = await openBoth(pathPair(), { windowBytes: 100_000 })
      let taken = 0
      const write = (): void => {
        one.write(Buffer.alloc(10_000), (error) => {
          if (error) return
          taken += 10_000
          write()
        })
      }
      write()
      await eventually('the buffers to be full', () => taken >= 190_000)
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
      expect(taken).to.be.below(400_000)
    })
    it('calls back who waits for room when it is destroyed', async () => {
      const [one] = await openBoth(pathPair(), { windowBytes: 100_000 })
      const reason = new Error('enough')
      const told = new Promise((resolve) => one.write(Buffer.alloc(4_000_000), resolve))
      one.destroy(reason)
      expect(await within(told, 30_000, 'the callback')).to.equal(reason)
    })
    it('takes the bytes of a write before it calls back', async () => {
      const [one, other] = await openBoth(pathPair(), { windowBytes: 100_000 })
      const bytes = Buffer.alloc(300_000, 1)
      one.write(bytes, () => bytes.fill(2))
      one.end()
      let sum = 0
      for await (const chunk of other) for (const byte of chunk as Buffer) sum += byte
      expect(sum).to.equal(300_000)
    })
  })

  describe('limits', () => {
    it('bound the datagrams', async () => {
      for (const maxDatagramBytes of [300, 4_000]) {
        const paths = pathPair()
        const [one, other] = await openBoth(paths, { maxDatagramBytes })
        other.resume()
        one.end(Buffer.alloc(50_000))
        await within(once(one, 'finish'), 30_000, 'everything to arrive')
        expect(Math.max(...paths[0].sent.map(({ length }) => length))).to.equal(maxDatagramBytes)
      }
    })
    it('say how long to wait for the other side', async () => {
      const clock = manualClock()
      const [path] = pathPair()
      path.passes = () => false
      let over = false
      const failed = rejection(open(path, 'initiator', { clock, openTimeoutMs: 60_000 })).finally(() => {
        over = true
      })
      await clock.advance(59_000)
      expect(over).to.equal(false)
      await clock.advance(1_001)
      expect(errorCode(await failed)).to.equal('ERR_DATAGRAM_NO_ANSWER')
    })
    it('say after how much silence something is sent', async () => {
      const clock = manualClock()
      const paths = pathPair()
      const opening = openBoth(paths, { clock, keepAliveMs: 3_000_000, idleTimeoutMs: 6_000_000 })
      await clock.advance(1_000)
      await opening
      const sent = paths[0].sent.length
      await clock.advance(2_990_000)
      expect(paths[0].sent).to.have.length(sent)
      await clock.advance(20_000)
      expect(paths[0].sent.length).to.be.above(sent)
    })
    it('say after how much silence of the other side a stream fails', async () => {
      const clock = manualClock()
      const paths = pathPair()
      const opening = openBoth(paths, { clock, keepAliveMs: 20_000, idleTimeoutMs: 60_000 })
      await clock.advance(1_000)
      const [one] = await opening
      for (const path of paths) path.passes = () => false
      await clock.advance(58_000)
      expect(one.destroyed).to.equal(false)
      const failed = once(one, 'error')
      await clock.advance(20_000)
      expect(errorCode((await failed)[0])).to.equal('ERR_DATAGRAM_SILENT')
    })
  })

  describe('opening', () => {
    it('gives up with a code and closes the path', async () => {
      const [path] = pathPair()
      path.passes = () => false
      expect(errorCode(await rejection(open(path, 'initiator', { openTimeoutMs: 300 })))).to.equal('ERR_DATAGRAM_NO_ANSWER')
      await eventually('the path to be closed', () => path.closed)
    })
    it('rejects with the reason of the signal', async () => {
      const paths = pathPair()
      const controller = new AbortController()
      const opening = rejection(open(paths[0], 'initiator', { signal: controller.signal }))
      const reason = new Error('changed my mind')
      controller.abort(reason)
      expect(await opening).to.equal(reason)
      expect(await rejection(open(paths[1], 'responder', { signal: AbortSignal.abort(reason) }))).to.equal(reason)
      await eventually('the paths to be closed', () => paths.every((path) => path.closed))
    })
    it('does not open with another secret', async () => {
      const paths = pathPair()
      const codes = await Promise.all([
        rejection(open(paths[0], 'initiator', { openTimeoutMs: 300 })),
        rejection(open(paths[1], 'responder', { openTimeoutMs: 300, secret: randomBytes(32) }))
      ])
      expect(codes.map(errorCode)).to.deep.equal(['ERR_DATAGRAM_NO_ANSWER', 'ERR_DATAGRAM_NO_ANSWER'])
    })
    it('refuses limits that make no sense', () => {
      const [path] = pathPair()
      const wrongs: Partial<DatagramStreamOptions>[] = [
        { secret: Buffer.alloc(15) },
        { maxDatagramBytes: 255 },
        { maxDatagramBytes: 65_508, windowBytes: 2 ** 21 },
        { windowBytes: 4_000 },
        { keepAliveMs: 20_000 },
        { openTimeoutMs: 0 },
        { keepAliveMs: 0 },
        ...['maxDatagramBytes', 'windowBytes', 'openTimeoutMs', 'keepAliveMs', 'idleTimeoutMs'].flatMap((name) =>
          [Number.NaN, -1, Number.POSITIVE_INFINITY].map((value) => ({ [name]: value }))
        )
      ]
      for (const wrong of wrongs)
        expect(() => openDatagramStream({ path, secret, role: 'initiator', ...wrong }), JSON.stringify(wrong)).to.throw(TypeError)
    })
  })

  describe('hostile datagrams', () => {
    it('neither cut nor change a stream, even with the right connection id', async () => {
      const paths = pathPair()
      const [one, other] = await openBoth(paths)
      const id = paths[0].sent[0]!.subarray(0, 8)
      for (let round = 0; round < 2_000; round++) {
        const garbage = randomBytes(1 + (round % 200))
        paths[1].inject(garbage)
        // Flags ACK alone, DATA and ACK, FIN alone, unknown ones: with numbers that were never sent, or bytes beyond every window.
        for (const flags of [2, 6, 8, 0x80 | 4]) {
          const forged = Buffer.concat([id, Buffer.from([flags]), Buffer.alloc(6, 0x7f), Buffer.alloc(6, 0x7f), garbage])
          paths[1].inject(forged)
        }
      }
      one.write('unchanged')
      expect(String((await once(other, 'data'))[0])).to.equal('unchanged')
    })
  })
})
