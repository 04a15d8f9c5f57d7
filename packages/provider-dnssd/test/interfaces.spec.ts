import type { NetworkInterfaceInfo } from 'node:os'
import { expect } from 'chai'
import { isOnLink, sameInterface, selectInterfaces } from '../dist/interfaces.js'

const v4 = (cidr: string, internal = false): NetworkInterfaceInfo => ({
  address: cidr.split('/')[0]!,
  cidr,
  netmask: '',
  family: 'IPv4',
  mac: '',
  internal
})
const v6 = (cidr: string, scopeid = 0, internal = false): NetworkInterfaceInfo => ({
  address: cidr.split('/')[0]!,
  cidr,
  netmask: '',
  family: 'IPv6',
  mac: '',
  internal,
  scopeid
})
const all = {
  lo: [v4('127.0.0.1/8', true), v6('::1/128', 0, true)],
  eth0: [v4('192.0.2.2/24'), v6('fe80::2/64', 2), v6('2001:db8::2/64')],
  wlan0: [v4('198.51.100.7/25')]
}
const choose = (
  choice: { interfaces?: string[]; ipv4?: boolean; ipv6?: boolean },
  from: Record<string, NetworkInterfaceInfo[]> = all
): string[] =>
  selectInterfaces(from, { ipv4: true, ipv6: true, ...choice }).map(
    ({ name, addresses }) => `${name} ${addresses.map(({ address }) => address).join(' ')}`
  )

describe('interfaces', () => {
  it('are all but loopback by default, and loopback when there is no other', () => {
    expect(choose({})).to.deep.equal(['eth0 192.0.2.2 fe80::2 2001:db8::2', 'wlan0 198.51.100.7'])
    expect(choose({}, { lo: all.lo })).to.deep.equal(['lo 127.0.0.1 ::1'])
  })
  it('are chosen by name with all addresses, by address with that one', () => {
    expect(choose({ interfaces: ['lo', '198.51.100.7'] })).to.deep.equal(['lo 127.0.0.1 ::1', 'wlan0 198.51.100.7'])
    expect(choose({ interfaces: ['127.0.0.1'] })).to.deep.equal(['lo 127.0.0.1'])
    expect(choose({ interfaces: ['fe80::2%eth0'] })).to.deep.equal(['eth0 fe80::2'])
    expect(choose({ interfaces: ['eth9'] })).to.deep.equal([])
  })
  it('are limited to one address family', () => {
    expect(choose({ ipv4: false })).to.deep.equal(['eth0 fe80::2 2001:db8::2'])
    expect(choose({ ipv6: false, interfaces: ['lo'] })).to.deep.equal(['lo 127.0.0.1'])
  })
  it('are the same as long as name, number and addresses are', () => {
    const [a, b] = selectInterfaces(all, { ipv4: true, ipv6: true })
    expect(sameInterface(a!, { ...a!, addresses: [...a!.addresses].reverse() })).to.equal(true)
    expect(sameInterface(a!, b!)).to.equal(false)
    expect(sameInterface(a!, { ...a!, addresses: a!.addresses.slice(1) })).to.equal(false)
  })
  it('hear sources of their own link only', () => {
    const [eth, wlan] = selectInterfaces(all, { ipv4: true, ipv6: true })
    const heard = (source: string): boolean[] => [isOnLink(eth!, source), isOnLink(wlan!, source)]
    expect(heard('192.0.2.200')).to.deep.equal([true, false])
    expect(heard('198.51.100.100')).to.deep.equal([false, true])
    expect(heard('198.51.100.200')).to.deep.equal([false, false])
    expect(heard('fe80::77%eth0')).to.deep.equal([true, false])
    expect(heard('fe80::77%2')).to.deep.equal([true, false])
    expect(heard('2001:db8::77')).to.deep.equal([true, false])
    expect(heard('2001:db9::77')).to.deep.equal([false, false])
    expect(heard('nonsense')).to.deep.equal([false, false])
  })
})
