// `kithmesh serve` and `kithmesh replicate` without TLS: what is pushed and pulled, and what is refused.
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { freePorts } from '../../support/ports.mjs'
import { cleanUp, documentBecomes, done, look, run, start, temporaryDirectory } from '../support/kithmesh.mjs'
import { startServe } from './support.mjs'

describe('kithmesh serve and replicate', () => {
  let home
  let served
  let copy

  beforeEach(() => {
    home = temporaryDirectory()
    served = join(home, 'served')
    copy = join(home, 'copy')
  })
  afterEach(cleanUp)

  const serve = (...args) => startServe(served, '--tls', 'off', ...args)
  const replicate = (url, ...args) => run(['replicate', copy, url, '--json', ...args])
  const summary = (outcome) => outcome.lines.find(({ event }) => event === 'finished')
  const fill = async () => {
    await done(['import', served], { stdin: Array.from({ length: 300 }, (_, n) => `{"_id":"served:${n}","n":${n}}\n`).join('') })
    await done(['import', copy], { stdin: Array.from({ length: 200 }, (_, n) => `{"_id":"copy:${n}","n":${n}}\n`).join('') })
  }

  it('push and pull documents, deletions and blobs until both are the same', async () => {
    await fill()
    const picture = randomBytes(300_000)
    writeFileSync(join(home, 'p.jpg'), picture)
    await done(['put', copy, 'picture', '{}', '--blob', `p=${join(home, 'p.jpg')}`])
    await done(['rm', served, 'served:7'])
    const server = await serve('--user', 'anna:se:cret')
    const outcome = await replicate(server.url, '--user', 'anna:se:cret')
    expect(outcome.err).to.equal('')
    expect(outcome.code).to.equal(0)
    expect(summary(outcome)).to.deep.include({ pushed: 201, blobsPushed: 1, failed: 0 })
    expect(summary(outcome).pulled).to.be.within(299, 300)
    expect(await done(['export', served, '--revisions'])).to.equal(await done(['export', copy, '--revisions']))
    const bytes = await look(served, async (database) => database.blobs.readBlob(database.collection().get('picture').body.p.digest))
    expect(bytes.equals(picture)).to.equal(true)
    expect(summary(await replicate(server.url, '--user', 'anna:se:cret'))).to.deep.include({ pushed: 0, pulled: 0 })
    expect(summary(await replicate(server.url, '--user', 'anna:se:cret', '--reset'))).to.deep.include({ pushed: 0, pulled: 0, failed: 0 })
    expect(await server.stop(), server.err).to.equal(0)
    expect(server.events.at(-1)).to.deep.equal({ event: 'stopped' })
    await look(served, (database) => database.checkIntegrity())
  })

  it('tell people what happened', async () => {
    await fill()
    const server = start(['serve', served, '--port', 0, '--host', '127.0.0.1', '--tls', 'off'])
    const url = await server.until(({ out }) => /^ {2}(ws:\/\/127\.0\.0\.1:\d+\/served)$/m.exec(out)?.[1], 'the URL')
    await server.until(({ err }) => err === 'no --user: whoever reaches this port may read and write\n', 'the warning')
    const outcome = await run(['replicate', copy, url])
    expect(outcome.err).to.equal('')
    expect(outcome.out).to.match(/^200 documents pushed, 300 pulled, 0 blobs, 0 failed in [0-9.]+ s\n$/)
    await server.until(({ out }) => /1 connection, /.test(out) && /0 connections/.test(out), 'the connection')
    expect(await server.stop()).to.equal(0)
  })

  it('only push with --push, only pull with --pull', async () => {
    await fill()
    const server = await serve()
    expect(summary(await replicate(server.url, '--push'))).to.deep.include({ pushed: 200, pulled: 0, failed: 0 })
    const lines = async (directory) => (await done(['ls', directory])).split('\n').length - 1
    expect([await lines(served), await lines(copy)]).to.deep.equal([500, 200])
    await done(['put', copy, 'kept here', '{}'])
    expect(summary(await replicate(server.url, '--pull'))).to.deep.include({ pushed: 0, pulled: 300, failed: 0 })
    expect([await lines(served), await lines(copy)]).to.deep.equal([500, 501])
  })

  it('replicate only the documents named with --doc', async () => {
    await fill()
    const server = await serve()
    const outcome = await replicate(server.url, '--doc', 'served:1', '--doc', 'copy:1')
    expect(summary(outcome)).to.deep.include({ pushed: 1, pulled: 1 })
    expect((await done(['ls', copy])).split('\n')).to.have.lengthOf(202)
  })

  it('refuse a wrong password, no password, and an unknown user with 401', async () => {
    await fill()
    const server = await serve('--user', 'anna:secret', '--user', 'otto:other')
    for (const login of [['--user', 'anna:other'], ['--user', 'nobody:secret'], []]) {
      const outcome = await replicate(server.url, ...login)
      expect(outcome.code).to.equal(1)
      const { error, code, hint } = JSON.parse(outcome.err)
      expect(error).to.match(/refused the credentials \(401\)/)
      expect(code).to.equal('ERR_REPL_UNAUTHORIZED')
      expect(hint).not.to.equal('')
    }
    expect((await replicate(server.url, '--user', 'otto:other')).code).to.equal(0)
  })

  it('refuse an unknown database with 404', async () => {
    const server = await serve()
    const outcome = await replicate(server.url.replace(/db$/, 'nope'))
    expect(outcome.code).to.equal(1)
    expect(JSON.parse(outcome.err)).to.deep.include({ code: 'ERR_REPL_NOT_FOUND' })
    expect(summary(outcome)).to.deep.include({ code: 'ERR_REPL_NOT_FOUND' })
  })

  it('refuse an unknown collection, and replicate those named on both sides', async () => {
    await done(['put', served, 'x', '{}', '--collection', 'shop.items'])
    await done(['put', copy, 'y', '{}', '--collection', 'shop.items'])
    await done(['put', served, 'not asked for', '{}'])
    const server = await serve('--collection', 'shop.items')
    const outcome = await replicate(server.url, '--collection', 'shop.items')
    expect(outcome.code, outcome.err).to.equal(0)
    expect(await done(['ls', copy, '--collection', 'shop.items'])).to.equal('x\ny\n')
    expect(await done(['ls', copy])).to.equal('')
    for (const name of ['shop.nope', '_default']) {
      const unknown = await replicate(server.url, '--collection', name)
      expect(unknown.code, name).to.equal(1)
      expect(JSON.parse(unknown.err)).to.deep.include({ code: 'ERR_REPL_COLLECTION_MISSING' })
    }
  })

  it('keep a listener that is --read-only as it is', async () => {
    await fill()
    const server = await serve('--read-only')
    await server.until(({ err }) => err === 'no --user: whoever reaches this port may read\n', 'the warning')
    const before = await done(['export', served, '--revisions'])
    const pushed = await replicate(server.url, '--push')
    expect(pushed.code).to.equal(1)
    expect(JSON.parse(pushed.err.trim().split('\n').at(-1)).code).to.match(/^ERR_(REPL|CLI)_/)
    const pulled = await replicate(server.url, '--pull')
    expect(pulled.code, pulled.err).to.equal(0)
    expect(summary(pulled)).to.deep.include({ pulled: 300, failed: 0 })
    expect(await done(['export', served, '--revisions'])).to.equal(before)
  })

  it('stay in touch with --continuous: edits on either side arrive on the other', async () => {
    await fill()
    const server = await serve()
    const replication = start(['replicate', copy, server.url, '--continuous', '--json'])
    await replication.event(({ event, activity }) => event === 'status' && activity === 'idle', 'idle')
    for (const [here, there] of [
      [served, copy],
      [copy, served]
    ]) {
      await done(['put', here, 'live', `{"from":${JSON.stringify(here)}}`])
      await documentBecomes(there, 'live', (body) => body?.from === here)
      await done(['rm', here, 'live'])
      await documentBecomes(there, 'live', (body) => body === undefined)
    }
    // It is over there before its answer is here, and without the answer it would not count.
    await replication.event(
      ({ event, direction, id, deleted }) => event === 'document' && direction === 'push' && id === 'live' && deleted === true,
      'the answer to the deletion'
    )
    expect(await replication.stop(), replication.err).to.equal(0)
    const finished = replication.events.at(-1)
    expect(finished).to.deep.include({ event: 'finished', failed: 0 })
    expect(finished.pushed).to.be.at.least(202)
    expect(await done(['export', served, '--revisions'])).to.equal(await done(['export', copy, '--revisions']))
  })

  it('come together again after the listener was killed and is back', async () => {
    await fill()
    const [port] = await freePorts(1)
    let server = await serve('--port', port)
    const replication = start(['replicate', copy, server.url, '--continuous'])
    await documentBecomes(copy, 'served:299', (body) => body !== undefined)
    await server.kill()
    await replication.until(({ err }) => /trying again/.test(err), 'the interruption')
    await done(['put', served, 'meanwhile there', '{}'])
    await done(['put', copy, 'meanwhile here', '{}'])
    server = start(['serve', served, '--port', port, '--host', '127.0.0.1', '--db', 'db', '--tls', 'off', '--json'])
    await documentBecomes(served, 'meanwhile here', (body) => body !== undefined)
    await documentBecomes(copy, 'meanwhile there', (body) => body !== undefined)
    expect(await replication.stop()).to.equal(0)
    expect(await server.stop()).to.equal(0)
    await look(served, (database) => database.checkIntegrity())
  })

  it('give up after --attempts when nobody answers, with the reason', async () => {
    const server = await serve('--port', ...(await freePorts(1)))
    await server.stop()
    const outcome = await replicate(server.url, '--attempts', 1)
    expect(outcome.code).to.equal(1)
    const report = JSON.parse(outcome.err)
    expect(report.code).to.equal('ERR_REPL_CONNECT')
    expect(JSON.stringify(report)).to.match(/ECONNREFUSED/)
  })
})
