import { expect } from 'chai'
import fc from 'fast-check'
import { eventually } from '@kithmesh/testkit'
import { createBlipConnection } from '../dist/connection.js'
import type { BlipPeer, Reply } from '../dist/contracts.js'
import { MORE_COMING } from '../dist/frame.js'
import { FrameDecoder } from '../dist/frame-decoder.js'
import { type MemorySocket, memorySocketPair } from '@kithmesh/testkit/memory'

interface Exchange {
  readonly fromA: boolean
  readonly requestBytes: number
  readonly replyBytes: number
  readonly urgent: boolean
  readonly compress: boolean
  readonly streamRequest: boolean
  readonly streamReply: boolean
  readonly slowReader: boolean
  /** Turns of the event loop before it is asked. */
  readonly delay: number
}

const size = fc.oneof(fc.nat(600), fc.nat(20_000), fc.nat(300_000))
const exchange: fc.Arbitrary<Exchange> = fc.record({
  fromA: fc.boolean(),
  requestBytes: size,
  replyBytes: size,
  urgent: fc.boolean(),
  compress: fc.boolean(),
  streamRequest: fc.boolean(),
  streamReply: fc.boolean(),
  slowReader: fc.boolean(),
  delay: fc.nat(20)
})

/** Half of it compresses well, half hardly. */
function bodyOf(bytes: number, seed: number): Buffer {
  const body = Buffer.alloc(bytes, `body ${seed} `)
  for (let i = 0, state = seed + 1; i < bytes; i += 2) {
    state = (state * 48_271) % 2_147_483_647
    if ((i & 4096) !== 0) body[i] = state & 255
  }
  return body
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++)
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
}

async function* pieces(body: Buffer): AsyncGenerator<Uint8Array> {
  for (let i = 0, step = 1; i < body.length; i += step, step = (step * 7) % 30_011) {
    if (step % 3 === 0) await turns(1)
    yield body.subarray(i, i + step)
  }
}

function answerWith(peer: BlipPeer, exchanges: readonly Exchange[]): void {
  peer.handle('exchange', (request) => {
    const index = Number(request.properties.index)
    const { requestBytes, replyBytes, streamReply, compress } = exchanges[index]!
    expect(request.body.equals(bodyOf(requestBytes, index))).to.equal(true)
    const body = bodyOf(replyBytes, index + 1000)
    const reply = { properties: { index: String(index) }, body: streamReply ? pieces(body) : body, compress }
    if (index % 3 === 0)
      setImmediate(() => {
        request.respond(reply)
      })
    else request.respond(reply)
  })
}

/** How request numbers begin on the wire, and how many messages were under way at once. */
function watch(socket: MemorySocket): { firsts: number[]; mostOpen: () => number } {
  const decoder = new FrameDecoder()
  const firsts: number[] = []
  const open = new Set<number>()
  let mostOpen = 0
  socket.tamper = (message) => {
    const { type, number, flags } = decoder.decode(Buffer.from(message))
    if (type === 0) {
      if (number > (firsts.at(-1) ?? 0)) firsts.push(number)
      if ((flags & MORE_COMING) !== 0) open.add(number)
      else open.delete(number)
      mostOpen = Math.max(mostOpen, open.size)
    }
    return message
  }
  return { firsts, mostOpen: () => mostOpen }
}

