import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { expect } from 'chai'
import type { Logger } from '@kithmesh/core'
import { Database } from '@kithmesh/database'
import { sqliteEngine } from '@kithmesh/database/storage'
import { warmUp } from '@kithmesh/replicator'

/** Starts a listener in a process of its own, with a database that needs no SQLite: only the rehearsal loads it. */
function loadsSqlite(options: string): boolean {
  const script = `
    import { createRequire } from 'node:module'
    import { Database } from '@kithmesh/database'
    import { UrlEndpointListener } from '@kithmesh/replicator'
    const database = await Database.open(':memory:')
    const listener = new UrlEndpointListener({ databases: { db: database }, host: '127.0.0.1', tls: 'off', authenticator: 'insecure', ${options} })
    await listener.start()
    const loaded = [...process.moduleLoadList, ...Object.keys(createRequire(import.meta.url).cache)]
    console.log(loaded.some((name) => /better-sqlite3|NativeModule sqlite/.test(name)))
    await listener.stop()
    await database.close()`
  return execFileSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' }).trim() === 'true'
}

describe('the rehearsal of a replication', () => {
  for (const versioning of ['rev-trees', 'version-vectors'] as const) {
    it(`works with ${versioning}, and takes place once`, async () => {
      const lines: string[] = []
      const note = (message: string): void => {
        lines.push(message)
      }
      const logger: Logger = { debug: note, info: note, warn: note, error: note, child: () => logger }
      const rehearsal = warmUp({ versioning, logger })
      expect(warmUp({ versioning })).to.equal(rehearsal)
      await rehearsal
      expect(lines).to.deep.equal([])
    })
  }

  it('leaves nothing on the disk', async () => {
    await warmUp()
    const database = await Database.open(':memory:', { engine: sqliteEngine() })
    database.collection().put('a', { n: 1 })
    expect(existsSync('db.sqlite')).to.equal(false)
    expect(database.collection().get('a')?.body).to.deep.equal({ n: 1 })
    await database.close()
  })

  it('is over when the first listener has started, unless it is told not to', () => {
    expect([loadsSqlite(''), loadsSqlite('warmUp: false')]).to.deep.equal([true, false])
  })
})
