import { expect } from 'chai'
import fc from 'fast-check'
import type { NatDependence, PortAllocation } from '@kithmesh/core'
import type { TransportAddress } from '@kithmesh/stun'
import { whyIncredible, usableOther } from '../dist/probe/credibility.js'
import { classifyFiltering } from '../dist/probe/filtering.js'
import { classifyMapping } from '../dist/probe/mapping.js'
import type { MappingObservation } from '../dist/probe/mapping.js'
import { classifyPorts, classifyUnordered } from '../dist/probe/port-allocation.js'
import type { PortObservation } from '../dist/probe/port-allocation.js'
import { SimulatedNat, seeded } from './support/simulated-nat.ts'

const at = (address: string, port = 3_478): TransportAddress => ({ address, port })
const local = at('192.168.1.20', 20_123)
const a1 = at('198.51.100.1')
const a1alt = at('198.51.100.1', 3_479)
const a2 = at('198.51.100.2')
const b1 = at('192.0.2.10')
const c1 = at('192.0.2.20')
const said = (server: string, target: TransportAddress, mapped: TransportAddress): MappingObservation => ({ server, target, mapped })
const outside = (port: number, address = '203.0.113.7'): TransportAddress => at(address, port)

const dependences: NatDependence[] = ['endpoint-independent', 'address-dependent', 'address-and-port-dependent']
const allocations: PortAllocation[] = [
  { kind: 'equal' },
  { kind: 'preserving' },
  { kind: 'independent', delta: 1 },
  { kind: 'independent', delta: 2 },
  { kind: 'independent', delta: -1 },
  { kind: 'independent', delta: 64 },
  { kind: 'dependent', delta: 1 },
  { kind: 'dependent', delta: 3 },
  { kind: 'random' }
]

/** Eight ports that are no neighbours, then eight that are, as the probe takes them. */
function series(nat: SimulatedNat, random: () => number): { scattered: PortObservation[]; consecutive: PortObservation[] } {
  const map = (port: number): PortObservation => ({ local: port, external: nat.outbound(at(local.address, port), a1).port })
  const base = 30_000 + Math.floor(random() * 20_000)
  const scattered = Array.from({ length: 8 }, (_, index) => map(20_000 + index * 1_500 + Math.floor(random() * 1_400)))
  return { scattered, consecutive: Array.from({ length: 8 }, (_, index) => map(base + index)) }
}

describe('what a NAT does, from what servers say', () => {
  for (const mapping of dependences)
    for (const filtering of dependences)
      for (const ports of allocations)
        for (const foreignFlowEvery of [undefined, 5])
          it(`is found: mapping ${mapping}, filtering ${filtering}, ports ${JSON.stringify(ports)}${foreignFlowEvery === undefined ? '' : ', others busy'}`, () => {
            for (let seed = 1; seed <= 20; seed++) {
              const random = seeded(seed)
              const nat = new SimulatedNat({
                mapping,
                filtering,
                ports,
                random,
                ...(foreignFlowEvery === undefined ? {} : { foreignFlowEvery })
              })

              const filterPort = at(local.address, 20_500)
              const external = nat.outbound(filterPort, a1)
              const answeredFrom = [a2, a1alt].filter((from) => nat.inbound(from, external) !== undefined)
              expect(classifyFiltering([{ server: 'a', contacted: a1, answeredFrom, capable: true }])).to.equal(filtering)

              const targets: [string, TransportAddress][] = [
                ['a', a1],
                ['b', b1],
                ['c', c1],
                ['a', a1alt],
                ['a', a2]
              ]
              const verdict = classifyMapping(
                local,
                targets.map(([server, target]) => said(server, target, nat.outbound(local, target)))
              )
              expect(verdict).to.deep.include({ mapping, externalAddress: '203.0.113.7', distrusted: [] })

              expect(classifyPorts(series(nat, random))).to.deep.equal(ports)
            }
          })

  it('is no NAT where addresses and ports come out as they were', () => {
    for (const filtering of dependences) {
      const nat = new SimulatedNat({ mapping: 'none', filtering, ports: { kind: 'equal' }, random: seeded(1) })
      const verdict = classifyMapping(local, [said('a', at('192.168.1.1'), nat.outbound(local, at('192.168.1.1')))])
      expect(verdict).to.deep.include({ mapping: 'none', externalAddress: local.address })
    }
  })

  it('is a range where ports keep to a part of all, and random where they do not', () => {
    const kindsOf = (low: number, high: number): Map<string, number> => {
      const found = new Map<string, number>()
      for (let seed = 1; seed <= 300; seed++) {
        const random = seeded(seed)
        const ports = { kind: 'range', low, high } as const
        const nat = new SimulatedNat({ mapping: 'endpoint-independent', filtering: 'address-dependent', ports, random })
        const classified = classifyPorts(series(nat, random))
        found.set(classified.kind, (found.get(classified.kind) ?? 0) + 1)
        if (classified.kind === 'range') {
          expect(classified.low).to.be.within(1, low + (high - low) / 2)
          expect(classified.high).to.be.within(low + (high - low) / 2, 65_535)
        }
      }
      return found
    }
    expect(kindsOf(35_000, 65_535).get('range')).to.equal(300)
    expect(kindsOf(50_000, 55_000).get('range')).to.equal(300)
    expect(kindsOf(1_024, 65_535).get('random')).to.be.at.least(298)
  })
})

