import { expect } from 'chai'
import { silentLogger } from '@kithmesh/core/plugin'
import { manualClock } from '@kithmesh/testkit'
import { BetterRoute } from '../dist/link/better-route.js'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('looking for a better route', () => {
  const subject = () => {
    const clock = manualClock()
    const tries: Array<{ signal: AbortSignal; succeed: (name: string) => void; fail: () => void }> = []
    const found: string[] = []
    const discarded: string[] = []
    const route = new BetterRoute<string>({
      clock,
      logger: silentLogger,
      displayName: 'shop',
      open: (signal) =>
        new Promise((resolve, reject) => {
          tries.push({
            signal,
            succeed: resolve,
            fail: () => {
              reject(new Error('no way'))
            }
          })
        }),
      found: (connection) => {
        found.push(connection)
      },
      discard: (connection) => {
        discarded.push(connection)
      }
    })
    return { clock, tries, found, discarded, route }
  }

  it('discards what opens after the stop', async () => {
    const { route, tries, found, discarded } = subject()
    route.nudge()
    route.stop()
    expect(tries[0]?.signal.aborted).to.equal(true)
    tries[0]?.succeed('late')
    await turn()
    expect([found, discarded]).to.deep.equal([[], ['late']])
  })

  it('tries again after a pause, and once a second at most when it is nudged', async () => {
    const { route, tries, clock, found } = subject()
    for (let index = 0; index < 5; index++) {
      route.nudge()
      tries.at(-1)?.fail()
      await turn()
    }
    expect(tries).to.have.length(1)
    await clock.advance(1_000)
    expect(tries).to.have.length(2)
    tries[1]?.fail()
    await turn()
    await clock.advance(5_000)
    expect(tries).to.have.length(3)
    await clock.advance(30_000)
    expect(tries[2]?.signal.aborted).to.equal(true)
    route.stop()
    tries[2]?.fail()
    await turn()
    await clock.advance(600_000)
    expect(tries).to.have.length(3)
    expect(found).to.deep.equal([])
  })
})
