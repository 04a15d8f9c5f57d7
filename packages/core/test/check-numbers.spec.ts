import { checkInteger, checkPositive, checkRange } from '@kithmesh/core/plugin'
import { expect } from 'chai'

describe('an option that is a whole number', () => {
  it('is given back from the least to the most', () => {
    expect(checkInteger('level', 0, 0, 9)).to.equal(0)
    expect(checkInteger('level', 9, 0, 9)).to.equal(9)
  })

  for (const value of [-1, 10, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5', null, 5n, Symbol('5')])
    it(`is not ${String(value)} (${typeof value}), which the error names`, () => {
      expect(() => checkInteger('level', value as number, 0, 9)).to.throw(
        TypeError,
        `level must be a whole number from 0 to 9, not ${String(value)}`
      )
    })
})

describe('an option that is a number', () => {
  it('may be any from the least to the most', () => {
    for (const value of [0, 0.5, 9]) expect(checkRange('share', value, 0, 9)).to.equal(value)
  })

  for (const value of [-0.1, 9.1, Number.NaN, Number.POSITIVE_INFINITY, '5', null, 5n, Symbol('5')])
    it(`is not ${String(value)} (${typeof value}), which the error names`, () => {
      expect(() => checkRange('share', value as number, 0, 9)).to.throw(
        TypeError,
        `share must be a number from 0 to 9, not ${String(value)}`
      )
    })
})

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
