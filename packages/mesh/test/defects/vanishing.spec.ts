import { Duplex } from 'node:stream'
import { expect } from 'chai'
import type { ByteSocket, TransportFactory } from '@kithmesh/core'
import { direct } from '@kithmesh/transport-direct'
import { eventually, fastClock } from '@kithmesh/testkit'
import { type TestPeer, World, converged } from '../world.ts'

// | row | here | and |
// |---|---|---|
// | 15 a peer that vanishes stops the others | cut at any byte, one end or the other | tests/e2e/kill, tests/sim (30 % vanish), one-link.spec.ts (without a word) |
// | 16 one connection per collection | one for all collections | replicator: session.spec.ts |
// | 20 feature × feature | options.spec.ts (filters, ids, directions × who dials) | tests/e2e/replication-matrix |

/** Direct connections that are counted, and cut after so many bytes have come in over them. */
function counted(cutAfter: () => number | undefined): { factory: TransportFactory; readonly streams: ByteSocket[] } {
  const streams: ByteSocket[] = []
  const factory = direct({ host: '127.0.0.1' })
  return {
    streams,
    factory: {
      ...factory,
      create(context) {
        const strategy = factory.create(context)
        return {
          ...strategy,
          attempt: async (target, options) => {
            const stream = await strategy.attempt(target, options)
            streams.push(stream)
            const limit = cutAfter()
            return limit === undefined ? stream : cutting(stream, limit)
          }
        }
      }
    }
  }
}

/**
 * The stream, until so many bytes have come in. A stream of its own, as TLS takes those of sockets from below, where nobody sees them.
 */
function cutting(stream: ByteSocket, limit: number): ByteSocket {
  let bytes = 0
  const outer = new Duplex({
    read: () => stream.resume(),
    write: (chunk: Buffer, _encoding, done) => {
      stream.write(chunk, done)
    },
    final: (done) => stream.end(done),
    destroy: (error, done) => {
      stream.destroy()
      done(error)
    }
  })
  stream.pause()
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes >= limit) outer.destroy()
    else if (!outer.push(chunk)) stream.pause()
  })
  stream.on('end', () => outer.push(null))
  stream.on('error', () => {})
  stream.on('close', () => outer.destroy())
  return outer
}

describe('a connection (peers.md §2 rows 15 and 16)', () => {
  let world: World
  beforeEach(() => {
    world = new World()
  })
  afterEach(async () => {
    await world.end()
  })

  it('that is cut at any byte stops nobody, and everybody has everything in the end (row 15)', async () => {
    // From the first bytes of the TLS handshake to the middle of replication.
    const limits = [1, 300, 1000, 1500, 2000, 2600, 3000, 3500, 4200, 5000, 7000, 12_000]
    let next = 0
    const net = counted(() => limits[next++])
    const clock = fastClock(10)
    const peers = await Promise.all(['one', 'two', 'three'].map((name) => world.peer(name, { clock, transports: [net.factory] })))
    for (const { name, database } of peers)
      for (let n = 0; n < 30; n++) database.collection().put(`${name}-${n}`, { text: 'x'.repeat(200) })
    await Promise.all(peers.map(({ mesh }) => mesh.start()))
    await converged(peers, 90, 30_000)
    expect(next).to.be.greaterThan(3)
  })

  it('is one for all collections of a device (row 16)', async () => {
    const net = counted(() => undefined)
    const peers = await Promise.all(['left', 'right'].map((name) => world.peer(name, { transports: [net.factory] })))
    const names = Array.from({ length: 6 }, (_, index) => `c${index}`)
    for (const { database, name } of peers as TestPeer[])
      for (const collection of names) database.collection(collection, undefined, { create: true }).put(name, {})
    await Promise.all(peers.map(({ mesh }) => mesh.start()))
    await converged(peers, 0)
    for (const name of names)
      await eventually(`${name} of both at both`, () =>
        peers.every(({ database }) => [...database.collection(name).changes()].length === 2)
      )
    expect(net.streams).to.have.length(1)
  })
})
