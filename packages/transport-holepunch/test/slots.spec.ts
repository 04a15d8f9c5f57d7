import { getEventListeners } from 'node:events'
import { expect } from 'chai'
import { errorCode } from '@kithmesh/core'
import { manualClock } from '@kithmesh/testkit'
import { HoldBudget } from '../dist/hold-budget.js'
import { Slots } from '../dist/slots.js'

describe('turns at a local address', () => {
  const settle = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve))
  }
  const signal = new AbortController().signal

  it('come one after the other, in their order', async () => {
    const [slots, clock, order] = [new Slots(), manualClock(), [] as number[]]
    const first = await slots.acquire(['x'], { clock, signal, withinMs: 100 })
    for (const number of [1, 2])
      void slots.acquire(['x'], { clock, signal, withinMs: 100 }).then((release) => {
        order.push(number)
        release()
      })
    await settle()
    expect(order).to.deep.equal([])
    first()
    first()
    await settle()
    expect(order).to.deep.equal([1, 2])
  })

  it('do not depend on those at other addresses', async () => {
    const [slots, clock] = [new Slots(), manualClock()]
    await slots.acquire(['x'], { clock, signal, withinMs: 100 })
    await slots.acquire(['y'], { clock, signal, withinMs: 100 })
  })

  it('never wait for each other in a circle', async () => {
    const [slots, clock] = [new Slots(), manualClock()]
    let done = 0
    const use = async (addresses: string[]): Promise<void> => {
      const release = await slots.acquire(addresses, { clock, signal, withinMs: 100 })
      await settle()
      release()
      done++
    }
    await Promise.all([use(['x', 'y']), use(['y', 'x']), use(['y']), use(['x', 'x'])])
    expect(done).to.equal(4)
  })

  it('are not waited for longer than wanted, and cost nothing when they do not come', async () => {
    const [slots, clock] = [new Slots(), manualClock()]
    const release = await slots.acquire(['b'], { clock, signal, withinMs: 100 })
    const late = slots.acquire(['a', 'b'], { clock, signal, withinMs: 100 }).catch(errorCode)
    await settle()
    await clock.advance(100)
    expect(await late).to.equal('ERR_PUNCH_BUSY')
    const controller = new AbortController()
    const reason = new Error('no longer')
    const aborted = slots.acquire(['a', 'b'], { clock, signal: controller.signal, withinMs: 100 }).catch((error: unknown) => error)
    await settle()
    controller.abort(reason)
    expect(await aborted).to.equal(reason)
    release()
    const again = await slots.acquire(['a', 'b'], { clock, signal, withinMs: 100 })
    again()
    expect(clock.pending).to.equal(0)
    for (const one of [signal, controller.signal]) expect(getEventListeners(one, 'abort')).to.have.length(0)
  })
})

describe('what a peer may cost', () => {
  it('is used up by attempts that come to nothing, and comes back with time', async () => {
    const clock = manualClock()
    const budget = new HoldBudget(clock)
    for (let attempt = 0; attempt < 5; attempt++) {
      expect(budget.exhausted('peer')).to.equal(false)
      budget.spend('peer', 6_000)
    }
    expect(budget.exhausted('peer')).to.equal(true)
    expect(budget.exhausted('other')).to.equal(false)
    await clock.advance(20_000)
    expect(budget.exhausted('peer')).to.equal(false)
  })
})
