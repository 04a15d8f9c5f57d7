import { expect } from 'chai'
import { TopologyCodec } from '../../dist/topology/topology-codec.js'
import { type TopologyRecord, createRecord, keyOf } from '../../dist/topology/topology-record.js'
import { PlanWorld, type WorldPeer, randomId, seeded } from './plan-world.ts'

const codec = new TopologyCodec()

interface Lie {
  readonly every: number
  readonly until: number
  /** What the liar tells a neighbour. */
  readonly says: (to: WorldPeer) => readonly TopologyRecord[] | Uint8Array
}

/** The device tells its neighbours this, again and again, besides what it would say anyway. */
function tells(world: PlanWorld, liar: WorldPeer, { every, until, says }: Lie): void {
  const tell = (): void => {
    for (const neighbour of liar.links.keys()) {
      const said = says(neighbour)
      world.send(liar, neighbour, said instanceof Uint8Array ? said : codec.encode({ wanted: undefined, records: said }))
    }
    if (world.now < until) world.at(every, tell)
  }
  tell()
}

/** Puts other words into the mouth of the device when it speaks of itself. */
function speaksFalselyOfItself(liar: WorldPeer, links: (true_: TopologyRecord) => readonly string[]): void {
  liar.forge = (_, body) => {
    const message = codec.decode(body)
    if (message === undefined) return body
    const records = message.records.map((record) =>
      record.id === liar.id ? createRecord(record.id, record.epoch, record.version, links(record), record.wanted) : record
    )
    return codec.encode({ wanted: message.wanted, records })
  }
}

function settled(
  peers: number,
  seed: number,
  options: Partial<ConstructorParameters<typeof PlanWorld>[0]> = {}
): { world: PlanWorld; liar: WorldPeer } {
  const world = new PlanWorld({ peers, seed, ...options })
  world.run(30_000)
  return { world, liar: world.peers[0] as WorldPeer }
}

function kinds(peer: WorldPeer): string[] {
  return [...new Set(peer.offences.map(({ kind }) => kind))]
}

function others(world: PlanWorld, liar: WorldPeer): WorldPeer[] {
  return world.alive.filter((peer) => peer !== liar)
}

/** Nobody but the liar is accused, and all others know each other's true links. */
function harmless(world: PlanWorld, liar: WorldPeer): void {
  expect(world.parts).to.deep.equal([world.alive.length])
  for (const peer of others(world, liar)) {
    expect(peer.offences).to.deep.equal([])
    const known = new Map(peer.topology.peers().map((entry) => [entry.id, entry]))
    for (const other of others(world, liar)) {
      expect(known.get(other.id)?.reached).to.equal(true)
      for (const linked of other.links.keys()) if (linked !== liar) expect(known.get(other.id)?.neighbours).to.include(linked.id)
    }
  }
}

