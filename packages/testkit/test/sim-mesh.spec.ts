import { expect } from 'chai'
import { Simulation, componentsOf, degreesOf, describeStep, isConnected, linksOf, playRandomSchedule, simulate } from '../dist/sim/index.js'

describe('a simulated mesh', () => {
  let simulation: Simulation | undefined
  afterEach(async () => {
    await simulation?.end()
    simulation = undefined
  })

  async function running(peers: number, options: ConstructorParameters<typeof Simulation>[0] = {}): Promise<Simulation> {
    simulation = new Simulation({ seed: 3, ...options })
    for (let index = 0; index < peers; index++) (await simulation.addPeer()).start()
    return simulation
  }

  it('knows which peers links join, and how many each has', () => {
    const links = [[1], [0, 2], [1], [], [5], [4]]
    expect(componentsOf(links)).to.deep.equal([[0, 1, 2], [4, 5], [3]])
    expect(degreesOf(links)).to.deep.equal({ min: 0, median: 1, max: 2, histogram: [1, 4, 1] })
  })

  it('keeps out whom nobody accepts', async () => {
    const { peers } = await running(5, { judge: (peer, other) => (peer.host === 4 || other.host === 4 ? 'refused' : 'trusted') })
    peers[0]?.database.collection().put('note', { text: 'for the others' })
    await (simulation as Simulation).pass(20_000)
    expect(linksOf(peers).map(({ length }) => length)).to.deep.equal([3, 3, 3, 3, 0])
    expect(peers.map((peer) => peer.database.collection().get('note') !== undefined)).to.deep.equal([true, true, true, true, false])
  })

  it('lets a peer come back with what it had stored, after a crash and after an orderly end', async () => {
    const world = await running(3)
    const [first, second] = world.peers
    if (first === undefined || second === undefined) throw new Error('there are three')
    expect(await world.until(() => isConnected(world.peers), { withinMs: 10_000 })).to.be.a('number')
    first.database.collection().put('mine', { kept: true })
    first.vanish()
    await world.finish(second.stop())
    expect([first.running, second.running]).to.deep.equal([false, false])
    await world.pass(1000)
    await first.restart()
    second.start()
    expect(first.database.collection().get('mine')?.body).to.deep.equal({ kept: true })
    expect(await world.until(() => second.database.collection().get('mine') !== undefined, { withinMs: 30_000 })).to.be.a('number')
  })

  it('says when something does not come to an end, or is not possible', async () => {
    const world = await running(1, { capacity: 1 })
    let refused: unknown
    await world.addPeer().catch((error: unknown) => {
      refused = error
    })
    expect(refused).to.be.instanceOf(TypeError)
    let late: unknown
    await world.finish(new Promise(() => {}), 100).catch((error: unknown) => {
      late = error
    })
    expect(late).to.be.instanceOf(RangeError)
    expect(world.time.now).to.equal(100)
  })

  it('reports what came of a schedule', async () => {
    const phases = new Set<string>()
    const report = await simulate({
      peers: 6,
      documents: 10,
      seed: 'a name',
      vanish: 0.5,
      schedule: async (world) => {
        world.peers[1]?.database.collection().put('late', { written: world.time.now })
        await world.pass(1000)
      },
      onProgress: ({ phase }) => phases.add(phase)
    })
    simulation = report.simulation
    expect(report).to.include({ converged: true, vanished: 3, convergedAfterwards: true, seed: 'a name' })
    expect(report.degree.max).to.be.at.most(8)
    expect(report.requests['rev']).to.be.at.least(10 * 5)
    expect([...phases]).to.include.members(['connecting', 'replicating', 'healing'])
  })

  it('plays a script in place of a drawn schedule, and tells what is wrong in words', async () => {
    const script = [
      { afterMs: 1000, kind: 'write', peer: 0, document: 0 },
      { afterMs: 0, kind: 'divide', part: [0, 1] }
    ] as const
    expect(script.map(describeStep)).to.deep.equal(['+1000 ms write peer 0, document 0', '+0 ms divide part 0,1'])
    const well = await playRandomSchedule({ seed: 1, peers: 4, script, maxDegree: 3 })
    expect(well.problems).to.deep.equal([])
    const { problems } = await playRandomSchedule({ seed: 1, peers: 4, script, maxDegree: 1, judge: () => 'refused', limitSeconds: 5 })
    expect(problems.join('; ')).to.match(/the links do not join all: .*not equal: Peer 0 has 1 documents/)
  })
})
