import { limitedSignal, unlessAborted } from '@kithmesh/core/plugin'
import { expect } from 'chai'
import { manualClock, rejection } from '@kithmesh/testkit'

describe('a limited signal', () => {
  it('aborts at the deadline, with a reason that is made then', async () => {
    const clock = manualClock()
    let phase = 'first'
    const limit = limitedSignal(clock, 100, () => new Error(phase))
    phase = 'second'
    await clock.advance(99)
    expect(limit.signal.aborted).to.equal(false)
    await clock.advance(1)
    expect((limit.signal.reason as Error).message).to.equal('second')
  })

  it('follows the first of its sources', () => {
    const [a, b] = [new AbortController(), new AbortController()]
    const limit = limitedSignal(manualClock(), 100, () => new Error('late'), a.signal, undefined, b.signal)
    b.abort('b')
    a.abort('a')
    expect(limit.signal.reason).to.equal('b')
  })

  it('leaves nothing behind when it is released, however often', async () => {
    const clock = manualClock()
    const source = new AbortController()
    const limit = limitedSignal(clock, 100, () => new Error('late'), source.signal)
    limit.release()
    limit.release()
    expect(clock.pending).to.equal(0)
    source.abort('over')
    expect(limit.signal.aborted).to.equal(false)
  })
})

describe('an operation unless aborted', () => {
  it('yields what the operation does', async () => {
    const { signal } = new AbortController()
    expect(await unlessAborted(signal, () => Promise.resolve(1))).to.equal(1)
    expect(await unlessAborted(signal, Promise.resolve(2))).to.equal(2)
    const error = new Error('failed')
    expect(await rejection(unlessAborted(signal, () => Promise.reject(error)))).to.equal(error)
    expect(
      await rejection(
        unlessAborted(signal, () => {
          throw error
        })
      )
    ).to.equal(error)
  })

  it('ends with the reason as soon as the signal aborts, and hands over what comes late', async () => {
    const stop = new AbortController()
    let finish!: (value: string) => void
    const late: string[] = []
    const running = unlessAborted(
      stop.signal,
      () =>
        new Promise<string>((resolve) => {
          finish = resolve
        }),
      (value) => late.push(value)
    )
    const reason = new Error('no longer')
    stop.abort(reason)
    expect(await rejection(running)).to.equal(reason)
    finish('too late')
    await new Promise(setImmediate)
    expect(late).to.deep.equal(['too late'])
  })

  it('does not begin when the signal has aborted, and looks after what has begun', async () => {
    const reason = new Error('over before')
    const signal = AbortSignal.abort(reason)
    let called = false
    const begin = (): Promise<void> => {
      called = true
      return Promise.resolve()
    }
    expect(await rejection(unlessAborted(signal, begin))).to.equal(reason)
    expect(called).to.equal(false)
    // Its failure would end the process if nobody listened.
    expect(await rejection(unlessAborted(signal, Promise.reject(new Error('unheard'))))).to.equal(reason)
    await new Promise(setImmediate)
  })
})
