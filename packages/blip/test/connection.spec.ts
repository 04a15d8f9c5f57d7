import { expect } from 'chai'
import { errorCode } from '@kithmesh/core'
import { eventually } from '@kithmesh/testkit'
import { createBlipConnection } from '../dist/connection.js'
import type { BodyReader, IncomingRequest, Reply, RequestOptions } from '../dist/contracts.js'
import { pakoZlib } from '../dist/deflate.js'
import { COMPRESSED, MORE_COMING, NO_REPLY, URGENT } from '../dist/frame.js'
import { block, RawPeer } from './raw-peer.ts'
import { recordingLogger } from '@kithmesh/testkit'
import { type MemorySocket, memorySocketPair } from '@kithmesh/testkit/memory'

const rev = block('Profile', 'rev')

function pair(options: Parameters<typeof createBlipConnection>[1] = {}): {
  a: ReturnType<typeof createBlipConnection>
  b: ReturnType<typeof createBlipConnection>
  sockets: [MemorySocket, MemorySocket]
} {
  const sockets = memorySocketPair()
  return { a: createBlipConnection(sockets[0], options), b: createBlipConnection(sockets[1], options), sockets }
}

async function ask(
  peer: ReturnType<typeof createBlipConnection>,
  request: Parameters<typeof peer.request>[0],
  options?: Parameters<typeof peer.request>[2]
): Promise<Reply> {
  return await new Promise((resolve) => {
    peer.request(request, resolve, options)
  })
}

