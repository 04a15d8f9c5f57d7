import { expect } from 'chai'
import fc from 'fast-check'
import { formatPeerAddress, parsePeerAddress, peerNetworkFromJson, peerNetworkToJson, type PeerAddress } from '@kithmesh/core'
import { thrown } from './fakes.ts'

type PeerNetwork = PeerAddress['network']
type NetworkRoute = PeerNetwork['routes'][number]
type NatBehaviour = NetworkRoute['tcp']
type PortAllocation = NatBehaviour['ports']

const problemOf = (run: () => unknown): unknown => {
  const error = thrown(run) as unknown as { code: string; message: string; details: { problem: string } }
  expect(error.code).to.equal('ERR_ADDRESS_INVALID')
  expect(error.message).to.match(/\S/)
  return error.details.problem
}

const id = 'c0ffee'.padEnd(64, '0')
const port = fc.integer({ min: 1, max: 65535 })
const delta = fc.integer({ min: -65535, max: 65535 })
const ports: fc.Arbitrary<PortAllocation> = fc.oneof(
  fc.constantFrom('equal', 'preserving', 'random', 'unknown').map((kind) => ({ kind }) as PortAllocation),
  fc.record({ kind: fc.constantFrom('independent', 'dependent'), delta }) as fc.Arbitrary<PortAllocation>,
  fc.tuple(port, port).map(([a, b]) => ({ kind: 'range', low: Math.min(a, b), high: Math.max(a, b) }) as PortAllocation)
)
const behaviour: fc.Arbitrary<NatBehaviour> = fc.record({
  mapping: fc.constantFrom<NatBehaviour['mapping'][]>(
    'endpoint-independent',
    'address-dependent',
    'address-and-port-dependent',
    'none',
    'blocked',
    'unknown'
  ),
  filtering: fc.constantFrom<NatBehaviour['filtering'][]>(
    'endpoint-independent',
    'address-dependent',
    'address-and-port-dependent',
    'unknown'
  ),
  ports
})
const route: fc.Arbitrary<NetworkRoute> = fc.constantFrom(4 as const, 6 as const).chain((family) => {
  const ip = family === 4 ? fc.ipV4() : fc.ipV6().filter((text) => !text.includes('.'))
  return fc.record({
    interfaceIndex: fc.integer({ min: 0, max: 2 }),
    family: fc.constant(family),
    localAddress: ip,
    externalAddress: fc.option(ip, { nil: undefined }),
    tcp: behaviour,
    udp: behaviour
  })
})
const network: fc.Arbitrary<PeerNetwork> = fc.record({
  port: fc.integer({ min: 0, max: 65535 }),
  routes: fc.uniqueArray(route, { selector: ({ family, interfaceIndex }) => `${family}.${interfaceIndex}`, maxLength: 6 })
})
const broker = fc
  .tuple(
    fc.constantFrom('mqtt', 'mqtts', 'ws', 'wss'),
    fc.oneof(
      fc.domain(),
      fc.ipV4(),
      fc
        .ipV6()
        .filter((text) => !text.includes('.'))
        .map((text) => `[${text}]`)
    ),
    fc.option(port, { nil: undefined }),
    fc.constantFrom('', '/', '/mqtt', '/a/b.c~d')
  )
  .map(([scheme, host, number, path]) => `${scheme}://${host}${number === undefined ? '' : `:${number}`}${path}`)
  .filter((text) => text.length <= 255)
const address: fc.Arbitrary<PeerAddress> = fc
  .record({
    peerId: fc.stringMatching(/^[0-9a-f]{64}$/),
    brokers: fc.uniqueArray(broker, { maxLength: 8 }),
    network
  })
  .filter(({ brokers, network: { routes } }) => brokers.length + routes.length > 0)

