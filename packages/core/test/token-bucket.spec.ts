import { expect } from 'chai'
import { TokenBucket } from '@kithmesh/core/plugin'

describe('a token bucket', () => {
  it('lets a burst through, and the rate in the long run', () => {
    let now = 0
    const bucket = new TokenBucket({ burst: 3, perMinute: 600 }, { monotonic: () => now })
    const take = (at: number): number => {
      now = at
      let count = 0
      while (bucket.take()) count++
      return count
    }
    expect(take(0)).to.equal(3)
    expect(bucket.available).to.equal(false)
    expect(take(100)).to.equal(1)
    expect(take(1000)).to.equal(3)
    expect(bucket.full).to.equal(false)
    now = 1300
    expect(bucket.available).to.equal(true)
    expect(bucket.full).to.equal(true)
  })

  it('says how long to wait, and after just that long lets one through', () => {
    let now = 0
    const bucket = new TokenBucket({ burst: 2, perMinute: 7 }, { monotonic: () => now })
    expect(bucket.waitMs).to.equal(0)
    for (let i = 0; i < 50; i++) {
      while (bucket.take());
      const wait = bucket.waitMs
      expect(wait).to.be.within(1, Math.ceil(60_000 / 7))
      now += wait - 1
      expect(bucket.take()).to.equal(false)
      now += 1
      expect(bucket.waitMs).to.equal(0)
    }
  })
})
