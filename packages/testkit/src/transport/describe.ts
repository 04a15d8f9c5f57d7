import assert from 'node:assert/strict'
import { TRANSPORT_CONTRACT_VERSION, errorCode } from '@kithmesh/core'
import { globalRunner, withTestLimit } from '../runner.ts'
import type { Runner } from '../runner.ts'
import { pattern } from '../socket-factory/transfer-checks.ts'
import { TransportBench, connectTarget } from './bench.ts'
import type { TransportHarness } from './harness.ts'

/**
 * Declares the conformance tests of the `TransportStrategy` contract. Every test gets a fresh network of two machines, and what concerns
 * streams is run from A to B and from B to A.
 * @param runner whose `describe`, `it` and hooks to use @default the globals
 */
export function describeTransportStrategy(label: string, harness: TransportHarness, runner: Runner = globalRunner()): void {
  const { factory } = harness
  const { capabilities } = factory
  const limited = withTestLimit(runner, 5 * (harness.settleMs ?? 15_000))
  const { describe, it, beforeEach, afterEach } = limited

  describe(`${label}: transport strategy`, () => {
    let current: TransportBench | undefined
    const bench = (): TransportBench => current as TransportBench
    beforeEach(async () => {
      current = await TransportBench.create(harness)
    })
    afterEach(async () => {
      await current?.[Symbol.asyncDispose]()
      current = undefined
    })

    describe('factory', () => {
      it('has a name, the contract version and frozen capabilities, and its strategies echo them', () => {
        assert.match(factory.name, /\S/)
        assert.equal(factory.contractVersion, TRANSPORT_CONTRACT_VERSION)
        assert.ok(Object.isFrozen(capabilities), 'capabilities are not frozen')
        assert.equal(typeof capabilities.relayed, 'boolean')
        const strategy = bench().strategy('a')
        assert.equal(strategy.name, factory.name)
        assert.deepEqual({ ...strategy.capabilities }, { ...capabilities })
        assert.equal(strategy.listen !== undefined, capabilities.listens)
      })
    })

    describe('assess', () => {
      it('finds a listener usable, with a rank', async () => {
        const { resolved } = await bench().listen('b')
        const assessment = bench().strategy('a').assess(connectTarget(resolved))
        assert.ok(assessment.usable)
        assert.ok(assessment.rank >= 0)
      })
      it('says why it cannot use another kind of address', () => {
        const assessment = bench().strategy('a').assess(connectTarget(bench().fixture.unusable()))
        assert.ok(!assessment.usable)
        assert.match(assessment.reason, /\S/)
      })
      it('gives the same answer again, leaves the target as it was and connects nowhere', async () => {
        const { resolved } = await bench().listen('b')
        const frozen = Object.freeze({ ...resolved, addresses: Object.freeze([...resolved.addresses]) })
        const target = Object.freeze(connectTarget(frozen))
        const first = bench().strategy('a').assess(target)
        for (let round = 0; round < 5; round++) assert.deepEqual(bench().strategy('a').assess(target), first)
        await bench().settles(bench().attempt('a', resolved), 'attempt')
        await bench().eventually('the attempt to be accepted', () => bench().accepted.length > 0)
        assert.equal(bench().accepted.length, 1)
      })
    })

    for (const [from, to] of [
      ['a', 'b'],
      ['b', 'a']
    ] as const)
      streamChecks(bench, limited, from, to)

    describe('attempt', () => {
      it('rejects with a code when nobody answers', async () => {
        const error = await bench().rejection(bench().attempt('a', bench().fixture.unreachable()), 'attempt')
        assert.ok(errorCode(error) !== undefined, 'the error has no code')
      })
      it('rejects with the reason of a signal that has aborted, and connects nowhere', async () => {
        const { resolved } = await bench().listen('b')
        const reason = new Error('changed my mind')
        assert.equal(await bench().rejection(bench().attempt('a', resolved, { signal: AbortSignal.abort(reason) }), 'attempt'), reason)
        await bench().settles(bench().attempt('a', resolved), 'attempt')
        await bench().eventually('the other attempt to be accepted', () => bench().accepted.length > 0)
        assert.equal(bench().accepted.length, 1)
      })
      it('rejects with the reason of a signal that aborts meanwhile, and leaves no stream', async () => {
        const { resolved } = await bench().listen('b')
        const reason = new Error('changed my mind')
        const controller = new AbortController()
        const pending = bench().attempt('a', resolved, { signal: controller.signal })
        controller.abort(reason)
        assert.equal(await bench().rejection(pending, 'attempt'), reason)
        await bench().settles(bench().attempt('a', resolved), 'attempt')
        await bench().eventually('the other attempt to be accepted', () => bench().accepted.length > 0)
        await bench().eventually(
          'the cancelled stream to be gone',
          () => bench().accepted.filter((line) => line.closedCount === 0).length <= 1
        )
      })
      it('does not mind a signal that aborts later', async () => {
        const { resolved } = await bench().listen('b')
        const controller = new AbortController()
        const dialled = await bench().settles(bench().attempt('a', resolved, { signal: controller.signal }), 'attempt')
        const accepted = await bench().eventually('the stream to be accepted', () => bench().accepted[0])
        controller.abort(new Error('too late'))
        await bench().carries(dialled, accepted, 'still here')
        await bench().carries(accepted, dialled, 'me too')
      })
      it('reports the phases it goes through', async () => {
        const { resolved } = await bench().listen('b')
        const phases: string[] = []
        await bench().settles(
          bench().attempt('a', resolved, {
            progress: (phase) => {
              phases.push(phase)
            }
          }),
          'attempt'
        )
        assert.ok(phases.length > 0, 'progress was never called')
        assert.ok(phases.every((phase) => /\S/.test(phase)))
      })
      it('opens ten streams at once', async () => {
        const { resolved } = await bench().listen('b')
        const lines = await bench().settles(Promise.all(Array.from({ length: 10 }, () => bench().attempt('a', resolved))), 'ten attempts')
        await bench().eventually('all to be accepted', () => bench().accepted.length === 10)
        lines.forEach((line, index) => {
          line.send(Buffer.from(`stream ${index}`))
        })
        await bench().eventually('all to arrive', () => bench().accepted.every((line) => line.receivedBytes === 8))
        assert.deepEqual(
          bench()
            .accepted.map((line) => Buffer.concat(line.received).toString())
            .sort(),
          lines.map((_line, index) => `stream ${index}`)
        )
      })
    })

    if (capabilities.listens) listenerChecks(bench, limited)

    describe('shutdown', () => {
      it('works when nothing was done, and twice', async () => {
        await bench().settles(bench().strategy('a').shutdown(), 'shutdown')
        await bench().settles(bench().strategy('a').shutdown(), 'the second shutdown')
      })
      it('ends an attempt that is under way', async () => {
        const { resolved } = await bench().listen('b')
        const pending = bench()
          .attempt('a', resolved)
          .then(
            (line) => {
              line.cut()
            },
            () => {}
          )
        await bench().settles(bench().strategy('a').shutdown(), 'shutdown')
        await bench().settles(pending, 'the attempt')
        await bench().eventually('its stream to be gone', () => bench().accepted.every((line) => line.closedCount > 0))
      })
      it('does not touch the other machine, nor a new strategy on this one', async () => {
        const { passive } = await bench().connect('a')
        await bench().settles(bench().strategy('a').shutdown(), 'shutdown')
        bench().forget('a')
        await bench().settles(bench().attempt('a', passive.resolved), 'attempt')
      })
    })
  })
}

