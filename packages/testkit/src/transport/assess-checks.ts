import assert from 'node:assert/strict'
import { TRANSPORT_CONTRACT_VERSION } from '@kithmesh/core'
import type { Assessment, NetworkRoute, ResolvedUrl, TransportFactory } from '@kithmesh/core'
import type { DeclaringRunner } from '../runner.ts'
import { unknownNetwork } from '../unknown-network.ts'
import { type TransportBench, connectTarget } from './bench.ts'
import { leftOver, openHandles } from '../open-handles.ts'

/** What may come as a URL from a stranger's announcement. */
const urls = [
  '',
  'nonsense',
  '://',
  'ws://',
  'ws://[::1',
  'ws://host:99999999/',
  'ws://user:password@host:1/db',
  'ws://h\u0000st:1/',
  'ws://%zz:1/',
  `ws://${'x'.repeat(100_000)}:1/`,
  'javascript:alert(1)',
  'file:///etc/passwd',
  '\u202Ews://host:1/'
]

const addresses = [
  '',
  '999.1.1.1',
  '1.2.3',
  '::1%',
  ':::',
  'fe80::1%no such interface',
  '; rm -rf',
  '\u0000',
  'x'.repeat(100_000),
  '0.0.0.0'
]

const route = (changes: Partial<NetworkRoute>): NetworkRoute => ({ ...(unknownNetwork().routes[0] as NetworkRoute), ...changes })

const networks: readonly NonNullable<ResolvedUrl['network']>[] = [
  { routes: [], port: 0 },
  { routes: [], port: 70_000 },
  { routes: Array.from({ length: 1000 }, () => route({})), port: 1 },
  { routes: [route({ localAddress: '', externalAddress: '' })], port: -1 },
  { routes: [route({ localAddress: 'nonsense', externalAddress: 'x'.repeat(1000), interfaceIndex: 99 })], port: 1 },
  { routes: [route({ family: 6, localAddress: '127.0.0.1', externalAddress: '::1' })], port: 1 }
]

/** What is known before anything is tried. */
export function factoryChecks(bench: () => TransportBench, { describe, it }: DeclaringRunner, factory: TransportFactory): void {
  const { capabilities } = factory
  describe('factory', () => {
    it('has a name, the contract version and frozen capabilities, and its strategies echo them', () => {
      assert.match(factory.name, /\S/, 'the factory has no name')
      assert.equal(
        factory.contractVersion,
        TRANSPORT_CONTRACT_VERSION,
        `contractVersion is ${factory.contractVersion}: set it to TRANSPORT_CONTRACT_VERSION of @kithmesh/core/plugin`
      )
      assert.ok(Object.isFrozen(capabilities), 'capabilities are not frozen: make the factory with defineTransport')
      assert.equal(typeof capabilities.relayed, 'boolean', 'the capability relayed is neither true nor false')
      const strategy = bench().strategy('a')
      assert.equal(strategy.name, factory.name, 'the strategy has another name than its factory')
      assert.deepEqual({ ...strategy.capabilities }, { ...capabilities }, 'the strategy declares other capabilities than its factory')
      assert.equal(
        strategy.listen !== undefined,
        capabilities.listens,
        'a strategy has listen() exactly when its capability listens is true'
      )
    })
    it('is the same on every machine', () => {
      for (const host of ['a', 'b']) {
        const other = bench().fixture.factoryFor(host)
        assert.equal(other.name, factory.name, 'factoryFor of the fixture makes factories of another name than harness.factory')
        assert.equal(other.contractVersion, factory.contractVersion)
        assert.deepEqual({ ...other.capabilities }, { ...capabilities })
      }
    })
    it('makes strategies that open nothing by themselves', async () => {
      const before = await openHandles()
      bench().strategy('a')
      bench().strategy('b')
      assert.equal(await leftOver(before), undefined, `create() or assess() opened something: ${await leftOver(before)}`)
    })
    it('makes a new strategy each time', () => {
      const first = bench().strategy('a')
      bench().forget('a')
      assert.notEqual(bench().strategy('a'), first, 'create() returned the same strategy twice')
    })
  })
}

