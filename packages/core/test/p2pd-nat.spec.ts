import { expect } from 'chai'
import { fromP2pdNat, toP2pdNat } from '@kithmesh/core'
import type { NatBehaviour, P2pdNat, PortAllocation } from '@kithmesh/core'

const unknown: NatBehaviour = { mapping: 'unknown', filtering: 'unknown', ports: { kind: 'unknown' } }
const blocked: NatBehaviour = { mapping: 'blocked', filtering: 'unknown', ports: { kind: 'unknown' } }
const both = (behaviour: NatBehaviour): P2pdNat => toP2pdNat({ tcp: behaviour, udp: behaviour })
const numbers = (nat: number, delta: number, value = 0): P2pdNat => ({ nat, delta, value })

describe('NATs in the numbers of P2PD', () => {
  const types: [NatBehaviour['mapping'], NatBehaviour['filtering'], number][] = [
    ['none', 'endpoint-independent', 1],
    ['none', 'address-dependent', 2],
    ['none', 'address-and-port-dependent', 2],
    ['none', 'unknown', 2],
    ['endpoint-independent', 'endpoint-independent', 3],
    ['endpoint-independent', 'address-dependent', 4],
    ['endpoint-independent', 'address-and-port-dependent', 5],
    ['endpoint-independent', 'unknown', 5],
    ['address-dependent', 'endpoint-independent', 6],
    ['address-dependent', 'unknown', 6],
    ['address-and-port-dependent', 'address-and-port-dependent', 6],
    ['unknown', 'unknown', 5],
    ['blocked', 'unknown', 7]
  ]
  for (const [mapping, filtering, nat] of types)
    it(`calls mapping ${mapping} with filtering ${filtering} type ${nat}`, () => {
      expect(both({ mapping, filtering, ports: { kind: 'random' } }).nat).to.equal(nat)
    })

  const allocations: [PortAllocation, number, number][] = [
    [{ kind: 'equal' }, 2, 0],
    [{ kind: 'preserving' }, 3, 0],
    [{ kind: 'independent', delta: 1 }, 4, 1],
    [{ kind: 'independent', delta: 65_535 }, 4, 65_535],
    [{ kind: 'independent', delta: -2 }, 6, 0],
    [{ kind: 'dependent', delta: 3 }, 5, 3],
    [{ kind: 'range', low: 35_000, high: 65_535 }, 6, 0],
    [{ kind: 'random' }, 6, 0],
    [{ kind: 'unknown' }, 6, 0]
  ]
  for (const [ports, delta, value] of allocations)
    it(`calls ${JSON.stringify(ports)} delta ${delta} with value ${value}`, () => {
      expect(both({ mapping: 'endpoint-independent', filtering: 'address-dependent', ports })).to.deep.equal(numbers(4, delta, value))
    })

  it('has no delta where there is no NAT', () => {
    expect(both({ mapping: 'none', filtering: 'endpoint-independent', ports: { kind: 'equal' } })).to.deep.equal(numbers(1, 1))
  })

  it('says what TCP does, and what UDP does where TCP is not known', () => {
    const tcp: NatBehaviour = { mapping: 'endpoint-independent', filtering: 'unknown', ports: { kind: 'preserving' } }
    const udp: NatBehaviour = { mapping: 'address-dependent', filtering: 'address-dependent', ports: { kind: 'random' } }
    expect(toP2pdNat({ tcp, udp })).to.deep.equal(numbers(4, 3))
    expect(toP2pdNat({ tcp: unknown, udp })).to.deep.equal(numbers(6, 6))
    expect(toP2pdNat({ tcp: blocked, udp })).to.deep.equal(numbers(6, 6))
    expect(toP2pdNat({ tcp: { ...tcp, ports: { kind: 'unknown' } }, udp: { ...udp, ports: { kind: 'equal' } } }).delta).to.equal(2)
  })

  it('calls blocked only what no protocol gets through', () => {
    expect(toP2pdNat({ tcp: blocked, udp: blocked }).nat).to.equal(7)
    expect(toP2pdNat({ tcp: unknown, udp: blocked }).nat).to.equal(7)
    expect(toP2pdNat({ tcp: blocked, udp: unknown }).nat).to.equal(7)
    expect(toP2pdNat({ tcp: unknown, udp: unknown }).nat).to.equal(5)
  })

  it('comes back to the same numbers wherever they mean something', () => {
    for (let nat = 3; nat <= 6; nat++) {
      for (let delta = 2; delta <= 6; delta++) {
        for (const value of delta === 4 || delta === 5 ? [0, 1, 65_535] : [0])
          expect(both(fromP2pdNat(numbers(nat, delta, value)))).to.deep.equal(numbers(nat, delta, value))
      }
    }
    for (const open of [numbers(1, 1), numbers(2, 1), numbers(7, 6)]) expect(both(fromP2pdNat(open))).to.deep.equal(open)
  })

  it('leaves unknown what the numbers do not say', () => {
    expect(fromP2pdNat(numbers(6, 6)).filtering).to.equal('unknown')
    expect(fromP2pdNat(numbers(7, 2)).ports).to.deep.equal({ kind: 'unknown' })
    expect(fromP2pdNat(numbers(5, 1)).ports).to.deep.equal({ kind: 'unknown' })
  })

  for (const wrong of [
    numbers(0, 1),
    numbers(8, 1),
    numbers(1, 0),
    numbers(1, 7),
    numbers(5, 4, -1),
    numbers(5, 4, 65_536),
    numbers(1.5, 1)
  ])
    it(`refuses ${JSON.stringify(wrong)}`, () => {
      expect(() => fromP2pdNat(wrong)).to.throw(TypeError)
    })
})
