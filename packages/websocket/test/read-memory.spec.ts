import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { expect } from 'chai'
import fc from 'fast-check'
import type { MessageSocket } from '@kithmesh/core'
import { createWebSocketAcceptor, openWebSocket } from '@kithmesh/websocket'
import { eventually } from '@kithmesh/testkit'
import { ReadMemory } from '../dist/read-memory.js'
import { Streams } from './support/streams.ts'

/** More than any buffer that Node shares among many, whose size differs between its versions. */
const LARGE = 2 * Math.max(64 * 1024, Buffer.poolSize)

/** Hands messages over as `WebSocketMessageSocket` does, and releases those that are said to be. */
function hand(memory: ReadMemory, message: Buffer, released: boolean): void {
  memory.handing(message)
  if (released) memory.released(message)
}

describe('the memory of what was read', () => {
  const isFree = (bytes: Buffer): boolean => bytes.length === 0
  const buffer = (bytes = LARGE): Buffer => Buffer.from(new ArrayBuffer(bytes))

  it('is free when all messages of a buffer are released and one of another comes', () => {
    const memory = new ReadMemory()
    const [first, second] = [buffer(), buffer()]
    hand(memory, first.subarray(0, 100), true)
    hand(memory, first.subarray(100, 200), true)
    expect(isFree(first)).to.equal(false)
    hand(memory, second.subarray(0, 100), true)
    expect([isFree(first), isFree(second)]).to.deep.equal([true, false])
  })
  it('stays when one of the messages is kept, whichever', () => {
    for (const kept of [0, 1, 2]) {
      const memory = new ReadMemory()
      const read = buffer()
      for (const n of [0, 1, 2]) hand(memory, read.subarray(n, n + 1), n !== kept)
      hand(memory, buffer().subarray(1), true)
      expect(isFree(read), `kept ${kept}`).to.equal(false)
    }
  })
  it('is free at once where a message has it for itself', () => {
    const memory = new ReadMemory()
    const [read, copy] = [buffer(), buffer()]
    hand(memory, read.subarray(0, 100), true)
    hand(memory, copy, true)
    // `ws` copies messages of several frames even where all of them are of one read, which it is not done with.
    expect([isFree(copy), isFree(read)]).to.deep.equal([true, false])
    hand(memory, Buffer.alloc(0), true)
    hand(memory, read.subarray(100, 200), false)
    hand(memory, buffer().subarray(1), true)
    expect(isFree(read)).to.equal(false)
  })
  it('stays where Node shares it among many', () => {
    const memory = new ReadMemory()
    const pooled = Buffer.allocUnsafe(10)
    hand(memory, pooled, true)
    hand(memory, buffer().subarray(1), true)
    expect([pooled.length, Buffer.allocUnsafe(10).length]).to.deep.equal([10, 10])
  })
  it('stays while small messages come, of which nobody knows whether they are copies', () => {
    const memory = new ReadMemory()
    const read = buffer()
    hand(memory, read.subarray(0, 100), true)
    hand(memory, Buffer.allocUnsafe(2000), true)
    hand(memory, buffer(4096).subarray(1), true)
    expect(isFree(read)).to.equal(false)
  })
  it('stays when one message is released twice and another never', () => {
    const memory = new ReadMemory()
    const read = buffer()
    const twice = read.subarray(0, 100)
    hand(memory, twice, true)
    memory.released(twice)
    hand(memory, read.subarray(100, 200), false)
    hand(memory, buffer().subarray(1), true)
    expect(isFree(read)).to.equal(false)
  })
  it('stays from the moment on that somebody else has it', () => {
    const memory = new ReadMemory()
    const [first, second] = [buffer(), buffer()]
    hand(memory, first.subarray(1), true)
    memory.stop()
    hand(memory, second.subarray(1), true)
    hand(memory, buffer().subarray(1), true)
    expect([isFree(first), isFree(second)]).to.deep.equal([false, false])
  })
})

