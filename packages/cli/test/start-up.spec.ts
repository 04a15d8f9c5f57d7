import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'

const bin = fileURLToPath(new URL('../bin/kithmesh.js', import.meta.url))

/** Names each module that is loaded on stderr. */
const hooks = `import { writeSync } from 'node:fs'
export async function load (url, context, next) { writeSync(2, url + '\\n'); return await next(url, context) }`
const registration = `import { register } from 'node:module'
register('${moduleOf(hooks)}')`

function moduleOf(source: string): string {
  return `data:text/javascript;base64,${Buffer.from(source).toString('base64')}`
}

describe('a command', () => {
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'kithmesh-start-'))
  })
  afterEach(() => {
    rmSync(directory, { recursive: true, force: true })
  })

  /** The packages of the workspace that a command line loads. */
  function loadedBy(words: readonly string[]): string[] {
    const { stderr, status } = spawnSync(process.execPath, ['--import', moduleOf(registration), bin, ...words], { encoding: 'utf8' })
    expect(status).to.equal(0)
    const packages = stderr.matchAll(/packages\/([^/\s]+)\/dist\//g)
    return [...new Set([...packages].map((match) => match[1] as string))].sort()
  }

  it('loads neither networks nor databases to say its version', () => {
    expect(loadedBy(['--version'])).to.deep.equal(['cli', 'core'])
  })

  it('loads only the database to write and read documents', () => {
    expect(loadedBy(['put', join(directory, 'db'), 'a', '{}'])).to.deep.equal(['cli', 'core', 'database'])
    expect(loadedBy(['ls', join(directory, 'db')])).to.deep.equal(['cli', 'core', 'database'])
  })

  it('loads nothing for devices beyond this network unless a broker is named', () => {
    const loaded = loadedBy(['sync', '--help'])
    expect(loaded).to.include('provider-dnssd')
    for (const beyond of ['provider-mqtt', 'stun', 'transport-turn', 'transport-holepunch', 'transport-reverse', 'network-clock'])
      expect(loaded).to.not.include(beyond)
  })
})
