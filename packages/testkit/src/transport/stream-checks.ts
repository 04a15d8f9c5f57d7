import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { eventually } from '../eventually.ts'
import type { DeclaringRunner } from '../runner.ts'
import type { ByteLine } from '../socket-factory/line.ts'
import { pattern } from '../socket-factory/transfer-checks.ts'
import type { TransportBench } from './bench.ts'

const MEBIBYTE = 1_048_576
const sides = ['dialled', 'accepted'] as const
const across = { dialled: 'accepted', accepted: 'dialled' } as const

/** What holds for a stream in both directions of dialling. */
export function streamChecks(bench: () => TransportBench, { describe, it }: DeclaringRunner, from: 'a' | 'b', to: 'a' | 'b'): void {
  describe(`stream from ${from} to ${to}`, () => {
    it('is open and carries bytes both ways', async () => {
      const { dialled, accepted } = await bench().connect(from)
      await bench().carries(dialled, accepted, 'ping')
      await bench().carries(accepted, dialled, 'pong')
    })
    it('carries 1 MB intact', async () => {
      const { dialled, accepted } = await bench().connect(from)
      const bytes = pattern(1_000_000)
      dialled.send(bytes)
      await bench().eventually('everything to arrive', () => accepted.receivedBytes === bytes.length)
      assert.ok(Buffer.compare(Buffer.concat(accepted.received), bytes) === 0)
    })
    for (const first of sides) {
      it(`ends orderly when the ${first} side ends first`, async () => {
        const connection = await bench().connect(from)
        const other = connection[across[first]]
        connection[first].send(Buffer.from('last words'))
        connection[first].close()
        await bench().eventually('both ends to be closed', () => connection.dialled.closedCount > 0 && connection.accepted.closedCount > 0)
        assert.deepEqual([connection.dialled.closedCount, connection.accepted.closedCount], [1, 1])
        assert.equal(Buffer.concat(other.received).toString(), 'last words')
      })
      it(`is closed when the ${first} side cuts it`, async () => {
        const connection = await bench().connect(from)
        connection[first].cut()
        await bench().eventually(
          'both ends to be closed',
          () => connection.dialled.closedCount === 1 && connection.accepted.closedCount === 1
        )
      })
    }
  })
}

