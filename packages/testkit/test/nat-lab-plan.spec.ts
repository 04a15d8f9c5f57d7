import { expect } from 'chai'
import { leftOvers } from '../dist/natlab/namespaces.js'
import { dynamicSets, nftRuleset } from '../dist/natlab/nft-rules.js'
import { labPlan, natKinds, routerPlan } from '../dist/natlab/options.js'
import type { NatLabOptions } from '../dist/natlab/options.js'
import { refusal } from '../dist/natlab/prerequisites.js'
import { labCables, labHosts, setUpScript } from '../dist/natlab/topology.js'

// What a lab is made of, without making one: tests/natlab has real ones.
const place = { wanAddress: '203.0.113.21', lan: '10.1.0.0/24', ipv6Firewall: false, seed: 1 }

/** The pairs of a map of ports in a ruleset. */
function portPairs(ruleset: string): number[][] {
  return [...ruleset.matchAll(/^.*?(\d+) : (\d+)/gm)].map(([, from, to]) => [Number(from), Number(to)])
}

describe('NAT lab options', () => {
  it('fills in defaults', () => {
    const plan = labPlan({ a: 'open', b: { kind: 'full-cone', hairpin: true, carrier: 'port-restricted' } })
    expect(plan.a).to.deep.equal({ router: { kind: 'open', unsolicited: 'drop', hairpin: false, blockUdp: false }, carrier: undefined })
    expect(plan.b?.router).to.include({ kind: 'full-cone', hairpin: true })
    expect(plan.b?.carrier).to.include({ kind: 'port-restricted', hairpin: false })
    expect(plan).to.include({ isolated: false, latencyMs: 0, lossPercent: 0, ipv6: 'off' })
  })
  const senseless: Record<string, unknown> = {
    'an unknown kind': { a: 'cone', b: 'open' },
    'an unknown policy': { a: { kind: 'open', unsolicited: 'shout' }, b: 'open' },
    'hairpin where ports change': { a: { kind: 'symmetric-random', hairpin: true }, b: 'open' },
    'a carrier before a public address': { a: { kind: 'open', carrier: 'full-cone' }, b: 'open' },
    'a carrier without NAT': { a: { kind: 'full-cone', carrier: 'firewall' }, b: 'open' },
    'two peers behind a router without NAT': { a: 'firewall', b: { behind: 'a' } },
    'a firewall that accepts': { a: { kind: 'firewall', unsolicited: 'accept' }, b: 'open' },
    'b behind itself': { a: 'full-cone', b: { behind: 'b' } },
    'negative latency': { a: 'open', b: 'open', latencyMs: -1 },
    'latency that is no number': { a: 'open', b: 'open', latencyMs: Number.NaN },
    'too much loss': { a: 'open', b: 'open', lossPercent: 101 },
    'IPv6 with NAT': { a: 'open', b: 'open', ipv6: 'nat' }
  }
  for (const [what, options] of Object.entries(senseless)) {
    it(`refuses ${what}`, () => {
      expect(() => labPlan(options as NatLabOptions)).to.throw(TypeError)
    })
  }
  it('needs root and Linux', () => {
    expect(refusal({ platform: 'linux', uid: 0 })).to.equal(undefined)
    expect(refusal({ platform: 'linux', uid: 1000 })).to.match(/root/)
    expect(refusal({ platform: 'darwin', uid: 0 })).to.match(/Linux/)
    expect(refusal({ platform: 'win32', uid: undefined })).to.match(/Linux/)
  })
})