describe('requests and replies (blip.md §5)', () => {
  it('carry profile, properties and body there and back', async () => {
    const { a, b } = pair()
    let seen: IncomingRequest | undefined
    b.handle('rev', (request) => {
      seen = request
      request.respond({ properties: { ok: 'Ωäö', n: '1' }, body: Buffer.from('fine') })
    })
    const reply = await ask(a, { profile: 'rev', properties: { id: 'doc-1', key: '' }, body: Buffer.from('{"x":1}'), urgent: true })
    expect(seen).to.include({ number: 1, profile: 'rev', noReply: false, urgent: true })
    expect({ ...seen?.properties }).to.deep.equal({ Profile: 'rev', id: 'doc-1', key: '' })
    expect(seen?.body.toString()).to.equal('{"x":1}')
    expect(reply.kind).to.equal('ok')
    if (reply.kind !== 'ok') return
    expect({ ...reply.properties }).to.deep.equal({ ok: 'Ωäö', n: '1' })
    expect(reply.body.toString()).to.equal('fine')
  })

  it('match by number, in whatever order they are answered', async () => {
    const { a, b } = pair()
    const requests: IncomingRequest[] = []
    b.handle('q', (request) => {
      requests.push(request)
    })
    const replies = Promise.all([1, 2, 3, 4].map(async (n) => await ask(a, { profile: 'q', body: Buffer.from([n]) })))
    await eventually('four requests', () => requests.length === 4)
    expect(a.unansweredRequests).to.equal(4)
    for (const i of [2, 0, 3, 1]) requests[i]!.respond({ body: Buffer.from([requests[i]!.body[0]! * 10]) })
    expect((await replies).map((reply) => (reply.kind === 'ok' ? reply.body[0] : reply))).to.deep.equal([10, 20, 30, 40])
    expect(a.unansweredRequests).to.equal(0)
  })

  it('do not come from inside the call, not even when the connection has ended', async () => {
    const { a } = pair()
    a.close()
    let inside = true
    const reply = new Promise<Reply>((resolve) => {
      a.request({ profile: 'late' }, (value) => {
        expect(inside).to.equal(false)
        resolve(value)
      })
    })
    inside = false
    expect(await reply).to.deep.equal({ kind: 'disconnected' })
  })

  it('carry errors with domain, code and text; the text is kept short', async () => {
    const { a, b } = pair()
    b.handle('q', (request) => {
      request.respondError('HTTP', 404, 'missing')
    })
    b.handle('long', (request) => {
      request.respondError('LiteCore', -5, 'x'.repeat(200_000))
    })
    expect(await ask(a, { profile: 'q' })).to.deep.equal({ kind: 'error', domain: 'HTTP', code: 404, message: 'missing' })
    const long = await ask(a, { profile: 'long' })
    expect(long).to.include({ kind: 'error', domain: 'LiteCore', code: -5 })
    expect(long.kind === 'error' && long.message.length).to.equal(1024)
  })

  it('default domain and code of errors that name none', async () => {
    const peer = new RawPeer()
    const replies: Reply[] = []
    for (let i = 0; i < 3; i++)
      peer.connection.request({ profile: 'q' }, (reply) => {
        replies.push(reply)
      })
    await peer.frame(2)
    peer.send(1, 2, '')
    peer.send(2, 2, block('Error-Code', 'nonsense'), 'text')
    peer.send(3, 2, block('Error-Domain', 'HTTP', 'Error-Code', '503'))
    await eventually('three replies', () => replies.length === 3)
    expect(replies).to.deep.equal([
      { kind: 'error', domain: 'BLIP', code: 0, message: '' },
      { kind: 'error', domain: 'BLIP', code: 0, message: 'text' },
      { kind: 'error', domain: 'HTTP', code: 503, message: '' }
    ])
  })

  it('404 without a handler, 501 when the handler throws or rejects, empty for PING', async () => {
    const { a, b } = pair()
    b.handle('throws', () => {
      throw new Error('broken')
    })
    b.handle('rejects', (async () => {
      throw new Error('broken later')
    }) as () => void)
    b.handle('nul', (request) => {
      request.respond({ properties: { bad: '\0' } })
    })
    expect(await ask(a, { profile: 'nobody' })).to.deep.equal({
      kind: 'error',
      domain: 'BLIP',
      code: 404,
      message: 'No handler for BLIP request'
    })
    expect(await ask(a, { profile: 'throws' })).to.deep.equal({ kind: 'error', domain: 'BLIP', code: 501, message: 'broken' })
    expect(await ask(a, { profile: 'rejects' })).to.deep.equal({ kind: 'error', domain: 'BLIP', code: 501, message: 'broken later' })
    expect(await ask(a, { profile: 'nul' })).to.include({ kind: 'error', code: 501 })
    expect(await ask(a, { profile: 'PING' })).to.include({ kind: 'ok' })
  })

  it('go to a handler that was registered after others of its profile had come', async () => {
    const { a, b } = pair()
    b.handle('early', (request) => {
      request.respond()
    })
    expect(await ask(a, { profile: 'late' })).to.include({ kind: 'error', code: 404 })
    b.handle('late', (request) => {
      request.respond({ body: Buffer.from('here now') })
    })
    const reply = await ask(a, { profile: 'late' })
    expect(reply.kind === 'ok' && reply.body.toString()).to.equal('here now')
    expect(await ask(a, { profile: 'early' })).to.include({ kind: 'ok' })
  })

  it('have one handler: a second one is refused and the first stays', async () => {
    const { a, b } = pair()
    b.handle('mine', (request) => {
      request.respond({ body: Buffer.from('first') })
    })
    expect(() => {
      b.handle('mine', () => {})
    }).to.throw(TypeError, /"mine" has a handler already/)
    const reply = await ask(a, { profile: 'mine' })
    expect(reply.kind === 'ok' && reply.body.toString()).to.equal('first')
  })

  it('are written as the worked bytes say', async () => {
    const peer = new RawPeer()
    peer.connectionSocket.recording = true
    peer.connection.handle('getCheckpoint', (request) => {
      request.respondError('HTTP', 404, 'missing')
    })
    peer.send(1, 0, block('Profile', 'getCheckpoint', 'client', 'cp-x'))
    await peer.frame(0)
    expect(peer.connectionSocket.sent[0]!.toString('hex')).to.equal(
      '0102214572726f722d446f6d61696e0048545450004572726f722d436f646500343034006d697373696e679210debc'
    )
    const other = new RawPeer()
    other.connectionSocket.recording = true
    other.connection.request({ profile: 'getCheckpoint', properties: { client: 'cp-x' } }, () => {})
    other.connection.request({ profile: 'changes', body: Buffer.from('[]'), urgent: true, noReply: true })
    await other.frame(1)
    expect(other.connectionSocket.sent.map((bytes) => bytes.toString('hex'))).to.deep.equal([
      '01002250726f66696c6500676574436865636b706f696e7400636c69656e740063702d7800c42c8916',
      '02301050726f66696c65006368616e676573005b5d92d05aaf'
    ])
  })

  it('are given once; a second answer, and one to a no-reply request, is ignored', async () => {
    const peer = new RawPeer()
    peer.connection.handle('rev', (request) => {
      request.respond({ body: Buffer.from('one') })
      request.respond({ body: Buffer.from('two') })
      request.respondError('HTTP', 500, 'three')
    })
    peer.connection.handle('silent', (request) => {
      request.respond()
      throw new Error('also silent')
    })
    peer.send(1, 0, rev)
    peer.send(2, NO_REPLY, block('Profile', 'silent'))
    peer.send(3, NO_REPLY, block('Profile', 'nobody'))
    peer.send(4, 0, rev)
    await peer.frame(1)
    await peer.settle()
    expect(peer.frames.map(({ number, type }) => [number, type])).to.deep.equal([
      [1, 1],
      [4, 1]
    ])
  })

  it('inherit urgency unless the answer says otherwise', async () => {
    const peer = new RawPeer()
    peer.connection.handle('rev', (request) => {
      request.respond(request.number === 2 ? { urgent: false } : {})
    })
    peer.send(1, URGENT, rev)
    peer.send(2, URGENT, rev)
    peer.send(3, 0, rev)
    peer.send(4, URGENT, block('Profile', 'nobody'))
    await peer.frame(3)
    expect(peer.frames.map(({ flags }) => flags)).to.have.members([1 | URGENT, 1, 1, 2 | URGENT])
  })

  it('say in the log what failed through the program itself', async () => {
    const logger = recordingLogger()
    const peer = new RawPeer({ logger })
    const error = new Error('broken')
    peer.connection.handle('rev', () => {
      throw error
    })
    peer.send(1, 0, rev)
    await peer.frame(0)
    expect(logger.entries).to.deep.equal([
      { level: 'error', name: 'test', message: 'A request handler failed', fields: { profile: 'rev', error } }
    ])
  })

  it('keep the connection when the receiver of a reply throws', async () => {
    const { a, b } = pair()
    b.handle('q', (request) => {
      request.respond()
    })
    a.request({ profile: 'q' }, () => {
      throw new Error('mine')
    })
    expect(await ask(a, { profile: 'q' })).to.include({ kind: 'ok' })
  })

  it('throw at once for properties that cannot be sent', () => {
    const { a } = pair()
    expect(() => {
      a.request({ profile: 'a\0' })
    }).to.throw(TypeError)
    expect(a.unansweredRequests).to.equal(0)
  })

  it('carry properties of 100 KiB over several frames', async () => {
    const { a, b } = pair()
    b.handle('q', (request) => {
      request.respond({ properties: { back: request.properties.long! }, body: request.body, compress: true })
    })
    const long = 'aé'.repeat(33_000)
    for (const compress of [false, true]) {
      const reply = await ask(a, { profile: 'q', properties: { long }, body: Buffer.alloc(20_000, 7), compress, urgent: compress })
      expect(reply.kind === 'ok' && reply.properties.back === long && reply.body.equals(Buffer.alloc(20_000, 7))).to.equal(true)
    }
  })
})