/** `assess` is pure and quick: facts in, a verdict out, whatever the facts. */
export function assessChecks(bench: () => TransportBench, { describe, it }: DeclaringRunner): void {
  describe('assess', () => {
    it('finds a listener usable, with a rank', async () => {
      const { resolved } = await bench().listen('b')
      const assessment = bench().strategy('a').assess(connectTarget(resolved))
      assert.ok(assessment.usable, `it is not usable: ${assessment.usable ? '' : assessment.reason}`)
      assert.ok(assessment.rank >= 0, `the rank is ${assessment.rank}`)
    })
    it('finds a device usable that does not answer: that shows in the attempt', () => {
      bench().strategy('b')
      const assessment = bench().strategy('a').assess(connectTarget(bench().fixture.unreachable()))
      assert.ok(assessment.usable, `what unreachable() of the fixture returns is refused: ${assessment.usable ? '' : assessment.reason}`)
    })
    it('says why it cannot use another kind of address', () => {
      const assessment = bench().strategy('a').assess(connectTarget(bench().fixture.unusable()))
      assert.ok(!assessment.usable, 'what unusable() of the fixture returns is usable')
      assert.match(assessment.reason, /\S/, 'there is no reason')
    })
    it('gives its reason in one line that people can read', () => {
      const assessment = bench().strategy('a').assess(connectTarget(bench().fixture.unusable()))
      assert.ok(!assessment.usable, 'what unusable() of the fixture returns is usable')
      assert.ok(assessment.reason.length <= 300, 'the reason has more than 300 characters')
      assert.doesNotMatch(
        assessment.reason,
        /[\p{Cc}]|\[object |undefined/u,
        `the reason is not for people: ${JSON.stringify(assessment.reason)}`
      )
    })
    it('answers at once, not by a promise', () => {
      for (const resolved of [bench().fixture.unusable(), bench().fixture.unreachable()])
        sound(bench().strategy('a').assess(connectTarget(resolved)))
    })
    it('gives the same answer again, leaves the target as it was and connects nowhere', async () => {
      const { resolved } = await bench().listen('b')
      const frozen = Object.freeze({ ...resolved, addresses: Object.freeze([...resolved.addresses]) })
      const target = Object.freeze(connectTarget(frozen))
      const first = bench().strategy('a').assess(target)
      for (let round = 0; round < 5; round++)
        assert.deepEqual(bench().strategy('a').assess(target), first, 'assess gave another answer for the same target')
      await bench().settles(bench().attempt('a', resolved), 'attempt')
      await bench().eventually('the attempt to be accepted', () => bench().accepted.length > 0)
      assert.equal(bench().accepted.length, 1, 'assess opened streams: it only computes')
    })
    it('gives the same answer after attempts, good and bad', async () => {
      const { resolved } = await bench().listen('b')
      const target = connectTarget(resolved)
      const first = bench().strategy('a').assess(target)
      await bench().rejection(bench().attemptNobody('a'), 'attempt')
      assert.deepEqual(bench().strategy('a').assess(target), first, 'assess gave another answer for the same target')
      await bench().settles(bench().attempt('a', resolved), 'attempt')
      assert.deepEqual(bench().strategy('a').assess(target), first, 'assess gave another answer for the same target')
    })
    it('opens nothing', async () => {
      const { resolved } = await bench().listen('b')
      const strategy = bench().strategy('a')
      const before = await openHandles()
      for (const facts of [resolved, bench().fixture.unusable(), bench().fixture.unreachable()])
        for (let round = 0; round < 20; round++) strategy.assess(connectTarget(facts))
      assert.equal(await leftOver(before), undefined, `create() or assess() opened something: ${await leftOver(before)}`)
    })
    it('sends no signalling message', async () => {
      const { resolved } = await bench().listen('b')
      const { length } = bench().signalled
      for (const facts of [resolved, bench().fixture.unusable(), bench().fixture.unreachable()])
        bench().strategy('a').assess(connectTarget(facts))
      await openHandles()
      assert.equal(bench().signalled.length, length, 'assess sent signalling messages: it only computes')
    })
    const hostile = (title: string, facts: (resolved: ResolvedUrl) => readonly ResolvedUrl[]): void => {
      it(title, async () => {
        const strategy = bench().strategy('a')
        const { resolved } = await bench().listen('b')
        for (const each of facts(resolved)) sound(strategy.assess(connectTarget(each)))
        assert.ok(strategy.assess(connectTarget(resolved)).usable, 'a good target is no longer usable')
      })
    }
    hostile('survives URLs of any form', (resolved) => urls.map((url) => ({ ...resolved, url })))
    hostile('survives addresses of any form', (resolved) => [
      ...addresses.map((address) => ({ ...resolved, addresses: [address] })),
      { ...resolved, addresses: Array.from({ length: 10_000 }, (_value, index) => `10.0.${index >> 8}.${index & 255}`) }
    ])
    hostile('survives network facts of any form', (resolved) => networks.map((network) => ({ ...resolved, network })))
    it('survives device ids of any form', async () => {
      const { resolved } = await bench().listen('b')
      const target = connectTarget(resolved)
      for (const id of ['', 'sighting:x', 'no peer id', '\u0000', 'F'.repeat(64), 'x'.repeat(100_000)])
        sound(
          bench()
            .strategy('a')
            .assess({ ...target, device: { ...target.device, id } })
        )
    })
    it('survives a network of ours without any route', async () => {
      const { resolved } = await bench().listen('b')
      sound(
        bench()
          .strategy('a')
          .assess({ ...connectTarget(resolved), localNetwork: { routes: [], measuredAt: 0 } })
      )
    })
    it('survives a shut down strategy', async () => {
      const strategy = bench().strategy('a')
      await bench().settles(strategy.shutdown(), 'shutdown')
      bench().forget('a')
      sound(strategy.assess(connectTarget(bench().fixture.unreachable())))
    })
  })
}

/** A verdict that the race can go by. */
function sound(assessment: Assessment): void {
  if (assessment.usable) {
    assert.ok(Number.isFinite(assessment.rank) && assessment.rank >= 0, `the rank ${assessment.rank} is none`)
    const { holdMs = 0 } = assessment
    assert.ok(holdMs >= 0 && holdMs <= 5000, `holdMs is ${holdMs}`)
  } else {
    assert.equal(assessment.usable, false, 'usable is neither true nor false; an assessment is no promise')
    assert.match(assessment.reason, /\S/, 'there is no reason')
  }
}
