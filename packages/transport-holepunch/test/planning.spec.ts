import { expect } from 'chai'
import fc from 'fast-check'
import type { NatBehaviour } from '@kithmesh/core'
import type { PunchCandidate } from '../dist/candidate.js'
import { planPunch } from '../dist/plan.js'
import { predictPorts } from '../dist/prediction.js'
import { KINDS, nat, type Kind } from './support/networks.ts'

const HERE = { address: '10.1.0.2', port: 21_000 }
const THERE = { address: '10.2.0.2', port: 22_000 }

function candidate(behaviour: NatBehaviour, values: Partial<PunchCandidate> = {}): PunchCandidate {
  return { pair: 0, family: 4, local: HERE, mapped: { address: '203.0.113.21', port: 40_000 }, behaviour, ...values }
}

function theirs(kind: Kind, values: Partial<PunchCandidate> = {}): PunchCandidate {
  return candidate(KINDS[kind], { local: THERE, mapped: { address: '203.0.113.22', port: 50_000 }, ...values })
}

function mine(kind: Kind): PunchCandidate {
  return candidate(KINDS[kind])
}

const symmetric = (ports: NatBehaviour['ports']): NatBehaviour => nat('address-and-port-dependent', 'address-and-port-dependent', ports)

describe('prediction of ports', () => {
  const table: ReadonlyArray<readonly [string, NatBehaviour, readonly number[]]> = [
    ['the mapping seen, where it does not depend on the destination', KINDS['port-restricted'], [40_000]],
    ['the mapping seen, also where it was picked at random', KINDS['random-ports'], [40_000]],
    ['the local port, where the router keeps it', symmetric({ kind: 'equal' }), [21_000]],
    ['the mapping seen, where distances are kept', symmetric({ kind: 'preserving' }), [40_000]],
    ['the next ports of a counter', symmetric({ kind: 'independent', delta: 1 }), [40_001, 40_002, 40_003, 40_004]],
    ['the next ports of a counter that runs backwards', symmetric({ kind: 'independent', delta: -2 }), [39_998, 39_996, 39_994, 39_992]],
    ['the next ports of a counter of local ports', symmetric({ kind: 'dependent', delta: 3 }), [40_003, 40_006, 40_009, 40_012]],
    ['all ports of a small range', symmetric({ kind: 'range', low: 5_000, high: 5_002 }), [5_000, 5_001, 5_002]],
    ['nothing of a large range', symmetric({ kind: 'range', low: 5_000, high: 6_000 }), []],
    ['nothing where ports are random', symmetric({ kind: 'random' }), []],
    ['the mapping seen and some more, where nothing is known', KINDS.unknown, [40_000, 40_001, 40_002, 40_003]]
  ]
  for (const [what, behaviour, ports] of table)
    it(`is ${what}`, () => {
      expect(predictPorts(candidate(behaviour), 4)).to.deep.equal(ports)
    })

  it('is the local port where no server saw it', () => {
    expect(predictPorts(candidate(KINDS['symmetric-sequential'], { mapped: undefined }))).to.deep.equal([21_000])
  })

  it('takes a device that sees its own address from outside for one without NAT, whatever was measured', () => {
    expect(predictPorts(candidate(symmetric({ kind: 'random' }), { mapped: HERE }))).to.deep.equal([HERE.port])
  })

  const allocation = fc.oneof(
    fc.constantFrom('equal', 'preserving', 'random', 'unknown').map((kind) => ({ kind }) as NatBehaviour['ports']),
    fc.record({ kind: fc.constantFrom('independent', 'dependent'), delta: fc.integer({ min: -64, max: 64 }).filter((d) => d !== 0) }),
    fc
      .tuple(fc.integer({ min: 1_024, max: 65_535 }), fc.integer({ min: 0, max: 100 }))
      .map(([low, size]) => ({ kind: 'range' as const, low, high: Math.min(65_535, low + size) }))
  ) as fc.Arbitrary<NatBehaviour['ports']>
  const behaviours = fc.record({
    mapping: fc.constantFrom(
      'none',
      'endpoint-independent',
      'address-dependent',
      'address-and-port-dependent',
      'blocked',
      'unknown'
    ) as fc.Arbitrary<NatBehaviour['mapping']>,
    filtering: fc.constantFrom('endpoint-independent', 'address-dependent', 'address-and-port-dependent', 'unknown') as fc.Arbitrary<
      NatBehaviour['filtering']
    >,
    ports: allocation
  })
  const ports = fc.integer({ min: 1_024, max: 65_535 })

  it('stays within the ports of programs, below its limit, and names each port once', () => {
    fc.assert(
      fc.property(behaviours, ports, ports, fc.integer({ min: 1, max: 8 }), (behaviour, local, mapped, limit) => {
        const predicted = predictPorts(
          candidate(behaviour, { local: { ...HERE, port: local }, mapped: { address: '203.0.113.21', port: mapped } }),
          limit
        )
        expect(predicted.length).to.be.at.most(limit)
        expect(new Set(predicted).size).to.equal(predicted.length)
        for (const port of predicted) expect(port).to.be.within(1_024, 65_535)
      })
    )
  })

  it('follows a counter over the end of the ports', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), ports, fc.integer({ min: 0, max: 7 }), (delta, last, others) => {
        // A router that counts, with other flows in between.
        let next = last
        for (let flow = 0; flow <= others; flow++) next = next + delta > 65_535 ? next + delta - 65_536 + 1_024 : next + delta
        const predicted = predictPorts(
          candidate(symmetric({ kind: 'independent', delta }), { mapped: { address: '203.0.113.21', port: last } })
        )
        expect(predicted[others]).to.equal(next)
      })
    )
  })

  it('lets every plan do something within bounds, and neither dial itself nor a port twice', () => {
    fc.assert(
      fc.property(behaviours, behaviours, fc.boolean(), fc.boolean(), (one, other, seen, oneRouter) => {
        const plan = planPunch(
          candidate(one),
          candidate(other, {
            local: THERE,
            mapped: seen ? { address: oneRouter ? '203.0.113.21' : '203.0.113.22', port: 50_000 } : undefined
          })
        )
        expect(plan.targets.length).to.be.within(1, 9)
        expect(new Set(plan.targets.map(({ address, port }) => `${address} ${port}`)).size).to.equal(plan.targets.length)
        for (const { address, port } of plan.targets) expect(address === HERE.address && port === HERE.port).to.equal(false)
      })
    )
  })
})