describe('a WebSocket whose messages are released', () => {
  const streams = new Streams()
  const open: MessageSocket[] = []
  afterEach(async () => {
    for (const socket of open.splice(0)) socket.terminate()
    await streams.dispose()
  })
  async function link(): Promise<{ client: MessageSocket; server: MessageSocket; clientStream: Duplex }> {
    const [a, b] = await streams.tcp()
    const serverOf = new Promise<MessageSocket>((resolve) => {
      createWebSocketAcceptor({ selectProtocol: () => 'x', onConnection: resolve }).accept(b, undefined)
    })
    const { socket: client } = await openWebSocket(a, { url: 'ws://x/db', protocols: ['x'] })
    const server = await serverOf
    open.push(client, server)
    return { client, server, clientStream: a }
  }
  const content = (n: number, bytes: number): Buffer => Buffer.alloc(bytes, `message ${n} `)

  for (const side of ['client', 'server'] as const)
    it(`leaves those alone that the ${side} keeps, whatever it reads, keeps and when it pauses`, async () => {
      let freed = 0
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(fc.integer({ min: 0, max: 40_000 }), fc.boolean(), fc.integer({ min: 0, max: 9 })), {
            minLength: 20,
            maxLength: 120
          }),
          async (messages) => {
            const sockets = await link()
            const [from, to] = side === 'client' ? [sockets.server, sockets.client] : [sockets.client, sockets.server]
            const kept: [number, Buffer][] = []
            const released: Buffer[] = []
            let wrong = 0
            let count = 0
            to.attach({
              message: (data) => {
                const n = count++
                const [bytes, isKept, pausing] = messages[n]!
                if (isKept) kept.push([n, data])
                else {
                  if (!data.equals(content(n, bytes))) wrong++
                  if (bytes > 0) released.push(data)
                  to.release?.(data)
                }
                if (pausing > 0) return
                to.pause()
                setImmediate(() => {
                  to.resume()
                })
              },
              drained() {},
              closed() {}
            })
            from.attach({ message() {}, drained() {}, closed() {} })
            for (const [n, [bytes]] of messages.entries()) from.send(content(n, bytes))
            await eventually('all messages', () => count === messages.length)
            expect(wrong).to.equal(0)
            for (const [n, data] of kept) expect(data.equals(content(n, messages[n]![0])), `message ${n}`).to.equal(true)
            freed += released.filter((data) => data.length === 0).length
            from.terminate()
            to.terminate()
          }
        ),
        { numRuns: 40 }
      )
      // And it is good for something, where what Node shares among many is smaller than a read; from Node 24 on it is as large.
      if (Buffer.poolSize < 64 * 1024) expect(freed).to.be.greaterThan(0)
      else expect(freed).to.equal(0)
    })

  /** A frame of a client, with a key of zeros (RFC 6455 §5.2). */
  const frame = (opcode: number, payload: Buffer, isLast = true): Buffer => {
    const header = Buffer.alloc(payload.length > 125 ? 8 : 6)
    header[0] = (isLast ? 0x80 : 0) | opcode
    header[1] = 0x80 | (payload.length > 125 ? 126 : payload.length)
    if (payload.length > 125) header.writeUInt16BE(payload.length, 2)
    return Buffer.concat([header, payload])
  }

  it('puts messages of several frames together, and answers pings with their bytes', async () => {
    const { server, clientStream } = await link()
    const received: string[] = []
    const messages: Buffer[] = []
    server.attach({
      message: (data) => {
        messages.push(data)
        received.push(data.toString('latin1'))
        server.release?.(data)
      },
      drained() {},
      closed() {}
    })
    const answers: Buffer[] = []
    clientStream.removeAllListeners('data')
    clientStream.on('data', (chunk: Buffer) => answers.push(Buffer.from(chunk)))
    clientStream.resume()
    const expected: string[] = []
    for (let n = 0; n < 200; n++) {
      // Small ones are copied to memory that is shared, large ones to memory of their own.
      const half = n % 3 === 0 ? 15_000 : 500
      const [whole, first, second] = [content(n, 5_000), content(n + 100, half), content(n + 200, half)]
      const pieces = [frame(2, whole), frame(2, first, false), frame(0, second)]
      if (!clientStream.write(Buffer.concat(pieces))) await once(clientStream, 'drain')
      expected.push(whole.toString('latin1'), Buffer.concat([first, second]).toString('latin1'))
    }
    for (const n of [1, 2, 3]) clientStream.write(Buffer.concat([frame(9, Buffer.from(`ping ${n}`)), frame(2, content(n, 9_000))]))
    for (const n of [1, 2, 3]) expected.push(content(n, 9_000).toString('latin1'))
    for (let n = 0; n < 40; n++) {
      if (!clientStream.write(frame(2, content(n, 30_000)))) await once(clientStream, 'drain')
      expected.push(content(n, 30_000).toString('latin1'))
    }
    await eventually('all messages', () => received.length === expected.length)
    expect(received.every((text, n) => text === expected[n])).to.equal(true)
    // Nothing is freed any more, as the answers have the memory of the pings.
    expect(messages.slice(-43).map(({ length }) => length)).to.deep.equal([...Array(3).fill(9_000), ...Array(40).fill(30_000)])
    const pongs = [1, 2, 3].map((n) => Buffer.concat([Buffer.from([0x8a, `ping ${n}`.length]), Buffer.from(`ping ${n}`)]))
    await eventually('the pongs', () => Buffer.concat(answers).length >= Buffer.concat(pongs).length)
    expect(Buffer.concat(answers).equals(Buffer.concat(pongs))).to.equal(true)
  })
})
