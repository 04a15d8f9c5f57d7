import { expect } from 'chai'
import fc from 'fast-check'
import { fromP2pdAddress, parseP2pdAddress, parsePeerAddress, toP2pdAddress, type P2pdAddress, type PeerAddress } from '@kithmesh/core'
import { thrown } from './fakes.ts'

const servers = ['mqtt://a.example', 'mqtts://b.example:8883', 'wss://c.example/mqtt']
const id = 'c0ffee'.padEnd(64, '0')
const problemOf = (run: () => unknown): unknown => {
  const error = thrown(run) as unknown as { code: string; details: { problem: string } }
  expect(error.code).to.equal('ERR_ADDRESS_INVALID')
  return error.details.problem
}
const read = (rest: string): PeerAddress => parsePeerAddress(`kithmesh:1;id=${id};${rest}`)
const route = 'route=0,v4,192.168.1.7,203.0.113.9,tcp:eim/apdf/independent:2,udp:eim/apdf/independent:2'
const nic = fc.record({
  interfaceIndex: fc.constantFrom(0, 1, 2),
  externalAddress: fc.constantFrom('203.0.113.9', '198.51.100.1'),
  internalAddress: fc.constantFrom('192.168.1.7', '10.0.0.2'),
  port: fc.constantFrom(4984, 10001),
  nat: fc.integer({ min: 1, max: 7 }),
  delta: fc.integer({ min: 1, max: 6 }),
  deltaValue: fc.constantFrom(0, 1, 65535)
})
const p2pd: fc.Arbitrary<P2pdAddress> = fc.record({
  serverOffsets: fc.uniqueArray(fc.constantFrom(0, 1, 2), { minLength: 1, maxLength: 2 }),
  ipv4: fc.uniqueArray(nic, { selector: ({ interfaceIndex }) => interfaceIndex, minLength: 1, maxLength: 3 }),
  ipv6: fc.constant([]),
  nodeId: fc.constantFrom(id, 'zmUGXPOFxUBuToh')
})

describe('conversion between the forms of an address', () => {
  it('loses nothing of the example of the seed but the node id', () => {
    const seed = parseP2pdAddress('0,1-[0,8.8.8.8,192.168.21.21,58959,3,2,0]-0-zmUGXPOFxUBuToh')
    const { address, losses } = fromP2pdAddress(seed, { servers, peerId: id })
    expect(losses).to.have.length(1)
    expect(losses[0]).to.contain('zmUGXPOFxUBuToh')
    expect(address).to.deep.equal(
      read(
        'port=58959;broker=mqtt://a.example;broker=mqtts://b.example:8883;route=0,v4,192.168.21.21,8.8.8.8,tcp:eim/eif/equal,udp:eim/eif/equal'
      )
    )
    expect(toP2pdAddress(address, { servers })).to.deep.equal({ address: { ...seed, nodeId: id }, losses: [] })
  })

  it('says of every address of P2PD whether anything is lost, and is right', () => {
    let lossless = 0
    fc.assert(
      fc.property(p2pd, (before) => {
        const { address, losses } = fromP2pdAddress(before, { servers, peerId: id })
        const back = toP2pdAddress(address, { servers }).address
        if (losses.length === 0) {
          lossless++
          expect(back).to.deep.equal(before)
        } else expect(back).to.not.deep.equal(before)
      }),
      { numRuns: 500 }
    )
    expect(lossless).to.be.greaterThan(20)
  })

  it('loses nothing of an address that the numbers can say', () => {
    const before = read(`port=4984;broker=${servers[2]};${route}`)
    const { address, losses } = toP2pdAddress(before, { servers })
    expect(losses).to.deep.equal([])
    expect(fromP2pdAddress(address, { servers })).to.deep.equal({ address: before, losses: [] })
  })

  it('says what is lost', () => {
    const { address, losses } = toP2pdAddress(
      read(
        'port=4984;broker=mqtt://elsewhere.example;broker=mqtt://a.example;broker=mqtts://b.example:8883;broker=wss://c.example/mqtt' +
          ';route=0,v4,192.168.1.7,203.0.113.9,tcp:adm/adf/range:35000-65535,udp:eim/eif/equal;route=0,v6,2001:db8::1,-,tcp:none/-/-,udp:none/-/-'
      ),
      { servers }
    )
    expect(address.serverOffsets).to.deep.equal([0, 1])
    expect(address.ipv6).to.deep.equal([])
    expect(losses).to.have.length(5)
    for (const [index, part] of [
      'elsewhere.example',
      'c.example',
      'TCP is adm/adf/range:35000-65535',
      'UDP is eim/eif/equal',
      'IPv6 is left out'
    ].entries())
      expect(losses[index]).to.contain(part)
  })

  it('refuses where nothing usable would remain', () => {
    expect(problemOf(() => toP2pdAddress(read(`port=1;broker=mqtt://x.example;${route}`), { servers }))).to.equal('conversion')
    expect(problemOf(() => toP2pdAddress(read(`port=0;broker=mqtt://a.example;${route}`), { servers }))).to.equal('conversion')
    expect(problemOf(() => toP2pdAddress(read('port=1;broker=mqtt://a.example'), { servers }))).to.equal('conversion')
    const seed = parseP2pdAddress('0,5-[0,8.8.8.8,192.168.21.21,58959,3,2,0]-0-zmUGXPOFxUBuToh')
    expect(problemOf(() => fromP2pdAddress(seed, { servers, peerId: id }))).to.equal('servers')
    expect(problemOf(() => fromP2pdAddress({ ...seed, serverOffsets: [0] }, { servers }))).to.equal('id')
    expect(problemOf(() => fromP2pdAddress({ ...seed, serverOffsets: [0] }, { servers: ['a.example:1883'], peerId: id }))).to.equal(
      'servers'
    )
  })
})
