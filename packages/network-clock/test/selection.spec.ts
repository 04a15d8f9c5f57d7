import { expect } from 'chai'
import fc from 'fast-check'
import { agreeOn, bestSample, sampleOf } from '../dist/selection.js'
import type { Sample } from '../dist/selection.js'

const reply = { kind: 'reply', stratum: 2, receivedAt: 0, sentAt: 0, rootDelay: 0, rootDispersion: 0, precision: 0 } as const
const sample = (offset: number, distance: number, delay = distance): Sample => ({ offset, distance, delay, stratum: 2 })

describe('one exchange', () => {
  it('is corrected by the round trip', () => {
    const result = sampleOf({ ...reply, receivedAt: 1_520, sentAt: 1_530 }, 1_000, 1_050)
    expect(result).to.include({ offset: 500, delay: 40 })
  })

  it('is uncertain by half the round trip and all of what the server is', () => {
    const result = sampleOf({ ...reply, receivedAt: 1_010, sentAt: 1_010, rootDelay: 8, rootDispersion: 3, precision: 1 }, 1_000, 1_020)
    expect(result)
      .to.have.property('distance')
      .closeTo(10 + 4 + 3 + 1, 0.1)
  })

  it('covers the truth however the delay is split between the two ways', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 500, noNaN: true }),
        fc.double({ min: 0, max: 500, noNaN: true }),
        fc.integer({ min: -1e6, max: 1e6 }),
        (there, back, offset) => {
          const arrived = 1_000 + there + offset
          const result = sampleOf({ ...reply, receivedAt: arrived, sentAt: arrived }, 1_000, 1_000 + there + back)
          if (typeof result === 'string') throw new Error(result)
          expect(Math.abs(result.offset - offset)).to.be.at.most(result.distance + 1e-6)
        }
      )
    )
  })

  it('is refused when the server says it took longer than the whole exchange', () => {
    expect(sampleOf({ ...reply, receivedAt: 1_000, sentAt: 1_100 }, 1_000, 1_050)).to.be.a('string')
  })

  it('is refused when nothing can be learnt from it', () => {
    expect(sampleOf(reply, 0, 3_000)).to.match(/uncertain by 1500/)
  })
})

describe('the best of several samples', () => {
  it('is the one with the shortest round trip', () => {
    expect(bestSample([sample(5, 1, 30), sample(1, 9, 10), sample(3, 1, 20)])?.offset).to.equal(1)
    expect(bestSample([])).to.equal(undefined)
  })
})

describe('what servers agree on', () => {
  it('is what a single one says, with its own uncertainty', () => {
    expect(agreeOn([sample(7, 3)])).to.deep.equal({ offset: 7, uncertainty: 3, agrees: [true], chosen: 0 })
  })

  it('is the offset of the most certain one', () => {
    expect(agreeOn([sample(10, 50), sample(12, 5), sample(0, 30)])).to.include({ offset: 12, chosen: 1 })
  })

  it('leaves out one that lies, and two of five', () => {
    expect(agreeOn([sample(10, 5), sample(9_000, 1), sample(12, 5)])?.agrees).to.deep.equal([true, false, true])
    const five = agreeOn([sample(10, 5), sample(9_000, 1), sample(12, 5), sample(9_000, 1), sample(8, 5)])
    expect(five?.agrees).to.deep.equal([true, false, true, false, true])
  })

  it('is nothing when two contradict each other, or half of four', () => {
    expect(agreeOn([sample(0, 5), sample(100, 5)])).to.equal(undefined)
    expect(agreeOn([sample(0, 5), sample(1, 5), sample(100, 5), sample(101, 5)])).to.equal(undefined)
    expect(agreeOn([])).to.equal(undefined)
  })

  it('never trusts a narrow overlap more than the servers differ', () => {
    const result = agreeOn([sample(0, 50), sample(100, 50)])
    expect(result?.uncertainty).to.be.at.least(50)
  })

  it('covers the truth as long as most servers are right', () => {
    const honest = fc.record({
      distance: fc.double({ min: 0.1, max: 100, noNaN: true }),
      error: fc.double({ min: -1, max: 1, noNaN: true })
    })
    const lying = fc.record({
      offset: fc.double({ min: -1e5, max: 1e5, noNaN: true }),
      distance: fc.double({ min: 0.1, max: 100, noNaN: true })
    })
    fc.assert(
      fc.property(
        fc.array(honest, { minLength: 3, maxLength: 5 }),
        fc.array(lying, { maxLength: 2 }),
        fc.double({ min: -1e5, max: 1e5, noNaN: true }),
        (right, wrong, truth) => {
          const servers = [
            ...wrong.map(({ offset, distance }) => sample(offset, distance)),
            ...right.map(({ distance, error }) => sample(truth + error * distance, distance))
          ]
          const result = agreeOn(servers)
          expect(result).to.not.equal(undefined)
          expect(Math.abs((result?.offset ?? 0) - truth)).to.be.at.most((result?.uncertainty ?? 0) + 1e-6)
        }
      )
    )
  })
})