/** What holds for every stream. */
export function transferChecks(bench: () => TransportBench, { describe, it }: DeclaringRunner): void {
  const closed = (lines: readonly ByteLine[]): Promise<unknown> =>
    bench().eventually('both ends to be closed', () => lines.every((line) => line.closedCount > 0))

  describe('transfer', () => {
    it('is by plain byte streams, open at both ends', async () => {
      const { dialled, accepted } = await bench().connect('a')
      for (const { socket } of [dialled, accepted]) {
        assert.ok(socket instanceof Duplex || typeof (socket as Duplex).pipe === 'function', 'the stream is no Duplex')
        assert.equal(socket.readableObjectMode || socket.writableObjectMode, false)
        assert.deepEqual([socket.destroyed, socket.readable, socket.writable], [false, true, true])
      }
    })
    it('delivers bytes as buffers', async () => {
      const { dialled, accepted } = await bench().connect('a')
      dialled.send(Buffer.from('Käthe'))
      await bench().eventually('them to arrive', () => accepted.receivedBytes === 6)
      assert.ok(accepted.received.every((piece) => Buffer.isBuffer(piece)))
    })
    it('keeps every value of a byte', async () => {
      const { dialled, accepted } = await bench().connect('a')
      const bytes = Buffer.from(Array.from({ length: 256 }, (_value, index) => index))
      for (const [one, other] of [
        [dialled, accepted],
        [accepted, dialled]
      ] as const) {
        one.send(bytes)
        await bench().eventually('all to arrive', () => other.receivedBytes === 256)
        assert.ok(Buffer.concat(other.received).equals(bytes))
      }
    })
    it('keeps the order of a thousand small writes', async () => {
      const { dialled, accepted } = await bench().connect('a')
      const pieces = Array.from({ length: 1000 }, (_value, index) => pattern(1 + (index % 31), index))
      for (const piece of pieces) dialled.send(piece)
      const all = Buffer.concat(pieces)
      await bench().eventually('all to arrive', () => accepted.receivedBytes === all.length)
      assert.ok(Buffer.concat(accepted.received).equals(all))
    })
    it('goes both ways at once', async () => {
      const { dialled, accepted } = await bench().connect('a')
      const [there, back] = [pattern(500_000, 1), pattern(500_000, 2)]
      dialled.send(there)
      accepted.send(back)
      await bench().eventually('all to arrive', () => accepted.receivedBytes === there.length && dialled.receivedBytes === back.length)
      assert.ok(Buffer.concat(accepted.received).equals(there))
      assert.ok(Buffer.concat(dialled.received).equals(back))
    })
    it('does not mix several streams', async () => {
      const { resolved } = await bench().listen('b')
      const lines = await bench().settles(Promise.all(Array.from({ length: 4 }, () => bench().attempt('a', resolved))), 'attempts')
      await bench().eventually('all to be accepted', () => bench().accepted.length === 4)
      lines.forEach((line, index) => {
        for (let offset = 0; offset < 100_000; offset += 10_000) line.send(pattern(100_000, index).subarray(offset, offset + 10_000))
      })
      await bench().eventually('all to arrive', () => bench().accepted.every((line) => line.receivedBytes === 100_000))
      const arrived = new Set(bench().accepted.map((line) => Buffer.concat(line.received).toString('latin1')))
      for (let index = 0; index < 4; index++)
        assert.ok(arrived.has(pattern(100_000, index).toString('latin1')), `what stream ${index} carried is not whole`)
    })
    it('delivers what is sent in the turn in which the attempt resolves', async () => {
      const { resolved } = await bench().listen('b')
      await bench().settles(
        bench()
          .attempt('a', resolved)
          .then((line) => line.send(Buffer.from('first'))),
        'attempt'
      )
      await bench().eventually('it to arrive', () => bench().accepted[0]?.receivedBytes === 5)
    })
    it('delivers what the accepting side sends at once', async () => {
      bench().onAccepted = (line) => {
        line.start()
        line.send(Buffer.from('welcome'))
      }
      const { dialled } = await bench().connect('a')
      await bench().eventually('it to arrive', () => dialled.receivedBytes === 7)
      assert.equal(Buffer.concat(dialled.received).toString(), 'welcome')
    })
    it('keeps what came before the dialling side reads', async () => {
      bench().onAccepted = (line) => {
        line.start()
        line.send(Buffer.from('early bird'))
      }
      const { dialled } = await bench().connect('a', { dialledReads: false })
      for (let turn = 0; turn < 10; turn++) await nextTurn()
      assert.equal(dialled.receivedBytes, 0)
      dialled.start()
      await bench().eventually('it to arrive', () => Buffer.concat(dialled.received).toString() === 'early bird')
    })
    it('keeps what came before the accepting side reads', async () => {
      bench().onAccepted = () => {}
      const { dialled, accepted } = await bench().connect('a')
      dialled.send(Buffer.from('early bird'))
      for (let turn = 0; turn < 10; turn++) await nextTurn()
      assert.equal(accepted.receivedBytes, 0)
      accepted.start()
      await bench().eventually('it to arrive', () => Buffer.concat(accepted.received).toString() === 'early bird')
    })
    for (const side of sides) {
      it(`holds the ${side} side back while the other one does not read, and goes on later`, async () => {
        const connection = await bench().connect('a')
        const [writer, reader] = [connection[side], connection[across[side]]]
        reader.pause()
        const piece = pattern(65_536)
        let sent = 0
        for (let blocked = false; !blocked; ) {
          const before = writer.drainedCount
          sent++
          assert.ok(sent * piece.length <= 64 * MEBIBYTE, 'more than 64 MiB were taken although nobody reads')
          if (writer.send(piece)) continue
          blocked = await staysFull(writer, before)
        }
        const held = writer.drainedCount
        reader.resume()
        await bench().eventually('room to send', () => writer.drainedCount > held)
        await bench().eventually('everything to arrive', () => reader.receivedBytes === sent * piece.length)
      })
    }
    it('goes on beside a stream that nobody reads', async () => {
      const first = await bench().connect('a')
      first.accepted.pause()
      for (let count = 0; count < 32; count++) if (!first.dialled.send(pattern(65_536))) break
      const second = await bench().connect('a')
      await bench().carries(second.dialled, second.accepted, 'overtaking')
    })
  })

  describe('ending', () => {
    it('is no error on either side', async () => {
      const { dialled, accepted } = await bench().connect('a')
      await bench().carries(dialled, accepted, 'ping')
      dialled.close()
      await closed([dialled, accepted])
      assert.deepEqual([...dialled.errors, ...accepted.errors], [])
      assert.ok(accepted.ended, 'the other side was not told of the end')
    })
    for (const side of sides) {
      it(`delivers everything that the ${side} side sent before`, async () => {
        const connection = await bench().connect('a')
        const [writer, reader] = [connection[side], connection[across[side]]]
        const bytes = pattern(300_000)
        writer.send(bytes)
        writer.close()
        await closed([writer, reader])
        assert.ok(Buffer.concat(reader.received).equals(bytes), `${reader.receivedBytes} of ${bytes.length} bytes arrived`)
        assert.equal(reader.bytesAtClose, bytes.length)
      })
    }
    it('delivers what was on its way back when the other side ended', async () => {
      const { dialled, accepted } = await bench().connect('a')
      const bytes = pattern(200_000)
      accepted.send(bytes)
      dialled.close()
      await closed([dialled, accepted])
      assert.ok(Buffer.concat(dialled.received).equals(bytes), `${dialled.receivedBytes} of ${bytes.length} bytes arrived`)
    })
    it('from both sides at once closes both once', async () => {
      const { dialled, accepted } = await bench().connect('a')
      dialled.close()
      accepted.close()
      await closed([dialled, accepted])
      await nextTurn()
      assert.deepEqual([dialled.closedCount, accepted.closedCount], [1, 1])
    })
    it('by a cut from both sides at once closes both once', async () => {
      const { dialled, accepted } = await bench().connect('a')
      dialled.cut()
      accepted.cut()
      await closed([dialled, accepted])
      await nextTurn()
      assert.deepEqual([dialled.closedCount, accepted.closedCount], [1, 1])
    })
    it('by a cut with an error gives that error to its own side once', async () => {
      const { dialled, accepted } = await bench().connect('a')
      const error = new Error('enough')
      dialled.cut(error)
      await closed([dialled, accepted])
      assert.deepEqual(dialled.errors, [error])
    })
    it('by a cut while the other one is writing closes both', async () => {
      const { dialled, accepted } = await bench().connect('a')
      dialled.pause()
      for (let count = 0; count < 16; count++) accepted.send(pattern(65_536))
      dialled.cut()
      await closed([dialled, accepted])
    })
    it('leaves a side that writes on with an end, not a crash', async () => {
      const { dialled, accepted } = await bench().connect('a')
      accepted.cut()
      await bench().eventually('the end to be noticed', () => {
        if (dialled.closedCount === 0) dialled.socket.write('anybody there?')
        return dialled.closedCount === 1
      })
      dialled.socket.write('too late')
      await nextTurn()
      assert.equal(dialled.closedCount, 1)
    })
    it('of one stream leaves the others alone', async () => {
      const first = await bench().connect('a')
      const second = await bench().connect('a')
      const third = await bench().connect('a')
      first.dialled.cut()
      third.accepted.close()
      await closed([first.accepted, third.dialled])
      await bench().carries(second.dialled, second.accepted, 'still here')
      await bench().carries(second.accepted, second.dialled, 'me too')
    })
    it('in the turn in which the attempt resolves reaches the other machine', async () => {
      const { resolved } = await bench().listen('b')
      await bench().settles(
        bench()
          .attempt('a', resolved)
          .then((line) => {
            line.cut()
          }),
        'attempt'
      )
      await bench().settles(bench().attempt('a', resolved), 'another attempt')
      await bench().eventually('the cut stream to be gone', () => bench().open === 1)
    })
    it('of peers that come and go at once disturbs nobody', async () => {
      const { resolved } = await bench().listen('b')
      for (let round = 0; round < 5; round++) (await bench().settles(bench().attempt('a', resolved), 'attempt')).cut()
      const dialled = await bench().settles(bench().attempt('a', resolved), 'attempt')
      dialled.send(Buffer.from('survivor'))
      await bench().eventually('it to arrive', () => bench().accepted.some((line) => line.receivedBytes === 8))
      await bench().eventually('the others to be gone', () => bench().open === 1)
    })
  })
}

/** Whether the line stays without room for a while; the only outcome that fails a test is the count of bytes. */
async function staysFull(line: ByteLine, before: number): Promise<boolean> {
  try {
    await eventually('room', () => line.drainedCount > before, { withinMs: 150 })
    return false
  } catch {
    return true
  }
}
