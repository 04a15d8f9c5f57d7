import { expect } from 'chai'
import { readImports, reduceSource } from '../lib/imports.mjs'

describe('reading imports', () => {
  it('tells values from types', () => {
    const [first, second, third, fourth] = readImports(
      "import { a, type B } from 'x'\nimport type { C } from 'y'\nimport { type D } from 'z'\nimport w, { v as u } from 'w'\n"
    )
    expect(first).to.include({ specifier: 'x', typeOnly: false }).and.to.have.property('names').that.deep.equals(['a'])
    expect(second).to.include({ specifier: 'y', typeOnly: true })
    expect(third).to.include({ specifier: 'z', typeOnly: true })
    expect(fourth).to.include({ specifier: 'w', typeOnly: false, names: undefined })
  })

  it('follows statements over several lines', () => {
    expect(readImports("\nimport {\n  a, // one\n  b\n} from 'x'\n")).to.deep.equal([
      { specifier: 'x', typeOnly: false, names: ['a', 'b'], line: 2, kind: 'import' }
    ])
  })

  it('finds dynamic imports inside a template', () => {
    expect(readImports("const a = `x${await import('y')}z`\n").map((entry) => entry.specifier)).to.deep.equal(['y'])
  })

  it('does not take an exported constant for a re-export', () => {
    expect(readImports("export const a = 1\nimport { b } from 'x'\n").map((entry) => entry.kind)).to.deep.equal(['import'])
  })

  it('keeps the number of lines', () => {
    const text = "/* a\n b */ const c = `\n${'d'}\n` // e\n"
    expect(reduceSource(text).code.split('\n')).to.have.lengthOf(text.split('\n').length)
  })
})
