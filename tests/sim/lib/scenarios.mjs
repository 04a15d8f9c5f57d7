// The ten scenarios by which Couchbase tests its own mesh (multipeer.md §6), in virtual time. Each takes { peers, seed, … } and returns what it found;
// a check that does not hold is an error that says what does not.
import assert from 'node:assert/strict'
import { Contents, SimServer, Simulation, componentsOf, hasNoConflicts, linksOf, liveDocuments } from '@kithmesh/testkit/sim'

const SECOND = 1000

/** Peers that run, a way to wait for them to be equal, and an end to it all. */
class Stage {
  constructor(options) {
    this.simulation = new Simulation({ capacity: 512, ...options })
    this.random = this.simulation.random.fork('scenario')
    this.contents = new Contents()
  }

  static async of({ peers, seed, peer, ...options }) {
    const stage = new Stage({ seed, ...options })
    for (let index = 0; index < peers; index++) await stage.simulation.addPeer(peer?.(index))
    return stage
  }

  get peers() {
    return this.simulation.peers
  }
  get running() {
    return this.peers.filter((peer) => peer.running)
  }

  start(peers = this.peers) {
    for (const peer of peers) peer.start()
  }

  put(peer, id, body) {
    peer.database.collection().put(id, body)
  }

  /** Lets time pass until these are linked with each other and have the same. @returns seconds */
  async equal(what, { among = () => this.running, withinSeconds = 180, documents } = {}) {
    const state = () => {
      const peers = among()
      if (componentsOf(linksOf(peers)).length > 1) return 'their links do not join them'
      if (!this.contents.agree(peers)) return `they have ${[...new Set(peers.map(liveDocuments))].join(', ')} documents, or different ones`
      if (!peers.every(hasNoConflicts)) return 'conflicts wait'
      if (documents !== undefined && peers.some((peer) => liveDocuments(peer) !== documents))
        return `they have ${liveDocuments(peers[0])} documents, not ${documents}`
      return ''
    }
    const ms = await this.simulation.until(() => state() === '', { withinMs: withinSeconds * SECOND, everyMs: 250 })
    assert.ok(ms !== undefined, `${what}: after ${withinSeconds} virtual seconds ${state()} (seed ${this.simulation.seed})`)
    return ms / SECOND
  }

  async end() {
    await this.simulation.end()
  }
}

async function play(options, body) {
  const stage = await Stage.of(options)
  try {
    const found = await body(stage)
    return { ...found, virtualSeconds: stage.simulation.time.now / SECOND, trace: stage.simulation.trace.hash }
  } finally {
    await stage.end()
  }
}

/** A resolver that keeps the fields of both, and of objects in them too. */
const merging = ({ local, remote }) => ({ take: 'merged', body: merge(local.body, remote.body) })

function merge(a, b) {
  const merged = { ...a }
  for (const [key, value] of Object.entries(b)) {
    const isObject = typeof value === 'object' && value !== null && typeof merged[key] === 'object' && merged[key] !== null
    // The same on every peer, whichever of the two is the local one.
    if (isObject) merged[key] = merge(merged[key], value)
    else if (!(key in merged) || JSON.stringify(value) > JSON.stringify(merged[key])) merged[key] = value
  }
  return Object.fromEntries(Object.entries(merged).sort(([x], [y]) => (x < y ? -1 : 1)))
}

