import { expect } from 'chai'
import { checkPositive } from '@kithmesh/core/plugin'

describe('options that have to be positive numbers', () => {
  it('may be left out, and be anything above 0 that has an end', () => {
    checkPositive({ timeoutMs: undefined, size: 0.5, count: Number.MAX_SAFE_INTEGER, other: -1 }, 'timeoutMs', 'size', 'count')
  })

  it('are a TypeError that names the first one that is not', () => {
    for (const size of [NaN, 0, -1, Infinity, '5', null, 5n])
      expect(() => checkPositive({ count: 1, size }, 'count', 'size'), String(size)).to.throw(
        TypeError,
        `size must be a positive number, not ${size}`
      )
  })
})
