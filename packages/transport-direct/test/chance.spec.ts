import { expect } from 'chai'
import type { NatBehaviour, NetworkRoute } from '@kithmesh/core'
import { connectTarget } from '@kithmesh/testkit'
import { direct } from '@kithmesh/transport-direct'

const behaviour = (mapping: NatBehaviour['mapping'], filtering: NatBehaviour['filtering']): NatBehaviour => ({
  mapping,
  filtering,
  ports: { kind: 'unknown' }
})
const route = (tcp: NatBehaviour, externalAddress: string | undefined = '203.0.113.7', family: 4 | 6 = 4): NetworkRoute => ({
  interfaceIndex: 0,
  family,
  localAddress: '192.168.1.2',
  externalAddress,
  tcp,
  udp: tcp
})

describe('the rank of dialling', () => {
  const strategy = direct().create({} as never)
  const rank = (theirs: readonly NetworkRoute[], ours: readonly NetworkRoute[] = []): number | undefined => {
    const target = connectTarget({ url: 'wss://x:4984/', addresses: ['203.0.113.7'], network: { routes: theirs, port: 4984 } })
    const assessment = strategy.assess({ ...target, localNetwork: { routes: ours, measuredAt: 0 } })
    return assessment.usable ? assessment.rank : undefined
  }
  const early = 0
  const late = 60

  it('is the first where nothing stands in the way, or nobody knows', () => {
    expect(rank([])).to.equal(early)
    expect(rank([route(behaviour('none', 'endpoint-independent'))])).to.equal(early)
    expect(rank([route(behaviour('none', 'unknown'))])).to.equal(early)
    expect(rank([route(behaviour('unknown', 'unknown'))])).to.equal(early)
  })

  it('comes after the others behind routers and firewalls, however open they are', () => {
    expect(rank([route(behaviour('none', 'address-and-port-dependent'))])).to.equal(late)
    for (const mapping of ['endpoint-independent', 'address-dependent', 'address-and-port-dependent', 'blocked'] as const)
      for (const filtering of ['endpoint-independent', 'address-and-port-dependent', 'unknown'] as const)
        expect(rank([route(behaviour(mapping, filtering))]), `${mapping} ${filtering}`).to.equal(late)
  })

  it('is none where a device that nobody can look up names no address', () => {
    const target = connectTarget({ url: 'wss://a1b2.kithmesh.invalid:4984/', addresses: [], network: { routes: [], port: 4984 } })
    expect(strategy.assess(target)).to.deep.equal({ usable: false, reason: 'the device names no address' })
    expect(strategy.assess(connectTarget({ url: 'wss://a1b2.kithmesh.invalid:4984/', addresses: ['203.0.113.7'] })).usable).to.equal(true)
  })

  it('is the first where both are behind the same router, and when one route of several is open', () => {
    const nat = route(behaviour('endpoint-independent', 'address-and-port-dependent'))
    expect(rank([nat], [nat])).to.equal(early)
    expect(rank([nat], [route(nat.tcp, '203.0.113.8')])).to.equal(late)
    expect(rank([nat], [route(nat.tcp, '203.0.113.7', 6)])).to.equal(late)
    expect(rank([nat, route(behaviour('none', 'endpoint-independent'), '2001:db8::1', 6)])).to.equal(early)
  })
})
