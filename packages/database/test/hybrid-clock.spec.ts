import { expect } from 'chai'
import fc from 'fast-check'
import { systemClock } from '@kithmesh/core'
import { HybridClock, MAX_CLOCK_SKEW_MS } from '../dist/vectors/hybrid-clock.js'
import { compareTimes } from '../dist/vectors/version.js'
import { thrownBy } from './temporary.ts'

/** The system's clock with a time that tests set. */
function clockAt(start: number): { clock: HybridClock; set(now: number): void } {
  let now = start
  return {
    clock: new HybridClock({ ...systemClock, now: () => now }),
    set: (value) => {
      now = value
    }
  }
}

const NOW = Date.UTC(2026, 0, 1)

describe('the hybrid clock', () => {
  it('tells nanoseconds since 1970 with the low 16 bits counting', () => {
    const { clock, set } = clockAt(NOW)
    const wall = (BigInt(NOW) * 1_000_000n) & ~0xffffn
    expect(clock.next()).to.equal(wall.toString(16))
    expect(clock.next()).to.equal((wall + 1n).toString(16))
    set(NOW + 1)
    expect(clock.next()).to.equal(((BigInt(NOW + 1) * 1_000_000n) & ~0xffffn).toString(16))
  })

  it('goes on when the machine clock is set back', () => {
    const { clock, set } = clockAt(NOW)
    const before = clock.next()
    set(NOW - 86_400_000)
    expect(compareTimes(clock.next(), before)).to.be.above(0)
  })

  it('goes on from what it is told it had reached', () => {
    const earlier = clockAt(NOW + 60_000)
    const reached = earlier.clock.next()
    const { clock } = clockAt(NOW)
    clock.resume(reached)
    expect(compareTimes(clock.next(), reached)).to.be.above(0)
  })

  it('makes times later than those it saw, and refuses those more than two minutes ahead', () => {
    const { clock, set } = clockAt(NOW)
    const at = (ms: number): string => (BigInt(ms) * 1_000_000n).toString(16)
    clock.observe(at(NOW + MAX_CLOCK_SKEW_MS))
    expect(compareTimes(clock.next(), at(NOW + MAX_CLOCK_SKEW_MS))).to.be.above(0)
    const error = thrownBy(() => {
      clock.observe(at(NOW + MAX_CLOCK_SKEW_MS + 1000))
    })
    expect(error.code).to.equal('ERR_DB_CLOCK_SKEW')
    expect(error.message).to.contain('121 s')
    set(NOW + 1000)
    clock.observe(at(NOW + MAX_CLOCK_SKEW_MS + 1000))
  })

  it('never tells a time twice, whatever the machine clock does', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.integer({ min: -5000, max: 5000 }), fc.constant(0)), { maxLength: 60 }), (steps) => {
        const { clock, set } = clockAt(NOW)
        let now = NOW
        let last = ''
        for (const step of steps) {
          now += step
          set(now)
          if (step % 3 === 0) clock.observe((BigInt(now + (step % 2) * 1000) * 1_000_000n).toString(16))
          const next = clock.next()
          expect(compareTimes(next, last)).to.be.above(0)
          last = next
        }
      })
    )
  })
})
