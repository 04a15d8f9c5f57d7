import { expect } from 'chai'
import { SignalStrength } from '../dist/provider/signal-strength.js'

function heard(minRssi: number, ...values: number[]): SignalStrength {
  const strength = new SignalStrength(minRssi)
  for (const value of values) strength.heard(value)
  return strength
}

describe('the strength of a signal', () => {
  it('counts as enough while nothing is known', () => {
    expect(heard(-80).near).to.equal(true)
    expect(heard(-80, 127, 300, Number.NaN, -200)).to.include({ near: true, mean: undefined })
  })

  it('is judged by the first value at once', () => {
    expect(heard(-80, -79).near).to.equal(true)
    expect(heard(-80, -81).near).to.equal(false)
  })

  it('is a mean that a single value hardly moves', () => {
    expect(heard(-80, -60, -60, -60, -95).near).to.equal(true)
    expect(heard(-80, -60, -100).mean).to.equal(-70)
  })

  it('does not flap at the limit', () => {
    const strength = heard(-80, -79)
    const verdicts = new Set<boolean>()
    for (let count = 0; count < 50; count++) {
      strength.heard(count % 2 === 0 ? -84 : -78)
      verdicts.add(strength.near)
    }
    expect([...verdicts]).to.deep.equal([true])
  })

  it('takes six dB below the limit to be too weak, and the limit itself to be enough again', () => {
    const strength = heard(-80, -70)
    const moveTo = (mean: number): void => {
      const step = (strength.mean as number) > mean ? -1 : 1
      while (((strength.mean as number) - mean) * step < 0) strength.heard((strength.mean as number) + step)
    }
    moveTo(-86)
    expect(strength.near).to.equal(true)
    moveTo(-86.5)
    expect(strength.near).to.equal(false)
    moveTo(-80.5)
    expect(strength.near).to.equal(false)
    moveTo(-80)
    expect(strength.near).to.equal(true)
  })
})
