import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { run, temporaryDirectories } from './support/command.ts'

const temporary = temporaryDirectories()
const plugin = (name: string): string => fileURLToPath(new URL(`../../testkit/test/plugins/${name}`, import.meta.url))

describe('kithmesh certify', () => {
  afterEach(() => {
    temporary.clean()
  })

  it('prints a report as Markdown and ends with 0 when nothing failed', async () => {
    const file = join(temporary.make(), 'report.md')
    const { code, out, err } = await run(['certify', plugin('good'), '--suite', 'package', '--markdown', file])
    expect(err).to.equal('')
    expect(code).to.equal(0)
    expect(out).to.match(/^# kithmesh-good: certified\n/)
    expect(out).to.contain('| package.json > has a licence | passed |'.replace('>', '\\>'))
    expect(readFileSync(file, 'utf8').trim()).to.equal(out.trim())
  })

  it('prints one line of JSON, and ends with 1 when a check failed', async () => {
    const { code, out, err } = await run(['certify', plugin('bad'), '--suite', 'package', '--grep', 'licence|a name', '--json'])
    expect(code).to.equal(1)
    expect(out.trimEnd().split('\n')).to.have.length(1)
    expect(out).to.match(/^\{"passed":0,"failed":2,"checks":\[\{/)
    expect(JSON.parse(out)).to.have.all.keys('passed', 'failed', 'skipped', 'checks', 'capabilities', 'versions', 'package')
    expect(JSON.parse(err)).to.include({ code: 'ERR_CLI_NOT_CERTIFIED' })
  })

  it('ends with 2 when it is misused', async () => {
    for (const words of [
      ['--suite', 'everything'],
      ['--grep', '('],
      ['--timeout', '0']
    ])
      expect((await run(['certify', plugin('good'), ...words])).code, words.join(' ')).to.equal(2)
  })
})
