import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Database } from '@kithmesh/database'
import { rejection } from '@kithmesh/testkit'
import { Temporary, thrownBy } from './temporary.ts'

const temporary = new Temporary()
const digestOf = (bytes: Uint8Array): string => `sha1-${createHash('sha1').update(bytes).digest('base64')}`

for (const place of ['on disk', 'in memory']) {
  describe(`blobs ${place}`, () => {
    let database: Database
    beforeEach(async () => {
      database = await temporary.open(place === 'in memory' ? ':memory:' : undefined)
    })
    afterEach(async () => {
      await temporary.clean()
    })
    const files = (): string[] =>
      place === 'in memory'
        ? []
        : readdirSync(join(database.directory, 'blobs'), { recursive: true, withFileTypes: true })
            .filter((entry) => entry.isFile())
            .map(({ name }) => name)
    const read = async (digest: string): Promise<Buffer> => {
      const pieces: Buffer[] = []
      for await (const piece of database.blobs.openRead(digest) ?? []) pieces.push(piece)
      return Buffer.concat(pieces)
    }

    it('are known by the digest of the reference', async () => {
      const blob = await database.blobs.saveBlob(Buffer.from('Hello, blob!'), 'text/plain')
      expect(blob).to.deep.equal({ '@type': 'blob', digest: 'sha1-ArH2IhJgRp/90GRqSAdAfa750BE=', length: 12, content_type: 'text/plain' })
      expect(await database.blobs.saveBlob(Buffer.from('Hello, blob!'))).to.not.have.property('content_type')
      expect((await database.blobs.readBlob(blob))?.toString()).to.equal('Hello, blob!')
      expect([database.blobs.has(blob.digest), database.blobs.size(blob.digest)]).to.deep.equal([true, 12])
    })
    it('may be empty', async () => {
      const { digest } = await database.blobs.saveBlob(Buffer.alloc(0))
      expect([database.blobs.size(digest), (await read(digest)).length]).to.deep.equal([0, 0])
    })
    it('are streamed in and out', async () => {
      const bytes = randomBytes(5_000_001)
      const blob = await database.blobs.saveBlob(
        (async function* () {
          for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000)
        })()
      )
      expect([blob.digest, blob.length]).to.deep.equal([digestOf(bytes), bytes.length])
      expect((await read(blob.digest)).equals(bytes)).to.equal(true)
      expect((await database.blobs.read(blob.digest))?.equals(bytes)).to.equal(true)
    })
    it('are read piece by piece into memory that is there', async () => {
      const bytes = randomBytes(100_000)
      const { digest } = await database.blobs.saveBlob(bytes)
      const reader = database.blobs.openReader(digest)
      if (reader === undefined) throw new Error('the blob is not there')
      const target = Buffer.alloc(100_010, 1)
      reader.read(target, 5, 60_000, 0)
      reader.read(target, 60_005, 40_000, 60_000)
      expect([reader.length, target.subarray(5, -5).equals(bytes)]).to.deep.equal([100_000, true])
      expect([...target.subarray(0, 5), ...target.subarray(-5)]).to.deep.equal(Array(10).fill(1))
      reader.close()
      const within = [99_999, 100_000].map((bytes) => database.blobs.openReader(digest, bytes))
      expect(within.map((opened) => opened?.length)).to.deep.equal([undefined, 100_000])
      within[1]?.close()
    })
    it('are absent in every way when absent', async () => {
      for (const digest of [digestOf(Buffer.from('never')), 'sha1-../../../../etc/passwd', 'md5-x', '']) {
        expect(
          [
            database.blobs.has(digest),
            database.blobs.size(digest),
            await database.blobs.read(digest),
            database.blobs.openRead(digest),
            database.blobs.openReader(digest)
          ],
          digest
        ).to.deep.equal([false, undefined, undefined, undefined, undefined])
      }
      expect(thrownBy(() => database.blobs.openWrite({ digest: 'sha1-../../x' })).code).to.equal('ERR_DB_BLOB_DIGEST')
    })
    it('are not stored when digest or length are wrong, and nothing stays behind', async () => {
      const bytes = randomBytes(2_000_000)
      for (const expected of [
        { digest: digestOf(Buffer.from('other')) },
        { digest: digestOf(bytes), length: bytes.length + 1 },
        { digest: digestOf(bytes), length: 10 }
      ]) {
        const writer = database.blobs.openWrite(expected)
        const error = await rejection(
          (async () => {
            await writer.write(bytes.subarray(0, 1_500_000))
            await writer.write(bytes.subarray(1_500_000))
            await writer.commit()
          })()
        )
        expect(error.code).to.equal('ERR_DB_BLOB_MISMATCH')
        expect([database.blobs.has(digestOf(bytes)), database.blobs.has(expected.digest)]).to.deep.equal([false, false])
      }
      expect(files()).to.deep.equal([])
    })
    it('are gone when aborted', async () => {
      const bytes = randomBytes(3_000_000)
      const writer = database.blobs.openWrite({ digest: digestOf(bytes) })
      await writer.write(bytes)
      expect(database.blobs.has(digestOf(bytes))).to.equal(false)
      await writer.abort()
      await writer.abort()
      expect([database.blobs.has(digestOf(bytes)), files()]).to.deep.equal([false, []])
    })
    it('do not depend on the pieces given staying as they were', async () => {
      const bytes = Buffer.from('first')
      const digest = digestOf(bytes)
      const writer = database.blobs.openWrite({ digest, length: 5 })
      await writer.write(bytes)
      bytes.fill(0)
      await writer.commit()
      expect((await database.blobs.read(digest))?.toString()).to.equal('first')
    })
    it('can be written by many at once, the same one too', async () => {
      const contents = Array.from({ length: 20 }, (_, n) => randomBytes(20_000 + n))
      await Promise.all(
        [...contents, ...contents].map(async (bytes) => {
          const writer = database.blobs.openWrite({ digest: digestOf(bytes), length: bytes.length })
          await writer.write(bytes)
          await writer.commit()
        })
      )
      for (const bytes of contents) expect((await database.blobs.read(digestOf(bytes)))?.equals(bytes)).to.equal(true)
      if (place === 'on disk') expect(files()).to.have.length(20)
    })
  })
}