describe('compression', () => {
  async function flagsOf(
    options: ConstructorParameters<typeof RawPeer>[0],
    compress: boolean,
    body: Buffer
  ): Promise<{ flags: number; total: number }> {
    const peer = new RawPeer(options)
    peer.connectionSocket.recording = true
    peer.connection.request({ profile: 'q', body, compress, noReply: true })
    await peer.settle()
    return { flags: peer.frames[0]!.flags & COMPRESSED, total: peer.connectionSocket.sent.reduce((sum, bytes) => sum + bytes.length, 0) }
  }

  it('follows the wish of the message, the level and the size', async () => {
    const text = Buffer.alloc(3000, 'text ')
    expect((await flagsOf({}, true, text)).flags).to.equal(COMPRESSED)
    expect((await flagsOf({ zlib: pakoZlib }, true, text)).flags).to.equal(COMPRESSED)
    expect((await flagsOf({}, false, text)).flags).to.equal(0)
    expect((await flagsOf({ compressionLevel: 0 }, true, text)).flags).to.equal(0)
    expect((await flagsOf({}, true, text.subarray(0, 1023))).flags).to.equal(0)
    expect((await flagsOf({ compressFromBytes: 100 }, true, text.subarray(0, 100))).flags).to.equal(COMPRESSED)
    expect((await flagsOf({}, true, text)).total).to.be.below(200)
    expect(() => new RawPeer({ compressionLevel: 10 })).to.throw(TypeError)
  })

  it('gives up within a message that does not compress', async () => {
    const peer = new RawPeer()
    let state = 1
    const noise = Buffer.from(Array.from({ length: 60_000 }, () => (state = (state * 48_271) % 2_147_483_647) & 255))
    peer.connection.request({ profile: 'q', body: noise, compress: true, noReply: true })
    await peer.settle()
    expect(peer.frames.map(({ flags }) => flags & COMPRESSED)).to.deep.equal([COMPRESSED, 0, 0, 0])
  })
})

