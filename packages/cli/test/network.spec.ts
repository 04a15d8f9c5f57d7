import { randomBytes } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { jsonLines, run, start, temporaryDirectories } from './support/command.ts'

const temporary = temporaryDirectories()

describe('commands on the network', () => {
  let home: string
  let running: { stop: () => Promise<number> }[]

  beforeEach(() => {
    home = temporary.make()
    running = []
  })
  afterEach(async () => {
    await Promise.all(
      running.map(async (each) => {
        await each.stop()
      })
    )
    temporary.clean()
  })

  const launch = (...args: Parameters<typeof start>): ReturnType<typeof start> => {
    const command = start(...args)
    running.push(command)
    return command
  }

  describe('serve and replicate', () => {
    const serve = async (...options: string[]): Promise<ReturnType<typeof start> & { url: string }> => {
      const command = launch(['serve', join(home, 'served'), '--port', '0', '--host', '127.0.0.1', '--db', 'db', '--json', ...options])
      const [first] = jsonLines(await command.stdout.until((text) => text.includes('\n'), 'the first line'))
      expect(first).to.include({ event: 'listening', database: 'db' })
      expect(first.port).to.be.a('number')
      expect(first.urls).to.deep.equal([first.url])
      return Object.assign(command, { url: first.url as string })
    }

    it('bring two directories to the same documents', async () => {
      await run(['put', join(home, 'served'), 'x', '{}'])
      await run(['put', join(home, 'copy'), 'y', '{}'])
      const server = await serve('--tls', 'off', '--user', 'anna:secret')
      const outcome = await run(['replicate', join(home, 'copy'), server.url, '--user', 'anna:secret', '--json'])
      expect(outcome.err).to.equal('')
      expect(outcome.code).to.equal(0)
      expect(outcome.lines).to.have.lengthOf(1)
      expect(outcome.lines[0]).to.deep.include({
        event: 'finished',
        pushed: 1,
        pulled: 1,
        blobsPushed: 0,
        blobsPulled: 0,
        conflicts: 0,
        failed: 0
      })
      expect(outcome.lines[0].seconds).to.be.a('number')
      for (const name of ['served', 'copy']) expect((await run(['ls', join(home, name)])).out).to.equal('x\ny\n')
      expect(await server.stop()).to.equal(0)
      expect(jsonLines(server.stdout.text).at(-1)).to.deep.equal({ event: 'stopped' })
      expect(jsonLines(server.stdout.text).map(({ event }) => event as string)).to.include('connections')
      expect(server.stderr.text).to.equal('')
    })

    it('exchange what changed in a document, unless told --no-deltas', async () => {
      const [served, copy] = [join(home, 'served'), join(home, 'copy')]
      const text = randomBytes(60_000).toString('base64')
      const first = (await run(['put', served, 'x', JSON.stringify({ text, n: 0 })])).out
      expect(first).to.match(/^1-/)
      const server = await serve('--tls', 'off', '--deltas')
      const { port } = new URL(server.url)
      let bytes = 0
      const proxy = createServer((socket) => {
        const onward = connect(Number(port), '127.0.0.1')
        for (const [from, to] of [
          [socket, onward],
          [onward, socket]
        ] as const) {
          from.on('error', () => {})
          from.on('data', (chunk: Buffer) => {
            bytes += chunk.length
          })
          from.pipe(to)
        }
      })
      await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
      try {
        const url = server.url.replace(`:${port}/`, `:${(proxy.address() as AddressInfo).port}/`)
        const changed = async (n: number, ...options: string[]): Promise<number> => {
          if (n > 0) expect((await run(['put', served, 'x', JSON.stringify({ text, n })])).code).to.equal(0)
          bytes = 0
          const { lines, err } = await run(['replicate', copy, url, '--pull', '--json', ...options])
          expect(lines[0], err).to.include({ pulled: 1, failed: 0 })
          return bytes
        }
        expect(await changed(0)).to.be.greaterThan(50_000)
        expect(await changed(1)).to.be.lessThan(20_000)
        expect(await changed(2, '--no-deltas')).to.be.greaterThan(50_000)
      } finally {
        proxy.close()
      }
    })

    it('take logins from a file or the environment, where other users do not see them', async () => {
      const users = join(home, 'users')
      writeFileSync(users, '# who may come in\n\nanna:secret\r\nbert:with:colons\n')
      const server = await serve('--tls', 'off', '--user-file', users)
      const replicate = (options: readonly string[], login?: string): ReturnType<typeof run> =>
        run(['replicate', join(home, 'copy'), server.url, ...options], { environment: { KITHMESH_USER: login } })
      expect(await replicate([], 'bert:with:colons')).to.include({ code: 0, err: '' })
      expect((await replicate([], 'bert:other')).err).to.match(/ERR_REPL_UNAUTHORIZED/)
      const own = join(home, 'own')
      writeFileSync(own, 'anna:secret')
      expect(await replicate(['--user-file', own], 'bert:other')).to.include({ code: 0, err: '' })
      expect((await replicate(['--user-file', users])).err).to.match(/Only one login/)
      writeFileSync(own, 'anna:secret\nanna-secret\n')
      const wrong = await replicate(['--user-file', own])
      expect(wrong.err).to.match(/Line 2 of .* takes user:password/)
      expect(wrong.err).not.to.include('anna-secret')
    })

    it('keep to a network interface', async () => {
      const command = launch([
        'serve',
        join(home, 'served'),
        '--port',
        '0',
        '--interface',
        '127.0.0.1',
        '--tls',
        'off',
        '--db',
        'db',
        '--json'
      ])
      await command.stdout.until((text) => text.includes('"listening"'), 'the address')
      const [first] = jsonLines(command.stdout.text)
      const from = (name: string): ReturnType<typeof run> =>
        run(['replicate', join(home, 'copy'), first!.url as string, '--attempts', '1', '--interface', name])
      expect(await from('127.0.0.1')).to.include({ code: 0, err: '' })
      expect((await from('nonesuch9')).err).to.match(/no network interface "nonesuch9"/)
      const missing = await run(['serve', join(home, 'served'), '--port', '0', '--interface', 'nonesuch9'])
      expect(missing.err).to.match(/no network interface "nonesuch9".*\[ERR_REPL_LISTEN\]/)
      const both = await run(['serve', join(home, 'served'), '--port', '0', '--interface', 'lo', '--host', '::1'])
      expect(both).to.include({ code: 2 })
    })

    it('speak TLS by default, and the certificate can be pinned', async () => {
      const server = await serve()
      expect(server.url).to.match(/^wss:/)
      expect(server.stderr.text).to.match(/no --user/)
      const pinned = await run(['replicate', join(home, 'copy'), server.url, '--pin', join(home, 'served', 'identity.pem')])
      expect(pinned).to.include({ code: 0, err: '' })
      expect(pinned.out).to.match(/^0 documents pushed, 0 pulled/)
      const refused = await run(['replicate', join(home, 'copy'), server.url, '--json'])
      expect(refused.code).to.equal(1)
      expect(refused.lines[0]).to.include({ event: 'finished', code: 'ERR_REPL_CONNECT' })
      expect(JSON.parse(refused.err).code).to.equal('ERR_REPL_CONNECT')
    })

    it('go on with --continuous until they are interrupted', async () => {
      const server = await serve('--tls', 'off')
      const replication = launch(['replicate', join(home, 'copy'), server.url, '--continuous', '--json'])
      await replication.stdout.until((text) => text.includes('"idle"'), 'idle')
      await run(['put', join(home, 'served'), 'x', '{}'])
      await replication.stdout.until((text) => text.includes('"id":"x"'), 'the document')
      expect(await replication.stop()).to.equal(0)
      const all = jsonLines(replication.stdout.text)
      expect(all.find(({ event }) => event === 'document')).to.include({ direction: 'pull', id: 'x', deleted: false })
      expect(all.at(-1)).to.include({ event: 'finished', pulled: 1 })
    })

    it('do not begin when they were interrupted before', async () => {
      const stopped = AbortSignal.abort(new DOMException('Interrupted', 'AbortError'))
      expect((await run(['replicate', join(home, 'copy'), 'ws://127.0.0.1:1/db', '--continuous'], { signal: stopped })).code).to.equal(0)
    })

    it('say why nobody can be reached, and try again as often as asked', async () => {
      const outcome = await run(['replicate', join(home, 'copy'), 'ws://127.0.0.1:1/db', '--attempts', '1'])
      expect(outcome.code).to.equal(1)
      expect(outcome.err).to.match(/^error Cannot connect to ws:\/\/127\.0\.0\.1:1\/db[\s\S]*\[ERR_REPL_CONNECT\]\n[\s\S]*hint: /)
    })

    it('with --push only, make no database', async () => {
      const outcome = await run(['replicate', join(home, 'nope'), 'ws://127.0.0.1:1/db', '--push'])
      expect(outcome.err).to.match(/ERR_DB_NOT_FOUND/)
      expect(existsSync(join(home, 'nope'))).to.equal(false)
    })

    it('refuse a database name that no URL can have', async () => {
      const outcome = await run(['serve', join(home, 'served'), '--port', '0', '--db', 'a/b'])
      expect(outcome.code).to.equal(2)
      expect(outcome.err).to.match(/"a\/b" cannot be the name/)
    })

    it('log what happens with --verbose', async () => {
      const outcome = await run(['replicate', join(home, 'copy'), 'ws://127.0.0.1:1/db', '--attempts', '1', '--verbose'])
      expect(outcome.err).to.match(/ info .*The replication ended with an error/)
    })
  })

  describe('sync and peers', () => {
    const group = `unit-${process.pid}-${Date.now().toString(36)}`
    const sync = (name: string, ...options: string[]): ReturnType<typeof start> =>
      launch(['sync', join(home, name), '--group', group, '--name', name, '--interface', 'lo', '--first-use', ...options])

    it('find each other and sync', async () => {
      await run(['put', join(home, 'one'), 'x', '{}'])
      const [one, two] = [sync('one'), sync('two', '--json')]
      await two.stdout.until((text) => text.includes('"id":"x"'), 'the document')
      expect(await one.stop()).to.equal(0)
      expect(await two.stop()).to.equal(0)
      expect(one.stdout.text).to.match(
        /^one is in group .*, listening on port \d+\nour id: [0-9a-f]{64}\n[\s\S]*connected, direct (?:127\.0\.0\.1|\[::1\]):\d+[\s\S]*stopped: \d+ documents? in/
      )
      const all = jsonLines(two.stdout.text)
      expect(all[0]).to.include({ event: 'started', name: 'two', group })
      expect(all.at(-1)).to.include({ event: 'stopped', documentsIn: 1 })
    })

    it('say that nobody is there', async () => {
      const words = ['peers', '--group', `${group}-empty`, '--interface', 'lo', '--seconds', '1']
      expect(await run(words)).to.include({ code: 0, out: '', err: `nobody of group ${group}-empty was found in 1 s\n` })
      expect(await run([...words, '--json'])).to.include({ code: 0, out: '', err: '' })
    })

    it('end at once when they are interrupted', async () => {
      const looking = launch(['peers', '--group', group, '--interface', 'lo', '--seconds', '1000'])
      setImmediate(() => {
        void looking.stop()
      })
      expect(await looking.stop()).to.equal(0)
    })
  })
})
