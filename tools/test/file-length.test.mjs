import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { unexplainedFiles } from '../check-file-length.mjs'

describe('the length of source files', () => {
  let directory
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'file-length-'))
  })
  afterEach(() => {
    rmSync(directory, { recursive: true, force: true })
  })
  const found = (files) => {
    for (const [path, text] of Object.entries({ 'packages/a/package.json': '{}', ...files })) {
      mkdirSync(dirname(join(directory, path)), { recursive: true })
      writeFileSync(join(directory, path), text)
    }
    return unexplainedFiles(directory).map(({ file, lines }) => `${file} ${lines}`)
  }
  const code = (lines) => 'f()\n'.repeat(lines)

  it('is no matter up to 300 lines, and in tests', () => {
    expect(found({ 'packages/a/src/x.ts': code(300), 'packages/a/test/x.spec.ts': code(900) })).to.deep.equal([])
  })
  it('has to have a reason beyond, in sources and pages', () => {
    expect(found({ 'packages/a/src/b/x.ts': code(301), 'packages/a/page/src/y.ts': code(400) })).to.deep.equal([
      'packages/a/page/src/y.ts 400',
      'packages/a/src/b/x.ts 301'
    ])
  })
  it('has one in a comment, on one line or over two, and not in code', () => {
    const files = {
      'packages/a/src/x.ts': `// One file because it is one table.\n${code(400)}`,
      'packages/a/src/y.ts': `/**\n * A table. One file\n * because it is one.\n */\n${code(400)}`,
      'packages/a/src/z.ts': `f('one file because')\n${code(400)}`
    }
    expect(found(files)).to.deep.equal(['packages/a/src/z.ts 401'])
  })
})