const example: PeerAddress = {
  peerId: id,
  brokers: ['mqtts://broker.example', 'wss://mqtt.example:8084/mqtt', 'mqtt://[2001:db8::5]:1883'],
  network: {
    port: 4984,
    routes: [
      {
        interfaceIndex: 0,
        family: 4,
        localAddress: '192.168.1.7',
        externalAddress: '203.0.113.9',
        tcp: { mapping: 'endpoint-independent', filtering: 'address-and-port-dependent', ports: { kind: 'equal' } },
        udp: { mapping: 'address-and-port-dependent', filtering: 'address-dependent', ports: { kind: 'independent', delta: 2 } }
      },
      {
        interfaceIndex: 0,
        family: 6,
        localAddress: '2001:db8::7',
        externalAddress: undefined,
        tcp: { mapping: 'none', filtering: 'unknown', ports: { kind: 'range', low: 35000, high: 65535 } },
        udp: { mapping: 'unknown', filtering: 'unknown', ports: { kind: 'unknown' } }
      }
    ]
  }
}
const exampleText =
  `kithmesh:1;id=${id};port=4984;broker=mqtts://broker.example;broker=wss://mqtt.example:8084/mqtt;broker=mqtt://(2001:db8::5):1883` +
  ';route=0,v4,192.168.1.7,203.0.113.9,tcp:eim/apdf/equal,udp:apdm/adf/independent:2' +
  ';route=0,v6,2001:db8::7,-,tcp:none/-/range:35000-65535,udp:-/-/-'

