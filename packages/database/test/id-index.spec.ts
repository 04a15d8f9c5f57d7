import { createRequire } from 'node:module'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import { type StorageEngine, type StorageWriter, sqliteEngine } from '@kithmesh/database/storage'
import { Temporary, thrownBy } from './temporary.ts'

const NOTHING = new Uint8Array(0)
const SPLIT_FROM = 16
const document = (id: string, revId = '1-a', flags = 0) => ({ id, revId, flags, tree: NOTHING, body: Buffer.from('{}') })

/** Runs SQL on a closed store. */
function onFile<T>(directory: string, run: (connection: { exec(sql: string): void; prepare(sql: string): { all(): T[] } }) => T[]): T[] {
  const { DatabaseSync } = (process.getBuiltinModule('node:sqlite') ?? {}) as { DatabaseSync?: new (file: string) => any }
  const Connection = DatabaseSync ?? (createRequire(import.meta.url)('better-sqlite3') as new (file: string) => any)
  const connection = new Connection(join(directory, 'db.sqlite'))
  try {
    return run(connection)
  } finally {
    connection.close()
  }
}

const tablesOf = (directory: string): string[] =>
  onFile<{ name: string }>(directory, (connection) =>
    connection.prepare("SELECT name FROM sqlite_schema WHERE name LIKE '%ids%' OR name LIKE 'docs%' ORDER BY name").all()
  ).map(({ name }) => name)

