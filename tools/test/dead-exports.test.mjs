import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { deadExports } from '../check-dead-exports.mjs'

describe('dead exports', () => {
  let directory
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'dead-exports-'))
  })
  afterEach(() => {
    rmSync(directory, { recursive: true, force: true })
  })

  /** `file:line name` of each in a checkout with these files and a package `a` whose entry is index.ts. */
  function dead(files) {
    const manifest = JSON.stringify({ name: '@kithmesh/a', exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' } } })
    for (const [path, text] of Object.entries({ 'packages/a/package.json': manifest, 'packages/a/src/index.ts': '', ...files })) {
      mkdirSync(dirname(join(directory, path)), { recursive: true })
      writeFileSync(join(directory, path), text)
    }
    return deadExports(directory).map(({ file, line, name }) => `${file}:${line} ${name}`)
  }

  it('are functions, classes, constants and lists that no other file takes', () => {
    const text = 'export function f() {}\nexport class C {}\nconst a = 1, b = 2\nexport { a as c, b }\nexport const used = 1\n'
    const other = "import { used, b } from './x.ts'\nconsole.log(used, b)\n"
    expect(dead({ 'packages/a/src/x.ts': text, 'packages/a/src/y.ts': other })).to.deep.equal([
      'packages/a/src/x.ts:1 f',
      'packages/a/src/x.ts:2 C',
      'packages/a/src/x.ts:4 c'
    ])
  })

  it('are not what an entry hands on, over any number of files', () => {
    const files = {
      'packages/a/src/index.ts': "export { f as g } from './x.ts'\n",
      'packages/a/src/x.ts': "export { f, h } from './y.ts'\n",
      'packages/a/src/y.ts': 'export function f() {}\nexport function h() {}\n'
    }
    expect(dead(files)).to.deep.equal(['packages/a/src/x.ts:1 h', 'packages/a/src/y.ts:2 h'])
  })

  it('are not what tests, tools and pages take, of the sources or of what is compiled from them', () => {
    const files = {
      'packages/a/src/x.ts': 'export const one = 1\nexport const two = 2\nexport const three = 3\n',
      'packages/a/test/x.spec.ts': "import { one } from '../dist/x.js'\nconsole.log(one)\n",
      'tools/x.mjs': "const { two } = await import('../packages/a/dist/other.js')\nconsole.log(two)\n",
      'packages/a/src/other.ts': 'export const two = 2\n',
      'packages/a/page/src/p.ts': 'export const shown = 1\n',
      'packages/a/test/p.spec.ts': "import { shown } from '../dist/page/p.js'\nconsole.log(shown)\n"
    }
    expect(dead(files)).to.deep.equal(['packages/a/src/x.ts:2 two', 'packages/a/src/x.ts:3 three'])
  })

  it('are not types that something exported is written with, but are others', () => {
    const text = 'export interface Options { readonly a: number }\nexport interface Forgotten {}\nexport function f(options: Options) {}\n'
    const other = "import { f } from './x.ts'\nf({ a: 1 })\n"
    expect(dead({ 'packages/a/src/x.ts': text, 'packages/a/src/y.ts': other })).to.deep.equal(['packages/a/src/x.ts:2 Forgotten'])
  })
})