describe('scheduling (blip.md §8, §10)', () => {
  it('numbers requests in the order of their first frames, and alternates between messages', async () => {
    const peer = new RawPeer()
    for (const [name, size] of [
      ['one', 40_000],
      ['two', 10],
      ['three', 20_000]
    ] as const)
      peer.connection.request({ profile: name, body: Buffer.alloc(size) }, () => {})
    await peer.frame(5)
    await peer.settle()
    expect(peer.frames.map(({ number, flags }) => [number, flags & MORE_COMING])).to.deep.equal([
      [1, 64],
      [2, 0],
      [3, 64],
      [1, 64],
      [3, 0],
      [1, 0]
    ])
    expect(peer.frames[1]!.content.toString()).to.contain('two')
  })

  it('keeps frames within 16 KiB, and within 4 KiB where an urgent message waits', async () => {
    const peer = new RawPeer()
    peer.connectionSocket.recording = true
    peer.connection.request({ profile: 'bulk', body: Buffer.alloc(100_000) }, () => {})
    peer.connection.request({ profile: 'quick', body: Buffer.alloc(100_000), urgent: true }, () => {})
    await peer.settle()
    const sizes = { bulk: [] as number[], quick: [] as number[] }
    peer.frames.forEach(({ number }, i) => {
      sizes[number === 1 ? 'bulk' : 'quick'].push(peer.connectionSocket.sent[i]!.length)
    })
    expect(sizes.bulk[0]).to.be.within(4000, 4096)
    expect(Math.max(...sizes.quick)).to.be.within(16_200, 16_384)
    expect(Math.max(...sizes.bulk)).to.be.within(16_200, 16_384)
    // While both have something to send they take turns.
    expect(peer.frames.slice(0, 6).map(({ number }) => number)).to.deep.equal([1, 2, 1, 2, 1, 2])
  })

  it('puts an urgent answer behind the current message, and normal traffic is not starved', async () => {
    const peer = new RawPeer()
    peer.connection.handle('slow', (request) => {
      request.respond({ body: Buffer.alloc(100_000), urgent: false })
    })
    peer.connection.handle('fast', (request) => {
      request.respond({ body: Buffer.alloc(50_000), urgent: true })
    })
    for (let i = 1; i <= 3; i++) peer.send(i, 0, block('Profile', 'slow'))
    peer.send(4, URGENT, block('Profile', 'fast'))
    await peer.settle()
    const order = peer.frames.map(({ number }) => number).join('')
    const lastUrgent = order.lastIndexOf('4')
    expect(order.indexOf('4')).to.be.at.most(2)
    expect(order.slice(order.indexOf('4'), lastUrgent + 1)).to.match(/^4([123]4)+$/)
  })

  it('alternates several urgent messages with normal ones', async () => {
    const peer = new RawPeer()
    const urgent = new Set([4, 5, 6])
    for (let i = 1; i <= 3; i++) peer.connection.request({ profile: 'normal', body: Buffer.alloc(60_000) }, () => {})
    for (let i = 4; i <= 6; i++) peer.connection.request({ profile: 'urgent', body: Buffer.alloc(60_000), urgent: true }, () => {})
    await peer.settle()
    const kinds = peer.frames.map(({ number }) => (urgent.has(number) ? 'u' : 'n')).join('')
    // From when the last one has begun until the first urgent one has ended.
    const from = peer.frames.findIndex(({ number }) => number === 6)
    const to = peer.frames.findIndex(({ number, flags }) => urgent.has(number) && (flags & MORE_COMING) === 0)
    expect(to - from).to.be.above(3)
    expect(kinds.slice(from, to + 1)).to.match(/^u(nu)+n?$/)
  })

  it('never lets a new request overtake a new request', async () => {
    const peer = new RawPeer()
    for (let i = 0; i < 5; i++) peer.connection.request({ profile: `normal-${i}` }, () => {})
    peer.connection.request({ profile: 'urgent', urgent: true }, () => {})
    await peer.frame(5)
    expect(peer.frames.map(({ number }) => number)).to.deep.equal([1, 2, 3, 4, 5, 6])
    expect(peer.frames[5]!.content.toString()).to.contain('urgent')
  })

  it('encodes nothing further while the socket is full', async () => {
    const peer = new RawPeer()
    peer.socket.pause()
    for (let i = 0; i < 100; i++) peer.connection.request({ profile: 'q', body: Buffer.alloc(10_000) }, () => {})
    await peer.settle()
    expect(peer.connectionSocket.bufferedBytes).to.be.within(65_536, 65_536 + 16_384)
    peer.socket.resume()
    await peer.frame(99)
    expect(peer.connectionSocket.maxBufferedBytes).to.be.below(65_536 + 16_384)
  })
})

