import { expect } from 'chai'
import type { ConnectTarget, NetworkRoute, PeerNetwork } from '@kithmesh/core'
import { connectTarget } from '@kithmesh/testkit'
import { assessPunch } from '../dist/assess.js'
import { pairRoutes } from '../dist/route-pairs.js'
import { sameSubnet } from '../dist/same-network.js'
import { KINDS, UNKNOWN, facts, route } from './support/networks.ts'

const there = (values: Partial<NetworkRoute> = {}): NetworkRoute =>
  route({ localAddress: '10.2.0.2', externalAddress: '203.0.113.22', ...values })

function target(mine: readonly NetworkRoute[], theirs: readonly NetworkRoute[] | undefined): ConnectTarget {
  const network: { network?: PeerNetwork } = theirs === undefined ? {} : { network: { routes: theirs, port: 0 } }
  return { ...connectTarget({ url: 'mqtt://peer', addresses: [], ...network }), localNetwork: facts(...mine) }
}

function reason(mine: readonly NetworkRoute[], theirs: readonly NetworkRoute[] | undefined): string {
  const assessment = assessPunch(target(mine, theirs))
  return assessment.usable ? `usable, ${assessment.rank}` : assessment.reason
}

describe('assessment of a target', () => {
  it('is good where both routers keep their mappings, and holds back what costs more', () => {
    const assessment = assessPunch(target([route()], [there()]))
    expect(assessment).to.deep.equal({ usable: true, rank: 40, holdMs: 1_500 })
  })

  it('is worse where less is known or two counters must be guessed', () => {
    expect(reason([route({ tcp: UNKNOWN })], [there()])).to.equal('usable, 45')
    const counting = { tcp: KINDS['symmetric-sequential'] }
    expect(reason([route(counting)], [there(counting)])).to.equal('usable, 60')
  })

  it('says why not, in words', () => {
    const random = { tcp: KINDS['symmetric-random'] }
    expect(reason([route(random)], [there(random)])).to.equal('both routers pick random ports for each destination: only a relay can work')
    expect(reason([route()], undefined)).to.match(/without a way to signal/)
    expect(reason([route()], [])).to.match(/nothing is known of the network of the other/)
    expect(reason([], [there()])).to.match(/no network connection/)
    expect(reason([route()], [there({ family: 6, localAddress: '2001:db8::2' })])).to.match(/no address family in common/)
    expect(reason([route({ tcp: KINDS.blocked })], [there()])).to.match(/blocked on this side/)
    const nameless = target([route()], [there()])
    expect(assessPunch({ ...nameless, device: { ...nameless.device, id: 'sighting:x' } })).to.have.property('usable', false)
  })

  it('takes the filter rule of UDP where that of TCP was not measured', () => {
    const behaviour = { tcp: { ...KINDS['port-restricted'], filtering: 'unknown' as const }, udp: KINDS['port-restricted'] }
    expect(reason([route(behaviour)], [there({ tcp: KINDS['symmetric-random'] })])).to.match(/only a relay can work/)
    expect(reason([route({ ...behaviour, udp: UNKNOWN })], [there({ tcp: KINDS['symmetric-random'] })])).to.equal('usable, 45')
  })

  it('does not mind any router where both devices are behind the same one', () => {
    const random = { tcp: KINDS['symmetric-random'], externalAddress: '203.0.113.21' }
    expect(reason([route(random)], [route({ ...random, localAddress: '10.1.0.3' })])).to.equal('usable, 40')
    expect(reason([route(random)], [route({ ...random, localAddress: '10.9.0.3' })])).to.equal('usable, 45')
  })
})

describe('pairs of routes', () => {
  it('has each route once, the likeliest pair first', () => {
    const mine = [route({ tcp: UNKNOWN }), route({ interfaceIndex: 1, localAddress: '10.3.0.2', externalAddress: '203.0.113.23' })]
    const theirs = [there({ tcp: KINDS['symmetric-random'] }), there({ interfaceIndex: 1, localAddress: '10.4.0.2' })]
    const { pairs } = pairRoutes(mine, theirs)
    expect(pairs.map((pair) => [pair.mine.interfaceIndex, pair.theirs.interfaceIndex])).to.deep.equal([
      [1, 1],
      [0, 0]
    ])
  })

  it('has at most four', () => {
    const many = (values: Partial<NetworkRoute>): NetworkRoute[] =>
      Array.from({ length: 9 }, (_, index) => route({ ...values, interfaceIndex: index, localAddress: `10.${index}.0.2` }))
    expect(pairRoutes(many({}), many({ externalAddress: '203.0.113.22' })).pairs).to.have.length(4)
  })
})

describe('networks', () => {
  it('are the same by the leading bits', () => {
    expect(sameSubnet('10.1.0.2', '10.1.0.200')).to.equal(true)
    expect(sameSubnet('10.1.0.2', '10.1.1.2')).to.equal(false)
    expect(sameSubnet('2001:db8:0:1::2', '2001:db8::1:0:0:0:9')).to.equal(true)
    expect(sameSubnet('2001:db8:0:1::2', '2001:db8:0:2::2')).to.equal(false)
    expect(sameSubnet('10.1.0.2', '2001:db8::2')).to.equal(false)
  })
})
