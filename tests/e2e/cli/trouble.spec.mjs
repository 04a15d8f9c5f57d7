// What can be wrong with ports and directories: every command says so, with a code and a hint, and nothing is lost.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { cleanUp, documentBecomes, done, eventually, newGroup, program, run, temporaryDirectory } from '../support/kithmesh.mjs'

// The binding that the database uses: Node's own where there is one.
const SqliteConnection = await import('node:sqlite').then(
  ({ DatabaseSync }) => DatabaseSync,
  async () => (await import('better-sqlite3')).default
)

const nobody = 65_534
const isRoot = process.getuid() === 0

describe('trouble', () => {
  let home
  let dir

  beforeEach(() => {
    home = temporaryDirectory()
    dir = join(home, 'shop')
  })
  afterEach(cleanUp)

  /** Every command that opens a database, with its arguments. */
  const commands = (directory) => [
    ['put', directory, 'x', '{}'],
    ['get', directory, 'x'],
    ['ls', directory],
    ['rm', directory, 'x'],
    ['import', directory],
    ['export', directory],
    ['sync', directory, '--group', newGroup(), '--interface', 'lo'],
    ['serve', directory, '--port', 0, '--host', '127.0.0.1'],
    ['replicate', directory, 'ws://127.0.0.1:1/db', '--attempts', 1]
  ]

  const expectError = ({ code, err, out }, words, message) => {
    expect(err, words[0])
      .to.match(message)
      .and.to.match(/\n {2}hint: ./)
    expect(err, words[0]).not.to.match(/\n\s+at /)
    expect(out, words[0]).to.equal('')
    expect(code, words[0]).to.equal(1)
  }

  it('a port that is taken', async () => {
    const blocker = createServer().listen(0, '127.0.0.1')
    await once(blocker, 'listening')
    const { port } = blocker.address()
    try {
      for (const words of [
        ['sync', dir, '--group', newGroup(), '--interface', 'lo', '--port', port],
        ['serve', dir, '--port', port, '--host', '127.0.0.1', '--tls', 'off']
      ]) {
        const outcome = await run(words)
        expectError(outcome, words, new RegExp(`Port ${port} is taken`))
        expect(outcome.err).to.match(/ERR_DIRECT_PORT_IN_USE/)
      }
    } finally {
      blocker.close()
    }
  })

  it('an address that this machine does not have', async () => {
    const words = ['serve', dir, '--port', 0, '--host', '192.0.2.1', '--tls', 'off']
    expectError(await run(words), words, /Cannot listen on 192\.0\.2\.1:0.*\[ERR_REPL_LISTEN\]/)
  })

  it('a directory full of garbage', async () => {
    mkdirSync(dir)
    writeFileSync(join(dir, 'database.json'), '\u0000garbage')
    for (const words of commands(dir)) expectError(await run(words), words, /\[ERR_DB_UNREADABLE\]/)
    expect(readFileSync(join(dir, 'database.json'), 'utf8')).to.equal('\u0000garbage')
  })

  it('a directory that may not be read or written', async () => {
    await done(['put', dir, 'x', '{}'])
    chmodSync(home, 0o755)
    chmodSync(dir, 0o000)
    try {
      for (const words of commands(dir))
        expectError(await run(words, isRoot ? { uid: nobody } : {}), words, /\[ERR_(DB_UNREADABLE|IDENTITY_STORE)\]/)
    } finally {
      chmodSync(dir, 0o700)
    }
    expect(await done(['ls', dir])).to.equal('x\n')
  })

  it('a database that another program keeps locked', async () => {
    await done(['put', dir, 'x', '{"n":1}'])
    const blocker = new SqliteConnection(join(dir, 'db.sqlite'))
    blocker.exec('BEGIN IMMEDIATE')
    try {
      const waiting = commands(dir).filter(([name]) => ['put', 'rm'].includes(name))
      const outcomes = await Promise.all(waiting.map((words) => run(words)))
      for (const [index, outcome] of outcomes.entries()) expectError(outcome, waiting[index], /\[ERR_DB_LOCKED\]/)
      // Reading goes on meanwhile.
      expect(await done(['get', dir, 'x'])).to.equal('{"n":1}\n')
    } finally {
      blocker.exec('ROLLBACK')
      blocker.close()
    }
    await done(['put', dir, 'x', '{"n":2}'])
  })

  it('an identity that is damaged', async () => {
    await done(['put', dir, 'x', '{}'])
    writeFileSync(join(dir, 'identity.pem'), '-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n')
    for (const words of commands(dir).filter(([name]) => name === 'sync' || name === 'serve'))
      expectError(await run(words), words, /\[ERR_IDENTITY_[A-Z_]+\]/)
  })

  it('a full disk', async () => {
    await done(['put', dir, 'x', '{}'])
    const words = ['export', dir, '/dev/full']
    expectError(await run(words), words, /\/dev\/full cannot be written: ENOSPC.*\[ERR_CLI_FILE\]/)
  })

  it('a reader that leaves early ends the command quietly', async () => {
    await done(['import', dir], { stdin: Array.from({ length: 20_000 }, (_, n) => `{"_id":"${n}","text":"${'x'.repeat(50)}"}\n`).join('') })
    const out = execFileSync('bash', ['-c', `set -o pipefail; "$0" "$1" export "$2" | head -n 1`, process.execPath, program, dir])
    expect(out.toString()).to.match(/^\{"_id":"0",/)
  })

  it('Ctrl-C during an import keeps what was stored, and says so with 130', async () => {
    const child = spawn(process.execPath, [program, 'import', dir], { stdio: ['pipe', 'pipe', 'pipe'] })
    const ended = once(child, 'exit')
    child.stdin.write(Array.from({ length: 1000 }, (_, n) => `{"_id":"${n}"}\n`).join(''))
    await eventually(() => existsSync(join(dir, 'db.sqlite')), 'the database')
    await documentBecomes(dir, '999', (body) => body !== undefined)
    child.kill('SIGINT')
    const [code] = await ended
    expect(code).to.equal(130)
    expect((await done(['ls', dir])).split('\n')).to.have.lengthOf(1001)
  })
})
