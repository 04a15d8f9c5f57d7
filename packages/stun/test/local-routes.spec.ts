import type { NetworkInterfaceInfo } from 'node:os'
import { expect } from 'chai'
import { LocalPorts } from '../dist/probe/local-ports.js'
import { localRoutes, routesOf } from '../dist/probe/local-routes.js'
import { seeded } from './support/simulated-nat.ts'

function entry(address: string, internal = false): NetworkInterfaceInfo {
  const common = { address, netmask: '', mac: '', internal, cidr: null }
  return address.includes(':') ? { ...common, family: 'IPv6', scopeid: 0 } : { ...common, family: 'IPv4' }
}
const short = (table: Record<string, NetworkInterfaceInfo[]>): string[] =>
  localRoutes(table).map(({ interfaceIndex, family, localAddress }) => `${interfaceIndex} ${family} ${localAddress}`)

describe('the ways out of a machine', () => {
  it('are one address of each family of each interface, without loopback', () => {
    expect(
      short({
        lo: [entry('127.0.0.1', true), entry('::1', true)],
        eth0: [entry('192.168.1.5'), entry('192.168.1.6'), entry('fe80::1'), entry('fd00::5'), entry('2001:db8::5')],
        wlan0: [entry('10.0.0.5'), entry('fe80::2'), entry('fd00::6')]
      })
    ).to.deep.equal(['0 4 192.168.1.5', '0 6 2001:db8::5', '1 4 10.0.0.5', '1 6 fd00::6'])
  })

  it('leave out link-local addresses and tunnels of IPv6 over IPv4', () => {
    expect(
      short({
        eth0: [entry('169.254.3.4')],
        teredo: [entry('2001:0:1234::1'), entry('2001::1')],
        six: [entry('2002:c000:204::1')],
        a: [entry('2001:db8::1')]
      })
    ).to.deep.equal(['0 6 2001:db8::1'])
  })

  it('are three interfaces at most, those of containers last', () => {
    const table = Object.fromEntries(
      ['docker0', 'veth1', 'eth0', 'eth1', 'eth2'].map((name, index) => [name, [entry(`192.0.2.${index + 1}`)]])
    )
    expect(short(table)).to.deep.equal(['0 4 192.0.2.3', '1 4 192.0.2.4', '2 4 192.0.2.5'])
    expect(short({ docker0: [entry('172.17.0.1')], eth0: [entry('192.0.2.1')] })).to.deep.equal(['0 4 192.0.2.1', '1 4 172.17.0.1'])
  })

  it('are loopback when there is nothing else, and nothing when there is nothing', () => {
    expect(short({ lo: [entry('127.0.0.1', true), entry('::1', true)] })).to.deep.equal(['0 4 127.0.0.1', '0 6 ::1'])
    expect(short({})).to.deep.equal([])
  })

  it('may be named', () => {
    expect(routesOf(['192.0.2.1', '2001:db8::1', '192.0.2.2']).map(({ interfaceIndex }) => interfaceIndex)).to.deep.equal([0, 0, 1])
    expect(() => routesOf(['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'])).to.throw(TypeError)
    expect(() => routesOf(['localhost'])).to.throw(TypeError)
  })
})

describe('local ports for measuring', () => {
  it('are within their range, no neighbours and not used twice', () => {
    const ports = new LocalPorts({ low: 20_000, high: 20_400 }, seeded(3))
    const picked = Array.from({ length: 60 }, () => ports.one()).sort((a, b) => a - b)
    for (const [index, port] of picked.entries()) {
      expect(port).to.be.within(20_000, 20_400)
      if (index > 0) expect(port - (picked[index - 1] ?? 0)).to.be.at.least(2)
    }
  })

  it('never run out', () => {
    const ports = new LocalPorts({ low: 20_000, high: 20_200 }, seeded(3))
    for (let round = 0; round < 200; round++) {
      const first = ports.neighbours(6)
      expect(first).to.be.within(20_000, 20_195)
      ports.one()
    }
  })
})