describe('the index on ids', () => {
  const temporary = new Temporary()
  const open: StorageEngine[] = []

  afterEach(() => {
    for (const engine of open.splice(0)) engine.close()
    temporary.clean()
  })

  function opened(directory: string, splitFrom = SPLIT_FROM): StorageEngine {
    const engine = sqliteEngine({ splitFrom, durability: 'normal' }).open(directory)
    open.push(engine)
    return engine
  }
  const started = (engine: StorageEngine): number => engine.transact((writer) => writer.createCollection('_default', '_default'))
  const ids = (engine: StorageEngine, collection: number): string[] => engine.reader.documentsAfter(collection, '', 1e6).map(({ id }) => id)

  it('of a large collection is split, and finds what it found before', () => {
    const directory = temporary.directory()
    const engine = opened(directory)
    const collection = started(engine)
    for (let n = 0; n < 200; n++) engine.transact((writer) => writer.put(collection, document(`doc ${(n * 37) % 200}`)))
    const expected = Array.from({ length: 200 }, (_, n) => `doc ${n}`).sort()
    expect(ids(engine, collection)).to.deep.equal(expected)
    expect(engine.reader.documentsAfter(collection, 'doc 150', 3).map(({ id }) => id)).to.deep.equal(['doc 151', 'doc 152', 'doc 153'])
    for (const id of expected) expect(engine.reader.getChange(collection, id)?.id).to.equal(id)
    engine.checkIntegrity()
    engine.close()
    expect(tablesOf(directory)).to.include.members(['recent_ids_1', 'settled_ids_1']).and.not.include('docs_1_by_id')
    const rows = onFile<{ n: number }>(directory, (connection) => connection.prepare('SELECT count(*) AS n FROM recent_ids_1').all())
    expect(rows[0]?.n).to.be.at.most(SPLIT_FROM / 4 + 1)
  })

  it('stays right whatever is done, by two at once', () => {
    const step = fc.record({
      what: fc.constantFrom('put', 'putNew', 'look', 'replace', 'purge', 'delete', 'update', 'fail'),
      id: fc.integer({ min: 0, max: 60 }).map((n) => `id ${n}`),
      other: fc.boolean()
    })
    fc.assert(
      fc.property(fc.array(fc.array(step, { minLength: 1, maxLength: 12 }), { maxLength: 25 }), (transactions) => {
        const directory = temporary.directory()
        const engines = [opened(directory), opened(directory)] as const
        const collection = started(engines[0])
        let model = new Map<string, { revId: string; flags: number }>()
        let number = 0
        for (const steps of transactions) {
          const engine = engines[steps[0]?.other === true ? 1 : 0]
          const next = new Map(model)
          // What one of them has looked for in vain, the other may store.
          for (const { id, other } of steps) {
            const found = (other ? engines[0] : engines[1]).reader.getChange(collection, id)
            expect(found?.revId).to.equal(model.get(id)?.revId)
          }
          const work = (writer: StorageWriter): void => {
            for (const { what, id } of steps) {
              const revId = `${++number}-a`
              if (what === 'fail') throw new Error('undone')
              if (what === 'purge') expect(writer.purge(collection, id)).to.equal(next.delete(id))
              else if (what === 'update') {
                const flags = next.get(id)?.flags ?? 0
                writer.update(collection, id, { flags: flags ^ 1, tree: NOTHING })
                if (next.has(id)) next.set(id, { revId: next.get(id)!.revId, flags: flags ^ 1 })
              } else if (what === 'look') expect(writer.getChange(collection, id)?.revId).to.equal(next.get(id)?.revId)
              else if (what === 'putNew') {
                const stored = writer.putNew!(collection, document(id, revId))
                expect(stored === undefined).to.equal(next.has(id))
                if (stored !== undefined) next.set(id, { revId, flags: 0 })
              } else {
                const flags = what === 'delete' ? 1 : 0
                writer.put(collection, document(id, revId, flags), what === 'replace' ? writer.get(collection, id) : undefined)
                next.set(id, { revId, flags })
              }
            }
          }
          if (steps.some(({ what }) => what === 'fail')) expect(thrownBy(() => engine.transact(work)).message).to.equal('undone')
          else {
            engine.transact(work)
            model = next
          }
        }
        for (const engine of engines) {
          const live = [...model].filter(([, { flags }]) => flags === 0)
          expect(ids(engine, collection)).to.deep.equal(live.map(([id]) => id).sort())
          expect(engine.reader.count(collection)).to.equal(live.length)
          for (let n = 0; n <= 60; n++) {
            const { revId, flags } = engine.reader.get(collection, `id ${n}`) ?? {}
            expect(revId === undefined ? undefined : { revId, flags }).to.deep.equal(model.get(`id ${n}`))
          }
          engine.checkIntegrity()
        }
        for (const engine of open.splice(0)) engine.close()
      }),
      { numRuns: 100 }
    )
  }).timeout(60_000)

  describe('when it has looked for an id in vain', () => {
    const filled = (): { directory: string; ours: StorageEngine; theirs: StorageEngine; collection: number } => {
      const directory = temporary.directory()
      const [ours, theirs] = [opened(directory), opened(directory)]
      const collection = started(ours)
      for (const engine of [ours, theirs])
        for (let n = 0; n < 40; n++) engine.transact((writer) => writer.put(collection, document(`doc ${n}`)))
      // The first one only tells that it is worth knowing.
      expect(ours.reader.getChange(collection, 'nobody')).to.equal(undefined)
      ours.transact((writer) => writer.put(collection, document('doc 1')))
      return { directory, ours, theirs, collection }
    }
    const putNew = (engine: StorageEngine, collection: number, id: string): number | undefined =>
      engine.transact((writer) => writer.putNew!(collection, document(id)))

    it('does not look again, and stores it once', () => {
      const { directory, ours, collection } = filled()
      expect(ours.reader.getChange(collection, 'news')).to.equal(undefined)
      expect(putNew(ours, collection, 'news')).to.be.a('number')
      expect(putNew(ours, collection, 'news')).to.equal(undefined)
      expect(ours.reader.get(collection, 'news')?.flags).to.equal(0)
      expect(ours.reader.getChange(collection, 'news')?.flags).to.equal(0)
      ours.checkIntegrity()
      for (const engine of open.splice(0)) engine.close()
      // What tells the trigger that it need not look.
      const rows = onFile<{ flags: number }>(directory, (connection) =>
        connection.prepare("SELECT flags FROM docs_1 WHERE id = 'news'").all()
      )
      expect(rows).to.deep.equal([{ flags: 1 << 14 }])
    })

    it('looks again after another process has written', () => {
      const { ours, theirs, collection } = filled()
      expect(ours.reader.getChange(collection, 'news')).to.equal(undefined)
      expect(putNew(theirs, collection, 'news')).to.be.a('number')
      // By now the other one's index has moved it on.
      for (let n = 0; n < 40; n++) theirs.transact((writer) => writer.put(collection, document(`doc ${n}`)))
      expect(putNew(ours, collection, 'news')).to.equal(undefined)
      ours.checkIntegrity()
    })

    it('looks again after what made it so was undone', () => {
      const { ours, collection } = filled()
      const undone = thrownBy(() =>
        ours.transact((writer) => {
          writer.purge(collection, 'doc 7')
          expect(writer.getChange(collection, 'doc 7')).to.equal(undefined)
          throw new Error('undone')
        })
      )
      expect(undone.message).to.equal('undone')
      expect(putNew(ours, collection, 'doc 7')).to.equal(undefined)
      ours.checkIntegrity()
    })
  })

  it('is split anew after a transaction that split it was undone', () => {
    const directory = temporary.directory()
    const engine = opened(directory)
    const collection = started(engine)
    const fill = (writer: StorageWriter): void => {
      for (let n = 0; n < 40; n++) writer.put(collection, document(`doc ${n}`))
    }
    const full = { ...document('doc 1'), body: 'not bytes' as never }
    expect(() =>
      engine.transact((writer) => {
        fill(writer)
        writer.put(collection, { ...full, revId: {} as never })
      })
    ).to.throw()
    expect(engine.reader.count(collection)).to.equal(0)
    engine.transact(fill)
    engine.transact(fill)
    expect(engine.reader.count(collection)).to.equal(40)
    engine.checkIntegrity()
    engine.transact((writer) => {
      writer.dropCollection(collection)
    })
    engine.close()
    expect(tablesOf(directory)).to.deep.equal([])
  })

  it('notices documents that it has lost', () => {
    const directory = temporary.directory()
    const engine = opened(directory)
    const collection = started(engine)
    for (let n = 0; n < 40; n++) engine.transact((writer) => writer.put(collection, document(`doc ${n}`)))
    engine.close()
    onFile(directory, (connection) => {
      connection.exec('DELETE FROM settled_ids_1')
      return []
    })
    const error = thrownBy(() => {
      opened(directory).checkIntegrity()
    })
    expect(error.code).to.equal('ERR_DB_UNREADABLE')
    expect(error.message).to.match(/\d+ documents of collection 1 are not found by their ids/)
  })

  it('of a store of the first format goes on to be used', () => {
    const directory = temporary.directory()
    onFile(directory, (connection) => {
      connection.exec(`
        PRAGMA application_id = ${0x4b697468}; PRAGMA user_version = 1;
        CREATE TABLE collections (id INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, name TEXT NOT NULL,
          last_seq INTEGER NOT NULL DEFAULT 0, live INTEGER NOT NULL DEFAULT 0, UNIQUE (scope, name));
        CREATE TABLE kv (space TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (space, key)) WITHOUT ROWID;
        CREATE TABLE docs_1 (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, rev TEXT NOT NULL, flags INTEGER NOT NULL, tree BLOB, body BLOB);
        INSERT INTO collections VALUES (1, '_default', '_default', 1, 1);
        INSERT INTO docs_1 VALUES (1, 'old', '1-a', 0, NULL, '{}');`)
      return []
    })
    const engine = opened(directory)
    const collection = started(engine)
    for (let n = 0; n < 40; n++) engine.transact((writer) => writer.put(collection, document(`doc ${n}`)))
    engine.transact((writer) => writer.put(collection, document('old', '2-b'), writer.get(collection, 'old')))
    expect(engine.reader.get(collection, 'old')).to.include({ revId: '2-b', sequence: 42 })
    expect(engine.transact((writer) => writer.putNew!(collection, document('old', '3-c')))).to.equal(undefined)
    expect(ids(engine, collection)).to.have.length(41)
    engine.checkIntegrity()
    engine.close()
    expect(opened(directory).reader.count(collection)).to.equal(41)
  })
})
