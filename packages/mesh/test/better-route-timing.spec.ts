import { silentLogger } from '@kithmesh/core/plugin'
import { type ManualClock, manualClock } from '@kithmesh/testkit'
import { expect } from 'chai'
import { BetterRoute } from '../dist/link/better-route.js'

describe('when a better route is looked for', () => {
  let clock: ManualClock
  let tries: Array<{ readonly signal: AbortSignal; readonly fail: () => void; readonly succeed: (connection: string) => void }>
  let found: string[]
  let seeking: BetterRoute<string>

  beforeEach(() => {
    clock = manualClock()
    tries = []
    found = []
    seeking = new BetterRoute<string>({
      clock,
      logger: silentLogger,
      displayName: 'other',
      open: (signal) =>
        new Promise<string>((succeed, reject) => {
          const fail = (): void => {
            reject(new Error('no route'))
          }
          signal.addEventListener('abort', fail)
          tries.push({ signal, fail, succeed })
        }),
      found: (connection) => {
        found.push(connection)
      },
      discard: () => {}
    })
  })
  afterEach(() => {
    seeking.stop()
  })

  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  const advance = async (ms: number): Promise<void> => {
    await clock.advance(ms)
    await settle()
  }

  it('begins after a pause, which grows', async () => {
    await advance(4_999)
    expect(tries.length).to.equal(0)
    await advance(1)
    expect(tries.length).to.equal(1)
    tries[0]?.fail()
    await settle()
    await advance(9_999)
    expect(tries.length).to.equal(1)
    await advance(1)
    expect(tries.length).to.equal(2)
  })

  it('begins at once when something changed, and afresh when both sides know of it', async () => {
    seeking.nudge()
    expect(tries.length).to.equal(1)
    tries[0]?.fail()
    await settle()
    await advance(3_000)
    expect(tries.length).to.equal(2)
  })

  it('does not wait for what a change overtook', async () => {
    await advance(5_000)
    seeking.nudge()
    seeking.nudge()
    expect(tries.length).to.equal(1)
    await advance(2_999)
    expect(tries[0]?.signal.aborted).to.equal(false)
    await advance(1)
    expect(tries[0]?.signal.aborted).to.equal(true)
    expect(tries.length).to.equal(2)
    await advance(10_000)
    expect(tries[1]?.signal.aborted).to.equal(false)
  })

  it('leaves a connection alone that was found before', async () => {
    seeking.nudge()
    tries[0]?.succeed('direct')
    await settle()
    expect(found).to.deep.equal(['direct'])
    await advance(10_000)
    expect(tries.length).to.equal(1)
    expect(tries[0]?.signal.aborted).to.equal(false)
  })

  it('ends when it is stopped, whatever was pending', async () => {
    seeking.nudge()
    seeking.stop()
    await settle()
    expect(tries[0]?.signal.aborted).to.equal(true)
    seeking.nudge()
    await advance(60_000)
    expect(tries.length).to.equal(1)
  })
})
