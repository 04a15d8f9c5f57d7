import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { parseWebAddress, staysHere } from '../dist/web.js'
import { run, temporaryDirectories } from './support/command.ts'

const temporary = temporaryDirectories()

describe('the options of the page of sync', () => {
  afterEach(() => {
    temporary.clean()
  })

  it('take a port, with an address or without', () => {
    expect(['8080', '127.0.0.1:0', '[::1]:80', 'example.org:8080'].map(parseWebAddress)).to.deep.equal([
      { host: undefined, port: 8080 },
      { host: '127.0.0.1', port: 0 },
      { host: '::1', port: 80 },
      { host: 'example.org', port: 8080 }
    ])
    for (const wrong of ['', 'x', ':80', '::1:80', '1.2.3.4', '70000', '127.0.0.1:70000', 'http://127.0.0.1:80'])
      expect(() => parseWebAddress(wrong), wrong)
        .to.throw()
        .with.property('code', 'ERR_CLI_USAGE')
  })

  it('know what is only for this machine', () => {
    expect([undefined, '127.0.0.1', '127.9.9.9', 'localhost', '0:0:0:0:0:0:0:1', '::1'].every(staysHere)).to.equal(true)
    expect(['0.0.0.0', '192.168.1.4', '::', 'example.org', '127.example', '127.0.0.1.example'].some(staysHere)).to.equal(false)
  })

  it('are refused before anything is started when they make no sense, and no token is repeated', async () => {
    const directory = temporary.make()
    const file = join(directory, 'token')
    writeFileSync(file, 'too-short\n')
    for (const [words, expected] of [
      [['--web', 'everywhere'], /--web takes a port/],
      [['--web-token-file', file], /--web-token-file is for the page of --web/],
      [['--web', '0', '--web-token-file', file], /16 to 512 characters/],
      [['--web', '0', '--web-token-file', join(directory, 'missing')], /cannot be read/]
    ] as const) {
      const { code, err, out } = await run(['sync', join(directory, 'db'), '--group', 'test', '--insecure', '--interface', 'lo', ...words])
      expect(code, err).to.be.oneOf([1, 2])
      expect(err).to.match(expected)
      expect(err + out).to.not.include('too-short')
    }
  })
})
