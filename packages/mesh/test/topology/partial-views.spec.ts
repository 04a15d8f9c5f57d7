import { expect } from 'chai'
import { PlanWorld, type WorldOptions, parts, seeded } from './plan-world.ts'

type Sees = NonNullable<WorldOptions['sees']>

/** Devices strewn over a square, seeing each other within a radius, as radios do. */
function radios(count: number, radius: number, seed: number): Sees {
  const random = seeded(seed)
  const at = Array.from({ length: count }, () => [random(), random()] as const)
  return (a, b) => {
    const [x, y] = [at[a] ?? [0, 0], at[b] ?? [0, 0]]
    return Math.hypot(x[0] - y[0], x[1] - y[1]) < radius
  }
}

/** Parts of the graph of who sees whom, in either direction. */
function visibleParts(world: PlanWorld, sees: Sees): number[] {
  return parts(world.alive, (a) => world.alive.filter((b) => a !== b && (sees(a.index, b.index) || sees(b.index, a.index))))
}

/** Becomes as connected as views allow, stays so, and comes to rest. */
function settles(name: string, peers: number, sees: Sees, options: Partial<WorldOptions> = {}): void {
  it(name, () => {
    const world = new PlanWorld({ peers, seed: peers, sees, ...options })
    const visible = visibleParts(world, sees)
    world.run(40_000)
    expect(world.parts).to.deep.equal(visible)
    world.run(120_000)
    expect(world.parts).to.deep.equal(visible)
    expect(world.highestDegree).to.be.at.most(8)
    const { changes } = world
    world.run(400_000)
    expect(world.changes - changes, 'links made or ended at rest').to.equal(0)
    expect(world.peers.flatMap(({ offences }) => offences)).to.deep.equal([])
    // Everybody knows everybody in reach.
    for (const { topology } of world.peers) {
      const reached = topology.peers().filter(({ reached }) => reached).length
      expect(visible).to.include(reached)
    }
  })
}

describe('partial views', () => {
  settles('a chain, where everybody sees two others', 25, (a, b) => Math.abs(a - b) === 1)
  settles(
    'two subnets, of which one device in each sees the other',
    40,
    (a, b) => a < 20 === b < 20 || (a === 3 && b === 30) || (a === 30 && b === 3)
  )
  settles(
    'two subnets, of which one device sees one of the other, which does not see it',
    40,
    (a, b) => a < 20 === b < 20 || (a === 3 && b === 30)
  )
  settles('two subnets and a device with a foot in both', 41, (a, b) => a === 40 || b === 40 || a < 20 === b < 20)
  settles('three subnets and a device with a foot in all', 46, (a, b) => a === 45 || b === 45 || Math.floor(a / 15) === Math.floor(b / 15))
  settles('radios, sparse', 80, radios(80, 0.19, 5))
  settles('radios, dense', 60, radios(60, 0.4, 6))
  settles('radios in several places', 60, radios(60, 0.12, 8))
  settles('a star of as many as one device can have', 9, (a, b) => a === 0 || b === 0)
  settles('two subnets, where half of each cannot be dialled', 40, (a, b) => a < 20 === b < 20 || (a === 3 && b === 30), {
    reaches: (_, to) => to % 2 === 0 || to === 30
  })

  it('heal within seconds when views grow together again', () => {
    let apart = true
    const sees: Sees = (a, b) => !apart || a < 20 === b < 20
    const world = new PlanWorld({ peers: 40, seed: 3, sees })
    world.run(60_000)
    expect(world.parts).to.deep.equal([20, 20])
    apart = false
    for (const peer of world.peers) world.announce(peer)
    world.run(70_000)
    expect(world.parts).to.deep.equal([40])
    world.run(120_000)
    expect(world.degrees.at(-1)).to.be.at.most(5)
  })

  it('heal after a partition of the network that discovery did not notice', () => {
    let cut = false
    const world = new PlanWorld({ peers: 40, seed: 4, reaches: (a, b) => !cut || a < 20 === b < 20 })
    world.run(30_000)
    cut = true
    world.sever((a, b) => a < 20 !== b < 20)
    world.run(90_000)
    expect(world.parts).to.deep.equal([20, 20])
    cut = false
    // No message says so: devices that failed are tried again, a minute later at most.
    world.run(160_000)
    expect(world.parts).to.deep.equal([40])
  })
})
