import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { Database, databaseErrors, memoryEngine } from '@kithmesh/database'
import { replicationStore } from '@kithmesh/database/replication'
import { rejection } from '@kithmesh/testkit'
import { loadSqliteDriver } from '../dist/sqlite/driver.js'
import { configure } from '../dist/sqlite/schema.js'
import { Temporary, thrownBy } from './temporary.ts'

const temporary = new Temporary()
afterEach(async () => {
  await temporary.clean()
})

describe('a database directory', () => {
  it('is made, closed and found again', async () => {
    const directory = join(temporary.directory(), 'deep', 'db')
    const first = await temporary.open(directory)
    expect([first.name, first.directory]).to.deep.equal(['db', directory])
    first.collection('items', 'shop', { create: true }).put('a', { n: 1 })
    const uuids = [replicationStore(first).privateUuid, replicationStore(first).publicUuid]
    await first.close()
    await first.close()
    const second = await temporary.open(directory, { createIfMissing: false })
    expect(second.collection('items', 'shop').get('a')?.body).to.deep.equal({ n: 1 })
    expect([replicationStore(second).privateUuid, replicationStore(second).publicUuid]).to.deep.equal(uuids)
    expect(second.collections()).to.deep.equal([{ scope: 'shop', name: 'items' }])
    second.checkIntegrity()
  })
  it('is opened with options that make sense only', async () => {
    const directory = temporary.directory()
    for (const options of [{ durability: 'FULL' }, { versioning: 'trees' }, { maxDocumentSize: 0 }, { maxDocumentSize: Number.NaN }]) {
      const error = await Database.open(directory, options as never).catch((cause: unknown) => cause)
      expect(error, JSON.stringify(options)).to.be.instanceOf(TypeError)
    }
    expect(readdirSync(directory)).to.deep.equal([])
  })
  it('waits for the disk at each commit with durability full, at checkpoints with normal', () => {
    for (const [durability, synchronous] of [
      ['full', 2],
      ['normal', 1]
    ] as const) {
      const connection = loadSqliteDriver().connect(join(temporary.directory(), 'db.sqlite'))
      configure(connection, durability)
      expect(connection.prepare('PRAGMA synchronous').get()).to.have.property('synchronous', synchronous)
      connection.close()
    }
  })
  it('says when there is none', async () => {
    expect((await rejection(Database.open(join(temporary.directory(), 'x'), { createIfMissing: false }))).code).to.equal('ERR_DB_NOT_FOUND')
    expect((await rejection(Database.delete(temporary.directory()))).code).to.equal('ERR_DB_NOT_FOUND')
  })
  it('says when it is no directory, not ours, newer, or of another engine', async () => {
    const root = temporary.directory()
    writeFileSync(join(root, 'file'), 'x')
    expect((await rejection(Database.open(join(root, 'file')))).code).to.equal('ERR_DB_UNREADABLE')
    const made = async (json: string): Promise<string> => {
      const directory = temporary.directory()
      writeFileSync(join(directory, 'database.json'), json)
      return directory
    }
    const file = { format: 1, engine: 'sqlite', privateUuid: 'a', publicUuid: 'b' }
    for (const json of ['nonsense', '{}', 'null'])
      expect((await rejection(Database.open(await made(json)))).code, json).to.equal('ERR_DB_UNREADABLE')
    expect((await rejection(Database.open(await made(JSON.stringify({ ...file, format: 3 }))))).code).to.equal('ERR_DB_VERSION')
    expect((await rejection(Database.open(await made(JSON.stringify({ ...file, format: 2 }))))).code).to.equal('ERR_DB_UNREADABLE')
    expect((await rejection(Database.open(await made(JSON.stringify({ ...file, engine: 'lmdb' }))))).code).to.equal('ERR_DB_UNREADABLE')
    const damaged = await made(JSON.stringify(file))
    writeFileSync(join(damaged, 'db.sqlite'), 'this is not a database at all, but long enough to be read as one'.repeat(100))
    const error = await rejection(Database.open(damaged))
    expect(error.code).to.equal('ERR_DB_UNREADABLE')
    expect(error.cause).to.be.instanceOf(Error)
  })
  it('is copied while in use, with identities of its own', async () => {
    const original = await temporary.open()
    const blob = await original.blobs.saveBlob(Buffer.from('picture'), 'image/png')
    original.collection().put('a', { blob })
    const target = join(temporary.directory(), 'copy')
    await Database.copy(original.directory, target)
    original.collection().put('b', {})
    const copy = await temporary.open(target, { createIfMissing: false })
    expect([...copy.collection().documents()].map(({ id }) => id)).to.deep.equal(['a'])
    expect((await copy.blobs.readBlob(blob))?.toString()).to.equal('picture')
    const [one, two] = [replicationStore(original), replicationStore(copy)]
    expect([one.privateUuid === two.privateUuid, one.publicUuid === two.publicUuid]).to.deep.equal([false, false])
    expect((await rejection(Database.copy(original.directory, target))).code).to.equal('ERR_DB_EXISTS')
  })
  it('is deleted without touching what is not part of it', async () => {
    const database = await temporary.open()
    await database.blobs.saveBlob(Buffer.from('x'))
    writeFileSync(join(database.directory, 'notes.txt'), 'mine')
    await database.delete()
    expect(readdirSync(database.directory)).to.deep.equal(['notes.txt'])
    const other = await temporary.open()
    await other.close()
    await Database.delete(other.directory)
    expect(existsSync(other.directory)).to.equal(false)
  })
  it('stays whole when its description was written but nothing else', async () => {
    const directory = temporary.directory()
    const first = await temporary.open(directory)
    await first.close()
    const json = readFileSync(join(directory, 'database.json'))
    const again = temporary.directory()
    writeFileSync(join(again, 'database.json'), json)
    expect((await temporary.open(again)).collections()).to.deep.equal([])
  })
  it('refuses a directory it may not use as blobs folder', async () => {
    const directory = temporary.directory()
    mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, 'blobs'), 'a file')
    expect((await rejection(Database.open(directory))).code).to.equal('ERR_DB_UNREADABLE')
  })
})

