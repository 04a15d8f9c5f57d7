import { expect } from 'chai'
import fc from 'fast-check'
import type { PeerChannel } from '@kithmesh/channel'
import { within } from '@kithmesh/testkit'
import { Pair, channelOf } from './support/pair.ts'

const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve)
  })

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn()
}

/** Numbered messages of the given sizes; the number is in the first bytes. */
function messageOf(number: number, size: number): Buffer {
  const body = Buffer.alloc(4 + size, number & 255)
  body.writeUInt32BE(number)
  return body
}

const sizes = fc.array(fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 0, max: 200 }) }, fc.integer({ min: 4_000, max: 70_000 })), {
  maxLength: 40
})

/** Collects the numbers of what arrives; every now and then slowly. */
function collect(channel: PeerChannel, slowness: readonly number[], into: number[] = []): number[] {
  channel.setHandler('message', async ({ body }) => {
    const bytes = body as Buffer
    const number = bytes.readUInt32BE()
    expect(bytes.subarray(4).every((byte) => byte === (number & 255))).to.equal(true)
    into.push(number)
    await turns(slowness.length === 0 ? 0 : slowness[number % slowness.length]!)
  })
  return into
}

describe('messages over connections that come and go', () => {
  it('arrive exactly once and in order, wherever the connections are cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          fromA: sizes,
          fromB: sizes,
          // How many frames each connection lives for, and whether the next one comes while it still lives.
          connections: fc.array(fc.record({ frames: fc.integer({ min: 1, max: 90 }), overlap: fc.boolean(), twice: fc.boolean() }), {
            maxLength: 8
          }),
          slowness: fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 5 }),
          pauses: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 5 }),
          window: fc.integer({ min: 1, max: 64 })
        }),
        async ({ fromA, fromB, connections, slowness, pauses, window }) => {
          const limits = { window, windowBytes: 100_000 }
          const pair = new Pair({ limits }, { limits })
          const [atA, atB] = [collect(pair.a, slowness), collect(pair.b, slowness)]
          const sendAll = async (channel: PeerChannel, all: readonly number[]): Promise<void> => {
            const sent: Promise<void>[] = []
            for (const [number, size] of all.entries()) {
              sent.push(channel.send(messageOf(number, size)))
              await turns(pauses.length === 0 ? 0 : pauses[number % pauses.length]!)
            }
            await Promise.all(sent)
          }
          const done = Promise.all([sendAll(pair.a, fromA), sendAll(pair.b, fromB)])
          const wires = []
          for (const { frames, overlap, twice } of connections) {
            if (twice) {
              // Both sides dialled: neither hello knows of the other connection's.
              pair.join()
              wires.push(pair.wire)
            }
            pair.join()
            wires.push(pair.wire)
            pair.wire.cutAfter = frames
            for (let i = 0; i < 200 && !pair.wire.over; i++) await turn()
            if (!overlap) pair.wire.cut()
          }
          pair.join()
          wires.push(pair.wire)
          await within(done, 30_000, 'the delivery of everything')
          for (const wire of wires) wire.cut()
          expect(atB).to.deep.equal(fromA.map((_, number) => number))
          expect(atA).to.deep.equal(fromB.map((_, number) => number))
        }
      ),
      { numRuns: 150 }
    )
  })

  it('arrive at most once when a program is restarted, and who sent them is told which may be lost', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          count: fc.integer({ min: 1, max: 60 }),
          lives: fc.array(fc.integer({ min: 1, max: 80 }), { minLength: 1, maxLength: 4 }),
          slowness: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 })
        }),
        async ({ count, lives, slowness }) => {
          const pair = new Pair()
          const seen: number[][] = []
          const outcomes = Array.from({ length: count }, (_, number) =>
            pair.a.send(messageOf(number, 300)).then(
              () => 'delivered',
              (error: { code: string }) => error.code
            )
          )
          for (const frames of lives) {
            pair.b = channelOf('b')
            seen.push(collect(pair.b, slowness))
            pair.join()
            pair.wire.cutAfter = frames
            for (let i = 0; i < 200 && !pair.wire.over; i++) await turn()
            pair.wire.cut()
            pair.b.close()
          }
          pair.b = channelOf('b')
          seen.push(collect(pair.b, slowness))
          pair.join()
          const results = await within(Promise.all(outcomes), 30_000, 'the outcome of every message')
          pair.wire.cut()
          for (const [number, result] of results.entries()) {
            const times = seen.filter((numbers) => numbers.includes(number)).length
            expect(seen.every((numbers) => new Set(numbers).size === numbers.length)).to.equal(true)
            if (result === 'delivered') expect(times).to.equal(1)
            else {
              expect(result).to.equal('ERR_CHANNEL_PEER_RESTARTED')
              expect(times).to.be.at.most(1)
            }
          }
          for (const numbers of seen) expect(numbers).to.deep.equal([...numbers].sort((a, b) => a - b))
        }
      ),
      { numRuns: 100 }
    )
  })
})
