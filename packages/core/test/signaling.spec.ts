import { getEventListeners } from 'node:events'
import { expect } from 'chai'
import type { SignalingBody, SignalingChannel } from '@kithmesh/core'
import { SignalingHub } from '@kithmesh/core/plugin'
import { eventually, manualClock, recordingLogger, rejection } from '@kithmesh/testkit'
import { OTHERS, THEM, US, never, settle, thrown } from './fakes.ts'

/** Two hubs and the messages between them, which a test may lose, repeat or forge. */
function subject() {
  const clock = manualClock()
  const receivers = new Map<string, (from: string, message: Uint8Array) => void>()
  const sent: Array<{ from: string; to: string; text: string }> = []
  const state = { lose: 0, reachable: true, failWith: undefined as Error | undefined }
  const channel = (own: string): SignalingChannel => ({
    reaches: (peerId) => state.reachable && receivers.has(peerId),
    send: async (to, message) => {
      if (state.failWith !== undefined) throw state.failWith
      sent.push({ from: own, to, text: Buffer.from(message).toString() })
      if (state.lose-- > 0) return
      setImmediate(() => receivers.get(to)?.(own, message))
    },
    onMessage: (receive) => {
      receivers.set(own, receive)
      return () => receivers.delete(own)
    }
  })
  const hub = (own: string): SignalingHub => {
    const made = new SignalingHub({ clock, logger: recordingLogger() })
    made.attach(channel(own))
    return made
  }
  const inject = (to: string, from: string, text: string): void => receivers.get(to)?.(from, Buffer.from(text))
  return { clock, sent, state, us: hub(US), them: hub(THEM), others: hub(OTHERS), inject, channel }
}

const { signal } = new AbortController()

/** How many signals Node keeps as made of this one by `AbortSignal.any`; it does not forget them when they are gone. */
function dependents(of: AbortSignal): number {
  const symbol = Object.getOwnPropertySymbols(of).find(({ description }) => description === 'kDependantSignals')
  return symbol === undefined ? 0 : ((of as unknown as Record<symbol, Set<unknown> | undefined>)[symbol]?.size ?? 0)
}