describe('a database', () => {
  it('has collections by scope and name, made only on demand', async () => {
    const database = await temporary.open(':memory:')
    expect(thrownBy(() => database.collection('items')).code).to.equal('ERR_DB_NO_COLLECTION')
    for (const [name, scope] of [
      ['_x', 'a'],
      ['', 'a'],
      ['a', 'b.c'],
      ['_default', 'a']
    ] as const) {
      expect(thrownBy(() => database.collection(name, scope, { create: true })).code, name).to.equal('ERR_DB_COLLECTION_NAME')
    }
    const items = database.collection('items', 'shop', { create: true })
    items.put('a', {})
    expect(database.collection('items', 'shop').count).to.equal(1)
    expect([database.deleteCollection('items', 'shop'), database.deleteCollection('items', 'shop')]).to.deep.equal([true, false])
    expect(thrownBy(() => items.put('b', {})).code).to.equal('ERR_DB_NO_COLLECTION')
  })
  it('is of no use once closed', async () => {
    for (const place of [undefined, ':memory:']) {
      const database = await temporary.open(place)
      const items = database.collection()
      await database[Symbol.asyncDispose]()
      for (const use of [
        () => database.collection(),
        () => items.put('a', {}),
        () => items.get('a'),
        () => database.compact(),
        () => replicationStore(database)
      ]) {
        expect(thrownBy(use).code).to.equal('ERR_DB_CLOSED')
      }
    }
  })
  it('in memory has identities too, and can use a given engine', async () => {
    const database = await temporary.open(':memory:', { engine: memoryEngine() })
    expect(replicationStore(database).privateUuid).to.match(/^[0-9a-f-]{36}$/)
    expect([database.name, database.directory]).to.deep.equal(['memory', ':memory:'])
  })
  it('removes blobs in compaction that no document mentions', async () => {
    const database = await temporary.open()
    const blobs = await Promise.all(
      ['kept', 'in a conflict', 'orphan'].map(async (text) => await database.blobs.saveBlob(Buffer.from(text)))
    )
    const items = database.collection()
    items.put('a', { list: [blobs[0]] })
    const view = replicationStore(database).collection('_default', '_default')
    view?.insertRevisions([
      {
        id: 'a',
        revId: '1-ff',
        history: [],
        deleted: false,
        hasBlobs: true,
        body: Buffer.from(JSON.stringify({ b: blobs[1] })),
        onConflict: 'branch'
      }
    ])
    expect(database.compact()).to.deep.equal({ blobsRemoved: 0 })
    for (const blobsUnusedForMs of [NaN, Infinity]) expect(() => database.compact({ blobsUnusedForMs })).to.throw(TypeError)
    expect(database.compact({ blobsUnusedForMs: -60_000 })).to.deep.equal({ blobsRemoved: 1 })
    expect(blobs.map(({ digest }) => database.blobs.has(digest))).to.deep.equal([true, true, false])
    expect(items.get('a')).to.not.equal(undefined)
  })
})

describe('the error catalogue', () => {
  it('has a time and a hint for every code', () => {
    for (const [code, { when, hint }] of Object.entries(databaseErrors.catalogue)) {
      expect(code).to.match(/^ERR_DB_[A-Z_]+$/)
      expect([when.length > 10, hint.length > 10], code).to.deep.equal([true, true])
    }
  })
})