describe('NAT lab rules', () => {
  it('each kind has rules of its own, that begin by removing what was there', () => {
    const rulesets = natKinds.map((kind) => nftRuleset(routerPlan(kind), place))
    expect(new Set(rulesets).size).to.equal(natKinds.length)
    for (const ruleset of rulesets) expect(ruleset).to.match(/^flush ruleset/)
  })
  it('an open router has none', () => {
    expect(nftRuleset(routerPlan('open'), place)).to.equal('flush ruleset')
  })
  for (const kind of ['eim-random', 'port-preserving', 'dependent'] as const) {
    it(`${kind} gives each local port one external port, and none twice`, () => {
      const pairs = portPairs(nftRuleset(routerPlan(kind), place))
      expect(pairs.length).to.equal(65_536 - 1024)
      expect(pairs[0]?.[0]).to.equal(1024)
      expect(new Set(pairs.map(([from]) => from)).size).to.equal(pairs.length)
      // The multiples of 3 meet once, at the last port of all.
      expect(new Set(pairs.map(([, to]) => to)).size).to.be.at.least(pairs.length - 1)
      for (const [, to] of pairs) expect(to).to.be.within(1024, 65_535)
    })
  }
  it('random ports are the same each time, and others on another router', () => {
    const of = (seed: number): string => nftRuleset(routerPlan('eim-random'), { ...place, seed })
    expect(of(1)).to.equal(of(1))
    expect(of(1)).to.not.equal(of(2))
  })
  it('packets write only into sets that the rules declare', () => {
    for (const kind of natKinds) {
      for (const hairpin of ['full-cone', 'address-restricted', 'port-restricted'].includes(kind) ? [false, true] : [false]) {
        const router = routerPlan({ kind, hairpin })
        const ruleset = nftRuleset(router, place)
        const written = new Set([...ruleset.matchAll(/update @(\w+)/g)].map(([, name]) => name))
        expect([...written].sort()).to.deep.equal(
          dynamicSets(router)
            .map((set) => set.split(' ').at(-1))
            .sort()
        )
        for (const name of written) expect(ruleset).to.match(new RegExp(`(map|set) ${name} {`))
      }
    }
  })
})

describe('NAT lab topology', () => {
  it('has the routers that were asked for', () => {
    const hosts = (options: NatLabOptions): readonly string[] => [...labHosts(labPlan(options))].sort()
    expect(hosts({ a: 'open', b: 'open' })).to.deep.equal(['a', 'b', 'nat-a', 'nat-b', 'pub', 'srv'])
    expect(hosts({ a: 'full-cone', b: { behind: 'a' } })).to.deep.equal(['a', 'b', 'nat-a', 'pub', 'srv'])
    expect(hosts({ a: { kind: 'full-cone', carrier: 'full-cone' }, b: 'open' }))
      .to.include('carrier-a')
      .and.not.include('carrier-b')
  })
  it('no interface is plugged in twice, and every one is between hosts of the lab', () => {
    const all: NatLabOptions[] = [
      { a: 'open', b: 'firewall' },
      { a: 'full-cone', b: { behind: 'a' } },
      { a: { kind: 'full-cone', carrier: 'full-cone' }, b: { kind: 'full-cone', carrier: 'full-cone' } }
    ]
    for (const options of all) {
      for (const slowing of ['none', 'netem', 'user-space'] as const) {
        const plan = labPlan(options)
        const plugs = labCables(plan, slowing).flatMap(({ ends }) => ends)
        expect(new Set(plugs.map(({ host, name }) => `${host} ${name}`)).size).to.equal(plugs.length)
        expect(labHosts(plan)).to.include.members(plugs.map(({ host }) => host))
        for (const { host, name } of plugs) {
          if (name !== 'lo') expect(setUpScript(plan, host, slowing)).to.match(new RegExp(`\\b${name} up`))
        }
      }
    }
  })
})

describe('left-overs of NAT labs', () => {
  const running = (pid: number): string | undefined => ({ 10: '500', 11: '600' })[pid]

  it('are those of processes that are gone, or whose id is another process now', () => {
    const names = ['kml-10-500-abc-a', 'kml-10-499-abc-a', 'kml-12-500-abc-nat-a', 'kml-11-600-x1-pub']
    expect(leftOvers(names, running)).to.deep.equal(['kml-10-499-abc-a', 'kml-12-500-abc-nat-a'])
  })
  it('nothing else is taken for one', () => {
    const names = [
      '',
      'default',
      'kml',
      'kml-12',
      'kml-12-500',
      'xkml-12-500-abc-a',
      'kml-12-500-abc-a-../../x',
      'kml-x-500-abc-a',
      'docker-12-500-abc-a'
    ]
    expect(leftOvers(names, running)).to.deep.equal([])
  })
})