describe('two connections talking to each other', () => {
  it('deliver everything whatever the sizes, urgencies and speeds, within bounded memory', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(exchange, { minLength: 1, maxLength: 40, size: 'max' }), fc.boolean(), async (exchanges, tight) => {
        const sockets = memorySocketPair({ highWater: tight ? 10_000 : 65_536 })
        const watched = sockets.map(watch)
        const options = { maxConcurrentRequests: tight ? 5 : 1000, compressFromBytes: 200 }
        const a = createBlipConnection(sockets[0], options)
        const b = createBlipConnection(sockets[1], options)
        let ended: unknown
        a.onClosed((info) => {
          ended = info
        })
        answerWith(a, exchanges)
        answerWith(b, exchanges)
        let answered = 0
        const problems: string[] = []
        for (const [
          index,
          { fromA, requestBytes, replyBytes, urgent, compress, streamRequest, slowReader, delay }
        ] of exchanges.entries()) {
          const body = bodyOf(requestBytes, index)
          const received: Buffer[] = []
          const onReply = (reply: Reply): void => {
            answered++
            const got = reply.kind !== 'ok' ? undefined : slowReader ? Buffer.concat(received) : reply.body
            if (got?.equals(bodyOf(replyBytes, index + 1000)) !== true)
              problems.push(`${index}: ${reply.kind} with ${got?.length} of ${replyBytes} bytes`)
          }
          const request = {
            profile: 'exchange',
            properties: { index: String(index) },
            body: streamRequest ? pieces(body) : body,
            urgent,
            compress
          }
          await turns(delay)
          ;(fromA ? a : b).request(
            request,
            onReply,
            slowReader
              ? {
                  onBody: async (piece) => {
                    received.push(piece)
                    await turns(2)
                  }
                }
              : {}
          )
        }
        await eventually('all answers', () => answered === exchanges.length || ended !== undefined)
        expect(ended).to.equal(undefined)
        expect(problems).to.deep.equal([])
        for (const [i, socket] of sockets.entries()) {
          expect(socket.maxBufferedBytes).to.be.below((tight ? 10_000 : 65_536) + 16_384 + 1)
          const { firsts } = watched[i]!
          expect(firsts).to.deep.equal(firsts.map((_, k) => k + 1))
        }
        expect(a.unansweredRequests + b.unansweredRequests).to.equal(0)
        a.close()
        await eventually('the end of the connection', () => ended !== undefined)
      }),
      { numRuns: 60 }
    )
  })

  it('multiplex: small urgent requests are answered while a large body is under way', async () => {
    const sockets = memorySocketPair()
    const { mostOpen } = watch(sockets[0])
    const a = createBlipConnection(sockets[0])
    const b = createBlipConnection(sockets[1])
    const order: string[] = []
    b.handle('bulk', (request) => {
      request.respond()
    })
    for (let i = 0; i < 3; i++)
      a.request({ profile: 'bulk', body: Buffer.alloc(5_000_000) }, () => {
        order.push('bulk')
      })
    await turns(5)
    for (let i = 0; i < 5; i++) {
      await new Promise<void>((resolve) => {
        a.request({ profile: 'PING', urgent: true }, () => {
          order.push('ping')
          resolve()
        })
      })
    }
    await eventually('eight messages', () => order.length === 8)
    expect(order).to.deep.equal([...Array.from({ length: 5 }, () => 'ping'), 'bulk', 'bulk', 'bulk'])
    expect(mostOpen()).to.equal(3)
  })

  it('hold only a window of a large streamed reply', async () => {
    const sockets = memorySocketPair()
    const a = createBlipConnection(sockets[0])
    const b = createBlipConnection(sockets[1])
    const total = 30_000_000
    let produced = 0
    b.handle('blob', (request) => {
      request.respond({
        body: (async function* () {
          while (produced < total) {
            produced += 50_000
            yield Buffer.alloc(50_000, produced / 50_000)
          }
        })()
      })
    })
    let taken = 0
    let mostAhead = 0
    let wrong = 0
    await new Promise<void>((resolve) => {
      a.request(
        { profile: 'blob' },
        () => {
          resolve()
        },
        {
          onBody: async (piece) => {
            if (piece[0] !== ((Math.floor(taken / 50_000) + 1) & 255)) wrong++
            taken += piece.length
            mostAhead = Math.max(mostAhead, produced - taken)
            await turns(1)
          }
        }
      )
    })
    expect(taken).to.equal(total)
    expect(wrong).to.equal(0)
    // The window, a frame beyond it, and two pieces at the source.
    expect(mostAhead).to.be.below(128_000 + 16_384 + 100_000 + 50_000)
  })
})
