import { expect } from 'chai'
import { World, contentOf, converged, describeInBothSchemes, isUp, linkTo, linked } from './world.ts'
import { eventually } from '@kithmesh/testkit'
import type { ConflictResolver } from '@kithmesh/replicator'

describeInBothSchemes('a mesh keeping databases in sync', (versioning) => {
  let world: World
  beforeEach(() => {
    world = new World(versioning)
  })
  afterEach(async () => {
    await world.end()
  })

  it('brings two peers to the same documents, deletions and blobs, both ways', async () => {
    const [left, right] = await Promise.all([world.peer('left'), world.peer('right')])
    const picture = await left.database.blobs.saveBlob(Buffer.alloc(100_000, 'picture'), 'image/png')
    left.database.collection().put('with-picture', { n: 1, picture })
    for (let n = 0; n < 50; n++) right.database.collection().put(`right-${n}`, { n })
    right.database.collection().remove('right-7')
    await Promise.all([left.mesh.start(), right.mesh.start()])
    await converged([left, right], 51)
    const blob = await right.database.blobs.saveBlob(Buffer.alloc(50_000, 'later'), 'image/png')
    right.database.collection().put('later', { blob })
    left.database.collection().put('right-1', { n: 'changed' }, { parent: left.database.collection().get('right-1')?.revId ?? '' })
    await converged([left, right], 52)
    expect(left.database.collection().get('later')?.body).to.have.nested.property('blob.length', 50_000)
    expect(right.database.collection().get('right-1')?.body).to.deep.equal({ n: 'changed' })
    await eventually(
      'both sides to count the same',
      () =>
        left.mesh.statistics.documentsOut === right.mesh.statistics.documentsIn &&
        left.mesh.statistics.documentsIn === right.mesh.statistics.documentsOut
    )
    expect(left.mesh.statistics.bytesOut).to.be.greaterThan(100_000)
    const { conflicts: _, ...totals } = left.mesh.statistics
    expect(linkTo(left, right)?.traffic).to.deep.equal(totals)
    await right.mesh.stop()
    await eventually('the link to end', () => !isUp(linkTo(left, right)))
    expect(linkTo(left, right)?.traffic ?? totals).to.deep.equal(totals)
    await right.mesh.start()
    await linked([left, right])
    right.database.collection().put('again', {})
    await converged([left, right], 53)
    expect(linkTo(left, right)?.traffic.documentsIn).to.equal(totals.documentsIn + 1)
  })

  for (const deltas of [true, false])
    it(`sends ${deltas ? 'what changed in large documents when told to' : 'whole documents by default'}`, async () => {
      const [left, right] = await world.started(['left', 'right'], deltas ? { deltas } : {})
      const large = (n: number): Record<string, unknown> => ({ n, text: 'All about the room. '.repeat(100) })
      left?.database.collection().put('doc', large(0))
      await converged([left!, right!], 1)
      for (let n = 1; n <= 6; n++) {
        const [from, to] = n % 2 === 0 ? [left!, right!] : [right!, left!]
        from.database.collection().put('doc', large(n))
        await eventually(`change ${n} to arrive`, () => to.database.collection().get('doc')?.body['n'] === n)
      }
      const bytes = left!.mesh.statistics.bytesOut + left!.mesh.statistics.bytesIn
      if (deltas) expect(bytes).to.be.lessThan(3000)
      else expect(bytes).to.be.greaterThan(12_000)
    })

  it('gives a late joiner everything', async () => {
    const [first, second] = await world.started(['first', 'second'])
    for (let n = 0; n < 100; n++) first?.database.collection().put(`doc-${n}`, { n })
    await converged([first!, second!], 100)
    const [late] = await world.started(['late'])
    await converged([first!, second!, late!], 100)
  })

  for (const count of [3, 6]) {
    it(`makes ${count} peers equal, with one link a pair on whose direction both ends agree`, async () => {
      const peers = await Promise.all(
        Array.from({ length: count }, (_, index) => world.peer(`peer-${index}`, { degree: { target: count - 1 } }))
      )
      for (const { name, database } of peers) for (let n = 0; n < 10; n++) database.collection().put(`${name}-${n}`, { name, n })
      await Promise.all(peers.map(({ mesh }) => mesh.start()))
      await linked(peers)
      await converged(peers, count * 10)
      for (const peer of peers) {
        expect(peer.mesh.links).to.have.length(count - 1)
        for (const other of peers) {
          if (other === peer) continue
          expect(linkTo(peer, other)).to.deep.include({ displayName: other.name, error: undefined })
          expect(linkTo(peer, other)?.route).to.match(/^direct 127\.0\.0\.1:\d+$/)
        }
      }
    })
  }

  it('converges to the same revision everywhere when three peers edit one document at once', async () => {
    const peers = await world.started(['one', 'two', 'three'])
    peers[0]?.database.collection().put('shared', { by: 'nobody' })
    await converged(peers, 1)
    for (let round = 0; round < 3; round++) {
      for (const { name, database } of peers) {
        const items = database.collection()
        items.put('shared', { by: name, round }, { parent: items.get('shared')?.revId ?? '' })
      }
      await converged(peers, 1)
    }
    expect(peers[0]?.database.collection().get('shared')?.body).to.have.property('round', 2)
    expect(peers.reduce((sum, { mesh }) => sum + mesh.statistics.conflicts, 0)).to.be.greaterThan(0)
  })

  it('settles what both sides changed while apart', async () => {
    const [left, right] = await world.started(['left', 'right'])
    left!.database.collection().put('shared', { by: 'left' })
    await converged([left!, right!], 1)
    await Promise.all([left!.mesh.stop(), right!.mesh.stop()])
    for (const { name, database } of [left!, right!]) {
      const items = database.collection()
      for (let n = 0; n < 3; n++) items.put('shared', { by: name, n }, { parent: items.get('shared')?.revId ?? '' })
      items.put('both', { by: name })
    }
    await Promise.all([left!.mesh.start(), right!.mesh.start()])
    await converged([left!, right!], 2)
    expect(Object.keys(await contentOf(left!.database))).to.deep.equal(['both', 'shared'])
  })

  it("merges with a resolver of the application, so that every peer's change survives", async () => {
    const merge: ConflictResolver = ({ local, remote }) => {
      const keys = (body: Record<string, unknown>): object => body['counter'] as object
      const merged = Object.fromEntries(Object.entries({ ...keys(local.body), ...keys(remote.body) }).sort(([a], [b]) => (a < b ? -1 : 1)))
      return { take: 'merged', body: { counter: merged } }
    }
    const names = ['one', 'two', 'three', 'four']
    const peers = await Promise.all(names.map((name) => world.peer(name, { conflictResolver: merge })))
    for (const { name, database } of peers) database.collection().put('shared', { counter: { [name]: 1 } })
    await Promise.all(peers.map(({ mesh }) => mesh.start()))
    await eventually('all keys to be in the document everywhere', () =>
      peers.every(
        ({ database }) =>
          Object.keys((database.collection().get('shared')?.body as { counter?: object } | undefined)?.counter ?? {}).length ===
          names.length
      )
    )
    await converged(peers, 1)
    const shared = peers[0]?.database.collection().get('shared')
    expect(shared?.body).to.deep.equal({ counter: { four: 1, one: 1, three: 1, two: 1 } })
    // Peers that merged alike did not go on merging each other's merges.
    if (versioning === 'rev-trees') expect(Number.parseInt(shared?.revId ?? '', 10)).to.be.lessThan(20)
  })

  it('replicates a named collection and nothing else', async () => {
    const peers = await Promise.all(
      ['left', 'right'].map(async (name) => {
        const peer = await world.peer(name, { collections: ['inventory.items'] })
        peer.database.collection('items', 'inventory', { create: true }).put(name, { name })
        peer.database.collection().put(`private-${name}`, {})
        return peer
      })
    )
    await Promise.all(peers.map(({ mesh }) => mesh.start()))
    await eventually('both items on both sides', () => peers.every(({ database }) => database.collection('items', 'inventory').count === 2))
    expect(peers.map(({ database }) => database.collection().count)).to.deep.equal([1, 1])
  })

  it('keeps groups apart on one network', async () => {
    const blue = await world.started(['blue-1', 'blue-2'], { group: 'com.example.blue' })
    const red = await world.started(['red-1', 'red-2'], { group: 'com.example.red' })
    for (const { name, database } of [...blue, ...red]) database.collection().put(name, { name })
    await converged(blue, 2)
    await converged(red, 2)
    await linked(blue)
    await linked(red)
    for (const { mesh, database } of [...blue, ...red]) {
      expect(mesh.links).to.have.length(1)
      expect(database.collection().count).to.equal(2)
    }
  })

  it('tells of documents and changes, whatever other listeners do', async () => {
    const [left, right] = await Promise.all([world.peer('left'), world.peer('right')])
    const seen: string[] = []
    let changes = 0
    left.mesh.onDocuments(() => {
      throw new Error('a faulty listener')
    })
    left.mesh.onChanged(() => {
      throw new Error('another faulty listener')
    })
    left.mesh.onDocuments((deviceId, events) => {
      for (const { id, direction } of events) seen.push(`${direction} ${id} ${deviceId === right.id}`)
    })
    const unsubscribe = left.mesh.onChanged(() => {
      changes++
    })
    await Promise.all([left.mesh.start(), right.mesh.start()])
    right.database.collection().put('hello', {})
    await converged([left, right], 1)
    await eventually('the event', () => seen.includes('pull hello true'))
    await eventually('the link to be at rest', () => linkTo(left, right)?.state === 'idle' && linkTo(right, left)?.state === 'idle')
    expect(isUp(linkTo(left, right))).to.equal(true)
    expect(changes).to.be.greaterThan(0)
    unsubscribe()
    const before = changes
    await left.mesh.stop()
    expect(changes).to.equal(before)
    expect(left.logger.entries.filter(({ message }) => message === 'a listener threw')).to.not.be.empty
  })
})
