import { readFileSync, readdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'

const core = fileURLToPath(new URL('../', import.meta.url))
const imports = (text: string): string[] =>
  [...text.replaceAll(/\/\*[\s\S]*?\*\//g, '').matchAll(/(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)].map((match) => match[1] as string)

describe('the public surface', () => {
  it('has one file that imports tsyringe, after the polyfill', () => {
    const sources = readdirSync(`${core}src`, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
    const users = sources.filter((name) =>
      imports(readFileSync(`${core}src/${name}`, 'utf8')).some((from) => from === 'tsyringe' || from === 'reflect-metadata')
    )
    expect(users.sort()).to.deep.equal(['internal/injector.ts', 'internal/reflect.ts'])
    expect(imports(readFileSync(`${core}src/internal/injector.ts`, 'utf8'))[0]).to.equal('./reflect.ts')
  })

  it('shows no type of tsyringe', () => {
    const seen = new Set<string>()
    const foreign = new Set<string>()
    const visit = (file: string): void => {
      if (seen.has(file)) return
      seen.add(file)
      for (const from of imports(readFileSync(file, 'utf8'))) {
        if (from.startsWith('.')) visit(resolve(dirname(file), from.replace(/\.(ts|js)$/, '.d.ts')))
        else foreign.add(from)
      }
    }
    for (const entry of ['index', 'plugin', 'di']) visit(`${core}dist/${entry}.d.ts`)
    expect(seen.size).to.be.greaterThan(10)
    expect([...foreign].filter((from) => !from.startsWith('node:'))).to.deep.equal([])
  })
})
