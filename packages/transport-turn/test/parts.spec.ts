import type { NatBehaviour, NetworkFacts, NetworkRoute } from '@kithmesh/core'
import { turn } from '@kithmesh/transport-turn'
import { expect } from 'chai'
import { onlyRelay } from '../dist/likelihood.js'
import { waysOf } from '../dist/ways.js'
import { Machines } from './support/machines.ts'

const route = (tcp: NatBehaviour, externalAddress: string): NetworkRoute => ({
  interfaceIndex: 0,
  family: 4,
  localAddress: '10.0.0.2',
  externalAddress,
  tcp,
  udp: tcp
})
const facts = (tcp: NatBehaviour, externalAddress = '203.0.113.1'): NetworkFacts => ({
  routes: [route(tcp, externalAddress)],
  measuredAt: 0
})
const remote = (tcp: NatBehaviour): { routes: NetworkRoute[]; port: number } => ({ routes: [route(tcp, '203.0.113.2')], port: 1 })

const random: NatBehaviour = {
  mapping: 'address-and-port-dependent',
  filtering: 'address-and-port-dependent',
  ports: { kind: 'random' }
}
const portRestricted: NatBehaviour = { mapping: 'endpoint-independent', filtering: 'address-and-port-dependent', ports: { kind: 'equal' } }
const fullCone: NatBehaviour = { mapping: 'endpoint-independent', filtering: 'endpoint-independent', ports: { kind: 'equal' } }
const unknown: NatBehaviour = { mapping: 'unknown', filtering: 'unknown', ports: { kind: 'unknown' } }

describe('likelihood of a relay', () => {
  it('is all there is between a random NAT and one that filters by port', () => {
    expect(onlyRelay(facts(random), remote(portRestricted))).to.equal(true)
    expect(onlyRelay(facts(portRestricted), remote(random))).to.equal(true)
    expect(onlyRelay(facts(random), remote(random))).to.equal(true)
  })
  it('is not, where something else may work', () => {
    expect(onlyRelay(facts(random), remote(fullCone))).to.equal(false)
    expect(onlyRelay(facts(portRestricted), remote(portRestricted))).to.equal(false)
    expect(onlyRelay(facts(random), remote(unknown))).to.equal(false)
    expect(onlyRelay(facts(unknown), remote(unknown))).to.equal(false)
    expect(onlyRelay(facts(random, '203.0.113.2'), remote(random)), 'behind the same NAT').to.equal(false)
    expect(onlyRelay({ routes: [], measuredAt: 0 }, remote(random))).to.equal(false)
  })
  it('decides when the strategy starts', async () => {
    const server = { url: 'turn:192.0.2.1', username: 'u', credential: 'c' }
    const machines = new Machines({ a: turn({ servers: [server] }), b: turn({ servers: [] }) })
    const rank = (target: Parameters<typeof machines.strategies.a.assess>[0]): unknown => machines.strategies.a.assess(target)
    const target = machines.target({ routes: [route(random, '203.0.113.2')], port: 0 })
    expect(rank(target)).to.deep.equal({ usable: true, rank: 80 })
    expect(rank({ ...target, localNetwork: facts(random) })).to.deep.equal({ usable: true, rank: 30 })
    expect(machines.strategies.b.assess({ ...target, device: { ...target.device, id: 'f'.repeat(64) } }).usable).to.equal(false)
    await machines[Symbol.asyncDispose]()
  })
})

describe('ways to ask servers', () => {
  const ways = (url: string): string[] => waysOf([{ url, username: 'u', credential: 'c' }]).map(({ uri, kind }) => `${kind} by ${uri}`)
  it('say whether the server answers anybody there: not behind TLS', () => {
    const plain = (url: string): boolean[] => waysOf([{ url, username: 'u', credential: 'c' }]).map((way) => way.plain)
    expect([plain('turns:host.example'), plain('turn:host.example?transport=tcp')]).to.deep.equal([
      [false, false],
      [true, true]
    ])
  })
  it('are connections first, by every transport that the URL allows', () => {
    expect(ways('turn:host.example')).to.deep.equal([
      'tcp by turn:host.example?transport=tcp',
      'udp by turn:host.example',
      'udp by turn:host.example?transport=tcp'
    ])
    expect(ways('turn:host.example?transport=udp')).to.deep.equal(['udp by turn:host.example'])
    expect(ways('turn:host.example:99?transport=tcp')).to.deep.equal([
      'tcp by turn:host.example:99?transport=tcp',
      'udp by turn:host.example:99?transport=tcp'
    ])
    expect(ways('turns:host.example')).to.deep.equal(['tcp by turns:host.example', 'udp by turns:host.example'])
  })
  it('are refused at once for what is no TURN server', () => {
    expect(() => turn({ servers: [{ url: 'stun:host.example', username: 'u', credential: 'c' }] })).to.throw(TypeError)
    expect(() => turn({ servers: [{ url: 'host.example', username: 'u', credential: 'c' }] })).to.throw(/no STUN or TURN URI/)
  })
})
