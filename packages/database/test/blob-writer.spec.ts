import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import { rejection } from '@kithmesh/testkit'
import { DirectorySync } from '../dist/blobs/directory-sync.js'
import { DiskBlobWriter } from '../dist/blobs/disk-blob-writer.js'
import { Temporary, thrownBy } from './temporary.ts'

/** What a descriptor of this process is open for. */
const fileOf = (fd: string): string => {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return ''
  }
}
const MEBIBYTE = 1024 * 1024
const digestOf = (bytes: Uint8Array): string => `sha1-${createHash('sha1').update(bytes).digest('base64')}`

describe('a blob on its way to its file', () => {
  const temporary = new Temporary()
  let directory = ''
  beforeEach(() => {
    directory = temporary.directory()
    mkdirSync(join(directory, 'tmp'))
  })
  afterEach(async () => {
    await temporary.clean()
  })
  const writer = (expected?: { digest: string; length?: number }): DiskBlobWriter =>
    new DiskBlobWriter({
      expected,
      temporary: join(directory, 'tmp', randomBytes(12).toString('hex')),
      place: (digest) => join(directory, Buffer.from(digest.slice(5), 'base64').toString('hex')),
      exists: existsSync,
      sync: new DirectorySync()
    })
  const unfinished = (): string[] => readdirSync(join(directory, 'tmp'))
  const finished = (): string[] => readdirSync(directory).filter((name) => name !== 'tmp')
  const stored = (bytes: Uint8Array): Buffer => readFileSync(join(directory, createHash('sha1').update(bytes).digest('hex')))

  it('comes out as it went in, whatever its size and its pieces', async () => {
    const size = fc.oneof(
      fc.constantFrom(0, 1, 4095, 4096, 4097, 65_536, 65_537, 262_144, MEBIBYTE - 1, MEBIBYTE, MEBIBYTE + 1, 3 * MEBIBYTE + 7),
      fc.integer({ min: 0, max: 200_000 })
    )
    await fc.assert(
      fc.asyncProperty(size, fc.integer({ min: 1, max: 400_000 }), fc.boolean(), async (bytes, step, announced) => {
        const content = randomBytes(bytes)
        const target = writer({ digest: digestOf(content), ...(announced && { length: bytes }) })
        for (let at = 0; at < bytes; at += step) {
          const piece = Buffer.from(content.subarray(at, at + step))
          const half = piece.length >> 1
          await target.write(piece.subarray(0, half))
          await target.write(piece.subarray(half))
          piece.fill(0)
        }
        await target.commit()
        expect(stored(content).equals(content)).to.equal(true)
        expect([target.length, unfinished()]).to.deep.equal([bytes, []])
      }),
      { numRuns: 60 }
    )
  })
  it('leaves nothing behind when it is aborted in the middle of a write', async () => {
    const target = writer()
    await Promise.all([target.write(randomBytes(5 * MEBIBYTE)), target.abort()])
    expect(unfinished()).to.deep.equal([])
  })
  it('has its file closed after the write that is under way', async function () {
    if (process.platform !== 'linux') return this.skip()
    const isOpen = (): boolean => readdirSync('/proc/self/fd').some((fd) => fileOf(fd).startsWith(join(directory, 'tmp')))
    const target = writer()
    let written = false
    const writing = target.write(Buffer.alloc(48 * MEBIBYTE, 'blob'))?.then(() => {
      written = true
    })
    const aborted = target.abort()
    let looks = 0
    for (; !written; looks++) {
      expect(isOpen()).to.equal(true)
      await new Promise(setImmediate)
    }
    await Promise.all([writing, aborted])
    expect([looks > 0, isOpen()]).to.deep.equal([true, false])
  })
  it('is not stored when it is aborted while its commit waits for a write', async () => {
    const content = randomBytes(5 * MEBIBYTE)
    const target = writer({ digest: digestOf(content), length: content.length })
    const writing = target.write(content)
    const committed = rejection(target.commit())
    await Promise.all([writing, target.abort()])
    expect((await committed).message).to.include('finished')
    expect([unfinished(), finished()]).to.deep.equal([[], []])
  })
  it('is committed once', async () => {
    const content = randomBytes(5 * MEBIBYTE)
    const target = writer({ digest: digestOf(content), length: content.length })
    const writing = target.write(content)
    const first = target.commit()
    const second = rejection(target.commit())
    await Promise.all([writing, first])
    expect((await second).message).to.include('finished')
    expect(stored(content).equals(content)).to.equal(true)
  })
  it('says so when the disk fails', async () => {
    for (const bytes of [1000, 3 * MEBIBYTE]) {
      const content = randomBytes(bytes)
      const target = writer({ digest: digestOf(content) })
      rmSync(join(directory, 'tmp'), { recursive: true, force: true })
      const error = await rejection(
        (async () => {
          await target.write(content)
          await target.commit()
        })()
      )
      await target.abort()
      expect([error.code, finished()]).to.deep.equal(['ERR_DB_IO', []])
    }
  })
  it('takes one piece after the other', async () => {
    const content = randomBytes(3 * MEBIBYTE)
    const target = writer({ digest: digestOf(content), length: content.length })
    const writing = target.write(content.subarray(0, -1))
    expect(thrownBy(() => target.write(content.subarray(-1))).message).to.include('still under way')
    await writing
    await target.write(content.subarray(-1))
    await target.commit()
    expect(stored(content).equals(content)).to.equal(true)
    expect(thrownBy(() => target.write(content)).message).to.include('finished')
    expect((await rejection(target.commit())).message).to.include('finished')
  })
})
