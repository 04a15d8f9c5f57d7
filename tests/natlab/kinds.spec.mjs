// The lab itself: does each router do what its kind says, seen with plain sockets from inside?
import { expect } from 'chai'
import { createNatLab, natKinds } from '@kithmesh/testkit/natlab'
import { behaviour, dial, expectedOf, observe, startEchoAddress, talk } from './support/observation.mjs'

const labs = []
async function make(options) {
  const lab = await createNatLab(options)
  labs.push(lab)
  await startEchoAddress(lab)
  return lab
}
const disposeAll = () => Promise.all(labs.splice(0).map((lab) => lab.dispose()))

describe('kinds of NAT', () => {
  let lab
  before(async () => {
    lab = await createNatLab({ a: 'open', b: 'open' })
    await startEchoAddress(lab)
  })
  after(() => lab?.dispose())

  for (const kind of natKinds) {
    it(`${kind} does what it is called for, for UDP and TCP`, async () => {
      const other = kind === 'open' ? 'full-cone' : 'open'
      await Promise.all([lab.setNat('a', kind), lab.setNat('b', other)])
      const seen = await observe(lab, 'a')
      expect(behaviour(seen.udp)).to.deep.equal(expectedOf[kind])
      expect(behaviour(seen.tcp)).to.deep.equal(expectedOf[kind])
    })
  }

  it('no two kinds look alike', () => {
    const looks = Object.values(expectedOf).map((expected) => JSON.stringify(expected))
    expect(Object.keys(expectedOf).sort()).to.deep.equal([...natKinds].sort())
    expect(new Set(looks).size).to.equal(natKinds.length)
  })
  it('each side has its own kind, and the address that belongs to it', async () => {
    await Promise.all([lab.setNat('a', 'symmetric-random'), lab.setNat('b', 'open')])
    const [a, b] = await Promise.all([observe(lab, 'a'), observe(lab, 'b')])
    expect(a.udp.mapping).to.equal('address-and-port-dependent')
    expect(b.udp.mapping).to.equal('none')
    expect(lab.addresses('a')).to.deep.equal({ ipv4: '10.1.0.2', publicIpv4: '203.0.113.21', ipv6: undefined })
    expect(lab.addresses('b')).to.deep.equal({ ipv4: '198.51.100.130', publicIpv4: '198.51.100.130', ipv6: undefined })
  })
})

describe('the observation of NATs notices a router that does not do its part', () => {
  afterEach(disposeAll)
  // Each entry breaks one rule of a router; what is observed then must no longer be what the kind promises.
  const mutants = [
    ['firewall', ['delete', 'table', 'ip', 'filter'], { filtering: 'endpoint-independent' }],
    ['full-cone', ['flush', 'chain', 'ip', 'nat', 'prerouting'], { filtering: 'address-and-port-dependent' }],
    ['address-restricted', ['flush', 'chain', 'ip', 'nat', 'prerouting'], { filtering: 'address-and-port-dependent' }],
    ['port-preserving', ['flush', 'map', 'ip', 'nat', 'ports'], { allocation: 'equal' }],
    ['eim-random', ['flush', 'map', 'ip', 'nat', 'ports'], { allocation: 'equal' }],
    ['symmetric-sequential', ['flush', 'map', 'ip', 'nat', 'next'], { mapping: 'endpoint-independent', allocation: 'equal' }]
  ]
  for (const [kind, command, expected] of mutants) {
    it(`${kind} after nft ${command.join(' ')}`, async () => {
      const lab = await make({ a: kind, b: 'open' })
      await lab.exec('nat-a', 'nft', command)
      const seen = await observe(lab, 'a')
      for (const protocol of ['udp', 'tcp']) {
        expect(behaviour(seen[protocol])).to.not.deep.equal(expectedOf[kind])
        expect(seen[protocol]).to.include(expected)
      }
    })
  }
})