describe('signalling', () => {
  it('asks a peer and gets its answer', async () => {
    const { us, them } = subject()
    them.handle('sum', (from, body) => ({ from, sum: (body['a'] as number) + (body['b'] as number) }))
    expect(await us.request(THEM, 'sum', { a: 1, b: 2 }, { signal })).to.deep.equal({ from: US, sum: 3 })
  })

  it('exchanges nothing with a peer that is refused, in either direction', async () => {
    const { us, inject, sent, channel } = subject()
    let refusal: string | undefined
    const hub = new SignalingHub({
      clock: manualClock(),
      logger: recordingLogger(),
      refuses: (peerId) => (peerId === US ? refusal : undefined)
    })
    hub.attach(channel(OTHERS))
    const asked: string[] = []
    hub.handle('ask', (from) => {
      asked.push(from)
      return {}
    })
    await us.request(OTHERS, 'ask', {}, { signal })
    refusal = 'it is blocked'
    const before = sent.length
    inject(OTHERS, US, JSON.stringify({ k: 'ask', i: 'another', b: {} }))
    await settle()
    expect(asked).to.deep.equal([US])
    expect(sent.length).to.equal(before)
    expect(await rejection(hub.request(US, 'ask', {}, { signal }))).to.include({ code: 'ERR_ACCESS_REFUSED' })
    inject(OTHERS, THEM, JSON.stringify({ k: 'ask', i: 'another', b: {} }))
    await settle()
    expect(asked, 'others go on').to.deep.equal([US, THEM])
  })

  it('answers an echo by itself', async () => {
    const { us } = subject()
    expect(await us.request(THEM, 'echo', { text: 'hello' }, { signal })).to.deep.equal({ text: 'hello' })
  })

  it('reports what the peer threw, by code and message', async () => {
    const { us, them } = subject()
    them.handle('dial', () => {
      throw Object.assign(new Error('that is a private address'), { code: 'ERR_DIAL_POLICY' })
    })
    const error = await rejection(us.request(THEM, 'dial', {}, { signal }))
    expect(error.code).to.equal('ERR_SIGNAL_REFUSED')
    expect(error.details).to.deep.equal({ code: 'ERR_DIAL_POLICY', message: 'that is a private address' })
  })

  it('is refused by a peer that does not know the kind', async () => {
    const { us } = subject()
    const error = await rejection(us.request(THEM, 'teleport', {}, { signal }))
    expect(error.details).to.have.property('code', 'ERR_SIGNAL_UNKNOWN')
  })

  it('sends a request once more when nothing comes, and the peer handles it once', async () => {
    const { us, them, clock, state, sent } = subject()
    const handled: SignalingBody[] = []
    them.handle('count', (_from, body) => {
      handled.push(body)
      return { count: handled.length }
    })
    state.lose = 1
    const first = us.request(THEM, 'count', {}, { signal, timeoutMs: 3_000 })
    await clock.advance(1_000)
    expect(await first).to.deep.equal({ count: 1 })
    expect(sent.filter(({ to }) => to === THEM)).to.have.length(2)
    expect(handled).to.have.length(1)
  })

  it('repeats its answer when a request comes again, without handling it again', async () => {
    const { us, them, sent, inject } = subject()
    let handled = 0
    them.handle('count', () => ({ count: ++handled }))
    await us.request(THEM, 'count', {}, { signal })
    const { text } = sent[0] as { text: string }
    inject(THEM, US, text)
    await settle()
    expect(handled).to.equal(1)
    expect(sent.filter(({ to }) => to === US).map((each) => each.text)).to.have.length(2)
    expect(new Set(sent.filter(({ to }) => to === US).map((each) => each.text)).size).to.equal(1)
  })

  it('gives up when no answer comes in time', async () => {
    const { us, them, clock } = subject()
    them.handle('slow', () => never())
    const error = rejection(us.request(THEM, 'slow', {}, { signal, timeoutMs: 700 }))
    await clock.advance(700)
    expect((await error).code).to.equal('ERR_SIGNAL_NO_ANSWER')
    for (const timeoutMs of [NaN, 0, -1, Infinity])
      expect(await rejection(us.request(THEM, 'slow', {}, { signal, timeoutMs })), `${timeoutMs}`).to.be.instanceOf(TypeError)
  })

  it('does not take an answer from somebody else', async () => {
    const { us, them, sent, inject, clock } = subject()
    them.handle('slow', () => never())
    const error = rejection(us.request(THEM, 'slow', {}, { signal, timeoutMs: 700 }))
    await settle()
    const { i } = JSON.parse((sent[0] as { text: string }).text) as { i: string }
    inject(US, OTHERS, JSON.stringify({ r: i, b: { forged: true } }))
    await clock.advance(700)
    expect((await error).code).to.equal('ERR_SIGNAL_NO_ANSWER')
  })

  it('fails at once when nothing reaches the peer', async () => {
    const { us, state } = subject()
    state.reachable = false
    expect(us.reaches(THEM)).to.equal(false)
    expect((await rejection(us.request(THEM, 'echo', {}, { signal }))).code).to.equal('ERR_SIGNAL_UNREACHABLE')
  })

  it('takes the next channel when one fails', async () => {
    const { us, state, channel } = subject()
    const working = channel(US)
    state.failWith = new Error('the broker is gone')
    us.attach({
      ...working,
      send: async (to, message, options) => {
        state.failWith = undefined
        await working.send(to, message, options)
      }
    })
    expect(await us.request(THEM, 'echo', { over: 'the second' }, { signal })).to.deep.equal({ over: 'the second' })
  })

  it('rejects with the reason of a signal', async () => {
    const { us, them } = subject()
    them.handle('slow', () => never())
    const controller = new AbortController()
    const error = rejection(us.request(THEM, 'slow', {}, { signal: controller.signal }))
    controller.abort(new Error('changed my mind'))
    expect((await error).message).to.equal('changed my mind')
    expect(await rejection(us.request(THEM, 'slow', {}, { signal: controller.signal }))).to.have.property('message', 'changed my mind')
  })

  it('ends running requests when it is closed, and answers nothing afterwards', async () => {
    const { us, them, sent, inject } = subject()
    them.handle('slow', () => never())
    const error = rejection(us.request(THEM, 'slow', {}, { signal }))
    us.close(new Error('shut down'))
    expect((await error).message).to.equal('shut down')
    await settle()
    const before = sent.length
    inject(US, THEM, JSON.stringify({ k: 'echo', i: 'x', b: {} }))
    await settle()
    expect(sent).to.have.length(before)
  })

  it('refuses to send what is too large, and ignores what is malformed', async () => {
    const { us, sent, inject } = subject()
    expect((await rejection(us.request(THEM, 'echo', { text: 'x'.repeat(20_000) }, { signal }))).code).to.equal('ERR_SIGNAL_TOO_LARGE')
    const nonsense = [
      '',
      'nope',
      '[]',
      '"text"',
      '{}',
      '{"k":1}',
      '{"k":"a b"}',
      '{"k":"echo","i":{}}',
      '{"k":"echo","b":[]}',
      '{"r":1}',
      '{"r":"x","e":1}'
    ]
    for (const text of nonsense) inject(US, THEM, text)
    inject(US, THEM, JSON.stringify({ k: 'echo', i: 'x', b: { text: 'y'.repeat(20_000) } }))
    await settle()
    expect(sent).to.have.length(0)
  })

  it('handles a bounded number of requests of a peer at a time', async () => {
    const { them, inject, sent } = subject()
    them.handle('slow', () => never())
    for (let index = 0; index < 20; index++) inject(THEM, US, JSON.stringify({ k: 'slow', i: `id-${index}`, b: {} }))
    await eventually('twelve letters', () => sent.length === 12)
    const refusals = sent.map(({ text }) => JSON.parse(text) as { e?: { code: string } })
    expect(refusals.map(({ e }) => e?.code)).to.deep.equal(Array.from({ length: 12 }, () => 'ERR_SIGNAL_BUSY'))
    inject(THEM, OTHERS, JSON.stringify({ k: 'echo', i: 'other', b: {} }))
    await eventually('one more letter', () => sent.length === 13)
    expect(JSON.parse(sent.at(-1)?.text ?? '')).to.deep.equal({ r: 'other', b: {} })
  })

  it('remembers the answers to one peer, however much another one asks', async () => {
    const { us, them, sent, inject } = subject()
    let handled = 0
    them.handle('count', () => ({ count: ++handled }))
    await us.request(THEM, 'count', {}, { signal })
    const { text } = sent[0] as { text: string }
    for (let index = 0; index < 2_000; index++) {
      inject(THEM, OTHERS, JSON.stringify({ k: 'echo', i: `flood-${index}`, b: {} }))
      if (index % 8 === 7) await settle()
    }
    inject(THEM, US, text)
    await settle()
    expect(handled).to.equal(1)
  })

  it('frees the place of a handler that never comes to an end, and tells the peer', async () => {
    const { them, inject, sent, clock } = subject()
    const signals: AbortSignal[] = []
    them.handle('hang', (_from, _body, options) => {
      signals.push(options.signal)
      return never()
    })
    for (let index = 0; index < 8; index++) inject(THEM, US, JSON.stringify({ k: 'hang', i: `id-${index}`, b: {} }))
    await settle()
    expect(sent).to.have.length(0)
    await clock.advance(30_000)
    expect(signals.map(({ aborted }) => aborted)).to.deep.equal(Array.from({ length: 8 }, () => true))
    expect(sent.map(({ text }) => (JSON.parse(text) as { e: { code: string } }).e.code)).to.deep.equal(
      Array.from({ length: 8 }, () => 'ERR_CORE_TIMEOUT')
    )
    inject(THEM, US, JSON.stringify({ k: 'echo', i: 'again', b: {} }))
    await settle()
    expect(JSON.parse(sent.at(-1)?.text ?? '')).to.deep.equal({ r: 'again', b: {} })
  })

  it('keeps no timer of a request that was handled', async () => {
    const { us, clock } = subject()
    await us.request(THEM, 'echo', {}, { signal })
    await settle()
    expect(clock.pending).to.equal(0)
  })

  it('tells a peer that its answer does not fit, and nothing of what went wrong in the operating system', async () => {
    const { us, them } = subject()
    them.handle('large', () => ({ text: 'x'.repeat(20_000) }))
    them.handle('dial', () => {
      throw Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:22'), { code: 'ECONNREFUSED' })
    })
    expect((await rejection(us.request(THEM, 'large', {}, { signal }))).details).to.have.property('code', 'ERR_SIGNAL_TOO_LARGE')
    expect((await rejection(us.request(THEM, 'dial', {}, { signal }))).details).to.deep.equal({
      code: 'ERR_SIGNAL_FAILED',
      message: 'it failed'
    })
  })

  it('leaves nothing behind in a signal that lives longer than its requests', async () => {
    const { us } = subject()
    const controller = new AbortController()
    for (let index = 0; index < 100; index++) await us.request(THEM, 'echo', {}, { signal: controller.signal })
    await us.notify(THEM, 'news', {}, { signal: controller.signal })
    expect(getEventListeners(controller.signal, 'abort')).to.have.length(0)
    expect(dependents(controller.signal)).to.equal(0)
  })

  it('has one handler per kind, until that is ended', () => {
    const { us } = subject()
    const end = us.handle('dial', () => ({}))
    expect(thrown(() => us.handle('dial', () => ({})))).to.be.instanceOf(TypeError)
    end()
    us.handle('dial', () => ({}))
  })
})
