import assert from 'node:assert/strict'
import { eventually } from '../eventually.ts'
import type { Runner } from '../runner.ts'
import type { SocketBench } from './bench.ts'
import type { Line } from './line.ts'

const MEBIBYTE = 1_048_576

/** Bytes that differ everywhere, so that a lost, doubled or swapped piece shows. */
export function pattern(length: number, seed = 0): Buffer {
  const bytes = Buffer.alloc(length)
  let state = seed + 1
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[index] = state >>> 24
  }
  return bytes
}

function* pieces(bytes: Buffer, size: number): Iterable<Buffer> {
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size)
}

/** What goes in comes out. */
export function transferChecks(bench: () => SocketBench, { describe, it }: Runner): void {
  for (const from of ['dialled', 'accepted'] as const) {
    const to = from === 'dialled' ? 'accepted' : 'dialled'
    describe(`transfer from the ${from} side`, () => {
      it('carries bytes', async () => {
        const connection = await bench().connect()
        connection[from].send(Buffer.from('hello'))
        await bench().receives(connection[to], Buffer.from('hello'))
      })
      it('carries 1,000 messages in order', async () => {
        const connection = await bench().connect()
        const messages = Array.from({ length: 1000 }, (_value, index) => pattern(1 + (index % 97), index))
        await bench().sendAll(connection[from], messages)
        await bench().receives(connection[to], Buffer.concat(messages))
      })
      it('carries 5 MB intact', async () => {
        const connection = await bench().connect()
        const bytes = pattern(5_000_000)
        await bench().sendAll(connection[from], pieces(bytes, 65_536))
        await bench().receives(connection[to], bytes)
      })
      it('is held back by a reader that pauses, and goes on when it resumes', async () => {
        const connection = await bench().connect()
        connection[to].pause()
        const piece = pattern(65_536)
        let sent = 0
        for (let blocked = false; !blocked; ) {
          const before = connection[from].drainedCount
          sent++
          assert.ok(sent * piece.length <= 64 * MEBIBYTE, 'more than 64 MiB were taken although nobody reads')
          if (connection[from].send(piece)) continue
          blocked = await drainsNot(connection[from], before)
        }
        const held = connection[from].drainedCount
        connection[to].resume()
        await bench().eventually('room to send', () => connection[from].drainedCount > held)
        await bench().eventually('everything to arrive', () => connection[to].receivedBytes === sent * piece.length)
      })
      it('is held back by a reader that has not begun, and delivers to it later', async () => {
        const connection = await bench().connect(to === 'accepted' ? { acceptedReads: false } : { dialledReads: false })
        connection[from].send(Buffer.from('early '))
        connection[from].send(Buffer.from('bird'))
        const other = await bench().connect()
        other.dialled.send(Buffer.from('meanwhile'))
        await bench().receives(other.accepted, Buffer.from('meanwhile'))
        assert.equal(connection[to].receivedBytes, 0)
        connection[to].start()
        await bench().receives(connection[to], Buffer.from('early bird'))
      })
    })
  }
  it('carries both directions at once', async () => {
    const { dialled, accepted } = await bench().connect()
    const [there, back] = [pattern(1_000_000, 1), pattern(1_000_000, 2)]
    await Promise.all([bench().sendAll(dialled, pieces(there, 10_000)), bench().sendAll(accepted, pieces(back, 30_000))])
    await bench().receives(accepted, there)
    await bench().receives(dialled, back)
  })
  it('does not mix 20 parallel sockets', async () => {
    const connections = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const listener = await bench().listen()
        const dialled = await bench().settles(bench().open(listener), 'open')
        dialled.start()
        return dialled
      })
    )
    await bench().eventually('all to be accepted', () => bench().accepted.length === 20)
    await Promise.all(connections.map((dialled, index) => bench().sendAll(dialled, pieces(pattern(50_000, index), 1000))))
    await bench().eventually('everything to arrive', () => bench().accepted.every((accepted) => accepted.receivedBytes === 50_000))
    const arrived = new Set(bench().accepted.map((accepted) => Buffer.concat(accepted.received).toString('latin1')))
    for (let index = 0; index < 20; index++)
      assert.ok(arrived.has(pattern(50_000, index).toString('latin1')), `what socket ${index} sent did not arrive whole`)
  })
}

/** Whether the line stays without room for a while; the only outcome that fails a test is the count of bytes. */
async function drainsNot(line: Line, before: number): Promise<boolean> {
  try {
    await eventually('room', () => line.drainedCount > before, { withinMs: 250 })
    return false
  } catch {
    return true
  }
}
