import { lstatSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import { expect } from 'chai'
import { Database } from '@kithmesh/database'
import { run, temporaryDirectories } from './support/command.ts'

const temporary = temporaryDirectories()

describe('import and export', () => {
  let home: string
  let dir: string

  beforeEach(() => {
    home = temporary.make()
    dir = join(home, 'shop')
  })
  afterEach(() => {
    temporary.clean()
  })

  const load = (text: string | Buffer, ...options: string[]): ReturnType<typeof run> => run(['import', dir, ...options], { stdin: text })
  const dump = async (...options: string[]): Promise<string> => (await run(['export', dir, ...options])).out

  describe('import', () => {
    it('loads lines from stdin', async () => {
      const outcome = await load('{"_id":"b","n":1}\n{"n":2,"_id":"a"}\n')
      expect(outcome.err).to.equal('')
      expect(outcome.code).to.equal(0)
      expect(outcome.out).to.match(/^2 stored, 0 failed in [0-9.]+ s\n$/)
      expect(await dump()).to.equal('{"_id":"a","n":2}\n{"_id":"b","n":1}\n')
    })

    it('loads a file and prints JSON', async () => {
      const file = join(home, 'items.jsonl')
      writeFileSync(file, '{"_id":"a"}\n{"_id":"b"}')
      const { lines, code } = await run(['import', dir, file, '--json'])
      expect(code).to.equal(0)
      expect(lines).to.have.lengthOf(1)
      expect(lines[0]).to.include({ stored: 2, failed: 0 })
      expect(lines[0].seconds).to.be.a('number')
    })

    it('loads nothing from an empty file, an empty stdin and blank lines', async () => {
      writeFileSync(join(home, 'empty'), '')
      expect((await run(['import', dir, join(home, 'empty'), '--json'])).lines[0]).to.include({ stored: 0, failed: 0 })
      expect((await load('', '--json')).lines[0]).to.include({ stored: 0, failed: 0 })
      expect((await load('\n  \r\n\n', '--json')).lines[0]).to.include({ stored: 0, failed: 0 })
      expect(await dump()).to.equal('')
    })

    it('takes CR LF and a byte order mark', async () => {
      expect((await load('\ufeff{"_id":"a","n":1}\r\n{"_id":"b"}\r\n')).code).to.equal(0)
      expect(await dump()).to.equal('{"_id":"a","n":1}\n{"_id":"b"}\n')
    })

    it('takes ids of any script, and "_rev" is dropped', async () => {
      expect((await load('{"_id":"日本🦉\\u0000","_rev":"3-abc","x":"\\ud83e\\udd89"}\n')).code).to.equal(0)
      const database = await Database.open(dir)
      try {
        expect(database.collection().get('日本🦉\u0000')?.revId).to.match(/^1-/)
      } finally {
        await database.close()
      }
      expect(await dump()).to.equal('{"_id":"日本🦉\\u0000","x":"\\ud83e\\udd89"}\n')
    })

    it('stores one id twice in a row, the last line wins', async () => {
      const outcome = await load('{"_id":"a","n":1}\n{"_id":"a","n":2}\n{"_id":"b"}\n{"_id":"a","n":3}\n', '--json')
      expect(outcome.lines[0]).to.include({ stored: 4, failed: 0 })
      expect(await dump('--revisions')).to.match(/^\{"_id":"a","_rev":"3-[0-9a-f]{40}","n":3\}\n/)
    })

    it('gives a document that is there a new revision', async () => {
      await load('{"_id":"a","n":1}\n')
      await load('{"_id":"a","n":2}\n')
      expect(await dump('--revisions')).to.match(/"_rev":"2-/)
    })

    it('loads more than one transaction', async () => {
      const text = Array.from({ length: 2500 }, (_, index) => `{"_id":"${String(index).padStart(5, '0')}","n":${index}}\n`).join('')
      expect((await load(text, '--json')).lines[0]).to.include({ stored: 2500 })
      expect(await dump()).to.equal(text)
    })

    it('loads into a collection', async () => {
      expect((await load('{"_id":"a"}\n', '--collection', 'shop.items')).code).to.equal(0)
      expect(await dump('--collection', 'shop.items')).to.equal('{"_id":"a"}\n')
      expect(await dump()).to.equal('')
    })

    const bad: [string, RegExp][] = [
      ['{"_id":"x","n":}', /Line 3 cannot be stored: .*JSON/],
      ['{"_id":"x",\\}', /Line 3 cannot be stored: .*JSON/],
      ['{"_id":"x","n":nope}', /Line 3 cannot be stored: .*JSON/],
      ['[]', /Line 3 cannot be stored: it is an array/],
      ['{"n":1}', /Line 3 cannot be stored: it has no "_id"/],
      ['{"_id":7}', /Line 3 cannot be stored: its "_id" is not a string/],
      ['{"_id":"_x"}', /Line 3 cannot be stored: .*starts with an underscore/],
      ['{"_id":""}', /Line 3 cannot be stored: .*is empty/],
      ['{"_id":"x","_y":1}', /Line 3 cannot be stored: .*reserved top-level key "_y"/],
      ['{"_id":"x","p":{"@type":"blob","digest":"sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA=","length":1}}', /Line 3 cannot be stored: .*not stored/]
    ]
    for (const [line, message] of bad) {
      it(`stops at ${line}, keeps what is before, and names the line`, async () => {
        const outcome = await load(`{"_id":"a"}\n\n${line}\n{"_id":"b"}\n`)
        expect(outcome.code).to.equal(1)
        expect(outcome.err).to.match(message)
        expect(outcome.err).to.match(/\[ERR_CLI_INPUT\][\s\S]*hint: The 1 documents before it are stored; --skip-errors/)
        expect(outcome.out).to.equal('')
        expect(await dump()).to.equal('{"_id":"a"}\n')
      })

      it(`passes over ${line} with --skip-errors`, async () => {
        const outcome = await load(`{"_id":"a"}\n\n${line}\n{"_id":"b"}\n`, '--skip-errors', '--json')
        expect(outcome.code).to.equal(1)
        expect(outcome.lines[0]).to.include({ stored: 2, failed: 1 })
        expect(outcome.err.split('\n')[0]).to.match(message)
        expect(JSON.parse(outcome.err.split('\n')[1] as string)).to.include({ error: '1 line was not stored', code: 'ERR_CLI_INPUT' })
        expect(await dump()).to.equal('{"_id":"a"}\n{"_id":"b"}\n')
      })
    }

    it('names the first bad line when a later one is bad, too', async () => {
      const outcome = await load('{"_id":"a"}\n{"_id":"_x"}\n{"_id":"b"}\nnonsense\n')
      expect(outcome.err).to.match(/Line 2 cannot/)
      expect(await dump()).to.equal('{"_id":"a"}\n')
    })

    it('refuses bytes that are not UTF-8', async () => {
      const outcome = await load(Buffer.from([0x7b, 0x22, 0x5f, 0x69, 0x64, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d, 0x0a]))
      expect(outcome.err).to.match(/Line 1 cannot be stored: it is not UTF-8/)
    })

    it('passes over a line of any length, in bounded memory', async () => {
      const piece = Buffer.alloc(1 << 20, 0x78)
      const input = Readable.from(
        (function* () {
          yield Buffer.from('{"_id":"a"}\n{"_id":"x","text":"')
          for (let index = 0; index < 60; index++) yield piece
          yield Buffer.from('"}\n{"_id":"b"}\n')
        })()
      )
      const outcome = await run(['import', dir, '--skip-errors', '--json'], { stdin: input })
      expect(outcome.err).to.match(/Line 2 cannot be stored: it is longer than a document may be \(20971520 bytes\)/)
      expect(outcome.lines[0]).to.include({ stored: 2, failed: 1 })
    })

    it('refuses a document over the limit in a line that is just short enough', async () => {
      const outcome = await load(`{"_id":"x","t":"${'x'.repeat(20 * 1024 * 1024)}"}\n{"_id":"b"}`, '--skip-errors')
      expect(outcome.err).to.match(/Line 1 cannot be stored: .*20971520/)
      expect(await dump()).to.equal('{"_id":"b"}\n')
    })

    it('takes deep documents or says what is wrong with them', async () => {
      const outcome = await load(`{"_id":"x","t":${'['.repeat(100_000)}${']'.repeat(100_000)}}\n{"_id":"b"}`, '--skip-errors', '--json')
      expect(outcome.lines[0].stored + outcome.lines[0].failed).to.equal(2)
      expect(await dump()).to.include('{"_id":"b"}\n')
    })

    it('reports a file that cannot be read', async () => {
      const missing = await run(['import', dir, join(home, 'nope.jsonl')])
      expect(missing.code).to.equal(1)
      expect(missing.err).to.match(/nope\.jsonl cannot be read: ENOENT.*\[ERR_CLI_FILE\]/)
      const folder = await run(['import', dir, home])
      expect(folder.code).to.equal(1)
      expect(folder.err).to.match(/cannot be read: EISDIR.*\[ERR_CLI_FILE\]/)
    })

    it('keeps what came before the input broke', async () => {
      const input = new PassThrough()
      input.write('{"_id":"a"}\n{"_id":"b"')
      setImmediate(() => {
        input.destroy(new Error('cable pulled'))
      })
      const outcome = await run(['import', dir], { stdin: input })
      expect(outcome.code).to.equal(1)
      expect(outcome.err).to.match(/stdin cannot be read: cable pulled/)
      expect(await dump()).to.equal('{"_id":"a"}\n')
    })

    it('keeps what came before it was interrupted', async () => {
      const input = new PassThrough()
      const stopping = new AbortController()
      input.write('{"_id":"a"}\n')
      setImmediate(() => {
        stopping.abort(new DOMException('Interrupted', 'AbortError'))
      })
      expect(await run(['import', dir], { stdin: input, signal: stopping.signal })).to.include({ code: 130, err: 'interrupted\n' })
      expect(await dump()).to.equal('{"_id":"a"}\n')
    })

    it('shows progress to people', async () => {
      const outcome = await run(['import', dir], { stdin: '{"_id":"a"}\n', interactive: true })
      expect(outcome.err).to.match(/\r1 documents|\r0 documents/)
    })
  })

  describe('export', () => {
    it('writes a file, and says how many', async () => {
      await load('{"_id":"a"}\n{"_id":"b"}\n')
      const file = join(home, 'out.jsonl')
      expect(await run(['export', dir, file])).to.include({ code: 0, out: '2 documents\n' })
      expect(readFileSync(file, 'utf8')).to.equal('{"_id":"a"}\n{"_id":"b"}\n')
      expect((await run(['export', dir, file, '--json'])).lines).to.deep.equal([{ documents: 2, file }])
    })

    it('does not touch the file when there is no database', async () => {
      const file = join(home, 'out.jsonl')
      writeFileSync(file, 'precious')
      expect((await run(['export', dir, file])).code).to.equal(1)
      expect(readFileSync(file, 'utf8')).to.equal('precious')
    })

    it('reports a file that cannot be written', async () => {
      await load('{"_id":"a"}\n')
      for (const file of [home, join(home, 'no', 'such', 'folder')]) {
        const outcome = await run(['export', dir, file])
        expect(outcome.code).to.equal(1)
        expect(outcome.err).to.match(/cannot be written: E[A-Z]+.*\[ERR_CLI_FILE\]/)
      }
      const full = await run(['export', dir, '/dev/full'])
      expect(full.code).to.equal(1)
      expect(full.err).to.match(/\/dev\/full cannot be written: ENOSPC.*\[ERR_CLI_FILE\]/)
    })

    it('keeps what was in the file until the whole is written', async () => {
      await load('{"_id":"a"}\n')
      const file = join(home, 'out.jsonl')
      const link = join(home, 'link.jsonl')
      writeFileSync(file, 'precious', { mode: 0o600 })
      symlinkSync(file, link)
      const stopping = new AbortController()
      stopping.abort(new DOMException('Interrupted', 'AbortError'))
      expect((await run(['export', dir, link], { signal: stopping.signal })).code).not.to.equal(0)
      expect(readFileSync(file, 'utf8')).to.equal('precious')
      expect(readdirSync(home).filter((name) => name.endsWith('.tmp'))).to.deep.equal([])
      expect((await run(['export', dir, link])).code).to.equal(0)
      expect(readFileSync(file, 'utf8')).to.equal('{"_id":"a"}\n')
      expect(lstatSync(link).isSymbolicLink()).to.equal(true)
      expect(statSync(file).mode & 0o777).to.equal(0o600)
    })

    it('leaves tombstones out', async () => {
      await load('{"_id":"a"}\n{"_id":"b"}\n')
      await run(['rm', dir, 'a'])
      expect(await dump()).to.equal('{"_id":"b"}\n')
    })

    it('waits for a slow reader, and fails when it goes away', async () => {
      const text = Array.from(
        { length: 3000 },
        (_, index) => `{"_id":"${String(index).padStart(5, '0')}","t":"${'x'.repeat(100)}"}\n`
      ).join('')
      await load(text)
      const pieces: Buffer[] = []
      const slow = new Writable({
        highWaterMark: 1,
        write(chunk: Buffer, _encoding, done) {
          pieces.push(chunk)
          setImmediate(done)
        }
      })
      expect((await run(['export', dir], { stdout: slow })).code).to.equal(0)
      expect(Buffer.concat(pieces).toString()).to.equal(text)
      const leaving = new Writable({
        highWaterMark: 1,
        write() {
          setImmediate(() => {
            leaving.destroy()
          })
        }
      })
      expect((await run(['export', dir], { stdout: leaving })).code).to.equal(1)
    })
  })

  it('make a copy that exports the same bytes', async () => {
    const text = [
      '{"_id":"0"}',
      '{"_id":"1","n":1.0,"big":12345678901234567890,"2":0,"1":0}',
      '{"_id":"2", "spaced" : [ 1 , 2 ] }',
      '{"_id":"3","text":"\\u00fc ü \\n \u2028 🦉 \\ud83e\\udd89"}',
      '{"_id":"4\\"\\\\","prototype":{"_id":"x","__proto__":1},"constructor":null}',
      '{"_id":"日本","nested":{"_rev":"1-a"},"a":{}}'
    ]
      .map((line) => `${line}\n`)
      .join('')
    await load(text)
    await run(['put', dir, '5', '{\n  "broken": "over",\r\n  "lines": 1\n}'])
    const first = await dump()
    expect(first.split('\n')).to.include.members(text.split('\n'))
    expect(first).to.include('{"_id":"5",   "broken": "over",    "lines": 1 }\n')
    const copy = join(home, 'copy')
    mkdirSync(copy)
    expect((await run(['import', copy], { stdin: first })).code).to.equal(0)
    expect((await run(['export', copy])).out).to.equal(first)
  })
})
