import { expect } from 'chai'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { differences, matchesOutput, pageProject, playPage, updatedPage } from '../lib/page-project.mjs'

const page = `# A page

<!-- file: src/a.ts -->
\`\`\`ts
export const a = 1
\`\`\`

<!-- run -->
\`\`\`sh
cat src/a.ts
\`\`\`

<!-- output -->
\`\`\`text
export const … = 1
\`\`\`

<!-- run with registry -->
\`\`\`sh
exit 7
\`\`\`
`

describe('pages that are played', () => {
  let folder
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kithmesh-page-'))
  })
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true })
  })
  const play = (text, options = {}) => playPage('page.md', pageProject(text), { root: folder, folder: join(folder, 'page'), ...options })

  it('are pages with files or runs only', () => {
    expect(pageProject('# a\n\n```ts\nconst a = 1\n```\n\n<!-- a remark -->\n```sh\nls\n```\n')).to.equal(undefined)
    expect(pageProject(page).steps.map(({ is }) => is)).to.deep.equal(['file', 'run', 'run'])
  })
  it('write their files, run what they say, and compare what it printed', async () => {
    let prepared = 0
    const prepare = async (where) => {
      prepared++
      expect(existsSync(join(where, 'src', 'a.ts'))).to.equal(true)
    }
    expect(await play(page, { prepare })).to.deep.equal({ ran: 1, problems: [] })
    expect(prepared).to.equal(1)
  })
  it('run what needs a registry where there is one', async () => {
    const { ran, problems } = await play(page, { registry: true })
    expect(ran).to.equal(2)
    expect(problems[0]).to.match(/^page\.md:20: ended with 7/)
  })
  it('fail when something else is printed', async () => {
    const { problems } = await play(page.replace('export const … = 1', 'export const … = 2'))
    expect(problems[0]).to.match(/^page\.md:10: it printed something else than the page shows:\nexport const a = 1/)
  })
  it('fail at the first line of a block that fails', async () => {
    const { problems } = await play(page.replace('cat src/a.ts', 'false\ncat src/a.ts'))
    expect(problems[0]).to.match(/^page\.md:10: ended with 1/)
  })
  it('leave nothing running', async () => {
    const text = page.replace('cat src/a.ts', 'sleep 1000 &\necho $! > pid\ncat src/a.ts')
    expect((await play(text)).problems).to.deep.equal([])
    const pid = Number(readFileSync(join(folder, 'page', 'pid'), 'utf8'))
    let runs = true
    for (let round = 0; round < 200 && runs; round++) {
      try {
        runs = !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
      } catch {
        runs = false
      }
      if (runs) await new Promise((resolve) => setTimeout(resolve, 10))
    }
    expect(runs).to.equal(false)
  })
  it('refuse marks that make no sense', () => {
    const bad =
      (marker, language = 'sh') =>
      () =>
        pageProject(`<!-- ${marker} -->\n\`\`\`${language}\nx\n\`\`\`\n`)
    expect(bad('file: ../../etc/passwd')).to.throw('no path inside the folder')
    expect(bad('file: /etc/passwd')).to.throw('no path inside the folder')
    expect(bad('run', 'ts')).to.throw('only sh blocks are run')
    expect(bad('output')).to.throw('line 1: an output stands behind the block that is run')
  })
  it('show the files of the folder they are about as they are', () => {
    const about = `<!-- project: tools -->\n\n${page.replace('src/a.ts -->', 'lib/main.mjs -->')}`
    const here = new URL('../..', import.meta.url).pathname
    expect(differences('page.md', pageProject(about), here)).to.deep.equal(['page.md:7: differs from tools/lib/main.mjs'])
    const updated = updatedPage(about, (path) => readFileSync(join(here, 'tools', path), 'utf8'))
    expect(differences('page.md', pageProject(updated), here)).to.deep.equal([])
    expect(differences('page.md', pageProject(about.replace('lib/main', 'lib/none')), here)[0]).to.match(
      /there is no tools\/lib\/none\.mjs/
    )
  })
})

describe('comparing output', () => {
  const cases = [
    ['a\nb', 'a\nb\n', true],
    ['a\nb', 'a\nc\nb\n', false],
    ['a\n…\nb', 'a\nc\nd\nb', true],
    ['a\n…\nb', 'a\nb', true],
    ['…\npass …', 'x\ny\npass 12', true],
    ['…\npass …', 'x\npass 12\nfail 1', false],
    ['…\npass …\n…', 'x\npass 12\nfail 0', true],
    ['[1.5] …ms', '[1.5] 20ms', true],
    ['[1.5] …ms', '[125] 20ms', false]
  ]
  for (const [expected, printed, same] of cases)
    it(`${JSON.stringify(expected)} ${same ? 'is' : 'is not'} ${JSON.stringify(printed)}`, () => {
      expect(matchesOutput(expected, printed)).to.equal(same)
    })
})
