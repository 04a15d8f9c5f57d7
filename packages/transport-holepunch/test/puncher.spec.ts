import { expect } from 'chai'
import { eventually, realClock } from '@kithmesh/testkit'
import { Puncher } from '../dist/puncher.js'

describe('a puncher that is refused all the time', () => {
  const running: Puncher[] = []
  afterEach(() => {
    for (const puncher of running.splice(0)) puncher.stop()
  })

  function punch(punchers: number): Puncher {
    const port = 20_001 + Math.floor(Math.random() * 12_000)
    const puncher = new Puncher({
      plan: {
        pair: 0,
        // Addresses that no other test listens on.
        local: { address: '127.0.61.2', port },
        targets: [1, 2, 3].map((n) => ({ address: '127.0.61.3', port: port + n })),
        second: false,
        retryMs: 1,
        bursts: true,
        listen: 'never'
      },
      punchers,
      clock: realClock,
      random: () => 0.99,
      onOpen: () => {}
    })
    running.push(puncher)
    puncher.start()
    return puncher
  }

  it('sends no more than its share of what a round may, however many addresses the other device named', async () => {
    const puncher = punch(40)
    await eventually('all that it may send', () => puncher.counts.refused === 150)
    // Whatever it had arranged comes about meanwhile.
    await realClock.sleep(50)
    expect(puncher.counts.dials).to.equal(150)
  })
})
