import { getEventListeners } from 'node:events'
import { staggered } from '@kithmesh/core/plugin'
import { expect } from 'chai'
import { type ManualClock, manualClock, rejection } from '@kithmesh/testkit'
import { never, settle } from './fakes.ts'

describe('staggered tasks', () => {
  let clock: ManualClock
  let caller: AbortController
  let discarded: unknown[]
  let started: number[]
  /** Runs tasks that note that they were started. */
  const run = <T>(...tasks: ReadonlyArray<(signal: AbortSignal) => Promise<T>>): Promise<T> =>
    staggered(
      tasks.map((task, index) => (signal: AbortSignal) => {
        started.push(index)
        return task(signal)
      }),
      { clock, signal: caller.signal, staggerMs: 100, discard: (late) => discarded.push(late) }
    )
  const failing = (text: string) => (): Promise<never> => Promise.reject(new Error(text))

  beforeEach(() => {
    clock = manualClock()
    caller = new AbortController()
    discarded = []
    started = []
  })
  afterEach('nothing is left behind', () => {
    expect(clock.pending).to.equal(0)
    expect(getEventListeners(caller.signal, 'abort')).to.have.length(0)
  })

  it('start one after the other, with a pause between them', async () => {
    const result = run<string>(never, never, async () => 'third')
    await clock.advance(99)
    expect(started).to.deep.equal([0])
    await clock.advance(1)
    expect(started).to.deep.equal([0, 1])
    await clock.advance(100)
    expect(await result).to.equal('third')
  })

  it('start the next one at once when one fails, and give the first result', async () => {
    expect(await run<string>(failing('no'), async () => 'yes', never)).to.equal('yes')
    expect(started).to.deep.equal([0, 1])
  })

  it('start the next one at once when one fails beside others that run', async () => {
    const result = run<string>(never, failing('no'), async () => 'third')
    await clock.advance(100)
    expect(await result).to.equal('third')
  })

  it('abort the slower ones, and discard what they still give', async () => {
    const result = run<string>(
      (signal) =>
        new Promise<string>((give) => {
          signal.addEventListener('abort', () => {
            give('late')
          })
        }),
      async () => 'second'
    )
    await clock.advance(100)
    expect(await result).to.equal('second')
    await settle()
    expect(discarded).to.deep.equal(['late'])
  })

  it('reject with all failures, in the order of the tasks', async () => {
    const error = await rejection(
      run(failing('one'), () => {
        throw new Error('two')
      })
    )
    expect((error as AggregateError).errors.map((each: Error) => each.message)).to.deep.equal(['one', 'two'])
    expect(((await rejection(run())) as AggregateError).errors).to.deep.equal([])
  })

  it('are all aborted with the reason of the caller, and none is started after that', async () => {
    const signals: AbortSignal[] = []
    const waiting = (signal: AbortSignal): Promise<never> => {
      signals.push(signal)
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          reject(signal.reason as Error)
        })
      })
    }
    const result = run(waiting, waiting, waiting)
    await clock.advance(100)
    const reason = new Error('enough')
    caller.abort(reason)
    expect(await rejection(result)).to.equal(reason)
    expect(signals.map((signal) => signal.reason as unknown)).to.deep.equal([reason, reason])
    await clock.advance(1_000)
    expect(started).to.deep.equal([0, 1])
    expect(await rejection(run(waiting))).to.equal(reason)
    expect(started).to.deep.equal([0, 1])
  })
})