function streamChecks(bench: () => TransportBench, { describe, it }: Runner, from: 'a' | 'b', to: 'a' | 'b'): void {
  describe(`stream from ${from} to ${to}`, () => {
    it('is open and carries bytes both ways', async () => {
      const { dialled, accepted } = await bench().connect(from)
      await bench().carries(dialled, accepted, 'ping')
      await bench().carries(accepted, dialled, 'pong')
    })
    it('carries 1 MB intact', async () => {
      const { dialled, accepted } = await bench().connect(from)
      const bytes = pattern(1_000_000)
      dialled.send(bytes)
      await bench().eventually('everything to arrive', () => accepted.receivedBytes === bytes.length)
      assert.ok(Buffer.compare(Buffer.concat(accepted.received), bytes) === 0)
    })
    for (const first of ['dialled', 'accepted'] as const) {
      it(`ends orderly when the ${first} side ends first`, async () => {
        const connection = await bench().connect(from)
        const other = connection[first === 'dialled' ? 'accepted' : 'dialled']
        connection[first].send(Buffer.from('last words'))
        connection[first].close()
        await bench().eventually('both ends to be closed', () => connection.dialled.closedCount > 0 && connection.accepted.closedCount > 0)
        assert.deepEqual([connection.dialled.closedCount, connection.accepted.closedCount], [1, 1])
        assert.equal(Buffer.concat(other.received).toString(), 'last words')
      })
      it(`is closed when the ${first} side cuts it`, async () => {
        const connection = await bench().connect(from)
        connection[first].cut()
        await bench().eventually(
          'both ends to be closed',
          () => connection.dialled.closedCount === 1 && connection.accepted.closedCount === 1
        )
      })
    }
  })
}

function listenerChecks(bench: () => TransportBench, { describe, it }: Runner): void {
  describe('listener', () => {
    it('closes more than once', async () => {
      const { close } = await bench().listen('b')
      await bench().settles(Promise.all([close(), close()]), 'two closes')
      await bench().settles(close(), 'the third close')
    })
    it('accepts nobody once it is closed', async () => {
      const { resolved, close } = await bench().listen('b')
      await bench().settles(close(), 'close')
      await bench().rejection(bench().attempt('a', resolved), 'attempt')
      assert.equal(bench().accepted.length, 0)
    })
    it('leaves accepted streams alone when it closes', async () => {
      const { dialled, accepted, passive } = await bench().connect('a')
      await bench().settles(passive.close(), 'close')
      await bench().carries(dialled, accepted, 'still here')
      await bench().carries(accepted, dialled, 'me too')
    })
    it('works beside a second one on the same machine', async () => {
      const first = await bench().listen('b')
      const second = await bench().listen('b')
      await bench().settles(first.close(), 'close')
      await bench().settles(bench().attempt('a', second.resolved), 'attempt')
      await bench().eventually('the stream to be accepted', () => bench().accepted.length === 1)
    })
    it('is closed by shutdown', async () => {
      const { resolved } = await bench().listen('b')
      await bench().settles(bench().strategy('b').shutdown(), 'shutdown')
      await bench().rejection(bench().attempt('a', resolved), 'attempt')
    })
  })
}
