import { expect } from 'chai'
import { eventually, manualClock } from '@kithmesh/testkit'
import { Pair } from './support/pair.ts'

describe('control messages', () => {
  let pair: Pair

  beforeEach(() => {
    pair = new Pair()
  })

  afterEach(() => {
    pair.wire.cut()
  })

  it('arrive in order, JSON or binary', async () => {
    const [a, b] = pair.join()
    const seen: unknown[] = []
    b.attachment.onControl('topology', (body) => seen.push(body))
    await Promise.all([a.attachment.trusted, b.attachment.trusted])
    for (let i = 0; i < 100; i++) expect(a.attachment.control('topology', i % 2 === 0 ? { i } : Buffer.of(i))).to.equal(true)
    await eventually('all to arrive', () => seen.length === 100)
    expect(seen).to.deep.equal(Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? { i } : Buffer.of(i))))
  })

  it('of a peer that is not trusted are dropped and counted', async () => {
    const [a, b] = pair.join()
    await Promise.all([a.attachment.trusted, b.attachment.trusted])
    const seen: unknown[] = []
    const dropped: unknown[] = []
    b.channel.observe({ dropped: (kind) => dropped.push(kind) })
    b.attachment.onControl('x', (body) => seen.push(body))
    b.channel.demote('enough')
    a.attachment.control('x', 1)
    await eventually('it to be dropped', () => dropped.length === 1)
    expect(seen).to.deep.equal([])
    expect(b.channel.statistics.droppedControls).to.equal(1)
    expect(b.attachment.ended).to.equal(false)
  })

  it('that nobody handles are dropped', async () => {
    const [a, b] = pair.join()
    await a.attachment.trusted
    a.attachment.control('unknown', {})
    await eventually('it to be dropped', () => b.channel.statistics.droppedControls === 1)
  })

  it('are not queued without end', async () => {
    const [a, b] = pair.join()
    await Promise.all([a.attachment.trusted, b.attachment.trusted])
    pair.wire.stall(true)
    let sent = 0
    while (a.attachment.control('x', {})) sent++
    expect(sent).to.equal(256)
    pair.wire.stall(false)
    await eventually('room again', () => a.attachment.control('x', {}))
  })

  it('are given up when as many are unanswered as it is told', async () => {
    pair = new Pair({ limits: { maxControlsUnanswered: 3 } })
    const [a, b] = pair.join()
    await Promise.all([a.attachment.trusted, b.attachment.trusted])
    pair.wire.stall(true)
    for (const sent of [true, true, true, false]) expect(a.attachment.control('x', {})).to.equal(sent)
    pair.wire.stall(false)
  })

  it('may be as long as it is told, at both ends', async () => {
    pair = new Pair({ limits: { maxControlBytes: 200 } }, { limits: { maxControlBytes: 100 } })
    const [a, b] = pair.join()
    const seen: unknown[] = []
    b.attachment.onControl('x', (body) => seen.push((body as Buffer).length))
    await Promise.all([a.attachment.trusted, b.attachment.trusted])
    expect(() => a.attachment.control('x', Buffer.alloc(201))).to.throw(TypeError)
    for (const length of [200, 101, 100]) expect(a.attachment.control('x', Buffer.alloc(length))).to.equal(true)
    await eventually('the last to arrive', () => seen.length === 1)
    expect(seen).to.deep.equal([100])
    expect(b.channel.statistics.droppedControls).to.equal(2)
  })

  it('are dropped when they come too often, and the peer does not notice', async () => {
    const clock = manualClock()
    pair = new Pair({}, { clock, limits: { controlBurst: 3, controlsPerMinute: 60 } })
    const [a, b] = pair.join()
    const seen: unknown[] = []
    b.attachment.onControl('x', (body) => seen.push(body))
    await Promise.all([a.attachment.trusted, b.attachment.trusted])
    for (let i = 0; i < 5; i++) expect(a.attachment.control('x', i)).to.equal(true)
    await eventually('two to be dropped', () => b.channel.statistics.droppedControls === 2)
    await clock.advance(1000)
    a.attachment.control('x', 'later')
    await eventually('the next to arrive', () => seen.length === 4)
    expect(seen).to.deep.equal([0, 1, 2, 'later'])
    expect(b.attachment.ended).to.equal(false)
  })

  it('are not sent before the hello, after the end, or too long', async () => {
    const [a] = pair.join()
    expect(a.attachment.control('x', {})).to.equal(false)
    await a.attachment.trusted
    expect(() => a.attachment.control('x', Buffer.alloc(65_537))).to.throw(TypeError)
    expect(() => a.attachment.control('two words', {})).to.throw(TypeError)
    pair.wire.cut()
    expect(a.attachment.control('x', {})).to.equal(false)
  })

  it('that are no JSON end the connection', async () => {
    const [a, b] = pair.join()
    b.attachment.onControl('x', () => {})
    await Promise.all([a.attachment.trusted, b.attachment.trusted])
    a.blip.request({ profile: 'kithmesh.control', properties: { Name: 'x' }, body: Buffer.from('{') })
    await eventually('the connection to end', () => b.attachment.ended)
    expect(b.channel.statistics.violations).to.equal(1)
  })

  it('whose handler fails disturb nobody', async () => {
    const [a, b] = pair.join()
    const seen: unknown[] = []
    b.attachment.onControl('x', (body) => {
      seen.push(body)
      throw new Error('broken')
    })
    await Promise.all([a.attachment.trusted, b.attachment.trusted])
    a.attachment.control('x', 1)
    a.attachment.control('x', 2)
    await eventually('both to arrive', () => seen.length === 2)
  })
})