export const scenarios = {
  'documents of one': ({ peers = 20, documents = 20, ...options }) =>
    play({ peers, ...options }, async (stage) => {
      for (let n = 0; n < documents; n++) stage.put(stage.peers[0], `doc-${n}`, { n })
      stage.start()
      await stage.equal('documents of one', { documents })
      return { documents }
    }),

  'documents of all': ({ peers = 20, documents = 20, ...options }) =>
    play({ peers, ...options }, async (stage) => {
      for (const peer of stage.peers) for (let n = 0; n < documents; n++) stage.put(peer, `${peer.name} ${n}`, { n, by: peer.name })
      stage.start()
      await stage.equal('documents of all', { documents: documents * peers })
      return { documents: documents * peers }
    }),

  'rapid availability': ({ peers = 10, ...options }) =>
    play({ peers, ...options }, async (stage) => {
      const { simulation } = stage
      const [first, second] = stage.peers
      stage.start(stage.peers.filter((peer) => peer !== second))
      const seen = () => simulation.discovery.seenBy(first.host).includes(second)
      for (const last of ['start', 'stop']) {
        for (let round = 0; round < 5; round++) {
          second.start()
          await simulation.pass(5 * SECOND)
          if (last === 'start' && round === 4) break
          await simulation.finish(second.stop())
          await simulation.pass(5 * SECOND)
        }
        assert.equal(seen(), last === 'start', `after five rounds that end with ${last}`)
        if (last === 'start') {
          await stage.equal('rapid availability')
          stage.put(second, 'there', { again: true })
          await stage.equal('what it wrote then')
        }
      }
      return {}
    }),

  'scalable conflict resolution': ({ peers = 20, ...options }) =>
    play({ peers, conflictResolver: merging, ...options }, async (stage) => {
      for (const peer of stage.peers) stage.put(peer, 'counters', { counter: { [peer.name]: 1 } })
      stage.start()
      await stage.equal('scalable conflict resolution', { withinSeconds: 600 })
      const { counter } = stage.peers[0].database.collection().get('counters').body
      assert.deepEqual(Object.keys(counter).sort(), stage.peers.map(({ name }) => name).sort(), 'every key is there')
      return {}
    }),

  partition: ({ peers = 15, documents = 100, ...options }) =>
    play({ peers, ...options, peer: (index) => ({ group: `group ${index % 3}` }) }, async (stage) => {
      const { simulation } = stage
      const groupOf = (name) => () => stage.running.filter(({ group }) => group === name)
      for (let g = 0; g < 3; g++)
        for (let n = 0; n < documents; n++)
          stage.put(stage.random.pick(stage.peers.filter(({ group }) => group === `group ${g}`)), `${g}-${n}`, { n })
      stage.start()
      for (let g = 0; g < 3; g++) {
        await stage.equal(`group ${g}`, { among: groupOf(`group ${g}`), documents })
        for (const peer of groupOf(`group ${g}`)())
          for (const { group } of simulation.discovery.seenBy(peer.host)) assert.equal(group, peer.group, 'groups see only their own')
      }
      const move = async (from, to) => {
        const moving = groupOf(from)()
        await simulation.finish(Promise.all(moving.map((peer) => peer.stop())))
        for (const peer of moving) {
          peer.regroup(to)
          peer.start()
        }
      }
      await move('group 1', 'group 0')
      await stage.equal('two of the groups', { among: groupOf('group 0'), documents: 2 * documents })
      assert.equal(liveDocuments(groupOf('group 2')()[0]), documents)
      await move('group 2', 'group 0')
      await stage.equal('all of them', { documents: 3 * documents })
      return {}
    }),

  'divided network': ({ peers = 15, documents = 30, ...options }) =>
    play({ peers, conflictResolver: merging, discovery: { ttlMs: 30_000 }, ...options }, async (stage) => {
      const { network } = stage.simulation
      stage.start()
      await stage.equal('before')
      network.partition(new Map(stage.peers.map(({ host }) => [host, host % 3])))
      await stage.simulation.pass(90 * SECOND)
      for (const peer of stage.peers) {
        for (let n = 0; n < documents; n++) stage.put(peer, `${peer.host}-${n}`, { n })
        stage.put(peer, 'all', { [peer.name]: true })
      }
      for (let part = 0; part < 3; part++)
        await stage.equal(`part ${part}`, { among: () => stage.running.filter(({ host }) => host % 3 === part), withinSeconds: 240 })
      network.heal()
      await stage.equal('after', { documents: peers * documents + 1, withinSeconds: 300 })
      assert.equal(Object.keys(stage.peers[0].database.collection().get('all').body).length, peers)
      return {}
    }),

  'dynamic membership': ({ peers = 12, documents = 40, ...options }) =>
    play({ peers, ...options }, async (stage) => {
      const { simulation, random } = stage
      for (const peer of stage.peers) for (let n = 0; n < documents; n++) stage.put(peer, `${peer.host}-${n}`, { n })
      stage.start()
      await simulation.pass(300)
      for (let round = 0; round < 3; round++) {
        for (let n = 1 + random.below(3); n > 0; n--) {
          const peer = await simulation.addPeer()
          stage.put(peer, `new-${peer.host}`, { round })
          peer.start()
        }
        for (const peer of random.shuffled(stage.running).slice(0, 1 + random.below(2))) {
          if (random.chance(0.5)) peer.vanish()
          else await simulation.finish(peer.stop())
        }
        await simulation.pass(random.between(100, 5000))
      }
      await stage.equal('dynamic membership')
      return { left: stage.running.length }
    }),

  'large documents': ({ peers = 10, documents = 10, blobBytes = 256 * 1024, ...options }) =>
    play({ peers, network: { bytesPerSecond: 12_500_000 }, ...options }, async (stage) => {
      const digests = []
      for (let n = 0; n < documents; n++) {
        const { database } = stage.random.pick(stage.peers)
        const blob = await database.blobs.saveBlob(stage.random.bytes(blobBytes), 'image/jpeg')
        digests.push(blob.digest)
        database.collection().put(`image-${n}`, { n, image: blob })
      }
      stage.start()
      await stage.equal('large documents', { documents })
      for (const peer of stage.peers)
        for (const digest of digests) assert.equal(peer.database.blobs.has(digest), true, `${peer.name} has all blobs`)
      return {}
    }),

  soak: ({ peers = 10, documents = 1000, hours = 24, ...options }) =>
    play({ peers, ...options }, async (stage) => {
      const { simulation, random } = stage
      for (let n = 0; n < documents; n++) stage.put(random.pick(stage.peers), `doc-${n}`, { n, edits: 0 })
      stage.start()
      await stage.equal('soak', { documents })
      const cycles = (hours * 3600) / 300
      for (let cycle = 0; cycle < cycles; cycle++) {
        const began = simulation.time.now
        for (let n = 0; n < 5; n++) crud(stage, random, cycle, n)
        const restarted = random.shuffled(stage.running).slice(0, random.below(1 + Math.floor(peers / 2)))
        for (const peer of restarted) {
          if (random.chance(0.5)) peer.vanish()
          else await simulation.finish(peer.stop())
        }
        await simulation.pass(random.between(1000, 60_000))
        for (const peer of restarted) await restart(peer)
        await stage.equal(`cycle ${cycle}`, { among: () => stage.peers, withinSeconds: 200 })
        await simulation.pass(Math.max(0, began + 300_000 - simulation.time.now))
      }
      return { cycles, documents: liveDocuments(stage.peers[0]) }
    }),

  volume: ({ peers = 20, documents = 2000, blobBytes = 200, ...options }) =>
    play({ peers, ...options }, async (stage) => {
      for (let n = 0; n < documents; n++) {
        const { database } = stage.random.pick(stage.peers)
        database.collection().put(`doc-${n}`, { n, blob: await database.blobs.saveBlob(stage.random.bytes(blobBytes)) })
      }
      stage.start()
      await stage.equal('volume', { documents, withinSeconds: 600 })
      return {}
    }),

  'end to end': ({ peers = 4, documents = 50, ...options }) =>
    play({ peers, ...options }, async (stage) => {
      const { simulation } = stage
      const [east, west] = [await SimServer.create(simulation, 400), await SimServer.create(simulation, 401)]
      // One server is a member of the mesh of the device that knows it; the other one is replicated with beside the mesh.
      const bridge = await simulation.addPeer({ name: 'Bridge', mesh: { members: [{ endpoint: east.endpointFor(() => bridge) }] } })
      stage.start()
      await stage.equal('before')
      west.replicateWith(stage.peers[0])
      for (let n = 0; n < documents; n++) {
        east.database.collection().put(`east-${n}`, { n })
        west.database.collection().put(`west-${n}`, { n })
        stage.put(stage.random.pick(stage.peers), `mesh-${n}`, { n })
      }
      const all = () => [...stage.running, east, west]
      const ms = await simulation.until(() => stage.contents.agree(all()) && liveDocuments(east) === 3 * documents, {
        withinMs: 120_000,
        everyMs: 250
      })
      assert.ok(ms !== undefined, `the servers have ${liveDocuments(east)} and ${liveDocuments(west)} documents, not ${3 * documents}`)
      // One cluster deletes, the other edits.
      east.database.collection().remove('west-0')
      west.database.collection().put('east-1', { edited: 'in the west' })
      const again = await simulation.until(
        () =>
          stage.contents.agree(all()) &&
          liveDocuments(west) === 3 * documents - 1 &&
          east.database.collection().get('east-1').body.edited !== undefined,
        { withinMs: 120_000, everyMs: 250 }
      )
      assert.ok(again !== undefined, 'what one cluster deletes or edits gets to the other')
      return {}
    })
}

function crud(stage, random, cycle, n) {
  const peer = random.pick(stage.running)
  const collection = peer.database.collection()
  const id = `doc-${random.below(1000)}`
  const what = random.next()
  if (what < 0.2) stage.put(peer, `new-${cycle}-${n}`, { cycle })
  else if (collection.get(id) === undefined) stage.put(peer, id, { again: cycle })
  else if (what < 0.3) collection.remove(id)
  else stage.put(peer, id, { ...collection.get(id).body, edits: cycle })
}

/** Back again, however it went away. */
async function restart(peer) {
  if (peer.running) return
  await peer.restart()
  peer.start()
}
