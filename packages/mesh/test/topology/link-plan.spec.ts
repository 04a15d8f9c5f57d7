import { expect } from 'chai'
import fc from 'fast-check'
import { noTopology } from '../../dist/topology/contracts.js'
import { LinkPlan } from '../../dist/topology/link-plan.js'
import { RingPlaces, ringNeighbours } from '../../dist/topology/ring-plan.js'
import { PlanWorld, randomId, seeded } from './plan-world.ts'

const local = '0'.repeat(64)
const link = { direction: 'outgoing', quality: 'direct' } as const

function planOf(options: Partial<ConstructorParameters<typeof LinkPlan>[0]> = {}): LinkPlan {
  return new LinkPlan({ localId: local, random: () => 0.5, ...options })
}

/** A device that we dial first, or one that dials us. */
function device(first: boolean, fill: string): string {
  return (first ? '1' : '7')
    .padEnd(2, fill)
    .padEnd(64, fill)
    .replace(/^./, first ? '1' : 'f')
}

describe('link plan', () => {
  it('comes to the plan of the rings when everybody sees everybody, and stays with it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 60 }), fc.integer(), (count, seed) => {
        const world = new PlanWorld({ peers: count, seed })
        world.run(30_000)
        const ids = world.peers.map(({ id }) => id)
        const places = new RingPlaces()
        for (const peer of world.peers) {
          const linked = [...peer.links.keys()].map(({ id }) => id).sort()
          expect(linked).to.deep.equal([...ringNeighbours(peer.id, ids, 4, places)].sort())
        }
        expect(world.highestDegree).to.be.at.most(8)
        const { changes } = world
        world.run(200_000)
        expect(world.changes).to.equal(changes)
      }),
      { numRuns: 15 }
    )
  })

  it('heals within seconds after 30 % have vanished without a word, and forgets nobody who comes back', () => {
    for (const seed of [1, 2]) {
      const world = new PlanWorld({ peers: 100, seed })
      world.run(30_000)
      for (const peer of world.peers) if (world.random() < 0.3) world.vanish(peer)
      world.run(40_000)
      expect(world.parts, `seed ${seed}`).to.have.length(1)
      expect(world.highestDegree).to.be.at.most(8)
      world.run(200_000)
      expect(world.parts).to.have.length(1)
      const mean = world.degrees.reduce((sum, degree) => sum + degree, 0) / world.degrees.length
      expect(mean).to.be.within(3.5, 4.2)
    }
  })

  it('lets devices come and go one by one, with a few changes for each', () => {
    const world = new PlanWorld({ peers: 60, seed: 5 })
    world.run(30_000)
    for (let round = 0; round < 10; round++) {
      const before = world.changes
      const leaver = world.alive[Math.floor(world.random() * world.alive.length)]
      if (leaver !== undefined) world.leave(leaver)
      world.announce(world.add())
      world.run(world.now + 30_000)
      expect(world.parts).to.deep.equal([60])
      expect(world.changes - before).to.be.at.most(60)
    }
    expect(world.highestDegree).to.be.at.most(8)
  })

  it('connects although half of the devices cannot be dialled by the others', () => {
    for (const seed of [1, 2, 3]) {
      const world = new PlanWorld({ peers: 40, seed, reaches: (_, to) => to % 2 === 0 })
      world.run(60_000)
      expect(world.parts).to.deep.equal([40])
      expect(world.highestDegree).to.be.at.most(8)
    }
  })

  it('keeps to other degrees', () => {
    for (const [target, max] of [
      [1, 4],
      [2, 4],
      [4, 6],
      [6, 9],
      [10, 20]
    ] as const) {
      const world = new PlanWorld({ peers: 50, seed: target, target, max })
      world.run(60_000)
      expect(world.parts).to.deep.equal([50])
      expect(world.highestDegree).to.be.at.most(max)
    }
    expect(() => planOf({ target: 4, max: 5 })).to.throw(TypeError)
    expect(() => planOf({ target: 3, max: 5.5 })).to.throw(TypeError)
    expect(() => planOf({ target: 11 })).to.throw(TypeError)
    expect(planOf({ max: 31 }).max).to.equal(31)
    expect(() => planOf({ max: 32 })).to.throw(TypeError, 'from 6 to 31')
  })

  describe('who dials', () => {
    it('is the side that the rule names, and the other one after a while', () => {
      const plan = planOf()
      const [ours, theirs] = [device(true, '3'), device(false, '3')]
      plan.found(ours, 0)
      plan.found(theirs, 0)
      plan.decide(0)
      const { dial, nextAt } = plan.decide(100)
      expect(dial).to.deep.equal([{ id: ours, reason: 'all' }])
      plan.dialling(ours, 100)
      expect(nextAt).to.equal(1600)
      expect(plan.decide(1500).dial).to.deep.equal([])
      expect(plan.decide(1600).dial).to.deep.equal([{ id: theirs, reason: 'all' }])
    })

    it('is us, for devices that claim no peer id', () => {
      const plan = planOf()
      plan.found('somebody', 0)
      plan.decide(0)
      expect(plan.decide(100).dial).to.deep.equal([{ id: 'somebody', reason: 'all' }])
    })

    it('says the same again until it is done', () => {
      const plan = planOf()
      plan.found('somebody', 0)
      plan.decide(0)
      expect(plan.decide(100).dial).to.have.length(1)
      expect(plan.decide(100).dial).to.have.length(1)
      plan.dialling('somebody', 100)
      expect(plan.decide(100).dial).to.have.length(0)
    })
  })

  describe('a device that failed', () => {
    it('is tried again after pauses that grow, and at once when it appears anew', () => {
      const plan = planOf()
      plan.found('a', 0)
      plan.decide(0)
      let now = 100
      for (const pause of [1000, 2000, 4000]) {
        expect(plan.decide(now).dial).to.have.length(1)
        plan.dialling('a', now)
        plan.dialFailed('a', now)
        expect(plan.standing('a').passedOver?.reason).to.equal('suspect')
        expect(plan.decide(now + pause - 1).dial).to.have.length(0)
        expect(plan.decide(now).nextAt).to.equal(now + pause)
        now += pause
      }
      expect(plan.decide(now).dial).to.have.length(1)
      plan.dialling('a', now)
      plan.dialFailed('a', now)
      plan.found('a', now + 1500)
      expect(plan.decide(now + 1500).dial).to.have.length(1)
    })

    it('is replaced by the next on the ring, and takes its place back', () => {
      const random = seeded(3)
      const ids = Array.from({ length: 12 }, () => randomId(random))
      const plan = planOf()
      for (const id of ids) plan.found(id, 0)
      const chosen = ringNeighbours(local, ids, 4)
      const [gone] = chosen
      for (const id of chosen) plan.connected(id, link, 0)
      expect(plan.decide(0).dial).to.deep.equal([])
      plan.disconnected(gone as string, 'lost', 20_000)
      const { dial, nextAt } = plan.decide(20_000)
      const next = [...dial.map(({ id }) => id), ...ids.filter((id) => plan.standing(id).dialAt < Number.POSITIVE_INFINITY)]
      expect(next.length).to.be.greaterThan(0)
      expect(next).to.not.include(gone)
      expect(nextAt).to.be.at.most(21_100)
      for (const id of new Set(next)) plan.connected(id, link, 20_100)
      plan.connected(gone as string, link, 30_000)
      plan.decide(30_000)
      expect([...plan.neighbours()].filter(({ wanted }) => wanted).map(({ id }) => id)).to.have.members([...chosen])
    })
  })

  describe('a link that we do not want', () => {
    function surplus(): { plan: LinkPlan; extra: string } {
      const random = seeded(4)
      const ids = Array.from({ length: 20 }, () => randomId(random))
      const plan = planOf()
      for (const id of ids) plan.found(id, 0)
      const chosen = ringNeighbours(local, ids, 4)
      for (const id of chosen) {
        plan.connected(id, link, 0)
        plan.peerWants(id, true)
      }
      const extra = ids.find((id) => !chosen.has(id)) as string
      plan.connected(extra, { direction: 'incoming', quality: 'direct' }, 0)
      return { plan, extra }
    }

    it('stays while the other side wants it, and ends some time after it no longer does', () => {
      const { plan, extra } = surplus()
      const first = plan.decide(0)
      expect(first.tell.find(({ id }) => id === extra)).to.deep.equal({ id: extra, wanted: false })
      expect(plan.decide(60_000).end).to.deep.equal([])
      plan.peerWants(extra, false)
      const { end, nextAt } = plan.decide(60_000)
      expect([end, nextAt]).to.deep.equal([[], 70_000])
      expect(plan.decide(70_000).end).to.deep.equal([{ id: extra, reason: 'unwanted' }])
      expect(plan.degree).to.equal(4)
      expect(plan.decide(70_000).dial).to.deep.equal([])
    })

    it('makes room for one that is wanted', () => {
      const { plan, extra } = surplus()
      const random = seeded(9)
      while (plan.degree < plan.max) plan.connected(randomId(random), { direction: 'incoming', quality: 'relayed' }, 100)
      plan.decide(100)
      expect(plan.admit(extra, 200)).to.deep.equal({ accept: true, instead: undefined })
      const stranger = randomId(random)
      expect(plan.admit(stranger, 200)).to.deep.equal({ accept: false, reason: 'full' })
      plan.peerWants(extra, false)
      expect(plan.admit(stranger, 200)).to.deep.equal({ accept: true, instead: extra })
      expect(plan.degree).to.equal(plan.max - 1)
    })
  })

  it('is not surrounded by devices that make themselves indispensable', () => {
    const random = seeded(11)
    const topology = { ...noTopology, role: () => 'bridge' as const }
    const plan = planOf({ topology })
    for (let i = 0; i < plan.max; i++) plan.connected(randomId(random), { direction: 'incoming', quality: 'direct' }, i)
    const strangers = Array.from({ length: 200 }, () => randomId(random))
    for (const id of strangers) plan.found(id, 100)
    plan.decide(100)
    let linked = 0
    for (let now = 1000; now < 60_000; now += 1000) {
      for (const { id } of plan.decide(now).dial) {
        plan.dialling(id, now)
        const admission = plan.admit(id, now)
        expect(admission.accept).to.equal(true)
        plan.connected(id, link, now)
        linked++
        expect(plan.degree).to.be.at.most(plan.max)
      }
    }
    expect(linked).to.equal(2)
  })

  it('has nothing to do with a device in quarantine until it is released', () => {
    const plan = planOf()
    plan.found('a', 0)
    plan.connected('a', link, 0)
    plan.passOver('a', 'quarantined', 60_000)
    expect(plan.decide(10).end).to.deep.equal([{ id: 'a', reason: 'quarantined' }])
    expect(plan.admit('a', 20)).to.deep.equal({ accept: false, reason: 'quarantined' })
    expect(plan.decide(20)).to.include({ nextAt: 60_000 })
    plan.release('a', 3000)
    expect(plan.decide(3000).dial).to.deep.equal([{ id: 'a', reason: 'all' }])
  })

  it('asks for no pause that a timer could not count', () => {
    const plan = planOf()
    plan.found('a', 0)
    plan.passOver('a', 'refused', Number.MAX_SAFE_INTEGER)
    expect(plan.decide(5).nextAt).to.be.within(1_000_000, 2 ** 31 - 1)
  })

  it('audits a device now and then, and lets it go', () => {
    const random = seeded(6)
    const ids = Array.from({ length: 30 }, () => randomId(random))
    const plan = planOf({ random })
    for (const id of ids) plan.found(id, 0)
    for (const id of ringNeighbours(local, ids, 4)) plan.connected(id, link, 0)
    let audited: string | undefined
    for (let now = 0; audited === undefined && now < 2_000_000; now = Math.max(now + 1, plan.decide(now).nextAt)) {
      audited = plan.decide(now).dial.find(({ reason }) => reason === 'audit')?.id
      if (audited === undefined) continue
      plan.connected(audited, link, now)
      plan.peerWants(audited, false)
      expect(plan.decide(now + 59_999).end).to.deep.equal([])
      expect(plan.decide(now + 60_000).end).to.deep.equal([{ id: audited, reason: 'audited' }])
    }
    expect(audited).to.be.a('string')
  })
})
