import { mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { makeNewFile } from '../dist/named-file.js'
import { temporaryDirectories } from './support/command.ts'

describe('files that a command makes for itself', () => {
  const temporary = temporaryDirectories()
  afterEach(() => {
    temporary.clean()
  })

  it('are there in one step, for their owner only, and made by one of many', async () => {
    const directory = temporary.make()
    const path = join(directory, 'token')
    const made = await Promise.all(['one', 'two', 'three'].map((text) => makeNewFile(path, text, 0o600)))
    expect(made.filter((each) => each)).to.have.length(1)
    expect(readFileSync(path, 'utf8')).to.equal(['one', 'two', 'three'][made.indexOf(true)])
    if (process.platform !== 'win32') expect(statSync(path).mode & 0o777).to.equal(0o600)
    expect(readdirSync(directory)).to.deep.equal(['token'])
  })

  it('are not made through links, and what is there stays', async function () {
    if (process.platform === 'win32') this.skip()
    const directory = temporary.make()
    const elsewhere = join(directory, 'elsewhere')
    mkdirSync(elsewhere)
    writeFileSync(join(elsewhere, 'there'), 'precious')
    for (const name of ['there', 'nowhere']) {
      symlinkSync(join(elsewhere, name), join(directory, name))
      expect(await makeNewFile(join(directory, name), 'secret', 0o600)).to.equal(false)
    }
    expect(readdirSync(elsewhere)).to.deep.equal(['there'])
    expect(readFileSync(join(elsewhere, 'there'), 'utf8')).to.equal('precious')
    expect(readdirSync(directory).sort()).to.deep.equal(['elsewhere', 'nowhere', 'there'])
    const error = await makeNewFile(join(directory, 'no', 'token'), 'secret', 0o600).catch((thrown: unknown) => thrown)
    expect(error).to.have.property('code', 'ERR_CLI_FILE')
  })
})