describe('peer address', () => {
  it('names servers, peer and NATs in one line', () => {
    expect(formatPeerAddress(example)).to.equal(exampleText)
    expect(parsePeerAddress(exampleText)).to.deep.equal(example)
  })

  it('reads back what it wrote, and needs no escaping in a URL', () => {
    fc.assert(
      fc.property(address, (each) => {
        const text = formatPeerAddress(each)
        expect(parsePeerAddress(text)).to.deep.equal(each)
        expect(new URL(text).href).to.equal(text)
        expect(new URL(`https://app.example/?join=${text}#x`).searchParams.get('join')).to.equal(text)
      })
    )
  })

  it('writes again as the same text whatever it accepts, and refuses the rest with its code', () => {
    let accepted = 0
    const put = fc.constantFrom(...'0123456789-,;=:/.()axF~ '.split(''), '', 'eim', ';broker=', ';route=', 'v6')
    fc.assert(
      fc.property(address, fc.array(fc.tuple(fc.nat(), put), { maxLength: 3 }), (each, edits) => {
        let text = formatPeerAddress(each)
        for (const [where, insert] of edits) {
          const at = where % text.length
          text = text.slice(0, at) + insert + text.slice(at + (where % 2))
        }
        try {
          expect(formatPeerAddress(parsePeerAddress(text))).to.equal(text)
          accepted++
        } catch (error) {
          if ((error as { code?: string }).code !== 'ERR_ADDRESS_INVALID') throw error
        }
      }),
      { numRuns: 2000 }
    )
    expect(accepted).to.be.greaterThan(100)
  })

  it('leaves the zone of a link-local address at home', () => {
    const [, second] = example.network.routes as [NetworkRoute, NetworkRoute]
    const zoned = { ...example, network: { port: 1, routes: [{ ...second, localAddress: 'fe80::1%eth0' }] } }
    expect(parsePeerAddress(formatPeerAddress(zoned)).network.routes[0]?.localAddress).to.equal('fe80::1')
  })

  const route4 = 'route=0,v4,10.0.0.2,1.2.3.4,tcp:eim/eif/equal,udp:eim/eif/equal'
  const head = `kithmesh:1;id=${id};port=1`
  const rejected: [text: string, problem: string][] = [
    ['', 'version'],
    ['0,1-[0,8.8.8.8,192.168.21.21,58959,3,2,0]-0-zmUGXPOFxUBuToh', 'text'],
    [`kithmesh:2;id=${id}`, 'version'],
    [`kithmesh:1`, 'parts'],
    [head, 'parts'],
    [`${head};`, 'parts'],
    [`${head};${route4};`, 'parts'],
    [`${head};${route4};color=red`, 'parts'],
    [`${head};port=1;${route4}`, 'parts'],
    [`${head};${route4};broker=mqtt://a.example`, 'parts'],
    [`kithmesh:1;port=1;id=${id};${route4}`, 'parts'],
    [`kithmesh:1;id=${id.toUpperCase()};port=1;${route4}`, 'id'],
    [`kithmesh:1;id=${id}0;port=1;${route4}`, 'id'],
    [`kithmesh:1;id=${id};port=65536;${route4}`, 'port'],
    [`kithmesh:1;id=${id};port=01;${route4}`, 'port'],
    [`kithmesh:1;id=${id};port=;${route4}`, 'port'],
    [`${head};${route4} `, 'text'],
    [`${head};broker=mqtt://a.example%2f`, 'text'],
    [`${head};broker=mqtt://user:secret@a.example`, 'text'],
    [`${head};broker=wss://a.example/?token=secret`, 'text'],
    [`${head};broker=http://a.example`, 'servers'],
    [`${head};broker=mqtt://`, 'servers'],
    [`${head};broker=mqtt://a.example:0`, 'servers'],
    [`${head};broker=mqtt://a.example:70000`, 'servers'],
    [`${head};broker=mqtt://(a.example)`, 'servers'],
    [`${head};broker=mqtt://(::g)`, 'servers'],
    [`${head};broker=mqtt://${'a'.repeat(260)}`, 'servers'],
    [`${head};broker=mqtt://a.example;broker=mqtt://a.example`, 'servers'],
    [head + Array.from({ length: 9 }, (_each, index) => `;broker=mqtt://b${index}`).join(''), 'servers'],
    [`${head};${route4};${route4}`, 'interface-index'],
    [head + [0, 1, 2, 0].map((index) => `;${route4.replace('=0', `=${index}`)}`).join(''), 'interface-count'],
    [`${head};route=3,v4,10.0.0.2,1.2.3.4,tcp:eim/eif/equal,udp:eim/eif/equal`, 'interface-index'],
    [`${head};route=0,v5,10.0.0.2,1.2.3.4,tcp:eim/eif/equal,udp:eim/eif/equal`, 'family'],
    [`${head};route=0,v6,10.0.0.2,-,tcp:eim/eif/equal,udp:eim/eif/equal`, 'family'],
    [`${head};route=0,v4,10.0.0.2,::1,tcp:eim/eif/equal,udp:eim/eif/equal`, 'family'],
    [`${head};route=0,v6,::ffff:10.0.0.2,-,tcp:eim/eif/equal,udp:eim/eif/equal`, 'family'],
    [`${head};route=0,v4,-,1.2.3.4,tcp:eim/eif/equal,udp:eim/eif/equal`, 'ip'],
    [`${head};route=0,v4,10.0.0.2,1.2.3.4,tcp:eim/eif/equal`, 'interface'],
    [`${head};route=0,v4,10.0.0.2,1.2.3.4,udp:eim/eif/equal,tcp:eim/eif/equal`, 'interface'],
    [`${head};route=0,v4,10.0.0.2,1.2.3.4,tcp:eim/eif,udp:eim/eif/equal`, 'interface'],
    [`${head};route=0,v4,10.0.0.2,1.2.3.4,tcp:EIM/eif/equal,udp:eim/eif/equal`, 'nat'],
    [`${head};route=0,v4,10.0.0.2,1.2.3.4,tcp:eim/eim/equal,udp:eim/eif/equal`, 'nat'],
    [`${head};route=0,v4,10.0.0.2,1.2.3.4,tcp:eim/eif/none,udp:eim/eif/equal`, 'delta'],
    [`${head};route=0,v4,10.0.0.2,1.2.3.4,tcp:eim/eif/independent,udp:eim/eif/equal`, 'delta'],
    [`${head};route=0,v4,10.0.0.2,1.2.3.4,tcp:eim/eif/independent:-0,udp:eim/eif/equal`, 'delta'],
    [`${head};route=0,v4,10.0.0.2,1.2.3.4,tcp:eim/eif/independent:65536,udp:eim/eif/equal`, 'delta'],
    [`${head};route=0,v4,10.0.0.2,1.2.3.4,tcp:eim/eif/range:9-8,udp:eim/eif/equal`, 'delta'],
    [`${head};route=0,v4,10.0.0.2,1.2.3.4,tcp:eim/eif/range:0-8,udp:eim/eif/equal`, 'delta'],
    [`${head};broker=mqtt://${'a'.repeat(5000)}`, 'text']
  ]
  for (const [text, expected] of rejected)
    it(`${JSON.stringify(text.length > 80 ? `…${text.slice(-70)}` : text)} is refused: ${expected}`, () => {
      expect(problemOf(() => parsePeerAddress(text))).to.equal(expected)
    })

  it('refuses to write credentials, and whatever it would not read', () => {
    expect(problemOf(() => formatPeerAddress({ ...example, brokers: ['mqtts://me:secret@broker.example'] }))).to.equal('servers')
    expect(problemOf(() => formatPeerAddress({ ...example, brokers: ['wss://broker.example/?key=secret'] }))).to.equal('servers')
    expect(problemOf(() => formatPeerAddress({ ...example, peerId: 'me' }))).to.equal('id')
    const [first] = example.network.routes as [NetworkRoute]
    for (const [change, expected] of [
      [{ interfaceIndex: 3 }, 'interface-index'],
      [{ localAddress: '' }, 'ip'],
      [{ externalAddress: '::1' }, 'family'],
      [{ tcp: { ...first.tcp, mapping: 'odd' as 'none' } }, 'nat'],
      [{ tcp: { ...first.tcp, ports: { kind: 'odd' as 'equal' } } }, 'delta'],
      [{ tcp: { ...first.tcp, ports: { kind: 'dependent', delta: 0.5 } } }, 'delta'],
      [{ tcp: { ...first.tcp, ports: { kind: 'range', low: 5, high: 4 } } }, 'delta']
    ] as const)
      expect(problemOf(() => formatPeerAddress({ ...example, network: { port: 1, routes: [{ ...first, ...change }] } }))).to.equal(expected)
  })

  it('says of long texts of the network only the beginning', () => {
    const error = thrown(() => parsePeerAddress(`${head};broker=${'a'.repeat(3000)}`)) as Error
    expect(error.message.length).to.be.lessThan(200)
  })
})

