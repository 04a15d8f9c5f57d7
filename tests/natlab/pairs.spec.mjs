// What the command line is understood as, and what is printed; no lab is made.
import { expect } from 'chai'
import { allPairs, labOptions, parsePairs, parseSide, tableKinds } from './support/pairs.mjs'
import { reasonOf, summarise } from './support/run-pair.mjs'
import { markdownTable, textTable } from './support/table.mjs'

describe('pairs of NAT kinds', () => {
  it('are all combinations, each once', () => {
    const pairs = allPairs()
    expect(pairs.length).to.equal((tableKinds.length * (tableKinds.length + 1)) / 2)
    expect(new Set(pairs.map((pair) => [...pair].sort().join())).size).to.equal(pairs.length)
  })
  it('are read with their modifiers', () => {
    expect(parsePairs('open:firewall, port-restricted+rst:same-nat+isolated')).to.deep.equal([
      ['open', 'firewall'],
      ['port-restricted+rst', 'same-nat+isolated']
    ])
    expect(parseSide('full-cone+icmp+hairpin+no-udp+cgn=symmetric-random', 'a')).to.deep.equal({
      kind: 'full-cone',
      unsolicited: 'icmp',
      hairpin: true,
      blockUdp: true,
      carrier: 'symmetric-random'
    })
    expect(labOptions(['full-cone', 'same-nat'], { latencyMs: 20, ipv6: 'open' })).to.deep.equal({
      a: { kind: 'full-cone' },
      b: { behind: 'a', isolated: false },
      latencyMs: 20,
      ipv6: 'open'
    })
  })
  for (const wrong of [
    'open',
    'open:cone',
    'open:open:open',
    'same-nat:open',
    'open:open+loud',
    'open:same-nat+rst',
    'open+cgn=cone:open'
  ]) {
    it(`refuses ${wrong}`, () => {
      expect(() => parsePairs(wrong)).to.throw(Error)
    })
  }
})

describe('the result of a pair', () => {
  const won = (strategy, ms) => ({ connected: true, strategy, ms })
  const lost = (hint) => ({
    connected: false,
    message: 'Cannot connect',
    report: {
      attempts: [
        { strategy: 'direct', state: 'failed', message: 'nobody answers' },
        { strategy: 'turn', state: 'skipped', message: 'none is configured', hint }
      ]
    }
  })

  it('counts strategies and takes the median of those that connected', () => {
    const row = summarise([won('direct', 10), won('turn', 30.4), won('direct', 20), lost()])
    expect(row).to.deep.equal({
      runs: 4,
      connected: 3,
      strategies: { direct: 2, turn: 1 },
      strategyMs: { direct: 10, turn: 30 },
      medianMs: 20,
      worstMs: 30,
      reason: 'direct: nobody answers; turn: none is configured'
    })
  })
  it('has no reason when all connected, and no time when none did', () => {
    expect(summarise([won('direct', 1)]).reason).to.equal(null)
    const none = summarise([lost('a'), lost('b'), lost('b')])
    expect(none).to.include({ connected: 0, medianMs: null, worstMs: null })
    expect(none.reason).to.equal('direct: nobody answers; turn: b')
    expect(reasonOf({ message: 'gone' })).to.equal('gone')
  })
  it('is a line of text and a cell of Markdown, bold where it did not always connect', () => {
    const pairs = [
      { a: 'open', b: 'open', ...summarise([won('direct', 10), won('direct', 12)]) },
      { a: 'open', b: 'firewall', ...summarise([won('tcp-hole-punch', 300), lost()]) },
      { a: 'firewall', b: 'firewall', ...summarise([lost()]) }
    ]
    const lines = textTable(pairs).split('\n')
    expect(lines.map((line) => line.split(/ {2,}/).filter((cell) => cell !== ''))).to.deep.equal([
      ['a', 'b', 'connected', 'by', 'median', 'worst'],
      ['open', 'open', '2/2', 'direct', '10 ms', '12 ms'],
      ['open', 'firewall', '1/2', 'tcp-hole-punch', '300 ms', '300 ms'],
      ['direct: nobody answers; turn: none is configured'],
      ['firewall', 'firewall', '0/1', '-', '-', '-'],
      ['direct: nobody answers; turn: none is configured']
    ])
    expect(markdownTable(pairs)).to.equal(
      ['| | open | firewall |', '|---|---|---|', '| open | direct 10 ms | **punch 300 ms 1/2** |', '| firewall |  | **0/1** |'].join('\n')
    )
  })
})