describe('flow control (blip.md §9)', () => {
  it('pauses a message with 128 000 unacknowledged bytes, others carry on', async () => {
    const peer = new RawPeer()
    peer.connection.request({ profile: 'big', body: Buffer.alloc(400_000) }, () => {})
    await peer.settle()
    const frames = peer.frames.length
    expect(frames).to.equal(8)
    peer.connection.request({ profile: 'small' }, () => {})
    await peer.settle()
    expect(peer.frames[frames]).to.include({ number: 2 })
    expect(peer.frames).to.have.length(frames + 1)
    peer.ack(1, 5, 50_000)
    peer.ack(1, 4, 1_000_000)
    await peer.settle()
    expect(peer.frames).to.have.length(frames + 1)
    peer.ack(1, 4, 65_000)
    await peer.settle()
    expect(peer.frames.length).to.be.within(frames + 5, frames + 6)
    for (let acked = 130_000; acked < 400_000; acked += 60_000) {
      peer.ack(1, 4, acked)
      await peer.settle()
    }
    expect(peer.frames.at(-1)).to.include({ number: 1, flags: 0 })
  })

  it('acknowledges after 50 000 bytes, requests and responses, counted on the wire', async () => {
    const peer = new RawPeer()
    peer.connection.handle('rev', (request) => {
      request.respond()
    })
    peer.connection.request({ profile: 'get' }, () => {})
    await peer.frame(0)
    for (const [type, ack] of [
      [0, 4],
      [1, 5]
    ] as const) {
      const from = peer.frames.length
      const head = type === 0 ? rev : ''
      let total = 0
      const expected: number[] = []
      for (let i = 0; i < 10; i++) {
        const frame = peer.encoder.encode(1, type | MORE_COMING, i === 0 ? head : undefined, Buffer.alloc(16_000))
        total += frame.length - 2
        if (i % 4 === 3) expected.push(total)
        peer.raw(frame)
      }
      peer.send(1, type, undefined, 'end')
      await peer.settle()
      const acks = peer.frames.slice(from).filter((frame) => frame.type === ack)
      expect(acks.map((frame) => frame.ackBytes)).to.deep.equal(expected)
      expect(acks.every((frame) => frame.number === 1 && frame.flags === (ack | URGENT | NO_REPLY))).to.equal(true)
    }
  })

  it('sends acknowledgements before anything else', async () => {
    const peer = new RawPeer()
    peer.socket.pause()
    for (let i = 0; i < 30; i++) peer.connection.request({ profile: 'q', body: Buffer.alloc(10_000) }, () => {})
    await peer.settle()
    for (let i = 0; i < 4; i++) peer.send(1, MORE_COMING, i === 0 ? rev : undefined, Buffer.alloc(16_000))
    await peer.settle()
    peer.socket.resume()
    await peer.settle()
    const types = peer.frames.map(({ type }) => type)
    expect(types.indexOf(4)).to.be.within(5, 9)
  })

  it('pulls streamed bodies only as they can be sent', async () => {
    const peer = new RawPeer()
    let pulled = 0
    let ended = 0
    async function* pieces(): AsyncGenerator<Uint8Array> {
      try {
        for (let i = 0; i < 100; i++) {
          pulled++
          yield Buffer.alloc(10_000, i)
        }
      } finally {
        ended++
      }
    }
    peer.connection.request({ profile: 'stream', body: pieces() }, () => {})
    await peer.settle()
    expect(pulled).to.be.within(13, 16)
    for (let acked = 50_000; ended === 0; acked += 50_000) {
      peer.ack(1, 4, acked)
      await peer.settle()
      expect(acked).to.be.below(1_100_000)
    }
    await peer.settle()
    const body = Buffer.concat(peer.frames.map(({ content }) => content)).subarray(16)
    expect(body.length).to.equal(1_000_000)
    expect([0, 1, 57, 99].map((i) => body[i * 10_000])).to.deep.equal([0, 1, 57, 99])
    expect(peer.frames.at(-1)!.flags & MORE_COMING).to.equal(0)
    expect(peer.frames.at(-1)!.content.length).to.be.above(0)
  })

  it('sends streamed bodies that are empty, or have empty pieces', async () => {
    const { a, b } = pair()
    b.handle('q', (request) => {
      request.respond({
        body: (async function* () {
          yield* [Buffer.alloc(0), request.body, Buffer.alloc(0)]
        })(),
        compress: true
      })
    })
    for (const body of ['', 'text']) {
      const reply = await ask(a, {
        profile: 'q',
        body: (async function* () {
          if (body !== '') yield Buffer.from(body)
        })()
      })
      expect(reply.kind === 'ok' && reply.body.toString()).to.equal(body)
    }
  })

  it('delays the acknowledgement of streamed replies until a piece is taken', async () => {
    const peer = new RawPeer()
    const taken: number[] = []
    const release: (() => void)[] = []
    let reply: Reply | undefined
    peer.connection.request(
      { profile: 'blob' },
      (value) => {
        reply = value
      },
      {
        onBody: async (piece) => {
          taken.push(piece.length)
          await new Promise<void>((resolve) => {
            release.push(resolve)
          })
        }
      }
    )
    await peer.frame(0)
    for (let i = 0; i < 7; i++) peer.send(1, i === 6 ? 1 : 1 | MORE_COMING, i === 0 ? '' : undefined, Buffer.alloc(16_000))
    await peer.settle()
    expect(taken).to.deep.equal([16_000])
    expect(peer.frames).to.have.length(1)
    for (let i = 0; i < 7; i++) {
      await eventually(`part ${i}`, () => release.length > i)
      expect(reply).to.equal(undefined)
      release[i]!()
    }
    await eventually('the reply', () => reply !== undefined)
    expect(taken).to.have.length(7)
    expect(reply?.kind === 'ok' && reply.body.length).to.equal(0)
  })

  it('releases the messages of which nothing is kept, and no others', async () => {
    const released: number[] = []
    const ask = (peer: RawPeer, options: RequestOptions): void => {
      Object.assign(peer.connectionSocket, {
        release: (message: Uint8Array) => {
          released.push(message.length)
        }
      })
      peer.connection.request({ profile: 'blob' }, () => {}, options)
    }
    const answer = async (options: RequestOptions, flags = 0): Promise<number> => {
      const peer = new RawPeer()
      ask(peer, options)
      await peer.frame(0)
      released.length = 0
      for (let n = 0; n < 5; n++) peer.send(1, (n === 4 ? 1 : 1 | MORE_COMING) | flags, n === 0 ? '' : undefined, Buffer.alloc(10_000, n))
      await peer.settle()
      peer.connection.close()
      return released.length
    }
    expect(await answer({ onBody: () => {}, releasesPieces: true })).to.equal(5)
    expect(await answer({ onBody: () => {} }), 'pieces are the receiver’s').to.equal(0)
    expect(await answer({}), 'a body that is collected').to.equal(0)
    expect(await answer({ onBody: () => Promise.resolve(), releasesPieces: true }), 'pieces that are being stored').to.equal(0)
    expect(await answer({}, COMPRESSED), 'what was inflated').to.equal(5)
    expect(await answer({ maxBodyBytes: 1 }), 'what is thrown away').to.equal(5)
  })

  it('ends a request whose body receiver fails, with an error and without harm', async () => {
    for (const onBody of [
      () => {
        throw new Error('disk full')
      },
      async () => {
        throw new Error('disk full')
      }
    ]) {
      const { a, b } = pair()
      b.handle('blob', (request) => {
        request.respond({ body: Buffer.alloc(500_000) })
      })
      expect(await ask(a, { profile: 'blob' }, { onBody })).to.deep.equal({
        kind: 'error',
        domain: 'BLIP',
        code: 501,
        message: 'The reply could not be taken: disk full'
      })
      expect(await ask(a, { profile: 'PING' })).to.include({ kind: 'ok' })
    }
  })

  it('gives error replies whole although the body was to be streamed', async () => {
    const { a, b } = pair()
    b.handle('blob', (request) => {
      request.respondError('HTTP', 404, 'gone')
    })
    const pieces: Buffer[] = []
    expect(
      await ask(
        a,
        { profile: 'blob' },
        {
          onBody: (piece) => {
            pieces.push(piece)
          }
        }
      )
    ).to.include({ kind: 'error', code: 404, message: 'gone' })
    expect(pieces).to.have.length(0)
  })

  it('holds acknowledgements back when much is buffered, one message at a time goes on', async () => {
    const peer = new RawPeer({ maxBufferedBytes: 1_000_000 })
    const done: number[] = []
    peer.connection.handle('rev', (request) => {
      done.push(request.number)
      request.respond()
    })
    const acked = [0, 0, 0, 0]
    const total = 400_000
    const sent = [0, 0, 0, 0]
    for (let i = 0; i < 4; i++) peer.send(i + 1, MORE_COMING, rev)
    for (let round = 0; round < 200 && done.length < 4; round++) {
      for (let i = 0; i < 4; i++) {
        while (sent[i]! < total && sent[i]! - acked[i]! < 110_000) {
          const last = sent[i]! + 16_000 >= total
          peer.send(i + 1, last ? 0 : MORE_COMING, undefined, Buffer.alloc(16_000))
          sent[i]! += 16_000
        }
      }
      await peer.settle()
      for (const frame of peer.frames) if (frame.type === 4) acked[frame.number - 1] = Math.max(acked[frame.number - 1]!, frame.ackBytes)
      if (round === 3) expect(sent.filter((bytes) => bytes >= total).length).to.be.below(2)
    }
    expect(done.toSorted()).to.deep.equal([1, 2, 3, 4])
    expect(peer.closed).to.equal(undefined)
  })
})