describe('the network of a peer as JSON', () => {
  it('reads back what it wrote, over the wire', () => {
    fc.assert(
      fc.property(network, (each) => {
        expect(peerNetworkFromJson(JSON.parse(JSON.stringify(peerNetworkToJson(each))))).to.deep.equal(each)
      })
    )
    expect(peerNetworkToJson(example.network).routes[0]).to.equal(
      '0,v4,192.168.1.7,203.0.113.9,tcp:eim/apdf/equal,udp:apdm/adf/independent:2'
    )
  })

  const [good] = peerNetworkToJson(example.network).routes as [string]
  const rejected: [json: unknown, problem: string][] = [
    [null, 'parts'],
    [[], 'parts'],
    ['text', 'parts'],
    [{ port: 1, routes: [], more: 1 }, 'parts'],
    [{ routes: [] }, 'port'],
    [{ port: '1', routes: [] }, 'port'],
    [{ port: 1.5, routes: [] }, 'port'],
    [{ port: 65536, routes: [] }, 'port'],
    [{ port: 1 }, 'interface-count'],
    [{ port: 1, routes: {} }, 'interface-count'],
    [{ port: 1, routes: Array.from({ length: 7 }, () => good) }, 'interface-count'],
    [{ port: 1, routes: [good, good] }, 'interface-index'],
    [{ port: 1, routes: [7] }, 'interface'],
    [{ port: 1, routes: ['a'.repeat(300)] }, 'interface'],
    [{ port: 1, routes: [`${good} `] }, 'delta']
  ]
  for (const [json, expected] of rejected)
    it(`${(JSON.stringify(json) ?? 'undefined').slice(0, 60)} is refused: ${expected}`, () => {
      expect(problemOf(() => peerNetworkFromJson(json))).to.equal(expected)
    })

  it('refuses hostile JSON with its code only', () => {
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.record({ port: fc.jsonValue(), routes: fc.jsonValue() })), (json) => {
        try {
          peerNetworkFromJson(json)
        } catch (error) {
          if ((error as { code?: string }).code !== 'ERR_ADDRESS_INVALID') throw error
        }
      })
    )
  })
})
