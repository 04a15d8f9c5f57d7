import type { NatBehaviour, NetworkFacts, NetworkRoute } from '@kithmesh/core'
import { expect } from 'chai'
import { candidateAddresses } from '../dist/candidate-addresses.js'
import { route } from './support/devices.ts'

const nat = (mapping: NatBehaviour['mapping'], filtering: NatBehaviour['filtering']): NatBehaviour => ({
  mapping,
  filtering,
  ports: { kind: 'unknown' }
})
const own = (...routes: readonly NetworkRoute[]): NetworkFacts => ({ measuredAt: 0, routes })
const addresses = (theirs: readonly NetworkRoute[], ...mine: readonly NetworkRoute[]): string[] =>
  candidateAddresses({ port: 4984, routes: theirs }, own(...mine))

describe('candidate addresses', () => {
  it('begin with the local network that both are in', () => {
    expect(addresses([route('192.168.1.4', '203.0.113.5')], route('192.168.7.9', '203.0.113.5'))).to.deep.equal([
      '192.168.1.4',
      '203.0.113.5'
    ])
  })
  it('are external ones between different networks', () => {
    expect(addresses([route('10.0.0.4', '203.0.113.5')], route('192.168.7.9', '198.51.100.1'))).to.deep.equal(['203.0.113.5'])
  })
  it('end with local ones that may be ours', () => {
    expect(addresses([route('192.168.7.4', '203.0.113.5')], route('192.168.7.9', '198.51.100.1'))).to.deep.equal([
      '203.0.113.5',
      '192.168.7.4'
    ])
    expect(addresses([route('10.0.0.4')], route('192.168.7.9', '198.51.100.1'))).to.deep.equal(['10.0.0.4'])
    expect(addresses([route('2001:db8:1:2::7', '2001:db8:1:2::7')], route('2001:db8:1:2::9', '2001:db8:1:2::9'))).to.deep.equal([
      '2001:db8:1:2::7'
    ])
  })
  it('leave local ones out of networks that begin differently', () => {
    const found = (theirs: string, mine: string): string[] => {
      const [their, our] = theirs.includes(':') ? ['2001:db8:1::7', '2001:db8:2::9'] : ['203.0.113.5', '198.51.100.1']
      return addresses([route(theirs, their)], route(mine, our)).slice(1)
    }
    expect(found('10.1.255.4', '10.1.0.9')).to.deep.equal(['10.1.255.4'])
    expect(found('10.0.0.4', '10.1.0.9')).to.deep.equal([])
    expect(found('fd00:0:0:1::7', 'fd00:0:0:1:8000::9')).to.deep.equal(['fd00:0:0:1::7'])
    expect(found('fd00::7', 'fd00:0:0:1::9')).to.deep.equal([])
  })
  it('put first what nothing stands before', () => {
    const routes = [
      { ...route('10.0.0.1', '203.0.113.1', nat('blocked', 'unknown')), interfaceIndex: 0 },
      { ...route('10.0.0.2', '203.0.113.2', nat('endpoint-independent', 'address-dependent')), interfaceIndex: 1 },
      { ...route('203.0.113.3', '203.0.113.3', nat('none', 'endpoint-independent')), interfaceIndex: 2 },
      route('2001:db8::4', '2001:db8::4', nat('none', 'address-and-port-dependent'))
    ]
    expect(addresses(routes, route('192.168.7.9', '198.51.100.1'))).to.deep.equal([
      '203.0.113.3',
      '2001:db8::4',
      '203.0.113.2',
      '203.0.113.1'
    ])
  })
  it('never lead to loopback, unless this machine lives there', () => {
    expect(addresses([route('127.0.0.2'), route('::1')], route('192.168.7.9'))).to.deep.equal([])
    expect(addresses([route('127.0.0.2')], route('127.0.0.1'))).to.deep.equal(['127.0.0.2'])
  })
  it('are none that cannot be dialled', () => {
    const theirs = ['0.0.0.0', '224.0.0.251', '255.255.255.255', '::', 'ff02::1', 'fe80::1', '::ffff:127.0.0.1']
    for (const address of theirs)
      expect(addresses([route(address, address)], route('192.168.7.9'), route('2001:db8::1')), address).to.deep.equal([])
  })
})
