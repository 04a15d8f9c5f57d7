import { RateLimiter, addressSource } from '@kithmesh/core'
import { expect } from 'chai'
import { manualClock } from '@kithmesh/testkit'

function subject(options: { burst?: number; perMinute?: number; capacity?: number } = {}) {
  const clock = manualClock()
  const { burst = 3, perMinute = 60, capacity = 8 } = options
  const limiter = new RateLimiter({ clock, perAddress: { burst, perMinute }, others: { burst: 5, perMinute: 60 }, capacity })
  const taken = (address: string, times: number): number =>
    Array.from({ length: times }, () => limiter.take(address)).filter(Boolean).length
  return { clock, limiter, taken }
}

describe('RateLimiter', () => {
  it('limits each address, and lets it through again when it comes less often', async () => {
    const { clock, taken } = subject()
    expect(taken('192.0.2.1', 10)).to.equal(3)
    expect(taken('192.0.2.2', 10), 'another address').to.equal(3)
    await clock.advance(1_000)
    expect(taken('192.0.2.1', 10)).to.equal(1)
    await clock.advance(60_000)
    expect(taken('192.0.2.1', 10)).to.equal(3)
  })

  it('is not held back by what it refused: devices behind one address get in at the rate, however many try', async () => {
    const { clock, taken } = subject()
    let admitted = taken('192.0.2.1', 1_000)
    for (let second = 0; second < 60; second++) {
      await clock.advance(1_000)
      admitted += taken('192.0.2.1', 1_000)
    }
    expect(admitted).to.equal(63)
  })

  it('takes the spellings of an address, and a network of IPv6, for one', () => {
    const { taken } = subject()
    expect(taken('192.0.2.1', 3)).to.equal(3)
    expect(taken('::ffff:192.0.2.1', 1)).to.equal(0)
    expect(taken('::ffff:c000:201', 1)).to.equal(0)
    expect(taken('2001:db8:1:1::1', 2)).to.equal(2)
    expect(taken('2001:db8:1:1:ffff::', 2)).to.equal(1)
    expect(taken('2001:db8:1:2::1', 2)).to.equal(2)
    expect(addressSource('fe80::1%eth0')).to.not.equal(addressSource('fe80::1%eth1'))
    expect(addressSource('no address').length).to.be.lessThan(100)
    expect(addressSource('x'.repeat(10_000)).length).to.be.lessThan(100)
  })

  it('remembers a bounded number of sources in a flood of addresses, and the flood takes nothing from those that were there', async () => {
    const { clock, limiter, taken } = subject()
    expect(taken('192.0.2.1', 1)).to.equal(1)
    let flood = 0
    for (let index = 0; index < 100_000; index++)
      if (limiter.take(`2001:db8:${(index >> 8).toString(16)}:${(index & 255).toString(16)}::1`)) flood++
    expect(limiter.size).to.equal(8)
    expect(flood, 'the places that were free, and the rate that those without a place share').to.equal(7 + 5)
    expect(taken('192.0.2.1', 10), 'as if there were no flood').to.equal(2)
    await clock.advance(5_000)
    expect(taken('198.51.100.1', 10), 'a new one, when those of the flood have recovered').to.equal(3)
    expect(limiter.size).to.be.lessThan(3)
  })

  it('forgets nobody who has not recovered', async () => {
    const { clock, taken } = subject({ burst: 3, perMinute: 1, capacity: 2 })
    expect(taken('192.0.2.1', 10)).to.equal(3)
    await clock.advance(60_000)
    for (let index = 0; index < 100; index++) taken(`198.51.100.${index}`, 1)
    expect(taken('192.0.2.1', 10), 'what came back in a minute').to.equal(1)
  })

  it('does not count what is given back, of addresses with a place and without one', async () => {
    const { clock, limiter, taken } = subject({ capacity: 1 })
    for (let index = 0; index < 100; index++) {
      expect(limiter.take('192.0.2.1')).to.equal(true)
      limiter.giveBack('::ffff:192.0.2.1')
    }
    expect(taken('192.0.2.1', 10)).to.equal(3)
    for (let index = 0; index < 100; index++) {
      expect(limiter.take('192.0.2.2'), 'which shares the rate of those without a place').to.equal(true)
      limiter.giveBack('192.0.2.2')
    }
    expect(taken('192.0.2.2', 10)).to.equal(5)
    await clock.advance(60_000)
    for (let index = 0; index < 10; index++) limiter.giveBack('192.0.2.1')
    expect(taken('192.0.2.1', 10), 'never more than the burst').to.equal(3)
  })

  it('refuses rates that let nothing through', () => {
    const clock = manualClock()
    for (const perAddress of [
      { burst: 0, perMinute: 1 },
      { burst: 1, perMinute: 0 },
      { burst: Number.NaN, perMinute: 1 }
    ])
      expect(() => new RateLimiter({ clock, perAddress })).to.throw(TypeError)
    expect(() => new RateLimiter({ clock, perAddress: { burst: 1, perMinute: 1 }, capacity: 0 })).to.throw(TypeError)
  })
})
