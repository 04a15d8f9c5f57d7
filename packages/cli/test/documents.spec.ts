import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { expect } from 'chai'
import { Database } from '@kithmesh/database'
import { run, temporaryDirectories } from './support/command.ts'

const temporary = temporaryDirectories()

describe('commands on documents', () => {
  let home: string
  let dir: string

  beforeEach(() => {
    home = temporary.make()
    dir = join(home, 'shop')
  })
  afterEach(() => {
    temporary.clean()
  })

  describe('put and get', () => {
    it('stores a document from the argument and prints its revision', async () => {
      const put = await run(['put', dir, 'item:1', '{"name":"Pen"}'])
      expect(put).to.include({ code: 0, err: '' })
      expect(put.out).to.match(/^1-[0-9a-f]{40}\n$/)
      expect(await run(['get', dir, 'item:1'])).to.include({ code: 0, out: '{"name":"Pen"}\n', err: '' })
    })

    it('stores a document from stdin, with nothing or "-" for the document', async () => {
      expect((await run(['put', dir, 'a'], { stdin: '{"n":1}' })).code).to.equal(0)
      expect((await run(['put', dir, 'b', '-'], { stdin: '{"n":2}\n' })).code).to.equal(0)
      expect((await run(['get', dir, 'a'])).out).to.equal('{"n":1}\n')
      expect((await run(['get', dir, 'b'])).out).to.equal('{"n":2}\n\n')
    })

    it('prints JSON', async () => {
      const put = await run(['put', dir, 'ü"🦉', '{\n"big":12345678901234567890}', '--json'])
      expect(put.lines).to.have.lengthOf(1)
      expect(put.lines[0]).to.deep.include({ id: 'ü"🦉', sequence: 1 })
      const get = await run(['get', dir, 'ü"🦉', '--json'])
      expect(get.out).to.equal(`{"id":"ü\\"🦉","rev":"${put.lines[0].rev}","sequence":1,"document":{ "big":12345678901234567890}}\n`)
    })

    it('keeps bodies byte for byte', async () => {
      const body = '{ "b" : 1.0,\n\t"a" : 1e400, "a\\u0062" : "\\u00fc" }'
      await run(['put', dir, 'x', body])
      expect((await run(['get', dir, 'x'])).out).to.equal(`${body}\n`)
    })

    it('works on other collections, which put makes', async () => {
      expect((await run(['put', dir, 'x', '{"a":1}', '--collection', 'shop.items'])).code).to.equal(0)
      expect((await run(['put', dir, 'x', '{"a":2}', '--collection', 'notes'])).code).to.equal(0)
      expect((await run(['get', dir, 'x', '--collection', 'shop.items'])).out).to.equal('{"a":1}\n')
      expect((await run(['get', dir, 'x', '--collection', 'notes'])).out).to.equal('{"a":2}\n')
      const missing = await run(['get', dir, 'x'])
      expect(missing.code).to.equal(1)
      expect(missing.err).to.match(/There is no document "x" \[ERR_CLI_NOT_FOUND\][\s\S]*hint: kithmesh ls/)
      const unknown = await run(['get', dir, 'x', '--collection', 'nope'])
      expect(unknown.code).to.equal(1)
      expect(unknown.err).to.match(/ERR_DB_NO_COLLECTION/)
    })

    it('checks the parent revision', async () => {
      const first = await run(['put', dir, 'x', '{"v":1}', '--parent', '', '--json'])
      expect(first.code).to.equal(0)
      const again = await run(['put', dir, 'x', '{"v":2}', '--parent', ''])
      expect(again.code).to.equal(1)
      expect(again.err).to.match(/ERR_DB_CONFLICT/)
      expect((await run(['put', dir, 'x', '{"v":2}', '--parent', first.lines[0].rev])).code).to.equal(0)
      expect((await run(['put', dir, 'x', '{"v":3}', '--parent', first.lines[0].rev])).code).to.equal(1)
      expect((await run(['get', dir, 'x'])).out).to.equal('{"v":2}\n')
    })

    const bad: [string, string, string][] = [
      ['x', '{"a":', 'ERR_DB_MALFORMED_JSON'],
      ['x', '[1]', 'ERR_DB_MALFORMED_JSON'],
      ['x', '', 'ERR_DB_MALFORMED_JSON'],
      ['x', '{"_a":1}', 'ERR_DB_RESERVED_KEY'],
      ['_x', '{}', 'ERR_DB_DOCUMENT_ID'],
      ['', '{}', 'ERR_DB_DOCUMENT_ID'],
      ['ü'.repeat(121), '{}', 'ERR_DB_DOCUMENT_ID'],
      ['x', '{"p":{"@type":"blob","digest":"sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA=","length":1}}', 'ERR_DB_BLOB_MISSING']
    ]
    for (const [id, body, code] of bad) {
      it(`refuses ${body === '' ? 'nothing' : body} under ${JSON.stringify(id.slice(0, 10))}`, async () => {
        const outcome = await run(['put', dir, id, body])
        expect(outcome.code).to.equal(1)
        expect(outcome.out).to.equal('')
        expect(outcome.err).to.include(`[${code}]`).and.to.include('hint: ')
      })
    }

    it('refuses a document of more than 20 MiB, before and after reading all of it', async () => {
      const large = await run(['put', dir, 'x'], { stdin: Buffer.alloc(20 * 1024 * 1024 + 1, 0x20) })
      expect(large.code).to.equal(1)
      expect(large.err).to.match(/more than 20971520 bytes \[ERR_CLI_INPUT\]/)
      const endless = new PassThrough()
      const feed = (): void => {
        while (!endless.destroyed && endless.write(Buffer.alloc(1 << 20)));
      }
      endless.on('drain', feed)
      feed()
      expect((await run(['put', dir, 'x'], { stdin: endless })).code).to.equal(1)
      expect(endless.destroyed).to.equal(true)
    })

    it('can be interrupted while it waits for stdin', async () => {
      const stopping = new AbortController()
      setImmediate(() => {
        stopping.abort(new DOMException('Interrupted', 'AbortError'))
      })
      expect(await run(['put', dir, 'x'], { stdin: new PassThrough(), signal: stopping.signal })).to.include({
        code: 130,
        out: '',
        err: 'interrupted\n'
      })
    })

    it('writes while another process has the database open and writes', async () => {
      const other = await Database.open(dir)
      try {
        other.collection().put('theirs', { n: 0 })
        const puts = Array.from({ length: 10 }, (_, index) => run(['put', dir, `ours:${index}`, '{}']))
        for (let index = 0; index < 50; index++) {
          other.collection().put('theirs', { n: index })
          await new Promise((resolve) => {
            setImmediate(resolve)
          })
        }
        expect((await Promise.all(puts)).map(({ code }) => code)).to.deep.equal(Array(10).fill(0))
        expect(other.collection().count).to.equal(11)
      } finally {
        await other.close()
      }
    })
  })

  describe('blobs', () => {
    it('are stored with --blob and read with --blob', async () => {
      const picture = join(home, 'apples.PNG')
      const bytes = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 10, 13, 255])
      writeFileSync(picture, bytes)
      writeFileSync(join(home, 'a=b'), 'text')
      expect(
        (await run(['put', dir, 'x', '{"n":1.0}', '--blob', `picture=${picture}`, '--blob', `other=${join(home, 'a=b')}`])).code
      ).to.equal(0)
      const document = await run(['get', dir, 'x'])
      expect(document.out).to.match(/^\{"n":1\.0,"picture":\{"@type":"blob",/)
      const body = JSON.parse(document.out) as Record<string, Record<string, unknown>>
      expect(body['picture']).to.include({ '@type': 'blob', content_type: 'image/png', length: 8 })
      expect(body['other']).to.include({ content_type: 'application/octet-stream', length: 4 })
      expect((await run(['get', dir, 'x', '--blob', 'picture'])).bytes.equals(bytes)).to.equal(true)
      expect((await run(['get', dir, 'x', '--blob', 'other'])).out).to.equal('text')
    })

    it('can be all there is, and may not replace a property', async () => {
      writeFileSync(join(home, 'f.txt'), 'f')
      expect((await run(['put', dir, 'x', ' { } ', '--blob', `f=${join(home, 'f.txt')}`])).code).to.equal(0)
      expect((await run(['get', dir, 'x', '--blob', 'f'])).out).to.equal('f')
      const twice = await run(['put', dir, 'x', '{"f":1}', '--blob', `f=${join(home, 'f.txt')}`])
      expect(twice.code).to.equal(2)
      expect(twice.err).to.match(/has "f" already/)
    })

    it('are refused with a reason', async () => {
      const missing = await run(['put', dir, 'x', '{}', '--blob', `f=${join(home, 'nope')}`])
      expect(missing.code).to.equal(1)
      expect(missing.err).to.match(/nope cannot be read: ENOENT[\s\S]*\[ERR_CLI_FILE\]/)
      expect((await run(['put', dir, 'x', '{}', '--blob', 'nope'])).code).to.equal(2)
      for (const body of ['[]', 'null', '1', '{']) {
        const outcome = await run(['put', dir, 'x', body, '--blob', `f=${home}/f`])
        expect(outcome.code).to.equal(1)
        expect(outcome.err).to.match(/ERR_CLI_INPUT[\s\S]*hint: Quote/)
      }
      await run(['put', dir, 'x', '{"a":1,"b":null}'])
      for (const property of ['a', 'b', 'c', '__proto__', 'constructor']) {
        const outcome = await run(['get', dir, 'x', '--blob', property])
        expect(outcome.code).to.equal(1)
        expect(outcome.err).to.match(/has no blob under/)
      }
    })
  })

  describe('ls', () => {
    beforeEach(async () => {
      for (const id of ['b', 'a', 'ü', 'c']) await run(['put', dir, id, '{"n":1}'])
      await run(['put', dir, 'z', '{}', '--collection', 'shop.items'])
    })

    it('lists ids in order', async () => {
      expect(await run(['ls', dir])).to.include({ code: 0, out: 'a\nb\nc\nü\n', err: '' })
    })

    it('lists a range', async () => {
      expect((await run(['ls', dir, '--after', 'a', '--limit', '2'])).out).to.equal('b\nc\n')
    })

    it('lists revisions and sizes', async () => {
      expect((await run(['ls', dir, '--long', '--limit', '1'])).out).to.match(/^a\t1-[0-9a-f]{40}\t7\n$/)
      const [first] = (await run(['ls', dir, '--json', '--limit', '1'])).lines
      expect(first).to.deep.include({ id: 'a', sequence: 2, bytes: 7 })
      expect(first.rev).to.match(/^1-/)
    })

    it('lists collections', async () => {
      expect((await run(['ls', dir, '--collections'])).out.split('\n').sort()).to.deep.equal(['', '_default\t4', 'shop.items\t1'])
      expect((await run(['ls', dir, '--collections', '--json'])).lines).to.deep.include({
        collection: '_default',
        documents: 4,
        lastSequence: 4,
        versioning: 'rev-trees'
      })
      expect((await run(['ls', dir, '--collection', 'shop.items'])).out).to.equal('z\n')
    })
  })

  describe('rm', () => {
    beforeEach(async () => {
      for (const id of ['a', 'b', 'c']) await run(['put', dir, id, '{}'])
    })

    it('deletes with a tombstone', async () => {
      const outcome = await run(['rm', dir, 'a', 'b'])
      expect(outcome.code).to.equal(0)
      expect(outcome.out).to.match(/^2-[0-9a-f]{40}\n2-[0-9a-f]{40}\n$/)
      expect((await run(['ls', dir])).out).to.equal('c\n')
      const database = await Database.open(dir)
      try {
        expect(database.collection().get('a', { deleted: true })?.deleted).to.equal(true)
      } finally {
        await database.close()
      }
    })

    it('prints JSON', async () => {
      const { lines } = await run(['rm', dir, 'a', '--json'])
      expect(lines).to.have.lengthOf(1)
      expect(lines[0]).to.include({ id: 'a', deleted: true })
      expect((await run(['rm', dir, 'b', '--purge', '--json'])).lines).to.deep.equal([{ id: 'b', purged: true }])
    })

    it('purges without a trace', async () => {
      expect(await run(['rm', dir, 'a', '--purge'])).to.include({ code: 0, out: 'a\n' })
      const database = await Database.open(dir)
      try {
        expect(database.collection().get('a', { deleted: true })).to.equal(undefined)
      } finally {
        await database.close()
      }
    })

    it('deletes what is there and names what is not', async () => {
      for (const purge of [[], ['--purge']]) {
        const outcome = await run(['rm', dir, 'nope', purge.length === 0 ? 'a' : 'b', 'neither', ...purge])
        expect(outcome.code).to.equal(1)
        expect(outcome.err).to.match(/There is no document "nope", "neither" \[ERR_CLI_NOT_FOUND\]/)
      }
      expect((await run(['ls', dir])).out).to.equal('c\n')
    })
  })

  describe('a directory that is no database', () => {
    const commands = (path: string): string[][] => [
      ['put', path, 'x', '{}'],
      ['get', path, 'x'],
      ['ls', path],
      ['rm', path, 'x'],
      ['import', path],
      ['export', path]
    ]

    it('is not made by commands that read', async () => {
      for (const words of [
        ['get', dir, 'x'],
        ['ls', dir],
        ['rm', dir, 'x'],
        ['export', dir]
      ]) {
        const outcome = await run(words)
        expect(outcome.code, words[0]).to.equal(1)
        expect(outcome.err).to.include('[ERR_DB_NOT_FOUND]').and.to.include('hint: ')
      }
      expect(() => readFileSync(dir)).to.throw(/ENOENT/)
    })

    it('is refused by every command when it holds garbage', async () => {
      mkdirSync(dir)
      writeFileSync(join(dir, 'database.json'), 'garbage')
      for (const words of commands(dir)) {
        const outcome = await run(words)
        expect(outcome.code, words[0]).to.equal(1)
        expect(outcome.err, words[0]).to.include('[ERR_DB_UNREADABLE]').and.to.include('hint: ')
      }
    })

    it('is refused by every command when the store is damaged', async () => {
      await run(['put', dir, 'x', '{}'])
      writeFileSync(join(dir, 'db.sqlite'), Buffer.alloc(8192, 0x5a))
      for (const words of commands(dir)) {
        const outcome = await run(words)
        expect(outcome.code, words[0]).to.equal(1)
        expect(outcome.err, words[0]).to.match(/\[ERR_DB_UNREADABLE\][\s\S]*hint: /)
      }
    })

    it('is refused by every command when it is a file', async () => {
      writeFileSync(dir, 'a file')
      for (const words of commands(dir)) {
        const outcome = await run(words)
        expect(outcome.code, words[0]).to.equal(1)
        expect(outcome.err, words[0]).to.match(/ERR_DB_[A-Z_]+\][\s\S]*hint: /)
      }
      expect(readFileSync(dir, 'utf8')).to.equal('a file')
    })
  })
})
