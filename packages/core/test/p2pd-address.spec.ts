import { expect } from 'chai'
import fc from 'fast-check'
import { formatP2pdAddress, parseP2pdAddress, type P2pdAddress, type P2pdInterface } from '@kithmesh/core'
import { thrown } from './fakes.ts'

const problem = (text: string, options = {}): unknown => {
  const error = thrown(() => parseP2pdAddress(text, options)) as unknown as {
    code: string
    message: string
    hint: string
    details: { problem: string }
  }
  expect(error.code, text).to.equal('ERR_ADDRESS_INVALID')
  expect(error.message).to.match(/\S/)
  expect(error.hint).to.match(/\S/)
  return error.details.problem
}

const number = (low: number, high: number) => fc.integer({ min: low, max: high })
const ip4 = fc.ipV4()
const ip6 = fc.ipV6().filter((text) => !text.includes('.'))
const interfaceOf = (ip: fc.Arbitrary<string>): fc.Arbitrary<P2pdInterface> =>
  fc.record({
    interfaceIndex: number(0, 2),
    externalAddress: ip,
    internalAddress: ip,
    port: number(1, 65535),
    nat: number(1, 7),
    delta: number(1, 6),
    deltaValue: number(0, 65535)
  })
const family = (ip: fc.Arbitrary<string>) =>
  fc.uniqueArray(interfaceOf(ip), { selector: ({ interfaceIndex }) => interfaceIndex, maxLength: 3 })
const address: fc.Arbitrary<P2pdAddress> = fc
  .record({
    serverOffsets: fc.uniqueArray(number(0, 300), { minLength: 1, maxLength: 2 }),
    ipv4: family(ip4),
    ipv6: family(ip6),
    nodeId: fc.stringMatching(/^[A-Za-z0-9]{1,64}$/)
  })
  .filter(({ ipv4, ipv6 }) => ipv4.length + ipv6.length > 0)

const plain = '[0,1.2.3.4,10.0.0.2,10001,5,4,1]'

