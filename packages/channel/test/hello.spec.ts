import { expect } from 'chai'
import { createPeerChannel } from '@kithmesh/channel'
import { eventually, manualClock, rejection } from '@kithmesh/testkit'
import { ID_A, ID_B, Pair, bindingOf, channelOf } from './support/pair.ts'
import { Wire } from './support/wire.ts'

const codeOf = async (promise: Promise<unknown>): Promise<string | undefined> => ((await rejection(promise)) as { code?: string }).code

describe('the hello of a channel', () => {
  let pair: Pair

  beforeEach(() => {
    pair = new Pair()
  })

  afterEach(() => {
    pair.wire.cut()
  })

  it('tells each side what the program of the other said', async () => {
    const [a, b] = pair.join({ hello: { name: 'Till 3', collections: ['a'] } }, { hello: { name: 'Grüße ✓' } })
    expect(await a.attachment.hello).to.deep.include({ version: 1, continued: false, hello: { name: 'Grüße ✓' } })
    expect(await b.attachment.hello).to.deep.include({ hello: { name: 'Till 3', collections: ['a'] } })
    await Promise.all([a.attachment.trusted, b.attachment.trusted])
    expect(a.channel.connected && b.channel.connected).to.equal(true)
    expect(a.channel.mutual && b.channel.mutual).to.equal(true)
  })

  it('says on the next connection that both know each other still', async () => {
    const [a, b] = pair.join()
    const first = await a.attachment.hello
    await b.attachment.hello
    pair.wire.cut()
    const [again, other] = pair.join()
    expect(await again.attachment.hello).to.deep.include({ continued: true, session: (first as { session: string }).session })
    expect(await other.attachment.hello).to.deep.include({ continued: true })
  })

  it('tells a restarted peer apart', async () => {
    const [a, b] = pair.join()
    await Promise.all([a.attachment.hello, b.attachment.hello])
    pair.wire.cut()
    pair.b = channelOf('b')
    const [again, restarted] = pair.join()
    expect(await again.attachment.hello).to.deep.include({ continued: false })
    expect(await restarted.attachment.hello).to.deep.include({ continued: false })
  })

  it('finds out that a peer knows no channels, and lets its certificate decide', async () => {
    const wire = new Wire()
    const [blip] = wire.open()
    const attachment = channelOf('a').attach({ blip, role: 'initiator', binding: bindingOf('x'), standing: 'trusted' })
    expect(await attachment.hello).to.equal('foreign')
    await attachment.trusted
    expect(attachment.control('x', {})).to.equal(false)
    wire.cut()
  })

  it('does not trust a foreign peer that would have to prove itself', async () => {
    const wire = new Wire()
    const [blip] = wire.open()
    const attachment = channelOf('a').attach({ blip, role: 'initiator', binding: bindingOf('x'), standing: 'prove' })
    expect(await attachment.hello).to.equal('foreign')
    expect(await codeOf(attachment.trusted)).to.equal('ERR_CHANNEL_FOREIGN')
    wire.cut()
  })

  for (const [title, limits, ms] of [
    ['ten seconds', {}, 10_000],
    ['it is told', { helloWithinMs: 700 }, 700]
  ] as const)
    it(`does not wait longer than ${title}`, async () => {
      const clock = manualClock()
      const wire = new Wire()
      const [blip, silent] = wire.open()
      silent.handle('kithmesh.hello', () => {})
      const channel = createPeerChannel({ localPeerId: ID_A, peerId: ID_B, clock, limits })
      const attachment = channel.attach({ blip, role: 'initiator', binding: bindingOf('x'), standing: 'trusted' })
      const hello = codeOf(attachment.hello)
      await clock.advance(ms - 1)
      expect(attachment.ended).to.equal(false)
      await clock.advance(1)
      expect(await hello).to.equal('ERR_CHANNEL_TIMEOUT')
      expect(await codeOf(attachment.trusted)).to.equal('ERR_CHANNEL_TIMEOUT')
      wire.cut()
      expect(clock.pending).to.equal(0)
    })

  it('says so when the connection ends first', async () => {
    const [a, b] = pair.join()
    pair.wire.cut()
    for (const { attachment } of [a, b]) {
      expect(await codeOf(attachment.hello)).to.equal('ERR_CHANNEL_DISCONNECTED')
      expect(await codeOf(attachment.trusted)).to.equal('ERR_CHANNEL_DISCONNECTED')
      expect(attachment.ended).to.equal(true)
    }
  })

  const whole = {
    version: 1,
    session: '0'.repeat(32),
    received: 0,
    proof: false,
    protocols: [],
    window: 8,
    windowBytes: 1024,
    maxPacketBytes: 64,
    hello: {}
  }
  const bad: Record<string, string> = {
    'no JSON': '{',
    'no object': '[]',
    'no UTF-8': '\u00ff',
    'nothing in it': '{}',
    'a session that is none': JSON.stringify({ ...whole, session: '../../etc' }),
    'a session in capitals': JSON.stringify({ ...whole, session: 'A'.repeat(32) }),
    'a negative count': JSON.stringify({ ...whole, received: -1 }),
    'a broken count': JSON.stringify({ ...whole, received: 1.5 }),
    'an endless count': JSON.stringify({ ...whole, received: 1e300 }),
    'too many protocols': JSON.stringify({ ...whole, protocols: Array(17).fill('x') }),
    'a nameless protocol': JSON.stringify({ ...whole, protocols: [''] }),
    'a text for the program': JSON.stringify({ ...whole, hello: 'me' }),
    'too much of it': JSON.stringify({ ...whole, hello: { x: 'x'.repeat(17_000) } })
  }
  for (const [what, text] of Object.entries(bad))
    it(`refuses a hello with ${what}, and closes the connection`, async () => {
      const wire = new Wire()
      const [blip, hostile] = wire.open()
      hostile.handle('kithmesh.hello', (request) => {
        request.respond()
      })
      const channel = channelOf('a')
      const violations: Error[] = []
      channel.observe({ violated: (error) => violations.push(error) })
      const attachment = channel.attach({ blip, role: 'initiator', binding: bindingOf('x'), standing: 'trusted' })
      hostile.request({ profile: 'kithmesh.hello', body: Buffer.from(text, what === 'no UTF-8' ? 'latin1' : 'utf8') })
      expect(await codeOf(attachment.hello)).to.equal('ERR_CHANNEL_PROTOCOL')
      await eventually('the connection to end', () => attachment.ended)
      expect(channel.statistics.violations).to.equal(1)
      expect(violations).to.have.length(1)
    })

  it('takes no second hello', async () => {
    const wire = new Wire()
    const [blip, hostile] = wire.open()
    hostile.handle('kithmesh.hello', (request) => {
      request.respond()
    })
    const channel = channelOf('a')
    const attachment = channel.attach({ blip, role: 'initiator', binding: bindingOf('x'), standing: 'trusted' })
    const hello = { profile: 'kithmesh.hello', body: Buffer.from(JSON.stringify(whole)) }
    hostile.request(hello)
    hostile.request(hello)
    await eventually('the connection to end', () => attachment.ended)
    expect(channel.statistics.violations).to.equal(1)
  })

  it('hears out a peer that changes its word about trust a few times, and none that never stops', async () => {
    const wire = new Wire()
    const [blip, fickle] = wire.open()
    fickle.handle('kithmesh.hello', (request) => {
      request.respond()
    })
    const channel = channelOf('a', { clock: manualClock() })
    const violations: string[] = []
    channel.observe({ violated: ({ message }) => violations.push(message) })
    const attachment = channel.attach({ blip, role: 'initiator', binding: bindingOf('x'), standing: 'trusted' })
    fickle.request({ profile: 'kithmesh.hello', body: Buffer.from(JSON.stringify(whole)) })
    await attachment.hello
    const say = (level: string) =>
      new Promise((resolve) => {
        fickle.request({ profile: 'kithmesh.trust', body: Buffer.from(JSON.stringify({ level, settled: true, allows: [] })) }, resolve)
      })
    for (let i = 0; i < 30; i++) await Promise.all([say('trusted'), say('restricted')])
    expect([attachment.ended, violations]).to.deep.equal([false, []])
    await say('trusted')
    await eventually('the connection to end', () => attachment.ended)
    expect(violations).to.deep.equal(['The peer changes its mind about trust too often'])
  })

  it('takes what is newer than it knows, as far as it knows it', async () => {
    const wire = new Wire()
    const [blip, newer] = wire.open()
    newer.handle('kithmesh.hello', (request) => {
      request.respond()
    })
    const attachment = channelOf('a').attach({ blip, role: 'initiator', binding: bindingOf('x'), standing: 'trusted' })
    newer.request({ profile: 'kithmesh.hello', body: Buffer.from(JSON.stringify({ ...whole, version: 7, more: [1] })) })
    expect(await attachment.hello).to.deep.include({ version: 7 })
    wire.cut()
  })

  it('is not sent when the program says too much', () => {
    const [blip] = new Wire().open()
    expect(() =>
      channelOf('a').attach({ blip, role: 'initiator', binding: bindingOf('x'), standing: 'trusted', hello: { x: 'x'.repeat(9000) } })
    ).to.throw(TypeError)
  })
})
