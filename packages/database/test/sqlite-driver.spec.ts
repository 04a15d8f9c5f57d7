import { execFileSync } from 'node:child_process'
import { expect } from 'chai'
import { Temporary, thrownBy } from './temporary.ts'
import { loadSqliteDriver } from '../dist/sqlite/driver.js'
import { sqliteEngine } from '@kithmesh/database'

const temporary = new Temporary()
afterEach(async () => {
  await temporary.clean()
})
const builtin = (process.getBuiltinModule('node:sqlite' as 'node:fs') as unknown) !== undefined

describe('the choice of SQLite', () => {
  it('is the one of Node where there is one, otherwise better-sqlite3', () => {
    expect(loadSqliteDriver().name).to.equal(builtin ? 'node:sqlite' : 'better-sqlite3')
  })
  it('says what to do when there is none', () => {
    if (!builtin) {
      const error = thrownBy(() => loadSqliteDriver('node:sqlite'))
      expect(error.code).to.equal('ERR_DB_ENGINE_MISSING')
      expect(error.hint).to.include('better-sqlite3')
    }
    const script = `
      process.getBuiltinModule = () => undefined
      const { loadSqliteDriver } = await import(${JSON.stringify(new URL('../dist/sqlite/driver.js', import.meta.url).href)})
      const Module = (await import('node:module')).default
      const load = Module._load
      Module._load = (name, ...rest) => { if (name === 'better-sqlite3') throw new Error('not installed'); return load(name, ...rest) }
      try { loadSqliteDriver() } catch (error) { console.log(error.code + ' ' + (error.cause?.message ?? '')) }
    `
    expect(execFileSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], { encoding: 'utf8' }).trim()).to.equal(
      'ERR_DB_ENGINE_MISSING not installed'
    )
  })
  it('is loaded only when a store is opened', () => {
    const entry = new URL('../dist/index.js', import.meta.url).href
    const script = `await import(${JSON.stringify(entry)}); console.log(Object.keys((await import('node:module')).default._cache).join())`
    expect(execFileSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], { encoding: 'utf8' })).to.not.include(
      'better-sqlite3'
    )
  })
})

describe('the SQLite engine', () => {
  it('keeps what a relaxed transaction wrote, also for a second connection, and goes on durably', () => {
    const directory = temporary.directory()
    const [one, two] = [sqliteEngine().open(directory), sqliteEngine().open(directory)]
    one.transact(
      (writer) => {
        writer.setValue('space', 'relaxed', Buffer.from('1'))
      },
      { relaxed: true }
    )
    expect(
      thrownBy(() =>
        one.transact(
          () => {
            throw new Error('mine')
          },
          { relaxed: true }
        )
      ).message
    ).to.equal('mine')
    one.transact((writer) => {
      writer.setValue('space', 'full', Buffer.from('1'))
    })
    expect(two.reader.valuesIn('space').map(({ key }) => key)).to.deep.equal(['full', 'relaxed'])
    one.close()
    two.close()
  })
  it('refuses a promise as the work of a transaction and undoes it', () => {
    const engine = sqliteEngine().open(temporary.directory())
    expect(
      thrownBy(() =>
        engine.transact(async (writer) => {
          writer.setValue('space', 'key', Buffer.from('1'))
        })
      )
    ).to.be.instanceOf(TypeError)
    expect(engine.reader.valuesIn('space')).to.deep.equal([])
    engine.close()
  })
})
