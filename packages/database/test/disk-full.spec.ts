import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { rejection } from '@kithmesh/testkit'
import { Temporary, thrownBy } from './temporary.ts'

const mountable = process.platform === 'linux' && process.getuid?.() === 0

/** Mounts a small file system of its own, which takes root on Linux; elsewhere the tests are listed as pending. */
describe('a full disk', () => {
  const temporary = new Temporary()
  let mount = ''
  beforeEach(function () {
    if (!mountable) this.skip()
    mount = temporary.directory()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', mount])
  })
  afterEach(async () => {
    const { directory } = { directory: mount }
    mount = ''
    try {
      await temporary.clean()
    } catch {
      /* the mount point is busy until it is unmounted */
    }
    if (directory !== '') {
      execFileSync('umount', [directory])
      rmSync(directory, { recursive: true, force: true })
    }
  })

  it('is reported, undoes the write as a whole, and is over once there is space', async () => {
    const ballast = join(mount, 'ballast')
    writeFileSync(ballast, Buffer.alloc(1024 * 1024))
    const database = await temporary.open(join(mount, 'db'))
    const items = database.collection()
    items.put('before', { n: 1 })
    const large = (n: number): { id: string; body: object } => ({ id: `large-${n}`, body: { text: 'x'.repeat(100_000) } })
    const error = thrownBy(() => items.putMany([{ id: 'first', body: {} }, ...Array.from({ length: 60 }, (_, n) => large(n))]))
    expect(error.code).to.equal('ERR_DB_DISK_FULL')
    expect(error.hint).to.include('space')
    expect(database.lastError).to.equal(error)
    expect([items.get('first'), items.get('before')?.body, items.count]).to.deep.equal([undefined, { n: 1 }, 1])
    rmSync(ballast)
    items.put('after', { n: 2 })
    expect(items.lastSequence).to.equal(2)
    database.checkIntegrity()
    await database.close()
    const again = await temporary.open(database.directory)
    expect([...again.collection().documents()].map(({ id }) => id)).to.deep.equal(['after', 'before'])
    await again.close()
  })
  it('leaves no half blob behind', async () => {
    const database = await temporary.open(join(mount, 'db'))
    const error = await rejection(database.blobs.saveBlob(randomBytes(6 * 1024 * 1024)))
    expect(error.code).to.equal('ERR_DB_DISK_FULL')
    const ballast = join(mount, 'ballast')
    writeFileSync(ballast, Buffer.alloc(3.5 * 1024 * 1024))
    expect((await rejection(database.blobs.saveBlob(randomBytes(500_000)))).code).to.equal('ERR_DB_DISK_FULL')
    expect(readdirSync(join(database.directory, 'blobs'), { recursive: true })).to.deep.equal(['tmp'])
    rmSync(ballast)
    const blob = await database.blobs.saveBlob(randomBytes(500_000))
    expect(database.blobs.size(blob.digest)).to.equal(500_000)
    await database.close()
  })
})
