import { getEventListeners } from 'node:events'
import { expect } from 'chai'
import type { ChannelMessage, RawPacket } from '@kithmesh/channel'
import { eventually, manualClock, recordingLogger, rejection } from '@kithmesh/testkit'
import { Pair, channelOf, hostileOf } from './support/pair.ts'

const codeOf = async (promise: Promise<unknown>): Promise<string | undefined> => ((await rejection(promise)) as { code?: string }).code

describe('messages between two channels', () => {
  let pair: Pair

  afterEach(() => {
    pair.wire.cut()
    pair.a.close()
    pair.b.close()
  })

  it('are text, bytes or JSON, as they were sent', async () => {
    pair = new Pair()
    const seen: ChannelMessage[] = []
    pair.b.setHandler('message', (message) => {
      seen.push(message)
    })
    const sent = ['Grüße ✓ <Message>', '', Buffer.from([0, 255, 1]), { a: [1, null] }, null, 7, true, ['x']]
    const all = Promise.all(sent.map((body) => pair.a.send(body)))
    pair.join()
    await all
    expect(seen.map(({ body }) => body)).to.deep.equal(sent)
    expect(seen.map(({ form }) => form)).to.deep.equal(['text', 'text', 'binary', 'json', 'json', 'json', 'json', 'json'])
    expect(new Set(seen.map(({ peerId }) => peerId))).to.deep.equal(new Set([pair.b.peerId]))
  })

  it('wait for a connection, and can be taken back until they leave', async () => {
    pair = new Pair()
    const seen: unknown[] = []
    pair.b.setHandler('message', ({ body }) => {
      seen.push(body)
    })
    const controller = new AbortController()
    const first = pair.a.send('one')
    const second = pair.a.send('two', { signal: controller.signal })
    const third = pair.a.send('three')
    controller.abort(new Error('not after all'))
    expect(((await rejection(second)) as Error).message).to.equal('not after all')
    pair.join()
    await Promise.all([first, third])
    expect(seen).to.deep.equal(['one', 'three'])
  })

  it('do not queue without end', async () => {
    pair = new Pair({ limits: { maxQueued: 3 } })
    const waiting = ['1', '2', '3'].map((body) => pair.a.send(body))
    expect(await codeOf(pair.a.send('4'))).to.equal('ERR_CHANNEL_FULL')
    const drained = pair.a.drained()
    pair.join()
    await Promise.all([...waiting, drained])
    await pair.a.send('4')
  })

  it('do not queue more bytes than it is told', async () => {
    pair = new Pair({ limits: { maxQueuedBytes: 1_000 } })
    const waiting = [600, 600].map((size) => pair.a.send(Buffer.alloc(size)))
    expect(await codeOf(pair.a.send('x'))).to.equal('ERR_CHANNEL_FULL')
    pair.join()
    await Promise.all([...waiting, pair.a.drained()])
    await pair.a.send('x')
  })

  it('have room again when what waits is taken back or given up, connected or not', async () => {
    pair = new Pair({ limits: { maxQueued: 2 } })
    const controller = new AbortController()
    const waiting = ['1', '2'].map((body) => pair.a.send(body, { signal: controller.signal }))
    const taken = pair.a.drained()
    controller.abort(new Error('not after all'))
    await Promise.all(waiting.map(rejection))
    await taken
    const given = ['3', '4'].map((body) => pair.a.send(body))
    const closed = pair.a.drained()
    pair.a.close()
    await Promise.all(given.map(rejection))
    await closed
  })

  it('are held up by a handler that takes its time, in bounds', async () => {
    pair = new Pair({}, { limits: { window: 4 } })
    let release = (): void => {}
    let handled = 0
    pair.b.setHandler('message', () => {
      handled++
      return new Promise((resolve) => {
        release = resolve
      })
    })
    pair.join()
    let delivered = 0
    for (let i = 0; i < 20; i++)
      void pair.a.send(Buffer.alloc(1000)).then(() => {
        delivered++
      })
    await eventually('the first to be handled', () => handled === 1)
    const before = pair.wire.bytes
    await eventually('the window to be full', () => pair.wire.bytes < before + 10_000)
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
    expect(delivered).to.equal(0)
    expect(pair.wire.bytes).to.be.below(8_000)
    for (let i = 1; i <= 20; i++) {
      await eventually(`number ${i}`, () => handled === i)
      release()
    }
    await eventually('all to be delivered', () => delivered === 20)
  })

  it('beyond the size that the other side takes are refused at once', async () => {
    pair = new Pair({}, { limits: { maxPacketBytes: 1000 } })
    pair.join()
    await pair.a.send('x')
    expect(await codeOf(pair.a.send('x'.repeat(1001)))).to.equal('ERR_CHANNEL_TOO_LARGE')
    await pair.a.send('x'.repeat(1000))
  })

  it('are delivered although their handler fails', async () => {
    const logger = recordingLogger()
    pair = new Pair({}, { logger })
    pair.b.setHandler('message', () => {
      throw new Error('broken')
    })
    pair.join()
    await pair.a.send('x')
    await pair.a.send('y')
    expect(logger.entries.filter(({ level }) => level === 'error')).to.have.length(2)
  })

  it('that wait when the channel is closed are rejected', async () => {
    pair = new Pair()
    const waiting = [codeOf(pair.a.send('x')), codeOf(pair.a.request('x')), codeOf(pair.a.nextMessage())]
    pair.a.close()
    expect(await Promise.all(waiting)).to.deep.equal(Array(3).fill('ERR_CHANNEL_CLOSED'))
    expect(await codeOf(pair.a.send('x'))).to.equal('ERR_CHANNEL_CLOSED')
    expect(() => pair.join())
      .to.throw()
      .with.property('code', 'ERR_CHANNEL_CLOSED')
  })

  it('can be taken one by one', async () => {
    pair = new Pair()
    pair.join()
    const next = pair.b.nextMessage()
    await pair.a.send('one')
    expect((await next).body).to.equal('one')
    const aborted = pair.b.nextMessage({ signal: AbortSignal.abort(new Error('enough')) })
    expect(((await rejection(aborted)) as Error).message).to.equal('enough')
  })

  describe('as events', () => {
    it('reach all who listen, and nobody else', async () => {
      pair = new Pair()
      pair.join()
      const seen: unknown[] = []
      const end = pair.b.on('stock', (body, { name }) => {
        seen.push([name, body])
      })
      pair.b.on('stock', () => {
        throw new Error('broken')
      })
      pair.b.on('stock', async (body) => {
        seen.push(body)
      })
      await pair.a.emit('stock', { apples: 3 })
      await pair.a.emit('prices', {})
      end()
      await pair.a.emit('stock', 4)
      expect(seen).to.deep.equal([['stock', { apples: 3 }], { apples: 3 }, 4])
    })
  })

  describe('as requests', () => {
    it('are answered', async () => {
      pair = new Pair()
      pair.join()
      pair.b.answer('sum', (body) => (body as number[]).reduce((a, b) => a + b, 0))
      pair.b.answer('nothing', () => undefined)
      pair.b.answer('bytes', async (body) => Buffer.concat([body as Buffer, Buffer.of(1)]))
      expect(await pair.a.request('sum', [1, 2, 3])).to.equal(6)
      expect(await pair.a.request('nothing')).to.equal(null)
      expect(await pair.a.request('bytes', Buffer.of(0))).to.deep.equal(Buffer.of(0, 1))
    })

    it('fail as the handler does', async () => {
      pair = new Pair()
      pair.join()
      pair.b.answer('broken', () => {
        throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
      })
      const error = (await rejection(pair.a.request('broken'))) as Error & { code: string; details: object }
      expect(error.code).to.equal('ERR_CHANNEL_REQUEST_FAILED')
      expect(error.details).to.deep.equal({ code: 'ENOENT', message: 'no such file' })
      expect(await codeOf(pair.a.request('unknown'))).to.equal('ERR_CHANNEL_REQUEST_FAILED')
    })

    it('survive the loss of the connection while they are handled', async () => {
      pair = new Pair()
      pair.join()
      let runs = 0
      let release = (): void => {}
      pair.b.answer('slow', async () => {
        runs++
        await new Promise<void>((resolve) => {
          release = resolve
        })
        return 'done'
      })
      const { signal } = new AbortController()
      const answer = pair.a.request('slow', null, { signal })
      await eventually('the request to be handled', () => runs === 1)
      pair.wire.cut()
      release()
      pair.join()
      expect(await answer).to.equal('done')
      expect(runs).to.equal(1)
      expect(getEventListeners(signal, 'abort')).to.have.length(0)
    })

    it('tell the other side when nobody waits any more', async () => {
      const clock = manualClock()
      pair = new Pair({ clock })
      const [a, b] = pair.join()
      await Promise.all([a.attachment.trusted, b.attachment.trusted])
      const aborted: unknown[] = []
      pair.b.answer('slow', async (_body, { signal }) => {
        await new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => {
            aborted.push(signal.reason)
            resolve()
          })
        })
        return 'too late'
      })
      const late = codeOf(pair.a.request('slow', null, { timeoutMs: 1000 }))
      const controller = new AbortController()
      const cancelled = rejection(pair.a.request('slow', null, { signal: controller.signal }))
      await clock.advance(1000)
      expect(await late).to.equal('ERR_CHANNEL_TIMEOUT')
      await eventually('the first to be told', () => aborted.length === 1)
      controller.abort(new Error('changed my mind'))
      expect(((await cancelled) as Error).message).to.equal('changed my mind')
      expect(getEventListeners(controller.signal, 'abort')).to.have.length(0)
      await eventually('the second to be told', () => aborted.length === 2)
      expect(pair.a.closed).to.equal(false)
    })

    it('are handled several at a time, and no more', async () => {
      pair = new Pair({}, { limits: { maxHandledRequests: 3 } })
      pair.join()
      let running = 0
      let most = 0
      pair.b.answer('x', async (body) => {
        most = Math.max(most, ++running)
        for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
        running--
        return body as number
      })
      const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => pair.a.request('x', i)))
      expect(answers).to.deep.equal(Array.from({ length: 20 }, (_, i) => i))
      expect(most).to.equal(3)
    })

    it('fail at once when as many wait for their answers as it is told', async () => {
      pair = new Pair({ limits: { maxPendingRequests: 2 } })
      pair.join()
      pair.b.answer('x', (body) => body as number)
      const answers = [1, 2].map((number) => pair.a.request('x', number))
      expect(await codeOf(pair.a.request('x', 3))).to.equal('ERR_CHANNEL_FULL')
      expect(await Promise.all(answers)).to.deep.equal([1, 2])
      expect(await pair.a.request('x', 4)).to.equal(4)
    })

    it('are not made with a time that makes no sense', () => {
      pair = new Pair()
      for (const timeoutMs of [NaN, 0, -1, Infinity]) expect(() => pair.a.request('x', null, { timeoutMs })).to.throw(TypeError)
    })

    it('of a restarted program are not answered any more, and its own are rejected', async () => {
      pair = new Pair()
      pair.join()
      const reasons: string[] = []
      pair.b.answer(
        'slow',
        (_body, { signal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => {
              reasons.push((signal.reason as { code: string }).code)
              reject(signal.reason as Error)
            })
          })
      )
      pair.a.answer('slow', () => new Promise(() => {}))
      void pair.a.request('slow').catch(() => {})
      const lost = codeOf(pair.b.request('slow'))
      await pair.a.send('x')
      await pair.b.send('x')
      pair.wire.cut()
      pair.a.close()
      pair.a = channelOf('a')
      pair.join()
      expect(await lost).to.equal('ERR_CHANNEL_PEER_RESTARTED')
      await eventually('the handler to be told', () => reasons.length === 1)
      expect(reasons).to.deep.equal(['ERR_CHANNEL_PEER_RESTARTED'])
      await pair.b.send('and on it goes')
    })

    it('whose answers are too large fail', async () => {
      pair = new Pair({ limits: { maxPacketBytes: 1000 } })
      pair.join()
      pair.b.answer('x', () => 'x'.repeat(2000))
      expect(await codeOf(pair.a.request('x'))).to.equal('ERR_CHANNEL_REQUEST_FAILED')
    })
  })

  describe('of peers that are not trusted', () => {
    const untrusted = { standing: 'prove' as const }

    it('pass as the policy says, and nothing else does', async () => {
      const raw: RawPacket[] = []
      const dropped: string[] = []
      pair = new Pair({ peerGroup: { share: () => true } })
      pair.b.onData((packet) => raw.push(packet))
      pair.b.observe({ dropped: (kind) => dropped.push(kind) })
      const [a] = pair.join({}, untrusted)
      await rejection(a.attachment.trusted)
      await pair.a.send('hello')
      expect(await codeOf(pair.a.sendIdentity({ name: 'x' }))).to.equal('ERR_CHANNEL_REFUSED')
      expect(await codeOf(pair.a.sharePeers([{ peerId: 'c'.repeat(64) }]))).to.equal('ERR_CHANNEL_REFUSED')
      // One that sends all the same.
      a.blip.request({ profile: 'kithmesh.packet', properties: { Sequence: '2', Kind: 'identity', Form: 'json' }, body: Buffer.from('{}') })
      await eventually('it to be dropped', () => dropped.length === 1)
      expect(dropped).to.deep.equal(['identity'])
      expect(raw.map(({ kind, allowed }) => [kind, allowed])).to.deep.equal([
        ['message', true],
        ['identity', false]
      ])
      expect(pair.b.identity).to.equal(undefined)
      expect(pair.b.statistics.dropped).to.equal(1)
    })

    it('do not pass when the policy says so', async () => {
      pair = new Pair({}, { policy: { allowDefaultCommunication: false } })
      const [a] = pair.join({}, untrusted)
      await rejection(a.attachment.trusted)
      expect(await codeOf(pair.a.send('hello'))).to.equal('ERR_CHANNEL_REFUSED')
    })

    it('pass all when the policy says so, although nobody is trusted for it', async () => {
      const policy = { allowEnhancedPacketExchange: true }
      pair = new Pair({ policy }, { policy })
      const [a] = pair.join(untrusted, untrusted)
      await rejection(a.attachment.trusted)
      await pair.a.sendIdentity({ name: 'x' })
      expect(pair.b.identity).to.deep.equal({ name: 'x' })
      expect(pair.b.level).to.equal('restricted')
    })

    it('are not sent what is for trusted peers only', async () => {
      pair = new Pair()
      const [a] = pair.join(untrusted, {})
      await rejection(a.attachment.trusted)
      expect(await codeOf(pair.a.sendIdentity({ name: 'x' }))).to.equal('ERR_CHANNEL_GATED')
    })

    it('are few and short', async () => {
      const clock = manualClock()
      pair = new Pair({}, { clock, limits: { restrictedBurst: 2, restrictedPerMinute: 60 } })
      const [a] = pair.join({}, untrusted)
      await rejection(a.attachment.trusted)
      expect(await codeOf(pair.a.send('x'.repeat(20_000)))).to.equal('ERR_CHANNEL_TOO_LARGE')
      let delivered = 0
      for (let i = 0; i < 4; i++) void pair.a.send('x').then(() => delivered++)
      await eventually('the burst to pass', () => delivered === 2)
      await clock.advance(1000)
      await eventually('the third', () => delivered === 3)
      await clock.advance(1000)
      await eventually('the fourth', () => delivered === 4)
    })

    it('are as long as it is told, and no longer', async () => {
      pair = new Pair({}, { limits: { restrictedPacketBytes: 100 } })
      const [a] = pair.join({}, untrusted)
      await rejection(a.attachment.trusted)
      expect(await codeOf(pair.a.send('x'.repeat(101)))).to.equal('ERR_CHANNEL_TOO_LARGE')
      await pair.a.send('x'.repeat(100))
    })

    it('pass once the peer is trusted: what waits is sent then', async () => {
      pair = new Pair({}, { policy: { runDefaultTrustProtocol: false } })
      const [a, b] = pair.join({}, untrusted)
      const sent = pair.a.sendIdentity({ name: 'x' })
      await b.attachment.hello
      await pair.a.send('is served meanwhile')
      expect(pair.b.identity).to.equal(undefined)
      pair.b.elevate()
      await sent
      expect(pair.b.identity).to.deep.equal({ name: 'x' })
      await a.attachment.trusted
    })
  })

  describe('from a hostile peer', () => {
    const packet = (properties: Record<string, string>, body = Buffer.from('x')) => ({ profile: 'kithmesh.packet', properties, body })
    const bad: Record<string, ReturnType<typeof packet>> = {
      'without a number': packet({ Kind: 'message', Form: 'text' }),
      'numbered 0': packet({ Sequence: '0', Kind: 'message', Form: 'text' }),
      'numbered beyond the window': packet({ Sequence: '66', Kind: 'message', Form: 'text' }),
      'numbered beyond all numbers': packet({ Sequence: '9007199254740993', Kind: 'message', Form: 'text' }),
      'of no kind': packet({ Sequence: '1', Kind: 'nonsense', Form: 'text' }),
      'of the kind toString': packet({ Sequence: '1', Kind: 'toString', Form: 'text' }),
      'of no form': packet({ Sequence: '1', Kind: 'message', Form: 'xml' }),
      'with a text that is cut within a character': packet(
        { Sequence: '1', Kind: 'message', Form: 'text' },
        Buffer.from('ü').subarray(0, 1)
      ),
      'with JSON that is none': packet({ Sequence: '1', Kind: 'message', Form: 'json' }, Buffer.from('{')),
      'of more than a packet may have': packet({ Sequence: '1', Kind: 'message', Form: 'binary' }, Buffer.alloc(1024 * 1024 + 1)),
      'with an endless name': packet({ Sequence: '1', Kind: 'message', Form: 'text', Role: 'event', Name: 'x'.repeat(257) }),
      'with a group that is none': packet({ Sequence: '1', Kind: 'peer-group', Form: 'json' }, Buffer.from('{"peers":[{}]}')),
      'with a group of too many': packet(
        { Sequence: '1', Kind: 'peer-group', Form: 'json' },
        Buffer.from(JSON.stringify({ peers: Array(101).fill({ peerId: 'c'.repeat(64) }) }))
      )
    }
    for (const [what, request] of Object.entries(bad))
      it(`end the connection: ${what}`, async () => {
        pair = new Pair()
        const [a, b] = pair.join()
        await Promise.all([a.attachment.trusted, b.attachment.trusted])
        a.blip.request(request)
        await eventually('the connection to end', () => b.attachment.ended)
        expect(pair.b.statistics.violations).to.equal(1)
      })

    it('that asks and asks and takes no answer are refused once too much waits for it', async () => {
      pair = new Pair({}, { limits: { maxQueued: 4, window: 32 } })
      let handled = 0
      pair.b.answer('time', () => {
        handled++
        return 'now'
      })
      const [hostile, attachment] = await hostileOf(pair, { answers: false })
      let refused = 0
      for (let number = 1; number <= 30; number++)
        hostile.request(
          packet({ Sequence: String(number), Kind: 'message', Form: 'text', Role: 'request', Name: 'time', Id: String(number) }),
          (reply) => {
            if (reply.kind === 'error' && reply.code === 429) refused++
          }
        )
      await eventually('all to be answered', () => handled + refused === 30)
      // Eight are within its window, four wait; what is handled at the same time may be a few more.
      expect(handled).to.be.within(12, 16)
      const offer = Buffer.from('{"name":"x"}')
      let code = 0
      hostile.request({ ...packet({ Sequence: '31', Kind: 'data', Form: 'json', Role: 'offer', Id: '1' }), body: offer }, (reply) => {
        code = reply.kind === 'error' ? reply.code : -1
      })
      await eventually('the offer to be answered', () => code !== 0)
      expect([code, attachment.ended]).to.deep.equal([429, false])
      expect(await codeOf(pair.b.send('x'))).to.equal('ERR_CHANNEL_FULL')
    })

    it('in more bytes than it may end the connection', async () => {
      pair = new Pair({}, { limits: { windowBytes: 1000 } })
      const [a, b] = pair.join()
      await Promise.all([a.attachment.trusted, b.attachment.trusted])
      pair.b.setHandler('message', () => new Promise(() => {}))
      for (const number of ['1', '2', '3']) a.blip.request(packet({ Sequence: number, Kind: 'message', Form: 'binary' }, Buffer.alloc(600)))
      await eventually('the connection to end', () => b.attachment.ended)
    })
  })
})

