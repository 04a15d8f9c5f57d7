import { expect } from 'chai'
import fc from 'fast-check'
import { RingPlaces, maxTarget, ringDistance, ringNeighbours, ringPlace, ringSize, ringsFor } from '../../dist/topology/ring-plan.js'
import { parts, randomId, seeded } from './plan-world.ts'

const target = 4

function plans(ids: readonly string[], degree = target): Map<string, Set<string>> {
  const places = new RingPlaces()
  return new Map(ids.map((id) => [id, ringNeighbours(id, ids, degree, places)]))
}

function idsOf(count: number, seed: number): string[] {
  const random = seeded(seed)
  return Array.from({ length: count }, () => randomId(random))
}

const groups = fc.record({ count: fc.oneof(fc.integer({ min: 2, max: 40 }), fc.integer({ min: 41, max: 200 })), seed: fc.integer() })

describe('ring plan', () => {
  it('connects everybody with a bounded degree, and both ends want the same links', () => {
    fc.assert(
      fc.property(groups, fc.integer({ min: 2, max: maxTarget }), ({ count, seed }, degree) => {
        const ids = idsOf(count, seed)
        const plan = plans(ids, degree)
        expect(parts(ids, (id) => plan.get(id) ?? [])).to.deep.equal([count])
        for (const [id, wanted] of plan) {
          expect(wanted.size).to.be.at.most(2 * ringsFor(degree))
          expect(wanted.has(id)).to.equal(false)
          for (const other of wanted) expect(plan.get(other)?.has(id)).to.equal(true)
        }
      }),
      { numRuns: 30 }
    )
  })

  it('links everybody with everybody while there are few', () => {
    for (let count = 2; count <= target + 1; count++) {
      for (const wanted of plans(idsOf(count, count)).values()) expect(wanted.size).to.equal(count - 1)
    }
  })

  it('comes to the target degree on average', () => {
    const wanted = [...plans(idsOf(1000, 7)).values()]
    expect(wanted.reduce((sum, { size }) => sum + size, 0) / wanted.length).to.be.within(target - 0.1, target)
  })

  it('changes few links when a device comes or goes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 8, max: 100 }), fc.integer(), (count, seed) => {
        const ids = idsOf(count + 1, seed)
        const [before, after] = [plans(ids.slice(1)), plans(ids)]
        let changed = 0
        for (const [id, wanted] of after) {
          const old = before.get(id) ?? new Set()
          changed += [...wanted].filter((other) => !old.has(other)).length + [...old].filter((other) => !wanted.has(other)).length
        }
        // On each of the two rings one link (both of its ends counted) becomes two.
        expect(changed).to.be.at.most(2 * (2 + 4))
      }),
      { numRuns: 30 }
    )
  })

  it('measures in both directions of a ring', () => {
    expect(ringDistance(10, 30, true)).to.equal(20)
    expect(ringDistance(10, 30, false)).to.equal(ringSize - 20)
    expect(ringDistance(30, 10, true)).to.equal(ringSize - 20)
    expect(ringDistance(30, 10, false)).to.equal(20)
    expect([ringDistance(5, 5, true), ringDistance(5, 5, false)]).to.deep.equal([0, 0])
  })

  it('gives a place to every id, the same each time, within the ring', () => {
    fc.assert(
      fc.property(fc.string(), (id) => {
        const { at } = ringPlace(id)
        expect(at).to.deep.equal(ringPlace(id).at)
        for (const position of at) expect(Number.isInteger(position) && position >= 0 && position < ringSize).to.equal(true)
      })
    )
  })

  it('takes no target that ids have no rings for', () => {
    for (const degree of [0, -1, 1.5, maxTarget + 1, Number.NaN]) expect(() => ringsFor(degree)).to.throw(TypeError)
  })
})
