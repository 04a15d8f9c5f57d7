import assert from 'node:assert/strict'
import type { Runner } from '../runner.ts'
import type { Connection, SocketBench } from './bench.ts'
import { MessageLine } from './line.ts'
import { pattern } from './transfer-checks.ts'

const sides = [
  ['dialled', 'accepted'],
  ['accepted', 'dialled']
] as const

/** The end, in either direction. */
export function endingChecks(bench: () => SocketBench, runner: Runner, framing: 'bytes' | 'messages'): void {
  const { describe, it } = runner
  const bothClose = async ({ dialled, accepted }: Connection): Promise<void> => {
    await bench().eventually('both ends to be closed', () => dialled.closedCount > 0 && accepted.closedCount > 0)
    // Time for a second report: another connection is opened and used meanwhile.
    const meanwhile = await bench().connect()
    meanwhile.dialled.send(Buffer.from('there'))
    await bench().receives(meanwhile.accepted, Buffer.from('there'))
    meanwhile.accepted.send(Buffer.from('and back'))
    await bench().receives(meanwhile.dialled, Buffer.from('and back'))
    assert.deepEqual([dialled.closedCount, accepted.closedCount], [1, 1], 'the end must be reported exactly once')
  }
  for (const [from, to] of sides) {
    describe(`ending from the ${from} side`, () => {
      it('orderly: everything sent before arrives, then both are closed once', async () => {
        const connection = await bench().connect()
        const bytes = pattern(300_000)
        connection[from].send(bytes)
        connection[from].close()
        await bothClose(connection)
        assert.equal(connection[to].bytesAtClose, bytes.length)
        await bench().receives(connection[to], bytes)
        if (framing === 'bytes') assert.ok(connection[to].ended, 'the stream was not ended but cut')
      })
      it('by a cut: the other side notices, both are closed once', async () => {
        const connection = await bench().connect()
        connection[from].send(Buffer.from('hello'))
        await bench().receives(connection[to], Buffer.from('hello'))
        connection[from].cut()
        await bothClose(connection)
      })
      it('by a cut while it waits for room: both are closed once', async () => {
        const connection = await bench().connect()
        connection[to].pause()
        const piece = pattern(65_536)
        let sent = 0
        while (connection[from].send(piece)) assert.ok(++sent < 1024, 'there is always room')
        connection[from].cut()
        connection[to].resume()
        await bothClose(connection)
      })
      it('more than once does no harm', async () => {
        const connection = await bench().connect()
        connection[from].close()
        connection[from].close()
        await bench().eventually('the end', () => connection[from].closedCount > 0)
        connection[from].cut()
        connection[from].cut()
        connection[from].close()
        await bothClose(connection)
      })
    })
  }
  it('ends from both sides at once', async () => {
    const connection = await bench().connect()
    connection.dialled.close()
    connection.accepted.close()
    await bothClose(connection)
  })
  it('ends one socket without disturbing another', async () => {
    const [first, second] = [await bench().connect(), await bench().connect()]
    first.dialled.cut()
    await bothClose(first)
    second.dialled.send(Buffer.from('still here'))
    await bench().receives(second.accepted, Buffer.from('still here'))
  })
  if (framing === 'messages') messageChecks(bench, runner)
}

function messageChecks(bench: () => SocketBench, { describe, it }: Runner): void {
  for (const [from, to] of sides) {
    describe(`messages from the ${from} side`, () => {
      it('keep their boundaries, empty ones too', async () => {
        const connection = await bench().connect()
        const lengths = [1, 0, 125, 126, 127, 0, 65_535, 65_536, 3]
        for (const length of lengths) connection[from].send(pattern(length))
        await bench().eventually('all messages to arrive', () => connection[to].received.length >= lengths.length)
        assert.deepEqual(
          connection[to].received.map((message) => message.length),
          lengths
        )
      })
      it('may have 5 MB', async () => {
        const connection = await bench().connect()
        const bytes = pattern(5_000_000)
        connection[from].send(bytes)
        await bench().receives(connection[to], bytes)
        assert.equal(connection[to].received.length, 1)
      })
      it('stay valid after later ones arrived', async () => {
        const connection = await bench().connect()
        for (let index = 0; index < 200; index++) connection[from].send(pattern(1000, index))
        await bench().eventually('all messages to arrive', () => connection[to].received.length === 200)
        assert.ok(connection[to].received.every((message, index) => Buffer.compare(message, pattern(1000, index)) === 0))
      })
      for (const [code, reason] of [
        [1000, ''],
        [4001, 'come again'],
        [4002, 'für immer']
      ] as const) {
        it(`close with ${code} ${JSON.stringify(reason)} reaches the other side`, async () => {
          const connection = await bench().connect()
          connection[from].close(code, reason)
          const info = await bench().eventually('the end', () => connection[to].closeInfo)
          assert.deepEqual({ code: info.code, reason: info.reason }, { code, reason })
          const own = await bench().eventually('the own end', () => connection[from].closeInfo)
          assert.equal(own.code, code)
        })
      }
      it('are not sent after close', async () => {
        const connection = await bench().connect()
        connection[from].send(Buffer.from('before'))
        connection[from].close()
        assert.equal(connection[from].send(Buffer.from('after')), false)
        await bench().eventually('the end', () => connection[from].closedCount > 0 && connection[to].closedCount > 0)
        assert.equal(connection[from].send(Buffer.from('long after')), false)
        await bench().receives(connection[to], Buffer.from('before'))
      })
      it('a terminated socket reports 1006 and the given error, the other side 1006', async () => {
        const connection = await bench().connect()
        const error = new Error('no more')
        connection[from].cut(error)
        const own = await bench().eventually('the own end', () => connection[from].closeInfo)
        assert.equal(own.code, 1006)
        assert.equal(own.error, error)
        const other = await bench().eventually('the other end', () => connection[to].closeInfo)
        assert.equal(other.code, 1006)
      })
      it('closed while nobody was attached is reported at attach', async () => {
        const connection = await bench().connect(to === 'accepted' ? { acceptedReads: false } : { dialledReads: false })
        connection[from].send(Buffer.from('last words'))
        connection[from].close(4001, 'gone')
        connection[to].start()
        const info = await bench().eventually('the end', () => connection[to].closeInfo)
        assert.equal(info.code, 4001)
        await bench().receives(connection[to], Buffer.from('last words'))
      })
    })
  }
  it('agrees on a protocol and describes itself', async () => {
    const { dialled, accepted } = await bench().connect()
    assert.ok(dialled instanceof MessageLine && accepted instanceof MessageLine)
    assert.ok(['', 'conformance'].includes(dialled.socket.protocol))
    assert.equal(accepted.socket.protocol, dialled.socket.protocol)
    assert.notEqual(dialled.socket.description, '')
  })
  it('counts what is buffered, back to zero', async () => {
    const { dialled, accepted } = await bench().connect()
    assert.ok(dialled instanceof MessageLine)
    const { socket } = dialled
    assert.equal(socket.bufferedBytes, 0)
    accepted.pause()
    let sent = 0
    while (dialled.send(pattern(65_536))) assert.ok(++sent < 1024, 'there is always room')
    assert.ok(socket.bufferedBytes > 0)
    accepted.resume()
    await bench().eventually('the buffer to be empty', () => socket.bufferedBytes === 0)
  })
}
