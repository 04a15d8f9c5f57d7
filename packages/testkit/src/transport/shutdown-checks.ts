import assert from 'node:assert/strict'
import { assertCode, nothingMoreThan } from '../explain.ts'
import type { DeclaringRunner } from '../runner.ts'
import { coded, settled } from './attempt-checks.ts'
import { type TransportBench, connectTarget } from './bench.ts'
import { openHandles } from '../open-handles.ts'

/** The end of a strategy. */
export function shutdownChecks(bench: () => TransportBench, { describe, it }: DeclaringRunner): void {
  describe('shutdown', () => {
    it('works when nothing was done, and twice', async () => {
      await bench().settles(bench().strategy('a').shutdown(), 'shutdown')
      await bench().settles(bench().strategy('a').shutdown(), 'the second shutdown')
    })
    it('works twice at the same time', async () => {
      await bench().listen('b')
      const strategy = bench().strategy('b')
      await bench().settles(Promise.all([strategy.shutdown(), strategy.shutdown()]), 'two shutdowns')
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
      await bench().eventually('its stream to be gone', () => bench().open === 0)
    })
    it('ends several attempts, with a code', async () => {
      const { resolved } = await bench().listen('b')
      const pending = Array.from({ length: 4 }, () => settled(bench(), bench().attempt('a', resolved)))
      await bench().settles(bench().strategy('a').shutdown(), 'shutdown')
      for (const outcome of await bench().settles(Promise.all(pending), 'the attempts')) if (outcome instanceof Error) coded(outcome)
      bench().cutAll()
      await bench().eventually('the streams to be gone', () => bench().open === 0)
    })
    it('ends an attempt in every phase', async () => {
      const { resolved } = await bench().listen('b')
      const phases = new Set<string>()
      await bench().settles(bench().attempt('a', resolved, { progress: (phase) => phases.add(phase) }), 'attempt')
      for (const wanted of phases) {
        let over: Promise<void> | undefined
        const progress = (phase: string): void => {
          if (phase === wanted) over ??= bench().strategy('a').shutdown()
        }
        await settled(bench(), bench().attempt('a', resolved, { progress }))
        await bench().settles(Promise.resolve(over), `shutdown in ${wanted}`)
        await bench().settles(bench().strategy('a').shutdown(), 'the second shutdown')
        bench().forget('a')
      }
      bench().cutAll()
      await bench().eventually('all streams to be gone', () => bench().open === 0)
      await bench().settles(bench().attempt('a', resolved), 'an attempt of a new strategy')
    })
    it('refuses attempts afterwards, with a code', async () => {
      const { resolved } = await bench().listen('b')
      const strategy = bench().strategy('a')
      await bench().settles(strategy.shutdown(), 'shutdown')
      const error = await bench().rejection(
        strategy.attempt(connectTarget(resolved), { signal: new AbortController().signal, progress: () => {} }),
        'attempt after shutdown'
      )
      assertCode(error, 'attempt')
      assert.equal(bench().accepted.length, 0, 'a stream was opened after shutdown')
    })
    it('does not touch the other machine, nor a new strategy on this one', async () => {
      const { passive } = await bench().connect('a')
      await bench().settles(bench().strategy('a').shutdown(), 'shutdown')
      bench().forget('a')
      await bench().settles(bench().attempt('a', passive.resolved), 'attempt')
    })
    it('works on both machines with everything under way', async () => {
      const [a, b] = [await bench().listen('a'), await bench().listen('b')]
      const pending = [
        bench().attempt('a', b.resolved),
        bench().attempt('b', a.resolved),
        bench().attemptNobody('a'),
        bench().attempt('a', b.resolved, { signal: AbortSignal.timeout(1) })
      ].map((attempt) => settled(bench(), attempt))
      const closing = a.close()
      await bench().settles(Promise.all([bench().strategy('a').shutdown(), bench().strategy('b').shutdown(), closing]), 'everything')
      await bench().settles(Promise.all(pending), 'the attempts')
      bench().cutAll()
      await bench().eventually('all streams to be gone', () => bench().open === 0)
    })
  })

  describe('nothing stays open', () => {
    const nothingMore = async (before: ReadonlyMap<string, number>): Promise<void> => {
      await bench().eventuallyAsync('handles of the strategy, and of servers of the fixture, to be closed', () => nothingMoreThan(before))
    }
    it('after an attempt that failed', async () => {
      bench().strategy('a')
      bench().strategy('b')
      const before = await openHandles()
      await bench().rejection(bench().attempt('a', bench().fixture.unreachable()), 'attempt')
      await nothingMore(before)
    })
    it('after streams that ended', async () => {
      const { resolved } = await bench().listen('b')
      bench().strategy('a')
      const before = await openHandles()
      const lines = await bench().settles(Promise.all([bench().attempt('a', resolved), bench().attempt('a', resolved)]), 'attempts')
      // What is cut before the other machine has it may never be accepted.
      await bench().eventually('them to be accepted', () => bench().accepted.length === 2)
      lines[0]?.close()
      lines[1]?.cut()
      await bench().eventually('them to be closed', () => bench().open === 0)
      await nothingMore(before)
    })
    it('after an attempt that was cancelled', async () => {
      const { resolved } = await bench().listen('b')
      bench().strategy('a')
      const before = await openHandles()
      for (let round = 0; round < 3; round++) {
        const controller = new AbortController()
        const outcome = settled(bench(), bench().attempt('a', resolved, { signal: controller.signal }))
        controller.abort()
        await outcome
      }
      await nothingMore(before)
    })
    it('after a listener was closed', async () => {
      bench().strategy('b')
      const before = await openHandles()
      for (let round = 0; round < 3; round++) await bench().settles((await bench().listen('b')).close(), 'close')
      await nothingMore(before)
    })
    it('after shutdown', async () => {
      const before = await openHandles()
      await bench().listen('a')
      await bench().connect('a')
      await bench().settles(Promise.all([bench().strategy('a').shutdown(), bench().strategy('b').shutdown()]), 'shutdown')
      bench().cutAll()
      await bench().closePassive()
      await nothingMore(before)
    })
  })
}