describe('bodies that break off', () => {
  async function* breaking(pieces: number): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < pieces; i++) yield Buffer.alloc(30_000)
    throw new Error('disk error')
  }

  it('answer 501 before the first frame, either way', async () => {
    const { a, b } = pair()
    b.handle('q', (request) => {
      request.respond({ body: breaking(0) })
    })
    expect(await ask(a, { profile: 'q' })).to.include({ kind: 'error', domain: 'BLIP', code: 501 })
    expect(await ask(a, { profile: 'q', body: breaking(0) })).to.include({ kind: 'error', domain: 'BLIP', code: 501 })
    a.request({ profile: 'q', body: breaking(0), noReply: true })
    a.request(
      {
        profile: 'q',
        body: (async function* () {
          yield 'no bytes' as unknown as Uint8Array
        })()
      },
      () => {}
    )
    expect(await ask(a, { profile: 'PING' })).to.include({ kind: 'ok' })
    await eventually('the request to be answered', () => a.unansweredRequests === 0)
  })

  it('close the connection when half of it is out', async () => {
    const { a, b } = pair()
    b.handle('q', (request) => {
      request.respond()
    })
    let error: unknown
    a.onClosed((info) => {
      error = info.error
    })
    expect(await ask(a, { profile: 'q', body: breaking(3) })).to.deep.equal({ kind: 'disconnected' })
    await eventually('the error', () => error !== undefined)
    expect(errorCode(error)).to.equal('ERR_BLIP_BODY')
  })
})

