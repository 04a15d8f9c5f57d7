import { BlockList, isIP } from 'node:net'
import { expect } from 'chai'
import fc from 'fast-check'
import { addressBits, addressRange, inRange, isLinkLocal, isLinkLocal6, samePrefix } from '@kithmesh/core/plugin'

const has = (range: string, address: string): boolean => {
  const found = addressRange(range)
  const bits = addressBits(address)
  if (found === undefined || bits === undefined) throw new Error(`cannot read ${range} or ${address}`)
  return inRange(bits, found)
}

/** Few different bits, so that ranges and addresses have to do with each other. */
const ipv4 = fc.tuple(...[10, 192, 0, 255].map((octet) => fc.constantFrom(octet, 1, 128))).map((octets) => octets.join('.'))
const group = fc.constantFrom('0', '1', '8000', 'ffff', 'db8')
const ipv6 = fc.oneof(
  fc.tuple(group, group, group, group, group, group, group, group).map((groups) => groups.join(':')),
  fc.tuple(group, group).map(([head, tail]) => `${head}::${tail}`),
  ipv4.map((address) => `::ffff:${address}`),
  ipv4.map((address) => `64:ff9b::${address}`)
)
const address = fc.oneof(ipv4, ipv6)
const range = fc.oneof(
  fc.tuple(ipv4, fc.nat(32)).map(([head, prefix]) => `${head}/${prefix}`),
  fc.tuple(ipv6, fc.nat(128)).map(([head, prefix]) => `${head}/${prefix}`)
)

describe('an address range', () => {
  it('has what it says, of IPv4 and of IPv6', () => {
    for (const [text, inside, outside] of [
      ['10.0.0.0/8', ['10.0.0.0', '10.255.255.255', '::ffff:10.1.2.3', '::ffff:a01:203'], ['11.0.0.0', '9.255.255.255', '::a01:203']],
      ['192.168.1.7', ['192.168.1.7', '::ffff:192.168.1.7'], ['192.168.1.6', '192.168.1.8']],
      ['192.168.1.7/31', ['192.168.1.6', '192.168.1.7'], ['192.168.1.5', '192.168.1.8']],
      ['0.0.0.0/0', ['0.0.0.0', '255.255.255.255', '::ffff:8.8.8.8'], ['::', '2001:db8::1']],
      ['2001:db8::/33', ['2001:db8::', '2001:db8:7fff:ffff::1'], ['2001:db8:8000::', '2001:db7::']],
      ['::/0', ['::', '::1', '2001:db8::1', 'fe80::1%eth0'], ['0.0.0.0', '::ffff:8.8.8.8']],
      ['::1', ['::1', '0:0:0:0:0:0:0:1'], ['::', '::2', '127.0.0.1']],
      ['::ffff:10.0.0.0/104', ['10.1.2.3', '::ffff:10.1.2.3'], ['11.0.0.0', '::10.1.2.3']],
      ['::ffff:0:0/95', ['::fffe:1:2'], ['10.1.2.3', '::ffff:10.1.2.3']],
      ['fe80::/10', ['fe80::1', 'fe80::1%eth0', 'febf::%3'], ['fec0::1']],
      ['fe80::%eth0/10', ['fe80::1%eth0'], ['fe80::1', 'fe80::1%wlan0', 'fec0::%eth0']],
      ['fe80::1%2', ['fe80::1%2', 'fe80:0::1%2'], ['fe80::1', 'fe80::1%3']]
    ] as const) {
      for (const each of inside) expect(has(text, each), `${each} in ${text}`).to.equal(true)
      for (const each of outside) expect(has(text, each), `${each} in ${text}`).to.equal(false)
    }
  })

  it('is none when it is written in any other way', () => {
    for (const text of [
      '',
      '/8',
      '10.0.0.0/',
      '10.0.0.0/33',
      '10.0.0.0/-1',
      '10.0.0.0/08',
      '10.0.0.0/8.0',
      '10.0.0.0/1e1',
      '10.0.0.0/255.0.0.0',
      '10.0.0.0/8/8',
      '10.0.0/8',
      '10.0.0.256',
      '010.0.0.1',
      ' 10.0.0.1',
      '::/129',
      '::1/128 ',
      ':::/0',
      '1::2::3',
      '[::1]',
      '[::1]/128',
      'fe80::1/10%eth0',
      'fe80::1%/10',
      'localhost',
      '*',
      `fe80::1%${'x'.repeat(200)}`,
      '1'.repeat(100_000)
    ])
      expect(addressRange(text), text).to.equal(undefined)
  })

  it('is written in one way only', () => {
    for (const [text, written] of [
      ['10.1.2.3/8', '10.0.0.0/8'],
      ['10.1.2.3/32', '10.1.2.3'],
      ['2001:DB8:0:0:1:0:0:1/128', '2001:db8::1:0:0:1'],
      ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
      ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
      ['::ffff:192.0.2.1/120', '192.0.2.0/24'],
      ['::FFFF:C000:201', '192.0.2.1'],
      ['fe80::1%eth0/10', 'fe80::%eth0/10'],
      ['::', '::'],
      ['::/0', '::/0'],
      ['64:ff9b::192.0.2.1', '64:ff9b::c000:201']
    ] as const)
      expect(addressRange(text)?.text, text).to.equal(written)
    fc.assert(
      fc.property(range, address, (text, each) => {
        const first = addressRange(text)
        const again = addressRange(first?.text ?? '')
        expect(again).to.deep.equal(first)
        expect(isIP((first?.text ?? '').split('/')[0] ?? '')).to.be.greaterThan(0)
        expect(has(first?.text ?? '', each)).to.equal(has(text, each))
      })
    )
  })

  it("agrees with Node's BlockList, but that a range of IPv6 has no IPv4 addresses", () => {
    let inside = 0
    fc.assert(
      fc.property(range, address, (text, each) => {
        const [head = '', prefix] = text.split('/')
        const list = new BlockList()
        list.addSubnet(head, Number(prefix), isIP(head) === 4 ? 'ipv4' : 'ipv6')
        const mixed = addressRange(text)?.family === 6 && addressBits(each)?.family === 4
        const expected = !mixed && list.check(each, isIP(each) === 4 ? 'ipv4' : 'ipv6')
        expect(has(text, each), `${each} in ${text}`).to.equal(expected)
        if (expected) inside++
      }),
      { numRuns: 3000 }
    )
    expect(inside, 'cases in which the address is in the range').to.be.greaterThan(300)
  })
})