describe('plan of one side', () => {
  const external = (...ports: number[]): unknown => ports.map((port) => ({ address: '203.0.113.22', port }))

  it('dials the port that was seen', () => {
    expect(planPunch(mine('port-restricted'), theirs('random-ports')).targets).to.deep.equal(external(50_000))
  })

  it('fans out over the next ports of a counter, if its own router keeps the mapping', () => {
    const plan = planPunch(mine('port-restricted'), theirs('symmetric-sequential'))
    expect(plan.targets).to.deep.equal(external(50_001, 50_002, 50_003, 50_004, 50_005, 50_006, 50_007, 50_008))
    expect(plan.second).to.equal(false)
  })

  it('opens one flow only, and later, where each flow shifts its own counter', () => {
    const plan = planPunch(mine('symmetric-sequential'), theirs('port-restricted'))
    expect(plan.targets).to.deep.equal(external(50_000))
    expect(plan.second).to.equal(true)
    expect(planPunch(mine('symmetric-sequential'), theirs('symmetric-sequential')).targets).to.deep.equal(external(50_001))
  })

  it('lets nobody wait for the other where both routers change ports', () => {
    expect(planPunch(mine('symmetric-sequential'), theirs('symmetric-sequential')).second).to.equal(false)
  })

  it('listens at once only where the port cannot be named and the own router lets it in', () => {
    const listen = (here: Kind, there: Kind): string => planPunch(mine(here), theirs(there)).listen
    for (const kind of ['open', 'full-cone', 'address-restricted'] as const) expect(listen(kind, 'symmetric-random')).to.equal('at-once')
    for (const kind of ['firewall', 'port-restricted', 'random-ports', 'port-preserving', 'symmetric-sequential'] as const)
      for (const other of Object.keys(KINDS) as Kind[]) expect(listen(kind, other), `${kind} ${other}`).to.equal('never')
    expect(listen('symmetric-random', 'full-cone')).to.equal('never')
    expect(listen('unknown', 'unknown')).to.equal('later')
    expect(listen('full-cone', 'full-cone')).to.equal('later')
  })

  it('listens later where the two may meet without a router in between', () => {
    const neighbour = theirs('port-restricted', {
      local: { address: '10.1.0.3', port: 22_000 },
      mapped: { address: '203.0.113.21', port: 50_000 }
    })
    expect(planPunch(mine('port-restricted'), neighbour).listen).to.equal('later')
  })

  it('opens the filter for an address whose ports are random', () => {
    expect(planPunch(mine('address-restricted'), theirs('symmetric-random')).targets).to.deep.equal(external(50_000))
  })

  it('dials local addresses behind one router, first in one network, and the external one for routers that turn packets round', () => {
    const neighbour = theirs('port-restricted', {
      local: { address: '10.1.0.3', port: 22_000 },
      mapped: { address: '203.0.113.21', port: 50_000 }
    })
    expect(planPunch(mine('port-restricted'), neighbour).targets).to.deep.equal([
      { address: '10.1.0.3', port: 22_000 },
      { address: '203.0.113.21', port: 50_000 }
    ])
    const elsewhere = { ...neighbour, local: THERE }
    expect(planPunch(mine('port-restricted'), elsewhere).targets[0]).to.deep.equal({ address: '203.0.113.21', port: 50_000 })
  })

  it('dials the local address on one host, and where no server saw the other side', () => {
    const host = theirs('port-restricted', { local: { ...HERE, port: 22_000 }, mapped: { address: '203.0.113.21', port: 50_000 } })
    expect(planPunch(mine('port-restricted'), host).targets).to.deep.equal([{ ...HERE, port: 22_000 }])
    expect(planPunch(mine('port-restricted'), theirs('port-restricted', { mapped: undefined })).targets).to.deep.equal([THERE])
  })

  it('tries often where it costs nothing, and seldom where each try costs a port', () => {
    expect(planPunch(mine('port-restricted'), theirs('port-restricted')).retryMs).to.equal(4)
    expect(planPunch(mine('symmetric-sequential'), theirs('port-restricted')).retryMs).to.be.greaterThan(100)
  })
})