describe('bodies that are read as their frames are written', () => {
  function reader(body: Buffer, failAt = Infinity): { asBody: BodyReader; closed: () => number; read: () => number } {
    let closed = 0
    let read = 0
    return {
      asBody: {
        length: body.length,
        read: (target, offset, length, position) => {
          expect(closed).to.equal(0)
          expect(position).to.equal(read)
          if (position + length > failAt) throw new Error('disk error')
          target.set(body.subarray(position, position + length), offset)
          read += length
        },
        close: () => {
          closed++
        }
      },
      closed: () => closed,
      read: () => read
    }
  }
  const content = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7 + (i >> 8)) % 251))

  for (const compress of [false, true]) {
    it(`arrive whole${compress ? ', compressed' : ''}, beside others, and are closed once`, async () => {
      const { a, b } = pair()
      const bodies = [content, content.subarray(0, 1), Buffer.alloc(0)].map((body) => reader(body))
      b.handle('q', (request) => {
        request.respond({ body: bodies[Number(request.body.toString())]!.asBody, compress })
      })
      const replies = await Promise.all(['0', '1', '2'].map(async (which) => await ask(a, { profile: 'q', body: Buffer.from(which) })))
      expect(replies.map((reply) => reply.kind === 'ok' && reply.body.length)).to.deep.equal([300_000, 1, 0])
      expect(replies[0]?.kind === 'ok' && replies[0].body.equals(content)).to.equal(true)
      expect(bodies.map(({ closed }) => closed())).to.deep.equal([1, 1, 1])
    })
  }
  it('are read no further than the other side acknowledges', async () => {
    const peer = new RawPeer()
    const body = reader(content)
    peer.connection.handle('q', (request) => {
      request.respond({ body: body.asBody })
    })
    peer.send(1, 0, block('Profile', 'q'), '')
    await peer.settle()
    expect(body.read()).to.be.within(128_000, 150_000)
    expect(body.closed()).to.equal(0)
    peer.connection.close()
    await eventually('the body to be closed', () => body.closed() === 1)
  })
  it('answer 501 when they fail before the first frame, and disturb nothing else', async () => {
    const { a, b } = pair()
    const body = reader(content, 0)
    b.handle('q', (request) => {
      request.respond({ body: body.asBody })
    })
    expect(await ask(a, { profile: 'q' })).to.include({ kind: 'error', domain: 'BLIP', code: 501 })
    expect(await ask(a, { profile: 'PING' })).to.include({ kind: 'ok' })
    expect(body.closed()).to.equal(1)
  })
  it('close the connection when they fail half-way', async () => {
    const { a, b } = pair()
    const body = reader(content, 100_000)
    b.handle('q', (request) => {
      request.respond({ body: body.asBody })
    })
    let error: unknown
    b.onClosed((info) => {
      error = info.error
    })
    expect(await ask(a, { profile: 'q' })).to.deep.equal({ kind: 'disconnected' })
    await eventually('the error', () => error !== undefined)
    expect([errorCode(error), body.closed()]).to.deep.equal(['ERR_BLIP_BODY', 1])
  })
  it('are closed when nobody waits for them any more', async () => {
    const { a, b } = pair()
    const body = reader(content)
    let late: IncomingRequest | undefined
    b.handle('q', (request) => {
      late = request
    })
    const reply = ask(a, { profile: 'q' })
    await eventually('the late answer', () => late !== undefined)
    b.close()
    await reply
    late?.respond({ body: body.asBody })
    expect([body.read(), body.closed()]).to.deep.equal([0, 1])
  })
})

describe('many requests at once (blip.md §13)', () => {
  it('hands over only as many as allowed, in order, and stops reading', async () => {
    const peer = new RawPeer({ maxConcurrentRequests: 3 })
    const active: IncomingRequest[] = []
    const seen: number[] = []
    peer.connection.handle('rev', (request) => {
      active.push(request)
      seen.push(request.number)
    })
    for (let i = 1; i <= 50; i++) peer.send(i, 0, rev, 'x')
    await peer.settle()
    expect(seen).to.deep.equal([1, 2, 3])
    expect(peer.connectionSocket.paused).to.equal(true)
    while (seen.length < 50) {
      active.shift()!.respond()
      const before = seen.length
      await eventually('the next request', () => seen.length > before)
    }
    expect(seen).to.deep.equal(Array.from({ length: 50 }, (_, i) => i + 1))
    for (const request of active) request.respond()
    await eventually('fifty answers', () => peer.frames.length === 50)
    expect(peer.connectionSocket.paused).to.equal(false)
  })

  it('keeps the order when an answer and the next request arrive together', async () => {
    const peer = new RawPeer({ maxConcurrentRequests: 1 })
    const seen: number[] = []
    peer.connection.handle('rev', (request) => {
      seen.push(request.number)
      if (request.number === 1)
        peer.connection.request({ profile: 'getAttachment' }, () => {
          request.respond()
        })
      else request.respond()
    })
    peer.send(1, 0, rev)
    await peer.frame(0)
    // Another answer is awaited all the time, so that reading never stops.
    peer.connection.request({ profile: 'other' }, () => {})
    await peer.frame(1)
    peer.send(2, 0, rev)
    peer.send(1, 1, '')
    peer.send(3, 0, rev)
    await peer.frame(4)
    expect(seen).to.deep.equal([1, 2, 3])
  })

  it('reads on while an answer is awaited, for the handlers may need it', async () => {
    const peer = new RawPeer({ maxConcurrentRequests: 1 })
    peer.connection.handle('rev', (request) => {
      peer.connection.request({ profile: 'getAttachment' }, () => {
        request.respond()
      })
    })
    peer.send(1, 0, rev)
    peer.send(2, 0, rev)
    await peer.frame(0)
    expect(peer.connectionSocket.paused).to.equal(false)
    peer.send(1, 1, '')
    await peer.frame(2)
    peer.send(2, 1, '')
    await peer.frame(3)
    expect(peer.frames.map(({ number, type }) => [number, type])).to.deep.equal([
      [1, 0],
      [1, 1],
      [2, 0],
      [2, 1]
    ])
  })

  it('does not pile up answers for a peer that only asks', async () => {
    const peer = new RawPeer({ maxConcurrentRequests: 20 })
    let handled = 0
    peer.connection.handle('rev', (request) => {
      handled++
      request.respond({ body: Buffer.alloc(10_000) })
    })
    peer.socket.pause()
    for (let i = 1; i <= 200; i++) peer.send(i, 0, rev)
    await peer.settle()
    expect(handled).to.be.within(20, 30)
    expect(peer.connectionSocket.paused).to.equal(true)
    peer.socket.resume()
    await peer.frame(199)
    expect(handled).to.equal(200)
  })

  it('reads on while answers wait for acknowledgements', async () => {
    const peer = new RawPeer({ maxConcurrentRequests: 2 })
    peer.connection.handle('rev', (request) => {
      request.respond({ body: Buffer.alloc(200_000) })
    })
    for (let i = 1; i <= 5; i++) peer.send(i, 0, rev)
    await peer.settle()
    expect(peer.connectionSocket.paused).to.equal(false)
    for (let i = 1; i <= 5; i++) {
      peer.ack(i, 5, 120_000)
      await peer.settle()
    }
    expect(
      peer.frames
        .filter(({ flags }) => (flags & MORE_COMING) === 0)
        .map(({ number }) => number)
        .toSorted()
    ).to.deep.equal([1, 2, 3, 4, 5])
  })

  it('resumes reading when a paused connection asks something', async () => {
    const peer = new RawPeer({ maxConcurrentRequests: 1 })
    const held: IncomingRequest[] = []
    peer.connection.handle('rev', (request) => {
      held.push(request)
    })
    for (let i = 1; i <= 3; i++) peer.send(i, 0, rev)
    await peer.settle()
    expect(peer.connectionSocket.paused).to.equal(true)
    let answered = false
    peer.connection.request({ profile: 'q' }, () => {
      answered = true
    })
    expect(peer.connectionSocket.paused).to.equal(false)
    await peer.frame(0)
    peer.send(1, 1, '')
    await eventually('the answer', () => answered)
    expect(peer.connectionSocket.paused).to.equal(true)
  })
})

