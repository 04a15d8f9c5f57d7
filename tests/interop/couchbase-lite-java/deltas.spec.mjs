// Deltas: a change of a large document moves little, and comes out as what it was.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { pipeline } from 'node:stream'
import { expect } from 'chai'
import { eventually } from '../../support/eventually.mjs'
import { documentsOnDisk, expectSame } from './our-side.mjs'
import { serve } from './serve.mjs'
import { useStage } from './stage.mjs'
import { tappedListener } from './tapped.mjs'

/** A document of 40 KB that has a little of everything. */
function large() {
  return {
    title: 'An inventory of things – größe 日本 🍎',
    text: Array.from({ length: 300 }, (_, n) => `Line ${n} of a text – mit Umlauten: äöü, 日本語, 🍎🍐.`).join('\n'),
    items: Array.from({ length: 300 }, (_, n) => ({
      id: n,
      name: `item ${n}`,
      price: n / 4,
      tags: ['a', `tag-${n}`],
      place: { aisle: n % 7, shelf: null }
    })),
    index: Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`key-${n}`, { n, on: n % 2 === 0 }]))
  }
}

/** Changes of every kind that a delta can express, and some that it cannot do well. */
const changes = {
  'a number': (body) => {
    body.items[7].price = -1.5
  },
  'text in the middle': (body) => {
    body.text = body.text.replace('Line 150 of a text – mit', 'Line 150 – ganz ohne 🍏, äber mit')
  },
  'text at both ends': (body) => {
    body.text = `🍏 ${body.text.slice(0, -3)} ü`
  },
  'keys that come and go': (body) => {
    body.new = { deep: [1, { a: 'ä' }] }
    delete body.index['key-5']
    delete body.items[3].place.shelf
    body.items[4].place = 'elsewhere'
  },
  'null in the place of a value': (body) => {
    body.title = null
    body.index['key-6'] = null
  },
  'kinds in the place of others': (body) => {
    body.items[0] = [1, 2, [3]]
    body.items[1] = { items: [] }
    body.index['key-7'] = []
    body.index['key-8'] = 'text'
  },
  'arrays that grow': (body) => {
    body.items.push({ id: 'last' }, null, 'text')
  },
  'arrays that shrink': (body) => {
    body.items.length -= 20
  },
  'arrays that move': (body) => {
    body.items.unshift({ id: 'first' })
  },
  'nearly everything': (body) => {
    body.text = [...body.text].reverse().join('')
    body.items = []
    body.index = {}
  }
}

/** Passes bytes on to a port of this machine and counts those that come back and forth. */
async function countingTunnel(port) {
  let bytes = 0
  const count = (chunk) => {
    bytes += chunk.length
  }
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    client.on('data', count)
    upstream.on('data', count)
    pipeline(client, upstream, client, () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: server.address().port, bytes: () => bytes, close: () => server.close() }
}

