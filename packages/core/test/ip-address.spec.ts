import { SocketAddress } from 'node:net'
import { expect } from 'chai'
import fc from 'fast-check'
import { addressBytes, addressText, unmappedBytes } from '@kithmesh/core/plugin'

const hex = (address: string): string | undefined => addressBytes(address)?.toString('hex')

describe('an IP address', () => {
  it('is 4 bytes, or 16', () => {
    for (const [text, bytes] of [
      ['0.0.0.0', '00000000'],
      ['255.255.255.255', 'ffffffff'],
      ['192.0.2.1', 'c0000201'],
      ['::', '0'.repeat(32)],
      ['::1', '1'.padStart(32, '0')],
      ['1::', '0001'.padEnd(32, '0')],
      ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
      ['1:2:3:4:5:6:7::', '00010002000300040005000600070000'],
      ['::2:3:4:5:6:7:8', '00000002000300040005000600070008'],
      ['2001:DB8::A:0:b', '20010db8000000000000000a0000000b'],
      ['64:ff9b::192.0.2.1', '0064ff9b0000000000000000c0000201'],
      ['1:2:3:4:5:6:192.0.2.1', '000100020003000400050006c0000201'],
      ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201'],
      ['fe80::1%eth0', 'fe800000000000000000000000000001']
    ] as const)
      expect(hex(text), text).to.equal(bytes)
  })

  it('is no other text', () => {
    for (const text of [
      '',
      ':',
      ':::',
      '1:2',
      '1::2::3',
      '1:2:3:4:5:6:7:8:9',
      '12345::',
      '::g',
      '[::1]',
      '1.2.3',
      '1.2.3.256',
      ' ::1',
      'localhost'
    ])
      expect(hex(text), text).to.equal(undefined)
  })

  it('is written in one way', () => {
    for (const [text, written] of [
      ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
      ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
      ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
      ['0:0:0:0:0:0:0:0', '::'],
      ['fd00:0:1::', 'fd00:0:1::'],
      ['::FFFF:c000:201', '::ffff:192.0.2.1'],
      ['fe80::1%eth0', 'fe80::1'],
      ['192.0.2.1', '192.0.2.1']
    ] as const)
      expect(addressText(addressBytes(text) as Buffer), text).to.equal(written)
    // A view in the middle of a packet.
    expect(addressText(Uint8Array.from([9, 9, 192, 0, 2, 1, 9]).subarray(2, 6))).to.equal('192.0.2.1')
    expect(addressText(Uint8Array.from([9, ...(addressBytes('2001:db8::1') as Buffer), 9]).subarray(1, 17))).to.equal('2001:db8::1')
  })

  it('is the same from text to bytes and back, and is written as Node writes it', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const bytes = addressBytes(text) as Buffer
        const written = addressText(bytes)
        expect(addressBytes(written)).to.deep.equal(bytes)
        expect(written).to.equal(new SocketAddress({ family: text.includes(':') ? 'ipv6' : 'ipv4', address: text }).address)
      })
    )
  })

  it('of IPv4 is the same when it is written as IPv6', () => {
    for (const text of ['192.0.2.1', '::ffff:192.0.2.1', '::FFFF:c000:0201', '0:0:0:0:0:ffff:192.0.2.1', '::ffff:192.0.2.1%eth0'])
      expect(unmappedBytes(text)?.toString('hex'), text).to.equal('c0000201')
    for (const text of ['::192.0.2.1', '64:ff9b::192.0.2.1', '::fffe:192.0.2.1', '1::ffff:192.0.2.1', '::ffff:0:192.0.2.1', '::'])
      expect(unmappedBytes(text), text).to.deep.equal(addressBytes(text)).and.have.length(16)
    expect(unmappedBytes('192.0.2')).to.equal(undefined)
  })
})
