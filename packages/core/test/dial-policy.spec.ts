import { expect } from 'chai'
import fc from 'fast-check'
import type { NetworkInterfaceInfo } from 'node:os'
import { createDialPolicy, type DialPolicyOptions } from '@kithmesh/core'
import { manualClock } from '@kithmesh/testkit'

const nic = (address: string, cidr: string, internal = false): NetworkInterfaceInfo =>
  ({ address, cidr, internal, netmask: '', mac: '', family: address.includes(':') ? 'IPv6' : 'IPv4' }) as NetworkInterfaceInfo
const interfaces = () => ({
  lo: [nic('127.0.0.1', '127.0.0.1/8', true), nic('::1', '::1/128', true)],
  eth0: [nic('192.168.1.7', '192.168.1.7/24'), nic('2001:4860:1:2::7', '2001:4860:1:2::7/64'), nic('fe80::7', 'fe80::7/64')],
  eth1: [nic('10.1.2.3', '10.1.2.3/20'), nic('fd00:1:2:3::7', 'fd00:1:2:3::7/64')],
  wwan: [nic('100.70.0.5', '100.70.0.5/30'), nic('8.8.4.1', '8.8.4.1/24')],
  ppp: [nic('172.20.0.1', '172.20.0.1/31')]
})
const policy = (options: DialPolicyOptions = {}) => createDialPolicy({ interfaces, clock: manualClock(), ...options })
const ask = (address: string, port = 4984, options: DialPolicyOptions = {}): string | undefined =>
  policy(options).refuse('peer', address, port)