describe('packets that nobody asked for', () => {
  afterEach(disposeAll)
  const refusals = {
    drop: { tcp: 'nothing' },
    rst: { tcp: 'ECONNREFUSED' },
    icmp: { tcp: 'ECONNREFUSED' },
    accept: { tcp: 'ECONNREFUSED' }
  }
  for (const [unsolicited, { tcp }] of Object.entries(refusals)) {
    it(`unsolicited: ${unsolicited}`, async () => {
      const lab = await make({ a: { kind: 'port-restricted', unsolicited }, b: 'open' })
      expect((await dial(lab, 'b', '203.0.113.21', 5000, { expected: tcp !== 'nothing' })).outcome).to.equal(tcp)
      const seen = await observe(lab, 'a')
      expect(behaviour(seen.tcp)).to.deep.equal(expectedOf['port-restricted'])
      // A router that accepts keeps the uninvited flow, and the mapping to that server has to move out of its way.
      const mapping = unsolicited === 'accept' ? 'address-and-port-dependent' : 'endpoint-independent'
      expect(behaviour(seen.udp)).to.deep.equal({ ...expectedOf['port-restricted'], mapping })
      const counters = await lab.exec('b', 'cat', ['/proc/net/snmp'])
      const row = (protocol) => counters.split('\n').filter((line) => line.startsWith(`${protocol}:`))
      const counter = (protocol, name) => {
        const [names, values] = row(protocol).map((line) => line.split(' '))
        return Number(values[names.indexOf(name)])
      }
      // A reset and an ICMP message look the same to a program; the kernel has counted what came.
      expect(counter('Icmp', 'InDestUnreachs') > 0).to.equal(unsolicited === 'icmp')
    })
    if (unsolicited !== 'accept')
      it(`unsolicited: ${unsolicited}, of a firewall`, async () => {
        const lab = await make({ a: { kind: 'firewall', unsolicited }, b: 'open' })
        const { outcome } = await dial(lab, 'b', lab.addresses('a').ipv4, 5000, { expected: tcp !== 'nothing' })
        expect(outcome).to.equal(tcp)
      })
  }
})

describe('arrangements of routers', () => {
  afterEach(disposeAll)

  const nothing = ['nothing', 'nothing']
  const turnedRound = ['203.0.113.21 20002', '203.0.113.21 20001']
  /** What the two hosts behind one router hear when the first calls the second at an address: who expects nothing waits less for it. */
  const meet = async (lab, address, expected) => {
    const ms = expected ? 20_000 : 1500
    const [first, second] = await Promise.all([
      talk(lab, 'a', 'call', '10.1.0.2', 20_001, address, 20_002, ms),
      talk(lab, 'b', 'answer', '10.1.0.3', 20_002, ms)
    ])
    return [first.outcome, second.outcome]
  }

  it('two NATs in a row do together what the stricter one does', async () => {
    const lab = await make({ a: { kind: 'full-cone', carrier: 'symmetric-random' }, b: { kind: 'symmetric-random', carrier: 'full-cone' } })
    for (const peer of ['a', 'b']) {
      const { udp, tcp } = await observe(lab, peer)
      expect(behaviour(udp)).to.deep.equal(expectedOf['symmetric-random'])
      expect(behaviour(tcp)).to.deep.equal(expectedOf['symmetric-random'])
    }
    const seen = await talk(lab, 'a', 'seen', '203.0.113.10', '10.1.0.2', 20_000)
    expect(seen.address).to.equal('203.0.113.21')
    expect(await lab.exec('carrier-a', 'conntrack', ['-L', '-p', 'udp'])).to.match(/src=100\.64\.1\.2 /)
  })
  it('two peers behind one NAT reach each other inside, and outside with hairpin only', async () => {
    for (const hairpin of [false, true]) {
      for (const isolated of [false, true]) {
        const lab = await make({ a: { kind: 'port-restricted', hairpin }, b: { behind: 'a', isolated } })
        const [a, b] = ['a', 'b'].map((peer) => lab.addresses(peer).ipv4)
        expect([a, b]).to.deep.equal(['10.1.0.2', '10.1.0.3'])
        expect(await meet(lab, b, !isolated)).to.deep.equal(isolated ? nothing : [`${b} 20002`, `${a} 20001`])
        await lab.flush()
        expect(await meet(lab, '203.0.113.21', hairpin)).to.deep.equal(hairpin ? turnedRound : nothing)
        await lab.dispose()
      }
    }
  })
  for (const kind of ['full-cone', 'address-restricted']) {
    it(`hairpin works with ${kind}`, async () => {
      const lab = await make({ a: { kind, hairpin: true }, b: { behind: 'a', isolated: true } })
      expect(await meet(lab, '203.0.113.21', true)).to.deep.equal(turnedRound)
    })
  }
  for (const ipv6 of ['open', 'firewall']) {
    it(`IPv6, ${ipv6}, beside a NAT for IPv4`, async () => {
      const lab = await make({ a: 'symmetric-random', b: { kind: 'port-restricted', carrier: 'port-restricted' }, ipv6 })
      await startEchoAddress(lab, lab.servers.ipv6)
      for (const peer of ['a', 'b']) {
        const { udp, tcp } = await observe(lab, peer, { own: lab.addresses(peer).ipv6, servers: lab.servers.ipv6 })
        expect(behaviour(udp)).to.deep.equal(expectedOf[ipv6])
        expect(behaviour(tcp)).to.deep.equal(expectedOf[ipv6])
      }
      const { udp } = await observe(lab, 'a')
      expect(behaviour(udp)).to.deep.equal(expectedOf['symmetric-random'])
      const { outcome } = await dial(lab, 'a', lab.addresses('b').ipv6, 5000, { expected: ipv6 === 'open' })
      expect(outcome).to.equal(ipv6 === 'open' ? 'ECONNREFUSED' : 'nothing')
    })
  }
})

