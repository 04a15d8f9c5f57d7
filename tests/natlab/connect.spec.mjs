// Peers behind routers of every kind find each other through the broker, connect by the best route there is, and move data both ways intact.
// All pairs of kinds, many times: npm run natlab.
import { expect } from 'chai'
import { PairLab } from './support/run-pair.mjs'

const MB10 = 10_000_000
/** What discovery.connect promises, and some time for starting and TLS. */
const BOUND_MS = 22_000

const labs = []
async function make(pair, options) {
  const lab = await PairLab.create(pair, options)
  labs.push(lab)
  return lab
}
afterEach(() => Promise.all(labs.splice(0).map((lab) => lab.dispose())))

/** From each side: which strategies may win, the first one with a payload. */
async function connectsBothWays(lab, { fromA, fromB = fromA }) {
  for (const [from, strategies] of [
    ['a', fromA],
    ['b', fromB]
  ]) {
    const result = await lab.connect(from, { bytes: MB10 })
    expect(result.connected, `${result.message}\n${result.report?.text}`).to.equal(true)
    expect(result.strategy, result.report.text).to.be.oneOf(strategies)
    expect(result.transfer.bytes).to.equal(MB10)
  }
}

const withoutRelay = ['direct', 'reverse', 'tcp-hole-punch']
/** Without the relay, which on a busy machine may be there before the hole is. */
const punch = { fromA: ['tcp-hole-punch'], strategies: withoutRelay }

const optionsOf = ({ fromA: _, fromB: __, ...options }) => options

describe('peers behind routers of each kind, 10 MB each way', () => {
  const cases = [
    [['open', 'open'], { fromA: ['direct'] }],
    [['firewall', 'open'], { fromA: ['direct'], fromB: ['reverse', 'tcp-hole-punch'], strategies: withoutRelay }],
    [['port-restricted', 'open'], { fromA: ['direct'], fromB: ['reverse', 'tcp-hole-punch'], strategies: withoutRelay }],
    [['firewall', 'firewall'], punch],
    [['port-restricted', 'port-restricted'], punch],
    [['address-restricted', 'symmetric-random'], punch],
    [['symmetric-sequential', 'port-preserving'], punch],
    [['eim-random', 'dependent'], punch],
    [['symmetric-random', 'port-restricted'], { fromA: ['turn'] }],
    [['symmetric-random', 'symmetric-random'], { fromA: ['turn'] }]
  ]
  for (const [pair, expected] of cases) {
    it(pair.join(' and '), async () => {
      await connectsBothWays(await make(pair, optionsOf(expected)), expected)
    })
  }
})

describe('routers that answer, rows of routers, and one router for both', () => {
  const cases = [
    // Their packets have to cross before either reaches the other router: on cables without any latency that is luck, and on one processor impossible.
    ['resets for unsolicited packets', ['port-restricted+rst', 'port-restricted+rst'], { ...punch, latencyMs: 20 }],
    ['ICMP for unsolicited packets', ['port-restricted+icmp', 'port-restricted+icmp'], { fromA: ['tcp-hole-punch', 'turn'] }],
    ['two NATs in a row on each side', ['port-restricted+cgn=port-restricted', 'full-cone+cgn=port-restricted'], punch],
    ['one network', ['port-restricted', 'same-nat'], { fromA: ['direct'] }],
    [
      'one router with hairpin that keeps its hosts apart',
      ['port-restricted+hairpin', 'same-nat+isolated'],
      { fromA: ['tcp-hole-punch', 'turn'] }
    ],
    ['one router without hairpin that keeps its hosts apart', ['port-restricted', 'same-nat+isolated'], { fromA: ['turn'] }],
    ['UDP blocked', ['port-restricted+no-udp', 'symmetric-random+no-udp'], { fromA: ['turn'] }]
  ]
  for (const [title, pair, expected] of cases) {
    it(`${title}: ${pair.join(' and ')}`, async () => {
      await connectsBothWays(await make(pair, optionsOf(expected)), expected)
    })
  }
  it('IPv6 behind stateful firewalls, where IPv4 can be relayed only', async () => {
    const lab = await make(['symmetric-random', 'symmetric-random'], { ipv6: 'firewall' })
    await connectsBothWays(lab, { fromA: ['tcp-hole-punch', 'turn'] })
  })
  it('open IPv6, where IPv4 can be relayed only', async () => {
    const lab = await make(['symmetric-random', 'symmetric-random'], { ipv6: 'open' })
    // Both dial one another's IPv6 address; which of the two is faster does not matter.
    await connectsBothWays(lab, { fromA: ['direct', 'reverse'] })
  })
  it('lines with 20 ms of latency', async () => {
    const lab = await make(['port-restricted', 'symmetric-sequential'], optionsOf({ ...punch, latencyMs: 20 }))
    await connectsBothWays(lab, punch)
  })
  it('lines that lose 2 % of the packets', async () => {
    const lab = await make(['port-restricted', 'port-restricted'], { lossPercent: 2 })
    for (const from of ['a', 'b']) {
      const { connected, message, report } = await lab.connect(from)
      expect(connected, `${message}\n${report?.text}`).to.equal(true)
    }
  })
})

describe('a relay without TCP allocations', () => {
  it('carries 10 MB each way over UDP allocations', async () => {
    const lab = await make(['symmetric-random', 'symmetric-random'], { tcpAllocations: false })
    await connectsBothWays(lab, { fromA: ['turn'] })
  })
})

describe('peers that cannot be connected', () => {
  it('are told that only a relay could, soon', async () => {
    const lab = await make(['symmetric-random', 'port-restricted'], { strategies: withoutRelay, connectMs: 6000 })
    for (const from of ['a', 'b']) {
      const began = performance.now()
      const { connected, code, report } = await lab.connect(from)
      expect(connected).to.equal(false)
      expect(code).to.be.oneOf(['ERR_ROUTE_FAILED', 'ERR_ROUTE_NONE'])
      expect(report.text).to.match(/only a relay can work/)
      expect(performance.now() - began).to.be.below(BOUND_MS)
      for (const { strategy, state, message } of report.attempts) {
        expect(state, strategy).to.be.oneOf(['failed', 'skipped'])
        expect(message, strategy).to.be.a('string').and.not.equal('')
      }
    }
  })
})