describe('the word that a peer disconnects', () => {
  let pair: Pair

  afterEach(() => {
    pair.wire.cut()
  })

  it('ends the connection, and its reason arrives', async () => {
    pair = new Pair()
    const reasons: unknown[] = []
    pair.b.onData(({ kind, body }) => reasons.push([kind, JSON.parse(body.toString())]))
    const [a, b] = pair.join()
    await Promise.all([a.attachment.trusted, b.attachment.trusted])
    pair.a.disconnect('closing time')
    await eventually('the connection to end', () => b.attachment.ended && a.attachment.ended)
    expect(reasons).to.deep.equal([['disconnect', { reason: 'closing time' }]])
    expect(pair.a.closed).to.equal(false)
  })

  it('is only ever about the one who says it', async () => {
    pair = new Pair()
    const others = new Pair()
    const [a, b] = pair.join()
    const [c] = others.join()
    await Promise.all([a.attachment.trusted, b.attachment.trusted, c.attachment.trusted])
    b.blip.request({
      profile: 'kithmesh.disconnect',
      properties: { Peer: c.channel.peerId },
      body: Buffer.from(JSON.stringify({ reason: 'x', peerId: c.channel.peerId, IP: '127.0.0.1', Port: 1 }))
    })
    await eventually('the connection to end', () => a.attachment.ended)
    expect(c.attachment.ended).to.equal(false)
    others.wire.cut()
  })

  it('can be handled otherwise', async () => {
    pair = new Pair()
    const reasons: string[] = []
    pair.b.setHandler('disconnect', (reason) => {
      reasons.push(reason)
    })
    const [a, b] = pair.join()
    await Promise.all([a.attachment.trusted, b.attachment.trusted])
    a.blip.request({ profile: 'kithmesh.disconnect', body: Buffer.from('{"reason":"line\\nbreak"}') })
    await eventually('the reason to arrive', () => reasons.length === 1)
    expect(reasons).to.deep.equal(['line break'])
    expect(b.attachment.ended).to.equal(false)
  })

  it('is dropped when the policy says so', async () => {
    pair = new Pair({}, { policy: { allowDefaultCommunication: false } })
    const [a, b] = pair.join({}, { standing: 'prove' })
    await rejection(a.attachment.trusted)
    a.blip.request({ profile: 'kithmesh.disconnect', body: Buffer.from('{}') })
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
    expect(b.attachment.ended).to.equal(false)
  })
})

