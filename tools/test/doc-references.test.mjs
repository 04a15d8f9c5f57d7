import { expect } from 'chai'
import { drawnSources, headingAnchors, localLinks, malformedLinks, namedPaths } from '../lib/doc-references.mjs'

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

  it('sources in the words of a drawing, and not in its attributes', () => {
    expect(drawnSources('<svg id="a.ts">\n<text x="1">ring-plan.ts, or gate.ts</text><text>none</text>')).to.deep.equal([
      { line: 2, name: 'ring-plan.ts' },
      { line: 2, name: 'gate.ts' }
    ])
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

describe('links as they are written', () => {
  const problems = (text) => malformedLinks(text).map(({ problem }) => problem)

  it('are well when they are addresses, places in the repository, or code', () => {
    const text = '[a](https://example.com/x#y) ![b](docs/images/b.png) [c](#d) `[e](f g)` [m](mailto:a@example.com)\n```\n[x](y z)\n```\n'
    expect(problems(text)).to.deep.equal([])
  })

  it('are told when they are no address, lead nowhere, or stand in a form that is not checked', () => {
    expect(problems('[a](https://exa mple.com)')[0]).to.match(/has a space/)
    expect(problems('[a](htps://example.com)')).to.deep.equal(['htps://example.com has the scheme htps:'])
    expect(problems('[a](https://nowhere)')).to.deep.equal(['https://nowhere names no host'])
    expect(problems('[a]()')).to.deep.equal(['a link to nothing'])
    expect(problems('<img src="x.png">')[0]).to.match(/in HTML/)
    expect(problems('[a]: https://example.com')[0]).to.match(/by reference/)
  })
})
