// What can be wrong with ports and directories: every command says so, with a code and a hint, and nothing is lost.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { eventually } from '../../support/eventually.mjs'
import { cleanUp, documentBecomes, done, look, newGroup, program, run, stopAll, temporaryDirectory } from '../support/kithmesh.mjs'
import { startServe } from './support.mjs'
import { noteProcess } from '../../../tools/lib/processes.mjs'

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

  it('a database that another program keeps for itself alone, readers included', async () => {
    await done(['put', dir, 'x', '{"n":1}'])
    // In exclusive mode there is no shared index of the write-ahead log: whoever comes later can do nothing with the file.
    const blocker = new SqliteConnection(join(dir, 'db.sqlite'))
    blocker.exec('PRAGMA locking_mode = EXCLUSIVE')
    blocker.exec('BEGIN EXCLUSIVE')
    try {
      const outcomes = await Promise.all(commands(dir).map(async (words) => ({ words, outcome: await run(words) })))
      for (const { words, outcome } of outcomes) expectError(outcome, words, /\[ERR_DB_LOCKED\]/)
    } finally {
      blocker.exec('ROLLBACK')
      blocker.close()
    }
    expect(await done(['get', dir, 'x'])).to.equal('{"n":1}\n')
  })

  it('an identity that is damaged', async () => {
    await done(['put', dir, 'x', '{}'])
    writeFileSync(join(dir, 'identity.pem'), '-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n')
    for (const words of commands(dir).filter(([name]) => name === 'sync' || name === 'serve'))
      expectError(await run(words), words, /\[ERR_IDENTITY_[A-Z_]+\]/)
  })

  it('an export to a full disk', async () => {
    await done(['put', dir, 'x', '{}'])
    const words = ['export', dir, '/dev/full']
    const outcome = await run(words)
    expectError(outcome, words, /\/dev\/full cannot be written: ENOSPC.*\[ERR_CLI_FILE\]/)
    expect(outcome.err).to.match(/hint: .*space/)
  })

  describe('a full disk', () => {
    let mount
    let ballast

    /** A small file system of its own, which takes root on Linux; elsewhere the tests are listed as pending. */
    beforeEach(function () {
      if (!isRoot || process.platform !== 'linux') this.skip()
      mount = join(home, 'mount')
      mkdirSync(mount)
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', mount])
      dir = join(mount, 'shop')
      ballast = join(mount, 'ballast')
    })
    afterEach(async () => {
      if (mount === undefined) return
      await stopAll()
      execFileSync('umount', [mount])
      mount = undefined
    })

    const lines = (count) => Array.from({ length: count }, (_, n) => `{"_id":"d:${n}","text":"${'x'.repeat(40)}"}\n`).join('')
    const expectFull = (outcome, words) => {
      expect(outcome.err, words[0])
        .to.match(/\[ERR_DB_DISK_FULL\]/)
        .and.to.match(/\n {2}hint: .*space/)
      expect(outcome.err, words[0]).not.to.match(/\n\s+at /)
      expect(outcome.code, words[0]).to.equal(1)
    }
    const blob = () => {
      const file = join(home, 'picture.png')
      writeFileSync(file, Buffer.alloc(4 * 1024 * 1024, 'picture'))
      return `picture=${file}`
    }

    it('under put and import keeps what was stored and says how much', async () => {
      await done(['put', dir, 'before', '{"n":1}'])
      writeFileSync(ballast, Buffer.alloc(3 * 1024 * 1024))
      const words = ['import', dir, '--json']
      const imported = await run(words, { stdin: lines(60_000) })
      expect(imported.code).to.equal(1)
      const report = JSON.parse(imported.err)
      expect(report.code).to.equal('ERR_DB_DISK_FULL')
      expect(report.hint).to.match(/space/)
      const { stored } = imported.lines[0]
      expect(stored).to.be.within(1000, 59_000)
      expect((await done(['ls', dir])).split('\n')).to.have.lengthOf(stored + 2)
      for (const put of [
        ['put', dir, 'large', JSON.stringify({ text: 'x'.repeat(100_000), more: 'y'.repeat(20_000) })],
        ['put', dir, 'blob', '{}', '--blob', blob()]
      ])
        expectFull(await run(put), put)
      expect(await done(['get', dir, 'before'])).to.equal('{"n":1}\n')
      rmSync(ballast)
      await done(['put', dir, 'after', '{"n":2}'])
      expect((await done(['ls', dir])).split('\n')).to.have.lengthOf(stored + 3)
      await look(dir, (database) => database.checkIntegrity())
    })

    it('on which there is no room for a database leaves nothing that stands in its way later', async () => {
      writeFileSync(ballast, Buffer.alloc(0))
      try {
        execFileSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=4096'], { stdio: 'ignore' })
      } catch {
        /* dd ends with an error when the disk is full, which is what it is for */
      }
      const words = ['put', dir, 'x', '{}']
      expectFull(await run(words), words)
      expect(existsSync(dir) ? readdirSync(dir) : []).to.deep.equal([])
      rmSync(ballast)
      await done(words)
    })

    it('under serve is told to whoever pushes; nothing acknowledged is lost, and the push ends well once there is space', async () => {
      const server = await startServe(dir, '--tls', 'off')
      writeFileSync(ballast, Buffer.alloc(3 * 1024 * 1024))
      const copy = join(home, 'copy')
      await done(['import', copy], { stdin: lines(40_000) })
      const pushed = await run(['replicate', copy, server.url, '--push', '--json', '--attempts', 1])
      expect(pushed.code, pushed.err).to.equal(1)
      const arrived = (await done(['ls', dir])).split('\n').length - 1
      expect(pushed.lines.at(-1).pushed).to.be.at.most(arrived)
      expect(server.over, server.err).to.equal(false)
      rmSync(ballast)
      execFileSync('mount', ['-o', 'remount,size=64m', mount])
      const again = await run(['replicate', copy, server.url, '--push', '--json'])
      expect(again.code, again.err).to.equal(0)
      expect(await server.stop(), server.err).to.equal(0)
      expect(await done(['export', dir, '--revisions'])).to.equal(await done(['export', copy, '--revisions']))
    })
  })

  it('a reader that leaves early ends the command quietly', async () => {
    await done(['import', dir], { stdin: Array.from({ length: 20_000 }, (_, n) => `{"_id":"${n}","text":"${'x'.repeat(50)}"}\n`).join('') })
    const out = execFileSync('bash', ['-c', `set -o pipefail; "$0" "$1" export "$2" | head -n 1`, process.execPath, program, dir])
    expect(out.toString()).to.match(/^\{"_id":"0",/)
  })

  it('Ctrl-C during an import keeps what was stored, and says so with 130', async () => {
    const child = spawn(process.execPath, [program, 'import', dir], { stdio: ['pipe', 'pipe', 'pipe'] })
    noteProcess(child, `kithmesh import ${dir}`)
    const ended = once(child, 'exit')
    child.stdin.write(Array.from({ length: 1000 }, (_, n) => `{"_id":"${n}"}\n`).join(''))
    await eventually('the database', () => existsSync(join(dir, 'db.sqlite')))
    await documentBecomes(dir, '999', (body) => body !== undefined)
    child.kill('SIGINT')
    const [code] = await ended
    expect(code).to.equal(130)
    expect((await done(['ls', dir])).split('\n')).to.have.lengthOf(1001)
  })
})