describe('peers that are introduced to each other', () => {
  let pair: Pair
  const third = { peerId: 'c'.repeat(64), displayName: 'Till 3', addresses: ['wss://127.0.0.3:4984'] }
  const fourth = { peerId: 'd'.repeat(64) }

  afterEach(() => {
    pair.wire.cut()
  })

  it('are not, unless both policies say so', async () => {
    const believed: unknown[] = []
    const handlers = { peerGroup: (peers: unknown) => void believed.push(peers) }
    pair = new Pair({}, { handlers })
    pair.join()
    expect(await pair.a.sharePeers([third])).to.equal(0)
    pair.wire.cut()
    pair.a = channelOf('a', { peerGroup: { share: () => true } })
    pair.join()
    expect(await pair.a.sharePeers([third])).to.equal(1)
    expect(believed).to.deep.equal([])
  })

  it('are as far as the policies say', async () => {
    const believed: unknown[] = []
    const asked: unknown[] = []
    pair = new Pair(
      { peerGroup: { share: ({ peerId }, to) => asked.push([peerId, to]) > 0 } },
      {
        peerGroup: { introduce: (peer, from) => from === pair.b.peerId && peer.peerId === third.peerId },
        handlers: { peerGroup: (peers, from) => void believed.push([peers, from]) }
      }
    )
    pair.join()
    const itself = { peerId: pair.a.peerId }
    const ourselves = { peerId: pair.a.localPeerId }
    expect(await pair.a.sharePeers([third, fourth, third, itself, ourselves])).to.equal(2)
    expect(believed).to.deep.equal([[[third], pair.b.peerId]])
    expect(asked).to.deep.equal([
      [third.peerId, pair.a.peerId],
      [fourth.peerId, pair.a.peerId]
    ])
  })

  it('may be many', async () => {
    const believed = new Set<string>()
    pair = new Pair(
      { peerGroup: { share: () => true } },
      {
        peerGroup: { introduce: () => true },
        handlers: {
          peerGroup: (peers) => {
            for (const { peerId } of peers) believed.add(peerId)
          }
        }
      }
    )
    pair.join()
    const many = Array.from({ length: 250 }, (_, i) => ({ peerId: i.toString(16).padStart(64, '0') }))
    expect(await pair.a.sharePeers(many)).to.equal(250)
    expect(believed.size).to.equal(250)
  })

  it('are real peers', async () => {
    pair = new Pair({ peerGroup: { share: () => true } })
    expect(await rejection(pair.a.sharePeers([{ peerId: 'me' }]))).to.be.instanceOf(TypeError)
    expect(await rejection(pair.a.sharePeers([{ ...third, addresses: ['x'.repeat(513)] }]))).to.be.instanceOf(TypeError)
  })
})
