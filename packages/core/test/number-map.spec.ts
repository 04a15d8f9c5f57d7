import { expect } from 'chai'
import fc from 'fast-check'
import { NumberMap } from '../dist/number-map.js'

describe('NumberMap', () => {
  const number = fc.oneof(fc.nat({ max: 2000 }), fc.constantFrom(2 ** 32 - 1, 2 ** 32, 2 ** 52, Number.MAX_SAFE_INTEGER))
  const step = fc.record({ do: fc.constantFrom('set', 'set', 'delete', 'get', 'clear'), number, value: fc.nat() })

  it('holds what a Map holds', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const map = new NumberMap<number>()
        const model = new Map<number, number>()
        for (const { do: act, number, value } of steps) {
          if (act === 'set') {
            map.set(number, value)
            model.set(number, value)
          } else if (act === 'delete') {
            const expected = model.get(number)
            model.delete(number)
            expect(map.delete(number)).to.equal(expected)
          } else if (act === 'clear' && value % 10 === 0) {
            map.clear()
            model.clear()
          }
          expect(map.get(number)).to.equal(model.get(number))
          expect(map.has(number)).to.equal(model.has(number))
          expect(map.size).to.equal(model.size)
        }
        const sorted = [...model].sort((a, b) => a[0] - b[0])
        expect(map.first).to.equal(sorted[0]?.[0])
        expect(map.keys()).to.deep.equal(sorted.map(([key]) => key))
        expect(map.values()).to.deep.equal(sorted.map(([, value]) => value))
      })
    )
  })
  it('keeps nothing of numbers that have come and gone', () => {
    const map = new NumberMap<{ number: number }>()
    for (let n = 0; n < 10_000; n++) {
      map.set(n, { number: n })
      if (n >= 1000) expect(map.delete(n - 1000)?.number).to.equal(n - 1000)
    }
    expect(map.size).to.equal(1000)
    expect(map.keys()).to.deep.equal(Array.from({ length: 1000 }, (_, index) => 9000 + index))
  })
})
