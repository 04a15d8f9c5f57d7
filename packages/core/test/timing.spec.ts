import { expect } from 'chai'
import { Deferred, retry, systemClock, withDeadline } from '@kithmesh/core/plugin'
import { manualClock, rejection } from '@kithmesh/testkit'
import { never, settle } from './fakes.ts'

describe('retry', () => {
  it('waits between the attempts as told and returns the first result', async () => {
    const clock = manualClock()
    const waits: number[] = []
    const result = retry(
      async (attempt) => {
        if (attempt < 3) throw new Error('not yet')
        return attempt
      },
      {
        attempts: 5,
        clock,
        backoffMs: (failures) => {
          waits.push(failures)
          return failures * 100
        }
      }
    )
    await clock.advance(300)
    expect(await result).to.equal(3)
    expect(waits).to.deep.equal([1, 2])
  })

  it('ends with the last failure as the cause', async () => {
    const clock = manualClock()
    const result = rejection(
      retry(
        async (attempt) => {
          throw new Error(`failure ${attempt}`)
        },
        { attempts: 3, clock, backoffMs: () => 1 }
      )
    )
    await clock.advance(10)
    const error = await result
    expect(error.code).to.equal('ERR_CORE_RETRIES')
    expect((error.cause as Error).message).to.equal('failure 3')
    expect(error.details).to.deep.equal({ attempts: 3 })
    expect(clock.pending).to.equal(0)
  })

  it('does not repeat what cannot be repeated', async () => {
    const fatal = new Error('fatal')
    let calls = 0
    const error = await rejection(
      retry(
        async () => {
          calls++
          throw fatal
        },
        { attempts: 3, clock: manualClock(), backoffMs: () => 1, retryable: (each) => each !== fatal }
      )
    )
    expect(error).to.equal(fatal)
    expect(calls).to.equal(1)
  })

  it('stops at once when cancelled during a pause', async () => {
    const clock = manualClock()
    const abort = new AbortController()
    const result = rejection(
      retry(
        async () => {
          throw new Error('no')
        },
        { attempts: 3, clock, backoffMs: () => 1000, signal: abort.signal }
      )
    )
    await settle()
    abort.abort(new Error('enough'))
    expect((await result).message).to.equal('enough')
    expect(clock.pending).to.equal(0)
  })

  it('refuses zero attempts', async () => {
    expect(await rejection(retry(async () => 1, { attempts: 0, clock: manualClock(), backoffMs: () => 1 }))).to.be.instanceOf(TypeError)
  })
})

describe('withDeadline', () => {
  it('passes results and failures on and leaves no timer', async () => {
    const clock = manualClock()
    expect(await withDeadline(async () => 7, { clock, ms: 10, what: 'It' })).to.equal(7)
    expect(
      (
        await rejection(
          withDeadline(
            () => {
              throw new Error('at once')
            },
            { clock, ms: 10, what: 'It' }
          )
        )
      ).message
    ).to.equal('at once')
    expect(clock.pending).to.equal(0)
  })

  it('rejects at the deadline and ignores a later failure', async () => {
    const clock = manualClock()
    const gate = new Deferred<void>()
    const result = rejection(withDeadline(() => gate.promise, { clock, ms: 10, what: 'Baking' }))
    await clock.advance(10)
    const error = await result
    expect(error.code).to.equal('ERR_CORE_TIMEOUT')
    expect(error.message).to.equal('Baking did not finish within 10 ms')
    gate.reject(new Error('too late'))
    await settle()
  })

  it('follows its signal', async () => {
    const clock = manualClock()
    const abort = new AbortController()
    const result = rejection(withDeadline(() => never(), { clock, ms: 10, what: 'It', signal: abort.signal }))
    abort.abort(new Error('stop'))
    expect((await result).message).to.equal('stop')
    expect((await rejection(withDeadline(() => never(), { clock, ms: 10, what: 'It', signal: abort.signal }))).message).to.equal('stop')
    expect(clock.pending).to.equal(0)
  })
})

describe('Deferred', () => {
  it('takes the first settlement', async () => {
    const deferred = new Deferred<number>()
    expect(deferred.settled).to.equal(false)
    deferred.resolve(1)
    deferred.reject(new Error('no'))
    expect(deferred.settled).to.equal(true)
    expect(await deferred.promise).to.equal(1)
  })
})

describe('systemClock', () => {
  it('calls back, repeats, sleeps, and can be cancelled', async () => {
    const events: string[] = []
    const cancelled = systemClock.after(1, () => {
      events.push('cancelled')
    })
    cancelled()
    cancelled()
    await new Promise<void>((resolve) => {
      systemClock.after(1, resolve)
    })
    await new Promise<void>((resolve) => {
      let count = 0
      const stop = systemClock.every(1, () => {
        if (++count === 2) {
          stop()
          resolve()
        }
      })
    })
    await systemClock.sleep(1)
    expect(events).to.deep.equal([])
    const before = systemClock.monotonic()
    expect(systemClock.monotonic()).to.be.at.least(before)
  })

  it('ends a sleep with the reason of its signal', async () => {
    const abort = new AbortController()
    const sleep = rejection(systemClock.sleep(60_000, { signal: abort.signal }))
    abort.abort(new Error('up'))
    expect((await sleep).message).to.equal('up')
    expect((await rejection(systemClock.sleep(60_000, { signal: abort.signal }))).message).to.equal('up')
  })

  it('aborts a timeout with a code', async () => {
    const signal = systemClock.timeout(1, 'Waiting')
    while (!signal.aborted) await systemClock.sleep(1)
    expect(signal.reason).to.include({ code: 'ERR_CORE_TIMEOUT', message: 'Waiting did not finish within 1 ms' })
  })
})