describe('blob files', () => {
  afterEach(async () => {
    await temporary.clean()
  })
  it('are open for reading only so many at once, and again when others are closed', async () => {
    const database = await temporary.open()
    const { digest } = await database.blobs.saveBlob(Buffer.from('text'))
    const open = Array.from({ length: 64 }, () => database.blobs.openReader(digest))
    expect(open.every((reader) => reader !== undefined)).to.equal(true)
    expect(database.blobs.openReader(digest)).to.equal(undefined)
    open[0]?.close()
    open[0]?.close()
    const again = [database.blobs.openReader(digest), database.blobs.openReader(digest)]
    expect(again.map((reader) => reader?.length)).to.deep.equal([4, undefined])
    for (const reader of [...open, ...again]) reader?.close()
  })
  it('say so when they are shorter than they were, or closed', async () => {
    const database = await temporary.open()
    const { digest } = await database.blobs.saveBlob(randomBytes(1000))
    const reader = database.blobs.openReader(digest)
    truncateSync(join(database.directory, 'blobs', Buffer.from(digest.slice(5), 'base64').toString('hex')), 500)
    expect(thrownBy(() => reader?.read(Buffer.alloc(1000), 0, 1000, 0)).code).to.equal('ERR_DB_IO')
    reader?.close()
    expect(() => reader?.read(Buffer.alloc(10), 0, 10, 0)).to.throw(TypeError)
  })
  it('count as used when asked for, so that compaction leaves them to whoever is about to mention them', async () => {
    const database = await temporary.open()
    const blobs = await Promise.all(['asked', 'opened', 'forgotten'].map(async (text) => await database.blobs.saveBlob(Buffer.from(text))))
    for (const { digest } of blobs) {
      const hex = Buffer.from(digest.slice(5), 'base64').toString('hex')
      utimesSync(join(database.directory, 'blobs', hex), 1000, 1000)
    }
    expect(database.blobs.has(blobs[0]?.digest as string)).to.equal(true)
    database.blobs.openReader(blobs[1]?.digest as string)?.close()
    expect(database.compact()).to.deep.equal({ blobsRemoved: 1 })
    expect(blobs.map(({ digest }) => database.blobs.has(digest))).to.deep.equal([true, true, false])
  })
  describe('with links in their place', () => {
    const fileOf = (digest: string): string => Buffer.from(digest.slice(5), 'base64').toString('hex')
    const secret = Buffer.from('the key of somebody')
    const digest = digestOf(secret)
    const open = async (): Promise<{ database: Database; blobs: string; elsewhere: string }> => {
      const database = await temporary.open()
      const elsewhere = join(temporary.directory(), 'secret')
      writeFileSync(elsewhere, secret)
      return { database, blobs: join(database.directory, 'blobs'), elsewhere }
    }

    it('are not there, and stored over the link when they come', async function () {
      if (process.platform === 'win32') this.skip()
      const { database, blobs, elsewhere } = await open()
      symlinkSync(elsewhere, join(blobs, fileOf(digest)))
      expect([database.blobs.has(digest), database.blobs.size(digest), await database.blobs.read(digest)]).to.deep.equal([
        false,
        undefined,
        undefined
      ])
      expect([database.blobs.openRead(digest), database.blobs.openReader(digest)]).to.deep.equal([undefined, undefined])
      await database.blobs.saveBlob(secret)
      writeFileSync(elsewhere, 'changed')
      expect((await database.blobs.read(digest))?.equals(secret)).to.equal(true)
    })
    it('are not there where a directory or a pipe is, which is not waited for', async function () {
      if (process.platform === 'win32') this.skip()
      const { database, blobs } = await open()
      const place = join(blobs, fileOf(digest))
      for (const put of [() => mkdirSync(place), () => execFileSync('mkfifo', [place])]) {
        put()
        expect([database.blobs.size(digest), database.blobs.openReader(digest)]).to.deep.equal([undefined, undefined])
        rmSync(place, { recursive: true })
      }
    })
    it('are where a link in the place of the whole directory leads', async function () {
      if (process.platform === 'win32') this.skip()
      const { database, blobs } = await open()
      await database.blobs.saveBlob(secret)
      const moved = join(temporary.directory(), 'moved')
      renameSync(blobs, moved)
      symlinkSync(moved, blobs)
      expect((await database.blobs.read(digest))?.equals(secret)).to.equal(true)
      const { digest: another } = await database.blobs.saveBlob(Buffer.from('another'))
      expect(readdirSync(moved)).to.include(fileOf(another))
    })
    it('leave what is no unfinished blob alone where one leads to when they are cleared away', async function () {
      if (process.platform === 'win32') this.skip()
      const { database, blobs, elsewhere } = await open()
      const folder = join(elsewhere, '..', 'documents')
      mkdirSync(folder)
      for (const name of ['thesis.txt', 'ab'.repeat(12)]) {
        writeFileSync(join(folder, name), 'x')
        utimesSync(join(folder, name), 1000, 1000)
      }
      renameSync(join(blobs, 'tmp'), join(blobs, 'was'))
      symlinkSync(folder, join(blobs, 'tmp'))
      database.compact()
      expect(readdirSync(folder)).to.deep.equal(['thesis.txt'])
    })
  })
})