describe('a device that lies about the topology', () => {
  it('by denying its links is found out by those it denies', () => {
    const { world, liar } = settled(16, 1)
    speaksFalselyOfItself(liar, () => [])
    world.run(700_000)
    expect(kinds(liar)).to.deep.equal(['lie'])
    expect(liar.offences[0]?.detail).to.equal('denies its link with us')
    harmless(world, liar)
  })

  it('by claiming links with everybody is found out, and believed by nobody', () => {
    const { world, liar } = settled(24, 2)
    speaksFalselyOfItself(liar, ({ neighbours }) =>
      [...new Set([...neighbours, ...others(world, liar).map(({ id }) => keyOf(id))])].slice(0, 20)
    )
    world.run(900_000)
    expect(kinds(liar)).to.deep.equal(['lie'])
    harmless(world, liar)
    for (const peer of others(world, liar)) {
      const believed = peer.topology.peers().find(({ id }) => id === liar.id)?.neighbours ?? []
      expect(believed.length).to.be.at.most(liar.links.size)
    }
  })

  it('by inventing devices fills nobody’s memory, and crowds nobody out', () => {
    const { world, liar } = settled(16, 3)
    const random = seeded(333)
    tells(world, liar, {
      every: 2000,
      until: 60_000,
      says: () => {
        const ids = Array.from({ length: 300 }, () => randomId(random))
        return ids.map((id, i) => createRecord(id, 1, 1, [keyOf(ids[(i + 1) % 300] ?? ''), keyOf(ids[(i + 299) % 300] ?? '')], 3))
      }
    })
    world.run(120_000)
    for (const peer of world.alive) expect(peer.topology.table.size).to.be.at.most(4096)
    harmless(world, liar)
    expect(world.highestDegree).to.be.at.most(8)
  })

  it('in the name of another is outbid by that one, whose neighbours never believe it', () => {
    const { world, liar } = settled(20, 4)
    const victim = others(world, liar).find((peer) => !liar.links.has(peer)) as WorldPeer
    let version = 0
    tells(world, liar, {
      every: 1000,
      until: 60_000,
      says: () => {
        const current = Math.max(...world.alive.map((peer) => peer.topology.table.entry(keyOf(victim.id))?.record.version ?? 0))
        version = Math.max(version, current) + 1
        return [createRecord(victim.id, victim.topology.table.own.epoch, version, [], 0)]
      }
    })
    world.run(55_000)
    for (const neighbour of victim.links.keys()) {
      expect(neighbour.topology.peers().find(({ id }) => id === victim.id)?.neighbours).to.include(neighbour.id)
    }
    expect(victim.topology.contested).to.be.greaterThan(5)
    world.run(120_000)
    harmless(world, liar)
    expect(liar.topology.contested).to.equal(0)
  })

  it('in the name of another, with the highest number there is, does not part the victim from its neighbours', () => {
    const { world, liar } = settled(20, 5)
    const victim = others(world, liar).find((peer) => !liar.links.has(peer)) as WorldPeer
    tells(world, liar, { every: 5000, until: 60_000, says: () => [createRecord(victim.id, 2 ** 45 - 1, 2 ** 31 - 1, [], 0)] })
    world.run(300_000)
    expect(world.parts).to.deep.equal([20])
    expect(world.highestDegree).to.be.at.most(8)
    for (const neighbour of victim.links.keys()) {
      expect(neighbour.topology.peers().find(({ id }) => id === victim.id)?.neighbours).to.include(neighbour.id)
    }
  })

  it('about a link with the other side of a partition keeps the two apart only until an audit', () => {
    for (const audits of [false, true]) {
      let apart = true
      const { world, liar } = settled(24, 6, {
        // One device sees one of the other side, which is none of its neighbours on the rings, and can reach it later.
        sees: (a, b) => a < 12 === b < 12 || (a === 1 && b === 20),
        reaches: (a, b) => a < 12 === b < 12 || !apart,
        times: audits ? { audit: 10_000, auditHold: 3000 } : {}
      })
      expect(world.parts).to.deep.equal([12, 12])
      const seen = keyOf(world.peers[20]?.id ?? '')
      speaksFalselyOfItself(liar, ({ neighbours }) => [...new Set([...neighbours, seen])])
      tells(world, liar, {
        every: 1000,
        until: 250_000,
        says: () =>
          [liar, ...world.peers.slice(12)].map(({ topology: { table } }) => {
            const { id, epoch, version, neighbours, wanted } = table.own
            const invented = id === liar.id ? [seen] : keyOf(id) === seen ? [keyOf(liar.id)] : []
            return createRecord(id, epoch, version + 1000, [...neighbours, ...invented], wanted)
          })
      })
      world.run(40_000)
      apart = false
      world.run(250_000)
      expect(world.parts).to.deep.equal(audits ? [24] : [12, 12])
    }
  })

  it('or floods, is told from others', () => {
    const { world, liar } = settled(10, 7)
    tells(world, liar, { every: 1, until: 35_000, says: () => Buffer.from('{}') })
    world.run(60_000)
    expect(kinds(liar)).to.deep.equal(['flood'])
    harmless(world, liar)
  })

  it('or sends what is not well formed, is told from others', () => {
    const { world, liar } = settled(10, 8)
    const huge = createRecord(
      liar.id,
      1,
      1,
      Array.from({ length: 1000 }, (_, i) => i.toString(16).padStart(16, '0')),
      0
    )
    const bodies = [Buffer.from('{'), codec.encode({ wanted: true, records: [huge] }), Buffer.alloc(1_000_000, 32)]
    for (const body of bodies) tells(world, liar, { every: 1000, until: 32_000, says: () => body })
    world.run(60_000)
    expect(kinds(liar)).to.deep.equal(['malformed'])
    harmless(world, liar)
  })
})