describe('dial policy', () => {
  describe('allows', () => {
    for (const address of [
      '1.2.3.4',
      '8.8.8.8',
      '8.8.4.200',
      '9.255.255.255',
      '11.0.0.0',
      '100.63.255.255',
      '100.128.0.0',
      '126.255.255.255',
      '128.0.0.1',
      '172.15.255.255',
      '172.32.0.0',
      '192.167.1.1',
      '192.169.0.1',
      '198.17.255.1',
      '198.20.0.1',
      '198.51.100.2',
      '203.0.113.9',
      '223.255.255.254',
      '2001:db8::1',
      '2606:4700::1111',
      '2A00:1450:4001:0800::200e',
      '2001:4860:1:2::8',
      '3ffe::1'
    ])
      it(`${address}, which is global`, () => {
        expect(ask(address)).to.equal(undefined)
      })

    for (const address of [
      '192.168.1.8',
      '192.168.1.254',
      '10.1.0.1',
      '10.1.15.254',
      '100.70.0.6',
      '172.20.0.0',
      'fd00:1:2:3::8',
      'fd00:1:2:3:0:0:0:8',
      'fe80::8'
    ])
      it(`${address}, which is in a network of this machine`, () => {
        expect(ask(address)).to.equal(undefined)
      })

    it('ports from 1024 on, and 443', () => {
      for (const port of [443, 1024, 4984, 65535]) expect(ask('1.2.3.4', port)).to.equal(undefined)
    })

    it('what is opted in', () => {
      expect(ask('127.0.0.1', 4984, { ownAddresses: true })).to.equal(undefined)
      expect(ask('::1', 4984, { ownAddresses: true })).to.equal(undefined)
      expect(ask('192.168.1.7', 4984, { ownAddresses: true })).to.equal(undefined)
      expect(ask('10.20.3.4', 4984, { privateNetworks: ['10.20.0.0/16'] })).to.equal(undefined)
      expect(ask('fd77::4', 4984, { privateNetworks: ['10.20.0.0/16', 'fd77::/16'] })).to.equal(undefined)
      expect(ask('1.2.3.4', 80, { lowPorts: [80] })).to.equal(undefined)
    })
  })

  describe('refuses', () => {
    const rows: [what: RegExp, addresses: string[]][] = [
      [/private/, ['10.0.0.1', '10.1.16.1', '172.16.0.1', '172.31.255.255', '192.168.0.1', '192.168.2.1']],
      [/provider/, ['100.64.0.1', '100.70.0.9', '100.127.255.255']],
      [/link-local/, ['169.254.169.254', '169.254.0.1']],
      [/unique local/, ['fc00::1', 'fd00::1', 'fd00:1:2:4::8', 'fdff:ffff::']],
      [/this machine/, ['127.0.0.1', '127.1.2.3', '127.255.255.255', '::1', '0:0:0:0:0:0:0:1']],
      [/this machine/, ['192.168.1.7', '10.1.2.3', '8.8.4.1', '2001:4860:1:2::7', '2001:4860:0001:0002:0:0:0:7', 'fe80::7']],
      [/unspecified/, ['0.0.0.0', '0.1.2.3', '::', '0:0:0:0:0:0:0:0']],
      [/multicast/, ['224.0.0.1', '224.0.0.251', '239.255.255.250', 'ff02::1', 'ff02::fb', 'ff0e::1']],
      [/broadcast/, ['255.255.255.255', '192.168.1.255', '192.168.1.0', '10.1.15.255', '10.1.0.0', '100.70.0.7', '8.8.4.255']],
      [/reserved/, ['240.0.0.1', '255.255.255.254', '192.0.0.8', '198.18.0.1', '198.19.255.255']],
      [/reserved/, ['::2', '::1.2.3.4', '100::1', '4000::1', 'fec0::1', '2001:1::1', '2001:2::1', '2001:20::1', '1fff::', 'fe00::1']],
      [/6to4/, ['192.88.99.1', '2002:7f00:1::1', '2002:c0a8:101::1']],
      [/Teredo/, ['2001::1', '2001:0:4136:e378:8000:63bf:3fff:fdd2']],
      [/IPv4 written as IPv6/, ['::ffff:127.0.0.1', '::ffff:7f00:1', '::FFFF:8.8.8.8', '0:0:0:0:0:ffff:c0a8:107']],
      [/translator/, ['64:ff9b::127.0.0.1', '64:ff9b::a00:1', '64:ff9b:1::a00:1']],
      [
        /not an IP address/,
        [
          '',
          'localhost',
          'example.com',
          '127.1',
          '2130706433',
          '0x7f000001',
          '0177.0.0.1',
          '1.2.3.4:80',
          '[::1]',
          '1.2.3.4 ',
          '::1%lo',
          'fe80::8%eth0'
        ]
      ]
    ]
    for (const [what, addresses] of rows)
      for (const address of addresses)
        it(`"${address}": ${what.source}`, () => {
          expect(ask(address)).to.match(what)
        })

    it('ports of system services, and what is no port', () => {
      for (const port of [1, 22, 25, 53, 80, 139, 445, 587, 1023]) expect(ask('1.2.3.4', port)).to.match(/system service/)
      for (const port of [0, -1, 65536, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '4984' as unknown as number])
        expect(ask('1.2.3.4', port)).to.match(/not a number/)
      expect(ask('1.2.3.4', 443, { lowPorts: [] })).to.match(/system service/)
    })

    it('what is in the subnet of an interface that has no length, or is everything', () => {
      const tunnel = { tun0: [nic('10.64.0.2', '10.64.0.2/0')], tun1: [{ ...nic('10.65.0.2', ''), cidr: null }] }
      for (const address of ['10.64.0.3', '10.65.0.3'])
        expect(ask(address, 4984, { interfaces: () => tunnel }), address).to.match(/in none of this machine's networks/)
    })

    it('what the interfaces no longer have', () => {
      let now = interfaces()
      const each = createDialPolicy({ clock: manualClock(), interfaces: () => now })
      expect(each.refuse('peer', '192.168.1.8', 4984)).to.equal(undefined)
      now = { ...now, eth0: [] }
      expect(each.refuse('peer', '192.168.1.8', 4984)).to.match(/private/)
    })

    it('does not let opted-in networks open what is never dialled', () => {
      const all = { privateNetworks: ['0.0.0.0/0', '::/0'] }
      for (const address of [
        '127.0.0.1',
        '::1',
        '224.0.0.1',
        '0.0.0.0',
        '255.255.255.255',
        '::ffff:127.0.0.1',
        '192.168.1.7',
        '192.168.1.255'
      ])
        expect(ask(address, 4984, all), address).to.match(/\S/)
    })
  })

  it('never allows what is neither global nor near, however it is written', () => {
    const hidden = fc.constantFrom('127.0.0.1', '10.9.9.9', '224.0.0.1', '0.0.0.0', '169.254.169.254', '255.255.255.255')
    const wrap = fc.constantFrom(
      (ip: string) => ip,
      (ip: string) => `::ffff:${ip}`,
      (ip: string) => `0:0:0:0:0:FFFF:${ip}`,
      (ip: string) => `::${ip}`,
      (ip: string) => `64:ff9b::${ip}`,
      (ip: string) => `::ffff:0:${ip}`,
      (ip: string) => `2002:${hex(ip)}::1`,
      (ip: string) => `::ffff:${hex(ip)}`
    )
    fc.assert(
      fc.property(hidden, wrap, (ip, write) => {
        expect(ask(write(ip)), write(ip)).to.match(/\S/)
      })
    )
  })

  describe('rates', () => {
    it('lets one peer have its burst, and then as many as come back with time', async () => {
      const clock = manualClock()
      const each = policy({ clock, perPeer: { burst: 3, perMinute: 6 } })
      for (let turn = 0; turn < 3; turn++) expect(each.refuse('a', '1.2.3.4', 4984)).to.equal(undefined)
      expect(each.refuse('a', '1.2.3.4', 4984)).to.match(/this peer/)
      expect(each.refuse('b', '1.2.3.4', 4984)).to.equal(undefined)
      await clock.advance(10_000)
      expect(each.refuse('a', '1.2.3.4', 4984)).to.equal(undefined)
      expect(each.refuse('a', '1.2.3.4', 4984)).to.match(/this peer/)
      await clock.advance(3_600_000)
      for (let turn = 0; turn < 3; turn++) expect(each.refuse('a', '1.2.3.4', 4984)).to.equal(undefined)
      expect(each.refuse('a', '1.2.3.4', 4984)).to.match(/this peer/)
    })

    it('bounds all peers together, whatever ids they take', async () => {
      const clock = manualClock()
      const each = policy({ clock, total: { burst: 20, perMinute: 60 } })
      let allowed = 0
      for (let peer = 0; peer < 5_000; peer++) if (each.refuse(`peer ${peer}`, '1.2.3.4', 4984) === undefined) allowed++
      expect(allowed).to.equal(20)
      expect(each.refuse('another', '1.2.3.4', 4984)).to.match(/peers ask/)
      await clock.advance(1_000)
      expect(each.refuse('another', '1.2.3.4', 4984)).to.equal(undefined)
      expect(each.refuse('another', '1.2.3.4', 4984)).to.match(/peers ask/)
    })

    it('does not count what is refused', () => {
      const each = policy({ perPeer: { burst: 1, perMinute: 1 } })
      for (let turn = 0; turn < 100; turn++) each.refuse('a', '127.0.0.1', 4984)
      expect(each.refuse('a', '1.2.3.4', 4984)).to.equal(undefined)
    })

    it('knows a peer again that others came between', () => {
      const each = policy({ perPeer: { burst: 2, perMinute: 1 }, total: { burst: 10_000, perMinute: 1 } })
      each.refuse('a', '1.2.3.4', 4984)
      each.refuse('a', '1.2.3.4', 4984)
      for (let peer = 0; peer < 900; peer++) each.refuse(`peer ${peer}`, '1.2.3.4', 4984)
      expect(each.refuse('a', '1.2.3.4', 4984)).to.match(/this peer/)
    })
  })

  it('rejects options that make no sense', () => {
    for (const options of [
      { perPeer: { burst: 0, perMinute: 1 } },
      { total: { burst: 1, perMinute: Number.NaN } },
      { privateNetworks: ['10.0.0.0'] },
      { privateNetworks: ['10.0.0.0/33'] },
      { privateNetworks: ['lan/8'] },
      { privateNetworks: ['fe80::%eth0/10'] }
    ])
      expect(() => createDialPolicy(options)).to.throw(TypeError)
  })
})

function hex(ip: string): string {
  const [a, b, c, d] = ip.split('.').map((part) => Number(part).toString(16).padStart(2, '0'))
  return `${a}${b}:${c}${d}`
}
