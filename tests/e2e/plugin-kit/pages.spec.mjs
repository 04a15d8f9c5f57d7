import { expect } from 'chai'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pageProject, playPage } from '../../../tools/lib/page-project.mjs'
import { root, run, runNpm } from '../../../tools/lib/run.mjs'
import { startPackedRegistry } from '../../support/packed-registry.mjs'

const kithmesh = join(root, 'packages/cli/bin/kithmesh.js')
/** The pages an author follows from nothing to a certified plugin. */
const pages = ['docs/writing-a-provider.md', 'docs/writing-a-transport.md']

describe('following the pages outside of the checkout, with packed packages', () => {
  let registry
  let folder
  before(async () => {
    registry = await startPackedRegistry()
  })
  after(async () => {
    await registry?.[Symbol.asyncDispose]()
  })
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kithmesh-plugin-'))
  })
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  for (const page of pages) {
    it(page, async () => {
      const { ran, problems } = await playPage(page, pageProject(readFileSync(join(root, page), 'utf8')), {
        root,
        folder: join(folder, 'page'),
        env: registry.env,
        registry: true,
        prepare: async (cwd) => {
          const { code, text } = await runNpm(['install'], { cwd, env: registry.env, output: 'collect' })
          if (code !== 0) throw new Error(`npm install failed: ${text}`)
        }
      })
      expect(problems).to.deep.equal([])
      expect(ran).to.be.greaterThan(1)
      // What `kithmesh certify` of another installation, with a testkit of its own, says of the same package.
      const { code, text } = await run(process.execPath, [kithmesh, 'certify', join(folder, 'page'), '--json'], { output: 'collect' })
      expect(code, text.slice(-4000)).to.equal(0)
      const report = JSON.parse(text.split('\n').find((line) => line.startsWith('{')))
      expect(report).to.include({ failed: 0 })
      expect(report.passed).to.be.greaterThan(100)
    })
  }
})