describe('P2PD address', () => {
  describe('the examples of p2pd.md §1.3', () => {
    it('1: the example of the seed', () => {
      const text = '0,1-[0,8.8.8.8,192.168.21.21,58959,3,2,0]-0-zmUGXPOFxUBuToh'
      const parsed = parseP2pdAddress(text, { serverCount: 6 })
      expect(parsed).to.deep.equal({
        serverOffsets: [0, 1],
        ipv4: [
          { interfaceIndex: 0, externalAddress: '8.8.8.8', internalAddress: '192.168.21.21', port: 58959, nat: 3, delta: 2, deltaValue: 0 }
        ],
        ipv6: [],
        nodeId: 'zmUGXPOFxUBuToh'
      })
      expect(formatP2pdAddress(parsed)).to.equal(text)
    })

    it('2: two IPv4 interfaces and one in both families', () => {
      const text = '0,1-[0,1.2.3.4,10.0.0.2,10001,5,4,1]|[1,5.6.7.8,192.168.1.7,10001,1,1,0]-[0,2001:db8::1,fe80::1,10001,1,1,0]-abc'
      const parsed = parseP2pdAddress(text, { serverCount: 6 })
      expect(parsed.ipv4.map(({ externalAddress, nat, delta, deltaValue }) => [externalAddress, nat, delta, deltaValue])).to.deep.equal([
        ['1.2.3.4', 5, 4, 1],
        ['5.6.7.8', 1, 1, 0]
      ])
      expect(
        parsed.ipv6.map(({ interfaceIndex, externalAddress, internalAddress }) => [interfaceIndex, externalAddress, internalAddress])
      ).to.deep.equal([[0, '2001:db8::1', 'fe80::1']])
      expect(formatP2pdAddress(parsed)).to.equal(text)
    })

    it('3: IPv6 only', () => {
      const text = '2-0-[0,2001:db8::1,fe80::aa,10001,1,1,0]-abc'
      expect(parseP2pdAddress(text, { serverCount: 6 }).ipv4).to.deep.equal([])
      expect(formatP2pdAddress(parseP2pdAddress(text))).to.equal(text)
    })

    const six = Array.from({ length: 6 }, (_each, index) => `[${index},1.2.3.4,10.0.0.2,10001,5,4,1]`).join('|')
    const rejected: [example: string, text: string, problem: string][] = [
      ['4: no interface at all', '0-0-0-abc', 'interface-count'],
      ['5: three servers', '0,1,2-[0,1.2.3.4,10.0.0.2,10001,5,6,0]-0-abc', 'servers'],
      ['6: a server that the list does not have', '9-[0,1.2.3.4,10.0.0.2,10001,5,6,0]-0-abc', 'servers'],
      ['7: port 0', '0-[0,1.2.3.4,10.0.0.2,0,5,6,0]-0-abc', 'port'],
      ['7: NAT 8', '0-[0,1.2.3.4,10.0.0.2,10001,8,6,0]-0-abc', 'nat'],
      ['7: delta 7', '0-[0,1.2.3.4,10.0.0.2,10001,5,7,0]-0-abc', 'delta'],
      ['7: no IP address', '0-[0,999.2.3.4,10.0.0.2,10001,5,6,0]-0-abc', 'ip'],
      ['8: six fields', '0-[0,1.2.3.4,10.0.0.2,10001,5,4]-0-abc', 'interface'],
      ['9: the form of version 1.0', '[0,1.2.3.4,10.0.0.2,10001,5,4,1]-0-abc', 'parts'],
      ['10: a negative step', '0-[0,1.2.3.4,10.0.0.2,10001,5,4,-1]-0-abc', 'parts'],
      ['11: a dash in the node id', '0-[0,1.2.3.4,10.0.0.2,10001,5,4,1]-0-a-b', 'parts'],
      ['12: six interfaces of one family', `0-${six}-0-abc`, 'interface-count'],
      ['13: an offset that is no number', `x-${plain}-0-abc`, 'servers'],
      ['14: IPv6 among IPv4', '0-[0,2001:db8::1,10.0.0.2,10001,5,4,1]-0-abc', 'family']
    ]
    for (const [example, text, expected] of rejected)
      it(`${example} is refused: ${expected}`, () => {
        expect(problem(text, { serverCount: 6 })).to.equal(expected)
      })

    it('says what the older and newer forms are', () => {
      expect((thrown(() => parseP2pdAddress('[0,1.2.3.4,10.0.0.2,10001,5,4,1]-0-abc')) as { hint: string }).hint).to.contain('P2PD 1.0')
      expect((thrown(() => parseP2pdAddress('0-[1,0,8.8.8.8,192.168.21.3,10001,1,2,1]-0-abc')) as { hint: string }).hint).to.contain(
        'P2PD 3'
      )
    })
  })

  describe('every other rule', () => {
    const four = Array.from({ length: 4 }, (_each, index) => `[${index % 3},1.2.3.4,10.0.0.2,10001,5,4,1]`).join('|')
    const rejected: [text: string, problem: string][] = [
      ['', 'parts'],
      [`0-${plain}-0`, 'parts'],
      [`0-${plain}-0-`, 'id'],
      [`0-${plain}-0-${'a'.repeat(65)}`, 'id'],
      [`0-${plain}-0-a.b`, 'id'],
      [`0-${plain}-0-ä`, 'text'],
      [`0 -${plain}-0-a`, 'text'],
      [`0-${plain}-0-a\n`, 'text'],
      [`0-${plain}-0-${'a'.repeat(1100)}`, 'text'],
      [`-${plain}-0-a`, 'servers'],
      [`0,-${plain}-0-a`, 'servers'],
      [`0,0-${plain}-0-a`, 'servers'],
      [`00-${plain}-0-a`, 'servers'],
      [`65536-${plain}-0-a`, 'servers'],
      [`99999999999999999999-${plain}-0-a`, 'servers'],
      [`0--${plain}-a`, 'interface'],
      [`0-${plain}--a`, 'interface'],
      [`0-x-0-a`, 'interface'],
      [`0-${plain}|-0-a`, 'interface'],
      [`0-|${plain}-0-a`, 'interface'],
      [`0-${plain}|0-0-a`, 'interface'],
      [`0-${plain.slice(1)}-0-a`, 'interface'],
      [`0-${plain.slice(0, -1)}-0-a`, 'interface'],
      [`0-[${plain}]-0-a`, 'interface'],
      [`0-(0,1.2.3.4,10.0.0.2,10001,5,4,1)-0-a`, 'text'],
      [`0-${plain}|${plain}-0-a`, 'interface-index'],
      [`0-${four}-0-a`, 'interface-count'],
      ['0-[3,1.2.3.4,10.0.0.2,10001,5,4,1]-0-a', 'interface-index'],
      ['0-[00,1.2.3.4,10.0.0.2,10001,5,4,1]-0-a', 'interface-index'],
      ['0-[,1.2.3.4,10.0.0.2,10001,5,4,1]-0-a', 'interface-index'],
      ['0-[0,,10.0.0.2,10001,5,4,1]-0-a', 'ip'],
      ['0-[0,1.2.3,10.0.0.2,10001,5,4,1]-0-a', 'ip'],
      ['0-[0,01.2.3.4,10.0.0.2,10001,5,4,1]-0-a', 'ip'],
      ['0-[0,1.2.3.4,example.com,10001,5,4,1]-0-a', 'ip'],
      ['0-[0,1.2.3.4,::1,10001,5,4,1]-0-a', 'family'],
      ['0-0-[0,1.2.3.4,fe80::1,10001,5,4,1]-a', 'family'],
      ['0-0-[0,::ffff:1.2.3.4,fe80::1,10001,5,4,1]-a', 'family'],
      ['0-[0,1.2.3.4,10.0.0.2,65536,5,4,1]-0-a', 'port'],
      ['0-[0,1.2.3.4,10.0.0.2,1e3,5,4,1]-0-a', 'port'],
      ['0-[0,1.2.3.4,10.0.0.2,010001,5,4,1]-0-a', 'port'],
      ['0-[0,1.2.3.4,10.0.0.2,10001,0,4,1]-0-a', 'nat'],
      ['0-[0,1.2.3.4,10.0.0.2,10001,5,0,1]-0-a', 'delta'],
      ['0-[0,1.2.3.4,10.0.0.2,10001,5,4,65536]-0-a', 'delta']
    ]
    for (const [text, expected] of rejected)
      it(`${JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)} is refused: ${expected}`, () => {
        expect(problem(text)).to.equal(expected)
      })

    it('refuses what is no text', () => {
      for (const value of [undefined, null, 7, {}, []]) expect(problem(value as unknown as string)).to.equal('text')
    })

    it('refuses to write what it would not read', () => {
      const good = parseP2pdAddress(`0-${plain}-0-abc`)
      const [nic] = good.ipv4 as [P2pdInterface]
      for (const bad of [
        { ...good, nodeId: 'a-b' },
        { ...good, serverOffsets: [] },
        { ...good, serverOffsets: [0.5] },
        { ...good, ipv6: good.ipv4 },
        { ...good, ipv4: [{ ...nic, port: -1 }] },
        { ...good, ipv4: [{ ...nic, deltaValue: Number.NaN }] },
        { ...good, ipv4: [{ ...nic, externalAddress: '1.2.3.4,5' }] },
        { ...good, ipv4: [nic, nic] },
        { ...good, ipv4: [] }
      ])
        expect((thrown(() => formatP2pdAddress(bad)) as { code: string }).code).to.equal('ERR_ADDRESS_INVALID')
      expect((thrown(() => formatP2pdAddress(good, { serverCount: 0 })) as { code: string }).code).to.equal('ERR_ADDRESS_INVALID')
    })
  })

  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(address, (each) => {
        expect(parseP2pdAddress(formatP2pdAddress(each))).to.deep.equal(each)
      })
    )
  })

  it('writes again as the same text whatever it accepts, and refuses the rest with its code', () => {
    let accepted = 0
    fc.assert(
      fc.property(
        address,
        fc.array(fc.tuple(fc.nat(), fc.constantFrom(...'0123456789-,|[].:axF '.split(''), '')), { maxLength: 3 }),
        (each, edits) => {
          let text = formatP2pdAddress(each)
          for (const [where, put] of edits) {
            const at = where % text.length
            text = text.slice(0, at) + put + text.slice(at + (where % 2))
          }
          try {
            expect(formatP2pdAddress(parseP2pdAddress(text))).to.equal(text)
            accepted++
          } catch (error) {
            if ((error as { code?: string }).code !== 'ERR_ADDRESS_INVALID') throw error
          }
        }
      ),
      { numRuns: 2000 }
    )
    expect(accepted).to.be.greaterThan(100)
  })
})