describe('the rule of mappings', () => {
  it('is unknown from one place, except that there is no NAT', () => {
    expect(classifyMapping(local, []).mapping).to.equal('unknown')
    expect(classifyMapping(local, [said('a', a1, outside(5))])).to.deep.include({ mapping: 'unknown', externalAddress: '203.0.113.7' })
    expect(classifyMapping(local, [said('a', a1, outside(5)), said('a', a1, outside(5))]).mapping).to.equal('unknown')
  })

  it('is unknown from two ports of one address that see the same', () => {
    expect(classifyMapping(local, [said('a', a1, outside(5)), said('a', a1alt, outside(5))]).mapping).to.equal('unknown')
  })

  it('is the strictest where addresses differ and nothing more was asked', () => {
    expect(classifyMapping(local, [said('a', a1, outside(5)), said('b', b1, outside(6))]).mapping).to.equal('address-and-port-dependent')
  })

  it('takes another port at the own address for a NAT', () => {
    const public1 = at('198.51.100.77', 20_000)
    const seen = at('198.51.100.77', 20_001)
    expect(classifyMapping(public1, [said('a', a1, seen), said('b', b1, seen)]).mapping).to.equal('endpoint-independent')
  })

  const bogus: [string, TransportAddress, RegExp][] = [
    ['a private address', at('10.0.0.1', 5), /cannot have seen/],
    ['the local address', local, /cannot have seen/],
    ['a loopback address', at('127.0.0.1', 5), /cannot have seen/],
    ['a link-local address', at('169.254.1.1', 5), /cannot have seen/],
    ['an address behind a carrier', at('100.64.0.1', 5), /cannot have seen/],
    ['nowhere', at('0.0.0.0', 5), /nobody can have/],
    ['a group', at('224.0.0.1', 5), /nobody can have/],
    ['port 0', outside(0), /port 0/],
    ['its own address', at(b1.address, 5), /own address/],
    ['IPv6', at('2001:db8::1', 5), /other family/],
    ['another address', outside(5, '203.0.113.99'), /another address than most/],
    ['another port', outside(6), /another port than most/]
  ]
  for (const [what, mapped, reason] of bogus)
    it(`leaves out a server that names ${what}, and says so`, () => {
      const verdict = classifyMapping(local, [said('a', a1, outside(5)), said('b', b1, mapped), said('c', c1, outside(5))])
      expect(verdict).to.deep.include({ mapping: 'endpoint-independent', externalAddress: '203.0.113.7' })
      expect(verdict.distrusted).to.have.lengthOf(1)
      expect(verdict.distrusted[0]).to.deep.include({ server: 'b', mapped })
      expect(verdict.distrusted[0]?.reason).to.match(reason)
      expect(verdict.believed.map(({ server }) => server)).to.deep.equal(['a', 'c'])
    })

  it('leaves out what cannot be even when most servers say it', () => {
    const verdict = classifyMapping(local, [said('a', a1, at('10.0.0.1', 5)), said('b', b1, at('10.0.0.1', 5)), said('c', c1, outside(5))])
    expect(verdict.externalAddress).to.equal('203.0.113.7')
    expect(verdict.distrusted).to.have.lengthOf(2)
  })

  it('knows nothing when two servers contradict each other on the address', () => {
    const verdict = classifyMapping(local, [said('a', a1, outside(5)), said('b', b1, outside(5, '203.0.113.99'))])
    expect(verdict).to.deep.include({ mapping: 'unknown', externalAddress: undefined })
  })

  it('believes private addresses of servers that are in the private network themselves', () => {
    const verdict = classifyMapping(local, [said('a', at('10.0.0.5'), at('10.0.0.1', 5)), said('b', at('10.0.0.6'), at('10.0.0.1', 5))])
    expect(verdict).to.deep.include({ mapping: 'endpoint-independent', externalAddress: '10.0.0.1', distrusted: [] })
  })

  it('does not believe two ports of one server against a third one', () => {
    const observations = [said('a', a1, outside(5)), said('a', a1alt, outside(5)), said('b', b1, outside(6))]
    expect(classifyMapping(local, observations).mapping).to.equal('address-dependent')
  })

  it('treats IPv4 in the form of IPv6 as IPv4', () => {
    const verdict = classifyMapping(local, [said('a', a1, outside(5, '::ffff:203.0.113.7')), said('b', b1, outside(5))])
    expect(verdict).to.deep.include({ mapping: 'endpoint-independent', externalAddress: '203.0.113.7' })
  })
})