describe('lines', () => {
  afterEach(disposeAll)

  it('UDP is blocked and let through again, TCP stays', async () => {
    const lab = await make({ a: { kind: 'port-restricted', blockUdp: true }, b: 'firewall' })
    const blocked = await observe(lab, 'a')
    expect(blocked.udp).to.deep.equal({ mapping: 'blocked' })
    expect(behaviour(blocked.tcp)).to.deep.equal(expectedOf['port-restricted'])
    await lab.blockUdp('a', false)
    expect(behaviour((await observe(lab, 'a')).udp)).to.deep.equal(expectedOf['port-restricted'])
    await lab.blockUdp('b')
    expect((await observe(lab, 'b')).udp).to.deep.equal({ mapping: 'blocked' })
  })
  it('packets take the time that was asked for, and kinds stay what they are', async () => {
    const lab = await make({ a: 'port-restricted', b: 'open', latencyMs: 20 })
    expect(lab.slowing).to.be.oneOf(['netem', 'user-space'])
    const { answers, quickestMs } = await talk(lab, 'a', 'count', '203.0.113.10', '10.1.0.2', 20)
    expect(answers).to.equal(20)
    expect(quickestMs).to.be.at.least(40)
    const toB = await dial(lab, 'a', lab.addresses('b').ipv4, 5000)
    expect(toB.outcome).to.equal('ECONNREFUSED')
    expect(toB.ms).to.be.at.least(80)
    expect(behaviour((await observe(lab, 'a')).tcp)).to.deep.equal(expectedOf['port-restricted'])
  })
  it('packets get lost as often as was asked for', async () => {
    const lab = await make({ a: 'open', b: 'open', lossPercent: 30 })
    const { answers } = await talk(lab, 'a', 'count', '203.0.113.10', lab.addresses('a').ipv4, 600)
    // 49 % of the round trips are whole; six standard deviations around it.
    expect(answers).to.be.within(220, 368)
  })
  it('a pulled cable cuts a peer off, and plugged in it is as before', async () => {
    const lab = await make({ a: 'port-restricted', b: 'open' })
    await lab.setLink('a', false)
    expect((await dial(lab, 'a', '203.0.113.10', 7001, { expected: false })).outcome).to.not.equal('connected')
    await lab.setLink('a', true)
    expect((await dial(lab, 'a', '203.0.113.10', 7001)).outcome).to.equal('connected')
  })
  it('flush forgets flows but those to the ports that are to be kept', async () => {
    const lab = await make({ a: 'symmetric-random', b: 'open' })
    const [kept, forgotten] = await Promise.all([7001, 7002].map((port) => dial(lab, 'a', '203.0.113.10', port)))
    expect([kept.outcome, forgotten.outcome]).to.deep.equal(['connected', 'connected'])
    const before = await lab.flows('a')
    expect(before)
      .to.match(/dport=7001/)
      .and.match(/dport=7002/)
    await lab.flush({ keepTcpPorts: [7001] })
    expect(await lab.flows('a'))
      .to.match(/dport=7001/)
      .and.not.match(/dport=7002/)
    await lab.flush()
    expect(await lab.flows('a')).to.not.match(/dport=/)
  })
})