describe('two addresses', () => {
  it('have a prefix in common up to the first bit that differs', () => {
    for (const [one, other, common] of [
      ['10.0.0.0', '10.128.0.0', 8],
      ['192.0.2.4', '192.0.2.5', 31],
      ['192.0.2.4', '192.0.2.4', 32],
      ['192.0.2.1', '::ffff:192.0.2.0', 31],
      ['0.0.0.0', '128.0.0.0', 0],
      ['2001:DB8:0:1::1', '2001:db8::1:8000:0:0:1', 64],
      ['2001:db8::', '2001:db8::1', 127],
      ['fe80::1%eth0', 'fe80:0::1%eth1', 128],
      ['::', '8000::', 0]
    ] as const) {
      const width = one.includes(':') ? 128 : 32
      for (let prefix = 0; prefix <= width; prefix++)
        expect(samePrefix(one, other, prefix), `${one} and ${other}, ${prefix} bits`).to.equal(prefix <= common)
    }
  })

  it('are equal when more bits are to be the same than they have', () => {
    expect(samePrefix('192.0.2.1', '192.0.2.1', 128)).to.equal(true)
    expect(samePrefix('192.0.2.1', '192.0.2.0', 128)).to.equal(false)
  })

  it('of two families have nothing in common, and no text has anything with another', () => {
    for (const [one, other] of [
      ['0.0.0.0', '::'],
      ['192.0.2.1', '::192.0.2.1'],
      ['text', 'text'],
      ['192.0.2.1', '']
    ] as const)
      expect(samePrefix(one, other, 0), `${one} and ${other}`).to.equal(false)
  })
})

describe('a link-local address', () => {
  it('is one of 169.254.0.0/16 and fe80::/10', () => {
    for (const text of ['169.254.0.0', '169.254.255.255', '::ffff:169.254.1.1', 'fe80::', 'FE80::1', 'fe80::1%eth0', 'febf:ffff::1'])
      expect(isLinkLocal(text), text).to.equal(true)
    for (const text of [
      '169.253.255.255',
      '169.255.0.0',
      'fe7f:ffff::1',
      'fec0::1',
      'fe8::1',
      '::fe80',
      '::',
      'fe80',
      'fe80:cafe.example',
      ''
    ])
      expect(isLinkLocal(text), text).to.equal(false)
  })

  it('needs the zone of an interface when it is of IPv6', () => {
    for (const text of ['fe80::1', 'FEBF::1', 'fe80::1%eth0']) expect(isLinkLocal6(text), text).to.equal(true)
    for (const text of ['169.254.1.1', '::ffff:169.254.1.1', 'fe8::1', 'fec0::1', 'fd00::1'])
      expect(isLinkLocal6(text), text).to.equal(false)
  })
})
