import { expect } from 'chai'
import fc from 'fast-check'
import { storedText, textOf } from '../dist/sqlite/text.js'

const text = fc.array(fc.constantFrom('\u0000', '\u0001', '\u0002', 'a', 'é'), { maxLength: 6 }).map((parts) => parts.join(''))

describe('stored ids', () => {
  it('have no U+0000, come back as they were and keep their order', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        const [x, y] = [storedText(a), storedText(b)]
        expect(x).to.not.include('\u0000')
        expect(textOf(x)).to.equal(a)
        expect(Math.sign(Buffer.compare(Buffer.from(x), Buffer.from(y)))).to.equal(
          Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b)))
        )
      })
    )
  })
})