describe('deltas with Couchbase Lite Java', () => {
  const stage = useStage()

  async function synced(settings = { deltas: true }) {
    const ours = await stage.ours()
    const theirs = stage.theirs()
    const tapped = await tappedListener(ours.database, settings)
    stage.onEnd(() => tapped.close())
    await theirs.put('doc', large())
    await theirs.replicate(tapped.url)
    await theirs.replicate(tapped.url)
    tapped.messages.length = 0
    return { ours, theirs, tapped }
  }
  const revs = (tapped, sender) => tapped.messages.filter(({ from, properties }) => from === sender && properties.Profile === 'rev')

  for (const [name, change] of Object.entries(changes)) {
    it(`carry ${name}, both ways`, async () => {
      const { ours, theirs, tapped } = await synced()
      const body = large()
      change(body)
      ours.collection.put('doc', body)
      expect(await theirs.replicate(tapped.url)).to.deep.include({ pulled: ['doc'], failed: {} })
      expect((await theirs.get('doc')).body).to.deep.equal(body)

      await theirs.put('doc', large())
      expect(await theirs.replicate(tapped.url)).to.deep.include({ pushed: ['doc'], failed: {} })
      expect(ours.collection.get('doc').body).to.deep.equal(large())

      for (const sender of ['us', 'them']) {
        const [rev, ...more] = revs(tapped, sender)
        expect(more).to.deep.equal([])
        if (name === 'nearly everything' || name === 'arrays that move') continue
        expect(rev.properties.deltaSrc, sender).to.match(/^\d-/)
        expect(rev.wireBytes, sender).to.be.below(1000)
      }
      await ours.close()
      expectSame(await documentsOnDisk(ours.directory), await theirs.list())
    })
  }

  it('leave blobs in place', async () => {
    const { ours, theirs, tapped } = await synced()
    await theirs.blob('doc', 'picture', 1, 30_000)
    await theirs.replicate(tapped.url)
    const [withPicture] = revs(tapped, 'them')
    expect(withPicture.properties).to.include.keys('deltaSrc')
    const body = { ...ours.collection.get('doc').body, title: 'beside a picture' }
    ours.collection.put('doc', body)
    await theirs.replicate(tapped.url)
    const [beside] = revs(tapped, 'us')
    expect(beside.properties).to.include.keys('deltaSrc')
    expect(beside.wireBytes).to.be.below(1000)
    expect((await theirs.get('doc')).body.title).to.equal('beside a picture')
    await ours.close()
    expectSame(await documentsOnDisk(ours.directory), await theirs.list())
  })

  it('are made for conflicts as well, and what the resolver makes of them', async () => {
    const { ours, theirs, tapped } = await synced()
    await theirs.put('doc', { ...large(), theirs: true })
    ours.collection.put('doc', { ...large(), ours: true })
    // What the resolver makes is pushed in the run after, or in one more where the first ended before it was made.
    const merged = () => ours.collection.get('doc').body.ours === true && ours.collection.get('doc').body.theirs === true
    for (let run = 0; run < 4 && !merged(); run++) await theirs.replicate(tapped.url, { resolver: 'merge' })
    expect(ours.collection.get('doc').body).to.deep.equal({ ...large(), ours: true, theirs: true })
    await ours.close()
    expectSame(await documentsOnDisk(ours.directory), await theirs.list())
  })

  it('are not made where they are not asked for', async () => {
    const { ours, theirs, tapped } = await synced({})
    await theirs.put('doc', { ...large(), title: 'theirs' })
    await theirs.replicate(tapped.url)
    ours.collection.put('doc', { ...large(), title: 'ours' })
    await theirs.replicate(tapped.url)
    for (const sender of ['us', 'them']) {
      const [rev] = revs(tapped, sender)
      expect(rev.properties).not.to.include.keys('deltaSrc')
      expect(rev.body.length).to.be.greaterThan(40_000)
    }
  })

  it('are made by the command line when told to', async () => {
    const directory = stage.directory()
    const server = await serve(directory, 'witness:secret', 0, '--deltas')
    const tunnel = await countingTunnel(new URL(server.url).port)
    stage.onEnd(() => tunnel.close())
    const url = `ws://127.0.0.1:${tunnel.port}/db`
    const theirs = stage.theirs()
    await theirs.put('doc', large())
    await theirs.replicate(url, { user: 'witness:secret' })
    const whole = tunnel.bytes()
    await theirs.put('doc', { ...large(), title: 'another' })
    await theirs.replicate(url, { user: 'witness:secret' })
    expect(tunnel.bytes() - whole).to.be.below(whole / 3)
    await server.stop()
    expectSame(await documentsOnDisk(directory), await theirs.list())
  })

  it('follow each other in a continuous replication with a listener', async () => {
    const ours = await stage.ours({ deltas: true })
    const theirs = stage.theirs()
    await theirs.put('doc', large())
    const replicator = await theirs.start(ours.url, { continuous: true })
    await replicator.idle()
    await eventually('we have it', () => ours.collection.get('doc') !== undefined)
    const [replication] = ours.replications
    const before = { ...replication.statistics }
    for (const [n, change] of Object.values(changes).slice(0, 5).entries()) {
      const body = ours.collection.get('doc').body
      change(body)
      const rev = await theirs.put('doc', { ...body, theirs: n })
      await eventually('we have their change', () => ours.collection.get('doc').revId === rev)
      const { revId } = ours.collection.put('doc', { ...body, theirs: n, ours: n })
      await eventually('they have our change', async () => (await theirs.get('doc')).rev === revId)
    }
    const { bytesPulled, bytesPushed } = replication.statistics
    expect(bytesPulled - before.bytesPulled).to.be.below(20_000)
    expect(bytesPushed - before.bytesPushed).to.be.below(20_000)
    await replicator.stop()
    await ours.expectSame(theirs)
  })
})
