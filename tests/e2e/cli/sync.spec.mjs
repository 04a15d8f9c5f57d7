// `kithmesh sync` in two processes: they find each other, and every change made in either directory arrives in the other.
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { eventually } from '../../support/eventually.mjs'
import { cleanUp, documentBecomes, done, look, newGroup, run, uniqueName } from '../support/kithmesh.mjs'
import { connected, SHOP, STORE, shopAndStore, startSync } from './support.mjs'

const OTHER = uniqueName('other')

describe('kithmesh sync', () => {
  let group
  let home
  let shop
  let store

  beforeEach(() => {
    ;({ group, home, shop, store } = shopAndStore())
  })
  afterEach(cleanUp)

  const bothEqual = async () => {
    const [ours, theirs] = [await done(['export', shop, '--revisions']), await done(['export', store, '--revisions'])]
    expect(ours).to.equal(theirs)
    return ours
  }

  it('finds the other process and brings both directories to the same documents and blobs', async () => {
    const picture = randomBytes(100_000)
    writeFileSync(join(home, 'p.png'), picture)
    await done(['put', shop, 'from shop', '{"n":1}', '--blob', `picture=${join(home, 'p.png')}`])
    await done(['import', store], { stdin: Array.from({ length: 500 }, (_, n) => `{"_id":"store:${n}","n":${n}}\n`).join('') })
    const [a, b] = [startSync(shop, group, SHOP), startSync(store, group, STORE)]
    await Promise.all([connected(a), connected(b)])
    await documentBecomes(store, 'from shop', (body) => body?.n === 1)
    await documentBecomes(shop, 'store:499', (body) => body?.n === 499)
    expect(await a.stop(), a.err).to.equal(0)
    expect(await b.stop(), b.err).to.equal(0)
    expect((await bothEqual()).split('\n')).to.have.lengthOf(502)
    for (const directory of [shop, store]) {
      await look(directory, async (database) => {
        database.checkIntegrity()
        const { digest } = database.collection().get('from shop').body.picture
        expect((await database.blobs.readBlob(digest)).equals(picture)).to.equal(true)
      })
    }
    expect(a.events.at(-1)).to.include({ event: 'stopped' })
    expect(a.err).to.equal('')
  })

  it('sends at once what other commands change in its directory, both ways', async () => {
    const [a, b] = [startSync(shop, group, SHOP), startSync(store, group, STORE)]
    await Promise.all([connected(a), connected(b)])
    for (const [here, there] of [
      [shop, store],
      [store, shop]
    ]) {
      await done(['put', here, 'x', '{"n":1}'])
      await documentBecomes(there, 'x', (body) => body?.n === 1)
      await done(['put', here, 'x', '{"n":2}'])
      await documentBecomes(there, 'x', (body) => body?.n === 2)
      await done(['import', here], { stdin: '{"_id":"y","n":3}\n{"_id":"z","n":4}\n' })
      await documentBecomes(there, 'y', (body) => body?.n === 3)
      await documentBecomes(there, 'z', (body) => body?.n === 4)
      await done(['rm', here, 'x', 'y', 'z'])
      for (const id of ['x', 'y', 'z']) await documentBecomes(there, id, (body) => body === undefined)
    }
    const pulled = await b.event(
      ({ event, id, direction }) => event === 'document' && id === 'x' && direction === 'pull',
      'the document in the events'
    )
    expect(pulled).to.include({ device: (await a.event(({ event }) => event === 'started', 'the start')).peerId, deleted: false })
    await bothEqual()
  })

  it('tells people on a terminal what happens', async () => {
    const [a, b] = [startSync(shop, group, SHOP, { json: false }), startSync(store, group, STORE, { json: false })]
    await a.until(
      ({ out }) => new RegExp(`^${STORE} [0-9a-f]{8} {2}connected, direct (?:127\\.0\\.0\\.1|\\[::1\\]):\\d+$`, 'm').test(out),
      'the connection'
    )
    await done(['put', store, 'pen', '{}'])
    await a.until(({ out }) => /^← pen {2}1-[0-9a-f]{40}$/m.test(out), 'the document')
    await b.stop()
    await a.until(({ out }) => /^[0-9a-f]{8} has left$/m.test(out), 'the goodbye')
    expect(await a.stop()).to.equal(0)
    expect(a.out).to.match(new RegExp(`^${SHOP} is in group ${group}, listening on port \\d+\nour id: [0-9a-f]{64}\n`))
    expect(a.out).to.match(/\nstopped: 1 document in, 0 out, 0 conflicts resolved\n$/)
  })

  it('is listed by kithmesh peers, for its group only', async () => {
    const [a, b] = [startSync(shop, group, SHOP), startSync(store, group, STORE)]
    await Promise.all([connected(a), connected(b)])
    const looking = (inGroup, ...more) => run(['peers', '--group', inGroup, '--interface', 'lo', '--seconds', 6, ...more])
    const [peers, text, others] = await Promise.all([looking(group, '--json'), looking(group), looking(newGroup())])
    expect(peers.code).to.equal(0)
    expect(peers.lines.map(({ name }) => name).sort()).to.deep.equal([SHOP, STORE])
    const started = a.events.find(({ event }) => event === 'started')
    const listed = peers.lines.find(({ name }) => name === SHOP)
    expect(listed.id).to.equal(started.peerId)
    expect(new URL(listed.seen[0].url).port).to.equal(String(started.port))
    expect(text.out)
      .to.match(new RegExp(`^${SHOP}\t[0-9a-f]{64}\tDNS-SD wss:`, 'm'))
      .and.to.match(new RegExp(`^${STORE}\t`, 'm'))
    expect(others).to.include({ code: 0, out: '' })
    expect(others.err).to.match(/nobody of group .* was found in 6 s/)
  })

  it('sees nobody of another group', async () => {
    const other = join(home, 'other')
    await done(['put', other, 'secret', '{}'])
    const stranger = startSync(other, newGroup(), OTHER)
    const [a, b] = [startSync(shop, group, SHOP), startSync(store, group, STORE)]
    await Promise.all([connected(a), connected(b)])
    await done(['put', shop, 'x', '{}'])
    await documentBecomes(store, 'x', (body) => body !== undefined)
    const peers = await run(['peers', '--group', group, '--interface', 'lo', '--seconds', 6, '--json'])
    expect(peers.lines.map(({ name }) => name).sort()).to.deep.equal([SHOP, STORE])
    expect(stranger.events.map(({ event }) => event)).to.deep.equal(['started', 'warning'])
    expect([...a.events, ...b.events].filter(({ name }) => name === OTHER)).to.deep.equal([])
    expect(await done(['ls', other])).to.equal('secret\n')
    expect(await done(['ls', shop])).to.equal('x\n')
  })

  it('goes on after a power cut of one side, and both come to the same', async () => {
    let a = startSync(shop, group, SHOP)
    const b = startSync(store, group, STORE)
    await Promise.all([connected(a), connected(b)])
    const many = (from) => Array.from({ length: 2000 }, (_, n) => `{"_id":"${from}:${n}","text":"${'x'.repeat(100)}"}\n`).join('')
    await done(['import', store], { stdin: many('first') })
    await documentBecomes(shop, 'first:0', (body) => body !== undefined)
    await a.kill()
    await done(['import', store], { stdin: many('second') })
    await done(['put', shop, 'while it was down', '{}'])
    a = startSync(shop, group, SHOP)
    await documentBecomes(store, 'while it was down', (body) => body !== undefined)
    await look(shop, async (database) => {
      const collection = database.collection()
      await eventually('all 4,001 documents', () => collection.count === 4001)
      database.checkIntegrity()
    })
    expect(await a.stop(), a.err).to.equal(0)
    expect(await b.stop(), b.err).to.equal(0)
    await bothEqual()
  })

  it('replicates only the collections named', async () => {
    for (const directory of [shop, store])
      for (const name of ['items', 'notes']) await done(['put', directory, `${name} of ${directory}`, '{}', '--collection', name])
    const options = { args: ['--collection', 'items'] }
    const [a, b] = [startSync(shop, group, SHOP, options), startSync(store, group, STORE, options)]
    await Promise.all([connected(a), connected(b)])
    const ids = (directory, name) => look(directory, (database) => [...database.collection(name).documents()].map(({ id }) => id).sort())
    const items = [`items of ${shop}`, `items of ${store}`].sort()
    for (const directory of [shop, store]) await eventually('the items', async () => (await ids(directory, 'items')).length === 2)
    expect(await ids(shop, 'items')).to.deep.equal(items)
    expect(await ids(shop, 'notes')).to.deep.equal([`notes of ${shop}`])
    expect(await ids(store, 'notes')).to.deep.equal([`notes of ${store}`])
  })
})
