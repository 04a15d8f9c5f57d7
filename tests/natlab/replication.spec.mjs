// An inventory is kept in sync over every strategy, through the routers that call for it.
import { expect } from 'chai'
import { eventually } from '@kithmesh/testkit'
import { PairLab } from './support/run-pair.mjs'

const DOCUMENTS = 100
const cases = [
  [['open', 'open'], 'direct', {}],
  [['firewall', 'open'], 'reverse', { strategies: ['direct', 'reverse'] }],
  [['port-restricted', 'port-restricted'], 'tcp-hole-punch', { strategies: ['direct', 'reverse', 'tcp-hole-punch'] }],
  [['symmetric-random', 'symmetric-random'], 'turn', {}],
  [['symmetric-random', 'port-restricted'], 'turn', { tcpAllocations: false }]
]

describe('an inventory', () => {
  let lab
  afterEach(() => lab?.dispose())

  for (const [pair, strategy, options] of cases) {
    it(`converges over ${strategy}, between ${pair.join(' and ')}${options.tcpAllocations === false ? ', by UDP allocations' : ''}`, async () => {
      lab = await PairLab.create(pair, { ...options, peer: { program: 'sync-peer.mjs', documents: DOCUMENTS } })
      const states = () => Promise.all([lab.a.call('state'), lab.b.call('state')])
      const equal = async (documents) => {
        const [a, b] = await states()
        return a.documents === documents && b.documents === documents && a.digest === b.digest && a
      }
      const { blobs } = await eventually('both to have all', () => equal(2 * DOCUMENTS), { withinMs: 60_000, everyMs: 100 })
      expect(blobs).to.equal((2 * DOCUMENTS) / 10)
      await Promise.all([
        lab.a.call('put', { key: 'a-0', body: { name: 'changed by a' } }),
        lab.b.call('put', { key: 'new', body: { name: 'new at b' } })
      ])
      await eventually('the changes to arrive', () => equal(2 * DOCUMENTS + 1), { everyMs: 50 })
      const links = (await Promise.all([lab.a.call('links'), lab.b.call('links')])).flat()
      const dialled = links.filter(({ direction }) => direction === 'outgoing').map(({ route }) => route?.split(' ')[0])
      // Which side dials is for the two peer ids to decide, and what can be dialled directly is.
      const acceptable = strategy === 'reverse' ? ['reverse', 'direct'] : [strategy]
      expect(dialled.length, JSON.stringify(links)).to.be.above(0)
      for (const each of dialled) expect(acceptable).to.include(each)
    })
  }
})