describe('the end of a connection (blip.md §11)', () => {
  it('completes everything waiting as disconnected, exactly once, before onClosed', async () => {
    const { a, b, sockets } = pair()
    b.handle('never', () => {})
    const events: string[] = []
    let returned = 0
    const endless = {
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false, value: Buffer.alloc(50_000) }),
        return: async () => {
          returned++
          return { done: true as const, value: undefined }
        }
      })
    }
    for (let i = 0; i < 3; i++)
      a.request({ profile: 'never' }, (reply) => {
        events.push(reply.kind)
      })
    a.request({ profile: 'never', body: endless }, (reply) => {
      events.push(reply.kind)
    })
    a.onClosed((info) => {
      events.push(`closed ${info.code}`)
    })
    a.onClosed(() => {
      throw new Error('a bad listener')
    })
    await eventually('four unanswered requests', () => sockets[1].bufferedBytes === 0 && a.unansweredRequests === 4)
    sockets[1].terminate(new Error('cable'))
    await eventually('the end of all four and of the connection', () => events.length === 5)
    expect(events).to.deep.equal(['disconnected', 'disconnected', 'disconnected', 'disconnected', 'closed 1006'])
    expect(a.unansweredRequests).to.equal(0)
    await eventually('the handler to return', () => returned === 1)
    let late: number | undefined
    a.onClosed((info) => {
      late = info.code
    })
    expect(late).to.equal(undefined)
    await eventually('the late listener to be told', () => late === 1006)
  })

  it('sends what was queued before a close, and drops answers after it', async () => {
    const { a, b } = pair()
    const got: string[] = []
    const held: IncomingRequest[] = []
    b.handle('q', (request) => {
      got.push(request.body.toString())
      held.push(request)
    })
    let reply: Reply | undefined
    a.request({ profile: 'q', body: Buffer.from('last words') }, (value) => {
      reply = value
    })
    a.close(4001, 'back soon')
    a.close(1000)
    let info: unknown
    b.onClosed((value) => {
      info = value
    })
    await eventually('the end and the reply', () => info !== undefined && reply !== undefined)
    expect(got).to.deep.equal(['last words'])
    expect(info).to.deep.equal({ code: 4001, reason: 'back soon' })
    expect(reply).to.deep.equal({ kind: 'disconnected' })
    held[0]!.respond()
    held[0]!.respondError('HTTP', 500)
  })

  it('cuts a long reason to 123 bytes without splitting a character', async () => {
    const { a, b } = pair()
    let reason = ''
    b.onClosed((info) => {
      reason = info.reason
    })
    a.close(4002, 'é'.repeat(100))
    await eventually('the reason', () => reason !== '')
    expect(reason).to.equal('é'.repeat(61))
  })
})
