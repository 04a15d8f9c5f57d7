import { expect } from 'chai'
import { markdownBlocks, packageDocumentationBlocks } from '../lib/code-blocks.mjs'

describe('finding code blocks', () => {
  it('takes ts blocks and leaves the others', () => {
    const text = '# a\n```sh\nls\n```\n\n```ts\nconst a = 1\nconst b = 2\n```\n'
    expect(markdownBlocks(text)).to.deep.equal([{ line: 7, code: 'const a = 1\nconst b = 2', info: '' }])
  })

  it('reads blocks inside a list, and tells what stands behind the language', () => {
    expect(markdownBlocks('- x\n  ```ts no-check\n  a\n    b\n  ```\n')).to.deep.equal([{ line: 3, code: 'a\n  b', info: 'no-check' }])
  })

  it('is not ended by a fence of another kind', () => {
    expect(markdownBlocks('````ts\nconst a = `x`\n```\n````\n')).to.deep.equal([{ line: 2, code: 'const a = `x`\n```', info: '' }])
  })

  it('reads the comment that documents a package, and no other', () => {
    const text =
      '/** not\n * ```ts\n * no\n * ```\n */\n/**\n * Text.\n * ```ts\n * if (a) {\n *   b()\n * }\n * ```\n * @packageDocumentation\n */\nexport {}\n'
    expect(packageDocumentationBlocks(text)).to.deep.equal([{ line: 9, code: 'if (a) {\n  b()\n}', info: '' }])
  })
})
