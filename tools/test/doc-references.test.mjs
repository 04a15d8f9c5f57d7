import { expect } from 'chai'
import { headingAnchors, localLinks, namedPaths } from '../lib/doc-references.mjs'

describe('what a page refers to', () => {
  it('files in code spans that begin with a folder of the repository', () => {
    expect(namedPaths('see `packages/core/src/txt.ts`\nand `node tests/e2e/cli/run.mjs --bail`')).to.deep.equal([
      { line: 1, path: 'packages/core/src/txt.ts', near: undefined },
      { line: 2, path: 'tests/e2e/cli/run.mjs', near: undefined }
    ])
  })

  it('sources that lie near another one, in rows of tables only', () => {
    expect(namedPaths('| it | `packages/core/src/txt.ts`, `uuid5.ts` |\n`uuid5.ts`')).to.deep.equal([
      { line: 1, path: 'packages/core/src/txt.ts', near: undefined },
      { line: 1, path: 'uuid5.ts', near: 'packages/core/src/txt.ts' }
    ])
  })

  it('no placeholders, patterns, other spans or fenced code', () => {
    expect(
      namedPaths('`packages/<name>/test` `api/*.api.md` `Database.open` `coverage/`\n```sh\nnode `tools/none.mjs`\n```')
    ).to.deep.equal([])
  })

  it('links within the repository, with their headings', () => {
    expect(localLinks('[a](docs/a.md#b) [c](#d) [e](https://example.com) ![f](g.svg) `[h](i)`')).to.deep.equal([
      { line: 1, file: 'docs/a.md', heading: 'b' },
      { line: 1, file: '', heading: 'd' },
      { line: 1, file: 'g.svg', heading: undefined }
    ])
  })

  it('headings by their anchors', () => {
    expect([...headingAnchors('# With Sync Gateway\n```sh\n# no\n```\n## Where is …\n### `put`, and get')]).to.deep.equal([
      'with-sync-gateway',
      'where-is-',
      'put-and-get'
    ])
  })
})
