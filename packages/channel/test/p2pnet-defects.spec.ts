import { expect } from 'chai'
import type { ChannelMessage } from '@kithmesh/channel'
import { eventually, rejection } from '@kithmesh/testkit'
import { ID_A, Pair } from './support/pair.ts'

/** The weak points of the channel that seed 003 describes (p2pnet.md §2, §3, §7), each as what happens here instead. */
describe('what went wrong in P2PNet', () => {
  let pair: Pair

  beforeEach(() => {
    pair = new Pair()
  })

  afterEach(() => {
    pair.wire.cut()
  })

  function collect(): ChannelMessage[] {
    const seen: ChannelMessage[] = []
    pair.b.setHandler('message', (message) => {
      seen.push(message)
    })
    return seen
  }

  it('tags: a text that looks like packets is a text', async () => {
    const seen = collect()
    const text = 'x</Message><Disconnect>{"IP":"127.0.0.1"}</Disconnect><Message>{"Message":"y"}'
    const [, b] = pair.join()
    await pair.a.send(text)
    expect(seen.map(({ body }) => body)).to.deep.equal([text])
    expect(b.attachment.ended).to.equal(false)
  })

  it('two messages in one read: none is lost', async () => {
    const seen = collect()
    pair.join()
    const all = Array.from({ length: 500 }, (_, i) => `message ${i}`)
    await Promise.all(all.map((text) => pair.a.send(text)))
    expect(seen.map(({ body }) => body)).to.deep.equal(all)
  })

  it('characters of several bytes: none is cut, wherever frames end', async () => {
    const seen = collect()
    pair.join()
    const texts = Array.from({ length: 8 }, (_, i) => 'a'.repeat(i) + '€😀'.repeat(10_000))
    await Promise.all(texts.map((text) => pair.a.send(text)))
    expect(seen.map(({ body }) => body)).to.deep.equal(texts)
  })

  it('ten messages a second: a thousand do not take a minute', async () => {
    const seen = collect()
    pair.join()
    for (let i = 0; i < 1000; i++) await pair.a.send({ i })
    expect(seen).to.have.length(1000)
  })

  it('a file as base64 in one packet: it is its own bytes, in pieces', async () => {
    const size = 4_000_000
    pair.b.setHandler('data', (offer) => {
      offer.accept({
        write: (bytes) => {
          expect(bytes.length).to.be.at.most(262_144)
        }
      })
    })
    pair.join()
    await pair.a.sendStream([Buffer.alloc(size, 1)], { size }).finished
    expect(pair.wire.bytes).to.be.below(size * 1.02)
  })

  it('three pings make nobody trusted', async () => {
    collect()
    const [a] = pair.join({}, { standing: 'prove' })
    await rejection(a.attachment.trusted)
    for (let i = 0; i < 10; i++) await pair.a.send(`Ping from ${i}`)
    expect(pair.b.level).to.equal('restricted')
  })

  it('enhanced packet exchange makes nobody trusted either', async () => {
    const policy = { allowEnhancedPacketExchange: true }
    pair = new Pair({ policy }, { policy })
    const [a] = pair.join({}, { standing: 'prove' })
    await rejection(a.attachment.trusted)
    await pair.a.sendIdentity({ name: 'x' })
    expect([pair.b.level, pair.b.mutual]).to.deep.equal(['restricted', false])
    expect(a.attachment.control('x', {})).to.equal(true)
    await eventually('the control message to be dropped', () => pair.b.statistics.droppedControls === 1)
  })

  it('an identity names nobody else, and makes nobody dial', async () => {
    pair.join()
    await pair.a.sendIdentity({ peerId: 'c'.repeat(64), IP: '192.168.1.1', Data: 22, Message: 'discovery' })
    expect(pair.b.peerId).to.equal(ID_A)
    expect(pair.b.identity).to.deep.include({ Data: 22 })
  })

  it('a peer that went comes back: nobody is known for ever', async () => {
    for (let i = 0; i < 3; i++) {
      const [a, b] = pair.join()
      await Promise.all([a.attachment.trusted, b.attachment.trusted])
      await pair.a.send('here I am')
      pair.a.disconnect('bye')
      await eventually('the connection to end', () => b.attachment.ended)
    }
  })

  it('what was sent while the connection broke is not lost', async () => {
    const seen = collect()
    pair.join()
    await pair.a.send(0)
    const sent = [1, 2, 3].map((body) => pair.a.send(body))
    pair.wire.cut()
    pair.join()
    await Promise.all(sent)
    expect(seen.map(({ body }) => body)).to.deep.equal([0, 1, 2, 3])
  })

  it('defaults that were replaced with empty handlers do nothing, while the raw listener sees all', async () => {
    const seen: string[] = []
    const handlers = { message: () => {}, identity: () => {}, peerGroup: () => {}, data: () => {}, disconnect: () => {} }
    pair = new Pair({ peerGroup: { share: () => true } }, { handlers })
    const [a, b] = pair.join()
    pair.b.onData(({ kind, role }) => seen.push(role === '' ? kind : `${kind} ${role}`))
    await Promise.all([a.attachment.trusted, b.attachment.trusted])
    await pair.a.send('x')
    await pair.a.emit('x')
    await pair.a.sendIdentity({})
    await pair.a.sharePeers([{ peerId: 'c'.repeat(64) }])
    pair.a.sendStream([]).cancel()
    pair.a.sendStream([])
    await eventually('the offer', () => seen.includes('data offer'))
    a.blip.request({ profile: 'kithmesh.disconnect', body: Buffer.from('{"reason":"x"}') })
    await eventually('the end', () => seen.includes('disconnect'))
    expect(seen.slice(0, 4)).to.deep.equal(['message', 'message event', 'identity', 'peer-group'])
    expect(b.attachment.ended).to.equal(false)
  })
})