describe('the rule of filtering', () => {
  const observed = (answeredFrom: TransportAddress[], capable = true) => ({ server: 'a', contacted: a1, answeredFrom, capable })

  it('is proved by an answer, whatever other servers did not send', () => {
    expect(classifyFiltering([observed([]), observed([a2], false)])).to.equal('endpoint-independent')
    expect(classifyFiltering([observed([]), observed([a1alt])])).to.equal('address-dependent')
  })

  it('is not concluded from the silence of servers that cannot answer from elsewhere', () => {
    expect(classifyFiltering([])).to.equal('unknown')
    expect(classifyFiltering([observed([], false)])).to.equal('unknown')
    expect(classifyFiltering([observed([a1alt], false)])).to.equal('unknown')
    expect(classifyFiltering([observed([a1], false)])).to.equal('unknown')
  })

  it('takes an answer from where the request went for silence', () => {
    expect(classifyFiltering([observed([a1])])).to.equal('address-and-port-dependent')
  })
})

describe('the rule of ports', () => {
  const from = (locals: number[], externals: number[]): PortObservation[] =>
    locals.map((port, index) => ({ local: port, external: externals[index] ?? 0 }))
  const locals = [20_010, 23_456, 21_777, 25_001, 22_222, 27_000]
  const neighbours = [30_000, 30_001, 30_002, 30_003, 30_004, 30_005]
  const randoms = [4_711, 60_123, 33_000, 15_100, 48_484, 9_999]

  it('is unknown from too little', () => {
    expect(classifyPorts({ scattered: [], consecutive: [] })).to.deep.equal({ kind: 'unknown' })
    expect(classifyPorts({ scattered: from(locals.slice(0, 2), [1, 2]), consecutive: [] })).to.deep.equal({ kind: 'unknown' })
    expect(classifyPorts({ scattered: from(locals, randoms), consecutive: [] })).to.deep.equal({ kind: 'unknown' })
    expect(classifyUnordered(from([1, 1, 1, 1], [1, 1, 1, 1]))).to.equal(undefined)
  })

  it('is not hidden by one port that was taken', () => {
    expect(classifyUnordered(from(locals.slice(0, 4), [20_010, 23_456, 40_000, 25_001]))).to.deep.equal({ kind: 'equal' })
  })

  it('is preserving also across the end of all ports', () => {
    expect(classifyUnordered(from([20_000, 61_000, 30_007], [30_000, 71_000 - 65_536, 40_007]))).to.deep.equal({ kind: 'preserving' })
  })

  it('counts on over the end of all ports, and where a counter starts over', () => {
    const counting = { scattered: from(locals, [65_534, 65_535, 0, 1, 2, 3]), consecutive: [] }
    expect(classifyPorts(counting)).to.deep.equal({ kind: 'independent', delta: 1 })
    const again = { scattered: from(locals, [61_998, 61_999, 62_000, 1_024, 1_025, 1_026]), consecutive: [] }
    expect(classifyPorts(again)).to.deep.equal({ kind: 'independent', delta: 1 })
  })

  it('counts as it does when others count too, in between', () => {
    for (const externals of [
      [500, 502, 504, 505, 507, 509],
      [500, 503, 504, 506, 510, 511],
      [511, 509, 508, 506, 504, 503]
    ]) {
      const delta = Math.sign((externals[5] ?? 0) - 505)
      expect(classifyPorts({ scattered: from(locals, externals), consecutive: [] })).to.deep.equal({ kind: 'independent', delta })
    }
    const byTwo = { scattered: from(locals, [500, 502, 506, 508, 512, 514]), consecutive: [] }
    expect(classifyPorts(byTwo)).to.deep.equal({ kind: 'independent', delta: 2 })
  })

  it('is not taken for preserving when a counter runs beside neighbouring ports', () => {
    const counting = {
      scattered: from(locals, [500, 501, 502, 503, 504, 505]),
      consecutive: from(neighbours, [506, 507, 508, 509, 510, 511])
    }
    expect(classifyPorts(counting)).to.deep.equal({ kind: 'independent', delta: 1 })
  })

  it('is dependent when only neighbours count', () => {
    const only = { scattered: from(locals, randoms), consecutive: from(neighbours, [500, 503, 506, 509, 512, 515]) }
    expect(classifyPorts(only)).to.deep.equal({ kind: 'dependent', delta: 3 })
  })

  it('is always one of the kinds, for any ports', () => {
    const port = fc.integer({ min: 0, max: 65_535 })
    const list = fc.array(fc.record({ local: port, external: port }), { maxLength: 12 })
    fc.assert(
      fc.property(list, list, (scattered, consecutive) => {
        const ports = classifyPorts({ scattered, consecutive })
        if (ports.kind === 'range') expect(ports.low).to.be.within(1, ports.high)
        if (ports.kind === 'independent' || ports.kind === 'dependent') expect(ports.delta).to.not.equal(0)
      })
    )
  })
})

describe('the second address of a server', () => {
  it('is used only if it is one', () => {
    expect(usableOther(at('198.51.100.2', 3_479), a1)).to.deep.equal(at('198.51.100.2', 3_479))
    const useless = [
      undefined,
      at('198.51.100.2', 0),
      at('198.51.100.2', 3_478),
      a1alt,
      at('10.0.0.1', 3_479),
      at('127.0.0.1', 3_479),
      at('0.0.0.0', 3_479),
      at('2001:db8::2', 3_479)
    ]
    for (const other of useless) expect(usableOther(other, a1)).to.equal(undefined)
    expect(usableOther(at('127.0.0.3', 3_479), at('127.0.0.2'))).to.deep.equal(at('127.0.0.3', 3_479))
  })

  it('is of the internet for servers of the internet, in IPv6 too', () => {
    expect(whyIncredible(at('fd00::1', 5), at('2001:db8::1'))).to.be.a('string')
    expect(whyIncredible(at('fe80::1', 5), at('2001:db8::1'))).to.be.a('string')
    expect(whyIncredible(at('2001:db8::7', 5), at('2001:db8::1'))).to.equal(undefined)
  })
})
