import { copyFileSync, existsSync, mkdtempSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { Database } from '@kithmesh/database'
import { Temporary } from './temporary.ts'

const MEBIBYTE = 1024 * 1024
const temporary = new Temporary()

describe('room in the write-ahead log', () => {
  afterEach(async () => {
    await temporary.clean()
  })
  const logOf = (database: Database): string => join(database.directory, 'db.sqlite-wal')
  function putOneByOne(database: Database, from: number, to: number): void {
    for (let n = from; n < to; n++) database.collection().put(`doc ${n}`, { n })
  }

  it('is made once small transactions follow each other, and is gone when the database is closed', async () => {
    const database = await temporary.open()
    putOneByOne(database, 0, 5)
    const before = statSync(logOf(database)).size
    expect(before).to.be.below(MEBIBYTE / 2)
    putOneByOne(database, 5, 30)
    const after = statSync(logOf(database)).size
    expect(after).to.be.above(MEBIBYTE)
    putOneByOne(database, 30, 40)
    expect(statSync(logOf(database)).size).to.equal(after)
    await database.close()
    expect(existsSync(logOf(database))).to.equal(false)
  })
  it('is made anew when it is used up', async () => {
    const database = await temporary.open()
    putOneByOne(database, 0, 400)
    const sizes = [statSync(logOf(database)).size]
    for (let n = 400; n < 1000; n += 50) {
      putOneByOne(database, n, n + 50)
      sizes.push(statSync(logOf(database)).size)
    }
    expect(new Set(sizes).size).to.be.above(2)
    expect(sizes.at(-1)).to.be.below(26 * MEBIBYTE)
  })
  it('is not made for bulk', async () => {
    const database = await temporary.open()
    const sizes = Array.from({ length: 12 }, (_, batch) => {
      database.collection().putMany(Array.from({ length: 500 }, (_, n) => ({ id: `doc ${batch} ${n}`, body: { text: 'x'.repeat(300) } })))
      return statSync(logOf(database)).size
    })
    const added = sizes.slice(1).map((size, n) => size - sizes[n]!)
    expect(Math.max(...added)).to.be.below(MEBIBYTE)
  })
  it('loses nothing and adds nothing when the process dies at any moment', async () => {
    const database = await temporary.open()
    for (let n = 0; n < 200; n += 20) {
      putOneByOne(database, n, n + 20)
      // What a power cut leaves: the files as they are, without the index in shared memory.
      const directory = mkdtempSync(join(database.directory, 'copy-'))
      for (const file of ['database.json', 'db.sqlite', 'db.sqlite-wal'])
        copyFileSync(join(database.directory, file), join(directory, file))
      const copy = await Database.open(directory)
      expect(copy.collection().count).to.equal(n + 20)
      copy.checkIntegrity()
      await copy.close()
    }
  })
  it('does no harm to what two connections write in turns', async () => {
    const first = await temporary.open()
    const second = await Database.open(first.directory)
    for (let n = 0; n < 200; n += 10) {
      putOneByOne(n % 20 === 0 ? first : second, n, n + 10)
    }
    for (const database of [first, second]) {
      expect(database.collection().count).to.equal(200)
      database.checkIntegrity()
    }
    await second.close()
    putOneByOne(first, 200, 250)
    expect(first.collection().count).to.equal(250)
    first.checkIntegrity()
  })
})
