import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import type { MessageSocket } from '@kithmesh/core'
import { createWebSocketAcceptor, openWebSocket } from '@kithmesh/websocket'
import { eventually, manualClock, type ManualClock } from '@kithmesh/testkit'
import { Recorder } from './support/recorder.ts'
import { Streams } from './support/streams.ts'

interface Link {
  client: MessageSocket
  server: MessageSocket
  clientStream: Duplex
  serverStream: Duplex
}

interface Settings {
  clock?: ManualClock
  heartbeatMs?: number
  maxMessageBytes?: number
}

describe('message sockets', () => {
  const streams = new Streams()
  let links: Link[] = []
  afterEach(async () => {
    for (const { client, server } of links) {
      client.terminate()
      server.terminate()
    }
    links = []
    await streams.dispose()
  })

  async function link(
    { kind = 'tcp', ...clientOptions }: Settings & { kind?: 'tcp' | 'memory' } = {},
    serverOptions: Settings = {}
  ): Promise<Link> {
    const [a, b] = await streams[kind]()
    const serverOf = new Promise<MessageSocket>((resolve) => {
      createWebSocketAcceptor({ selectProtocol: () => 'x', onConnection: resolve, ...serverOptions }).accept(b, undefined)
    })
    const { socket } = await openWebSocket(a, { url: 'ws://x/db', protocols: ['x'], ...clientOptions })
    const made = { client: socket, server: await serverOf, clientStream: a, serverStream: b }
    links.push(made)
    return made
  }

  it('let go of bytes that were written only where the system has taken them', async () => {
    for (const kind of ['tcp', 'memory'] as const) {
      const { client, server } = await link({ kind })
      expect([client.releasesBytes, server.releasesBytes], kind).to.deep.equal(Array(2).fill(kind === 'tcp'))
    }
  })
  it('hand over what was gathered at the end of the turn, or when told to', async () => {
    const sockets = await link()
    for (const socket of [sockets.client, sockets.server]) {
      socket.flush?.()
      for (const when of ['later', 'now'] as const) {
        socket.send(Buffer.from('a'))
        socket.send(Buffer.from('b'))
        expect(socket.bufferedBytes, when).to.be.above(0)
        if (when === 'now') socket.flush?.()
        else await eventually('the bytes to leave', () => socket.bufferedBytes === 0)
        expect(socket.bufferedBytes, when).to.equal(0)
      }
    }
    const [left, right] = [new Recorder().attach(sockets.client), new Recorder().attach(sockets.server)]
    await left.received(4)
    await right.received(4)
    expect([...left.messages, ...right.messages].map(String)).to.deep.equal(['a', 'b', 'a', 'b', 'a', 'b', 'a', 'b'])
  })
  for (const side of ['client', 'server'] as const) {
    it(`may be given bytes that change once they are not counted any more by the ${side}`, async () => {
      const sockets = await link()
      const from = sockets[side]
      const recorder = new Recorder().attach(sockets[side === 'client' ? 'server' : 'client'])
      const bytes = Buffer.alloc(60_000)
      for (let n = 0; n < 100; n++) {
        await eventually('the bytes to be taken', () => from.bufferedBytes === 0)
        from.send(bytes.fill(n))
      }
      await recorder.received(100)
      expect(recorder.messages.every((message, n) => message.length === 60_000 && message.every((byte) => byte === n))).to.equal(true)
    })
  }

  for (const kind of ['tcp', 'memory'] as const) {
    it(`carry messages whole, in order and unchanged both ways over ${kind}`, async () => {
      const { client, server } = await link({ kind })
      const [left, right] = [new Recorder().attach(client), new Recorder().attach(server)]
      const sizes = [0, 1, 125, 126, 65_535, 65_536, 500_000, 3]
      const payloads = sizes.map((size, index) => Buffer.alloc(size, index + 1))
      for (const payload of payloads) {
        client.send(Buffer.from(payload))
        server.send(Buffer.from(payload))
      }
      await left.received(sizes.length)
      await right.received(sizes.length)
      expect(left.messages.every((message, index) => message.equals(payloads[index]!))).to.equal(true)
      expect(right.messages.every((message, index) => message.equals(payloads[index]!))).to.equal(true)
    })
  }

  it('mask in memory that is used again, where the system has taken what was written', async () => {
    for (const kind of ['tcp', 'memory'] as const) {
      const { client, server, clientStream } = await link({ kind })
      const right = new Recorder().attach(server)
      const memory = new Set<ArrayBufferLike>()
      const write = clientStream.write.bind(clientStream) as (chunk: Buffer, ...rest: never[]) => boolean
      clientStream.write = (chunk: Buffer, ...rest: never[]) => {
        memory.add(chunk.buffer)
        return write(chunk, ...rest)
      }
      const sent = Array.from({ length: 60 }, (_, n) => Buffer.alloc(30_000, n))
      for (const message of sent) {
        await eventually('the bytes to be taken', () => client.bufferedBytes === 0)
        client.send(message)
      }
      await right.received(60)
      expect(right.messages.every((message, n) => message.equals(Buffer.alloc(30_000, n)))).to.equal(true)
      expect(sent.every((message, n) => message.equals(Buffer.alloc(30_000, n)))).to.equal(true)
      // Two of them fit into a piece of memory; nobody knows when a stream that is no socket of the system is done with it.
      if (kind === 'tcp') expect(memory.size).to.equal(1)
      else expect(memory.size).to.equal(30)
    }
  })

  it('write the small messages of one tick together', async () => {
    const { client, server, clientStream } = await link({ kind: 'tcp' })
    const right = new Recorder().attach(server)
    let writes = 0
    const handle = clientStream as unknown as { _writev: (...all: unknown[]) => unknown; _write: (...all: unknown[]) => unknown }
    const { _writev: many, _write: one } = handle
    handle._writev = function (this: unknown, ...all) {
      writes++
      return many.apply(this, all)
    }
    handle._write = function (this: unknown, ...all) {
      writes++
      return one.apply(this, all)
    }
    for (let index = 0; index < 100; index++) client.send(Buffer.from(String(index)))
    await right.received(100)
    expect(writes).to.equal(1)
    expect(right.texts()).to.deep.equal(Array.from({ length: 100 }, (_, index) => String(index)))
  })

  it('deliver what came before attach, in order', async () => {
    const { client, server } = await link()
    for (const text of ['a', 'b', 'c']) client.send(Buffer.from(text))
    new Recorder().attach(client)
    await eventually('the bytes to be taken', () => client.bufferedBytes === 0)
    const right = new Recorder().attach(server)
    await right.received(3)
    expect(right.texts()).to.deep.equal(['a', 'b', 'c'])
    expect(() => server.attach({ message() {}, drained() {}, closed() {} })).to.throw(TypeError)
  })

  it('deliver messages and end of a peer that was gone before attach', async () => {
    const { client, server } = await link()
    new Recorder().attach(client)
    client.send(Buffer.from('last words'))
    client.close(4001, 'later')
    await eventually('the bytes to be taken', () => client.bufferedBytes === 0)
    const right = new Recorder().attach(server)
    expect(await right.closed()).to.include({ code: 4001, reason: 'later' })
    expect(right.texts()).to.deep.equal(['last words'])
  })

  it('push back and tell when there is room again', async () => {
    const { client, server } = await link()
    const left = new Recorder().attach(client)
    const right = new Recorder().attach(server)
    server.pause()
    const message = Buffer.alloc(16_384)
    let sent = 1
    while (client.send(Buffer.from(message))) {
      if (++sent > 10_000) throw new Error('never full')
      if (sent % 8 === 0) await new Promise(setImmediate)
    }
    expect(client.bufferedBytes).to.be.greaterThan(256 * 1024)
    expect(left.drains).to.equal(0)
    server.resume()
    await eventually('room to write again', () => left.drains === 1)
    expect(client.bufferedBytes).to.be.at.most(128 * 1024)
    await right.received(sent)
  })

  it('deliver nothing while paused, then everything', async () => {
    const { client, server } = await link()
    const received: string[] = []
    const right = new Recorder()
    server.attach({
      message: (data) => {
        received.push(data.toString())
        if (received.length === 2) server.pause()
      },
      drained() {},
      closed: (info) => {
        right.closes.push(info)
      }
    })
    for (let index = 0; index < 5; index++) client.send(Buffer.from(String(index)))
    client.close()
    const left = new Recorder().attach(client)
    await eventually('two messages', () => received.length === 2)
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
    expect(received).to.deep.equal(['0', '1'])
    expect(right.closes).to.have.length(0)
    server.resume()
    await right.closed()
    expect(received).to.deep.equal(['0', '1', '2', '3', '4'])
    expect((await left.closed()).code).to.equal(1000)
  })

  it('close once on both sides with code and reason', async () => {
    const { client, server } = await link()
    const [left, right] = [new Recorder().attach(client), new Recorder().attach(server)]
    client.close(4002, 'ä'.repeat(100))
    client.close(1000)
    expect(client.send(Buffer.from('late'))).to.equal(false)
    expect(await right.closed()).to.deep.equal({ code: 4002, reason: 'ä'.repeat(61) })
    expect(await left.closed()).to.include({ code: 4002 })
    client.terminate()
    server.close()
    expect(server.send(Buffer.from('late'))).to.equal(false)
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
    expect([left.closes.length, right.closes.length]).to.deep.equal([1, 1])
    expect(right.messages).to.have.length(0)
    expect(() => client.close(1006)).to.throw(TypeError)
  })

  it('close while paused without waiting for what is unread', async () => {
    const { client, server } = await link()
    const [left, right] = [new Recorder().attach(client), new Recorder().attach(server)]
    client.pause()
    for (let index = 0; index < 10; index++) server.send(Buffer.alloc(10_000))
    client.close()
    expect((await left.closed()).code).to.equal(1000)
    expect(left.messages).to.have.length(0)
    expect((await right.closed()).code).to.equal(1000)
  })

  it('report 1006 when the connection ends without a close frame', async () => {
    const { client, server, serverStream } = await link()
    const [left, right] = [new Recorder().attach(client), new Recorder().attach(server)]
    serverStream.destroy()
    expect((await left.closed()).code).to.equal(1006)
    expect((await right.closed()).code).to.equal(1006)
  })

  it('report the error beneath', async () => {
    const { client, clientStream } = await link()
    const left = new Recorder().attach(client)
    const cause = new Error('cable cut')
    clientStream.destroy(cause)
    const info = await left.closed()
    expect(info.code).to.equal(1006)
    expect(info.error).to.include({ code: 'ERR_WS_CONNECTION', cause })
  })

  it('end at once when terminated, with the error given, and tell the peer nothing but the end', async () => {
    const { client, server } = await link()
    const [left, right] = [new Recorder().attach(client), new Recorder().attach(server)]
    const error = new Error('why')
    client.terminate(error)
    client.terminate(new Error('again'))
    expect(left.closes).to.have.length(0)
    expect(await left.closed()).to.deep.equal({ code: 1006, reason: '', error })
    expect((await right.closed()).code).to.equal(1006)
  })

  it('cut a peer that does not answer the closing handshake', async () => {
    const clock = manualClock()
    const { client, server } = await link({ clock })
    const left = new Recorder().attach(client)
    server.pause()
    client.close()
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
    expect(left.closes).to.have.length(0)
    await clock.advance(5_000)
    const info = await left.closed()
    expect(info.code).to.equal(1006)
    expect(info.error).to.have.property('code', 'ERR_WS_CLOSE_TIMEOUT')
    expect(clock.pending).to.equal(0)
  })

  it('survive a handler that throws: only its connection ends', async () => {
    const { client, server } = await link()
    const left = new Recorder().attach(client)
    const closes: unknown[] = []
    const cause = new Error('defect')
    server.attach({
      message() {
        throw cause
      },
      drained() {},
      closed: (info) => {
        closes.push(info.error)
      }
    })
    client.send(Buffer.from('x'))
    await left.closed()
    await eventually('the end of the other side', () => closes.length === 1)
    expect(closes[0]).to.include({ code: 'ERR_WS_HANDLER', cause })
  })

  describe('when it is probed', () => {
    it('stays when the other side shows life', async () => {
      const clock = manualClock()
      const { client, server } = await link({ clock })
      const [left, right] = [new Recorder().attach(client), new Recorder().attach(server)]
      client.probe?.(5_000)
      client.probe?.(5_000)
      server.send(Buffer.from('alive'))
      await left.received(1)
      await clock.advance(5_000)
      expect(left.closes).to.have.length(0)
      client.close()
      await right.closed()
      await left.closed()
      expect(clock.pending).to.equal(0)
    })

    it('stays when life came while the process could not look, and is read only after the time was over', async () => {
      const timers: Array<() => void> = []
      const after = (_ms: number, run: () => void): (() => void) => {
        timers.push(run)
        return () => {}
      }
      const { client, server } = await link({ clock: { ...manualClock(), after } })
      const left = new Recorder().attach(client)
      server.pause()
      // Timers run now, and nothing is read before they have.
      await delay(1)
      client.probe?.(5_000)
      server.send(Buffer.from('alive'))
      await new Promise<void>((resolve) => {
        process.nextTick(resolve)
      })
      for (const run of timers) run()
      await left.received(1)
      expect(left.closes).to.have.length(0)
    })

    it('is cut when the other side says nothing', async () => {
      const clock = manualClock()
      const { client, server } = await link({ clock })
      const left = new Recorder().attach(client)
      server.pause()
      client.probe?.(5_000)
      await clock.advance(5_000)
      expect((await left.closed()).error).to.have.property('code', 'ERR_WS_PONG_TIMEOUT')
    })
  })

  describe('with a heartbeat', () => {
    it('ping a silent peer and stay while it answers', async () => {
      const clock = manualClock()
      const { client, server } = await link({ clock, heartbeatMs: 10_000 })
      const [left, right] = [new Recorder().attach(client), new Recorder().attach(server)]
      for (let round = 0; round < 3; round++) {
        await clock.advance(10_000)
        server.send(Buffer.from('alive'))
        await left.received(round + 1)
        await clock.advance(9_000)
      }
      expect(left.closes).to.have.length(0)
      client.close()
      await right.closed()
      await left.closed()
      expect(clock.pending).to.equal(0)
    })

    it('cut a peer that answers nothing', async () => {
      const clock = manualClock()
      const { client, server } = await link({ clock, heartbeatMs: 10_000 })
      const left = new Recorder().attach(client)
      server.pause()
      await clock.advance(10_000)
      expect(left.closes).to.have.length(0)
      await clock.advance(9_000)
      expect((await left.closed()).error).to.have.property('code', 'ERR_WS_PONG_TIMEOUT')
    })

    it('cut a client that answers nothing', async () => {
      const clock = manualClock()
      const { client, server } = await link({}, { clock, heartbeatMs: 10_000 })
      const right = new Recorder().attach(server)
      client.pause()
      await clock.advance(10_000)
      expect(right.closes).to.have.length(0)
      await clock.advance(9_000)
      expect((await right.closed()).error).to.have.property('code', 'ERR_WS_PONG_TIMEOUT')
    })
  })

  describe('facing a hostile peer', () => {
    const frame = (bytes: number[]): Buffer => Buffer.from(bytes)

    for (const side of ['client', 'server'] as const) {
      it(`close with 1009 on a message above the limit of the ${side}`, async () => {
        const limits = { maxMessageBytes: 1_000 }
        const { client, server } = await (side === 'client' ? link(limits) : link({}, limits))
        const [bounded, hostile] = side === 'client' ? [client, server] : [server, client]
        const [left, right] = [new Recorder().attach(hostile), new Recorder().attach(bounded)]
        hostile.send(Buffer.alloc(1_000))
        hostile.send(Buffer.alloc(1_001))
        const info = await right.closed()
        expect(info.code).to.equal(1009)
        expect(info.error).to.have.property('code', 'ERR_WS_MESSAGE_TOO_LARGE')
        expect((await left.closed()).code).to.equal(1009)
        expect(right.messages).to.have.length(1)
      })
    }

    it('close with 1003 on text', async () => {
      const { client, server, serverStream } = await link()
      const [left] = [new Recorder().attach(client), new Recorder().attach(server)]
      serverStream.write(frame([0x81, 0x02, 0x68, 0x69]))
      const info = await left.closed()
      expect(info.code).to.equal(1003)
      expect(info.error).to.have.property('code', 'ERR_WS_TEXT')
      expect(left.messages).to.have.length(0)
    })

    for (const [title, bytes] of [
      ['unmasked client frames', [0x82, 0x01, 0x00]],
      ['reserved bits', [0xf2, 0x80, 0, 0, 0, 0]],
      ['unknown opcodes', [0x83, 0x80, 0, 0, 0, 0]],
      ['a continuation of nothing', [0x80, 0x80, 0, 0, 0, 0]],
      ['an endless length', [0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]],
      ['a length that no double has', [0x82, 0xff, 0x00, 0x20, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0, 0, 0, 0]],
      ['a long ping', [0x89, 0xfe, 0x00, 0x80, 0, 0, 0, 0]]
    ] as const) {
      it(`close on ${title}`, async () => {
        const { server, client, clientStream } = await link()
        const right = new Recorder().attach(server)
        new Recorder().attach(client)
        clientStream.write(frame([...bytes]))
        const info = await right.closed()
        expect(info.code).to.be.oneOf([1002, 1009])
        expect(info.error).to.have.property('code').that.is.oneOf(['ERR_WS_FRAME', 'ERR_WS_MESSAGE_TOO_LARGE'])
      })
    }

    it('close when flooded with fragments', async () => {
      const { server, client, clientStream } = await link()
      const right = new Recorder().attach(server)
      new Recorder().attach(client)
      clientStream.write(
        Buffer.concat([frame([0x02, 0x80, 0, 0, 0, 0]), ...Array.from({ length: 40_000 }, () => frame([0x00, 0x80, 0, 0, 0, 0]))])
      )
      expect((await right.closed()).error)
        .to.have.property('code')
        .that.is.oneOf(['ERR_WS_FRAME', 'ERR_WS_MESSAGE_TOO_LARGE'])
    })
  })
})
