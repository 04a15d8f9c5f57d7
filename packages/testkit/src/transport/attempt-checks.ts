import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { errorCode } from '@kithmesh/core'
import type { DeclaringRunner } from '../runner.ts'
import type { ByteLine } from '../socket-factory/line.ts'
import type { TransportBench } from './bench.ts'

/** The active side: progress, failures, cancellation, several at a time. One file because all of it is what the contract says of one method, `attempt`. */
export function attemptChecks(bench: () => TransportBench, runner: DeclaringRunner): void {
  const { describe, it } = runner
  describe('attempt', () => {
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
    it('opens one stream after the other', async () => {
      const { resolved } = await bench().listen('b')
      for (let round = 0; round < 4; round++) {
        const dialled = await bench().settles(bench().attempt('a', resolved), 'attempt')
        const accepted = await bench().eventually('the stream to be accepted', () => bench().accepted[round])
        await bench().carries(dialled, accepted, `round ${round}`)
        dialled.close()
        await bench().eventually('the stream to be closed', () => dialled.closedCount === 1 && accepted.closedCount === 1)
      }
    })
    it('opens one stream for one attempt', async () => {
      await bench().connect('a')
      await bench().connect('a')
      assert.equal(bench().accepted.length, 2, `two attempts opened ${bench().accepted.length} streams`)
    })
    it('works from both machines at the same time', async () => {
      const [a, b] = [await bench().listen('a'), await bench().listen('b')]
      const outcomes = await bench().settles(
        Promise.allSettled([bench().attempt('a', b.resolved), bench().attempt('b', a.resolved)]),
        'two attempts'
      )
      const opened = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
      assert.ok(opened.length > 0, 'neither attempt succeeded')
      for (const outcome of outcomes) if (outcome.status === 'rejected') coded(outcome.reason)
      await bench().eventually('what was opened to be accepted', () => bench().accepted.length >= opened.length)
      for (const line of opened) line.send(Buffer.from('hello'))
      await bench().eventually('it to arrive', () => bench().accepted.filter((line) => line.receivedBytes === 5).length === opened.length)
    })
    it('is not disturbed by another one that fails', async () => {
      const { resolved } = await bench().listen('b')
      const [good, bad] = await bench().settles(
        Promise.allSettled([bench().attempt('a', resolved), bench().attemptNobody('a')]),
        'two attempts'
      )
      assert.equal(good.status, 'fulfilled', 'the good attempt failed beside the bad one')
      assert.equal(bad.status, 'rejected', 'an attempt to reach what unreachable() of the fixture returns succeeded')
    })
    it('is not spoiled by attempts that failed before', async () => {
      for (let round = 0; round < 3; round++) await bench().rejection(bench().attemptNobody('a'), 'attempt')
      const { dialled, accepted } = await bench().connect('a')
      await bench().carries(dialled, accepted, 'at last')
    })
  })

  failureChecks(bench, runner)
  progressChecks(bench, runner)
  cancellationChecks(bench, runner)
}

function failureChecks(bench: () => TransportBench, { describe, it }: DeclaringRunner): void {
  const failed = (): Promise<unknown> => {
    bench().strategy('b')
    return bench().rejection(bench().attempt('a', bench().fixture.unreachable()), 'attempt')
  }
  describe('a failed attempt', () => {
    it('rejects with a code when nobody answers', async () => {
      coded(await failed())
    })
    it('rejects with a code when the device is nowhere', async () => {
      coded(await bench().rejection(bench().attemptNobody('a'), 'attempt'))
    })
    it('rejects with a code when it cannot use the address', async () => {
      coded(await bench().rejection(bench().attempt('a', bench().fixture.unusable()), 'attempt'))
    })
    it('says what happened in one line', async () => {
      const { message } = (await failed()) as Error
      assert.match(message, /\S/, 'the error has no message')
      assert.doesNotMatch(message, /[\n\r]|\[object /, `the message is not one line for people: ${JSON.stringify(message)}`)
    })
    it('has a hint of what can be done', async () => {
      const { hint } = (await failed()) as { readonly hint?: unknown }
      assert.ok(typeof hint === 'string' && hint.trim() !== '', 'the error has no hint')
    })
    it('has errors as its causes', async () => {
      let depth = 0
      for (let error = await failed(); error !== undefined; error = (error as Error).cause) {
        assert.ok(error instanceof Error, 'a cause is no error')
        assert.ok(++depth < 20, 'the causes have no end')
      }
    })
    it('fails the same way again', async () => {
      const first = errorCode(await failed())
      assert.equal(errorCode(await failed()), first, 'the second failure has another code than the first')
    })
    it('takes its listeners off the signal', async () => {
      const { signal } = new AbortController()
      await bench().rejection(bench().attemptNobody('a', { signal }), 'attempt')
      await nextTurn()
      assert.equal(
        getEventListeners(signal, 'abort').length,
        0,
        'listeners are left on the signal: remove them when the attempt is settled'
      )
    })
    it('leaves no stream at the other machine', async () => {
      await bench().listen('b')
      await bench().rejection(bench().attemptNobody('a'), 'attempt')
      await nextTurn()
      assert.equal(bench().open, 0, 'a stream is open at the other machine after an attempt that failed')
    })
  })
}

function progressChecks(bench: () => TransportBench, { describe, it }: DeclaringRunner): void {
  const noted = (): { readonly phases: [string, string | undefined][]; readonly progress: (phase: string, address?: string) => void } => {
    const phases: [string, string | undefined][] = []
    return {
      phases,
      progress: (phase, address) => {
        phases.push([phase, address])
      }
    }
  }
  describe('progress', () => {
    it('reports the phases that an attempt goes through', async () => {
      const { resolved } = await bench().listen('b')
      const { phases, progress } = noted()
      await bench().settles(bench().attempt('a', resolved, { progress }), 'attempt')
      assert.ok(phases.length > 0, 'progress was never called')
    })
    it('names phases by short words', async () => {
      const { resolved } = await bench().listen('b')
      const { phases, progress } = noted()
      await bench().settles(bench().attempt('a', resolved, { progress }), 'attempt')
      for (const [phase] of phases) assert.match(phase, /^[\p{L}\p{N}][\p{L}\p{N} :_-]{0,39}$/u)
    })
    it('names addresses as text that people can read', async () => {
      const { resolved } = await bench().listen('b')
      const { phases, progress } = noted()
      await bench().settles(bench().attempt('a', resolved, { progress }), 'attempt')
      for (const [, address] of phases) {
        if (address === undefined) continue
        assert.equal(typeof address, 'string')
        assert.match(address, /^[^\p{Cc}]{1,300}$/u)
      }
    })
    it('reports the phases of an attempt that fails', async () => {
      bench().strategy('b')
      const { phases, progress } = noted()
      await bench().rejection(bench().attempt('a', bench().fixture.unreachable(), { progress }), 'attempt')
      assert.ok(phases.length > 0, 'progress was never called')
    })
    it('reports nothing once the attempt is over', async () => {
      const { resolved } = await bench().listen('b')
      const { phases, progress } = noted()
      const dialled = await bench().settles(bench().attempt('a', resolved, { progress }), 'attempt')
      const { length } = phases
      const accepted = await bench().eventually('the stream to be accepted', () => bench().accepted[0])
      await bench().carries(dialled, accepted, 'ping')
      await bench().carries(accepted, dialled, 'pong')
      assert.deepEqual(phases.slice(length), [])
    })
    it('reports nothing for a signal that has aborted', async () => {
      const { resolved } = await bench().listen('b')
      const { phases, progress } = noted()
      await bench().rejection(bench().attempt('a', resolved, { progress, signal: AbortSignal.abort() }), 'attempt')
      assert.deepEqual(phases, [])
    })
    it('keeps two attempts apart', async () => {
      const { resolved } = await bench().listen('b')
      const [first, second] = [noted(), noted()]
      await bench().settles(bench().attempt('a', resolved, { progress: first.progress }), 'attempt')
      const { length } = first.phases
      await bench().settles(bench().attempt('a', resolved, { progress: second.progress }), 'the second attempt')
      assert.equal(first.phases.length, length)
      assert.ok(second.phases.length > 0)
    })
  })
}

function cancellationChecks(bench: () => TransportBench, { describe, it }: DeclaringRunner): void {
  /** One more stream can be opened, and it is the only one left. */
  const onlyOneStays = async (resolved: Parameters<TransportBench['attempt']>[1]): Promise<void> => {
    const dialled = await bench().settles(bench().attempt('a', resolved), 'an attempt afterwards')
    dialled.send(Buffer.from('survivor'))
    await bench().eventually('its bytes to arrive', () => bench().accepted.some((line) => line.receivedBytes === 8))
    await bench().eventually('the cancelled streams to be gone', () => bench().open === 1)
  }
  describe('cancellation', () => {
    it('rejects with the reason of a signal that has aborted, and connects nowhere', async () => {
      const { resolved } = await bench().listen('b')
      const reason = new Error('changed my mind')
      assert.equal(await bench().rejection(bench().attempt('a', resolved, { signal: AbortSignal.abort(reason) }), 'attempt'), reason)
      await bench().settles(bench().attempt('a', resolved), 'attempt')
      await bench().eventually('the other attempt to be accepted', () => bench().accepted.length > 0)
      assert.equal(bench().accepted.length, 1)
    })
    it('sends no signalling message for a signal that has aborted', async () => {
      const { resolved } = await bench().listen('b')
      const { length } = bench().signalled
      await bench().rejection(bench().attempt('a', resolved, { signal: AbortSignal.abort() }), 'attempt')
      assert.equal(bench().signalled.length, length, 'a message was sent though the signal had aborted')
    })
    it('rejects with the reason of a signal that aborts meanwhile, and leaves no stream', async () => {
      const { resolved } = await bench().listen('b')
      const reason = new Error('changed my mind')
      const controller = new AbortController()
      const pending = bench().attempt('a', resolved, { signal: controller.signal })
      controller.abort(reason)
      assert.equal(await bench().rejection(pending, 'attempt'), reason, 'it did not reject with signal.reason')
      await bench().settles(bench().attempt('a', resolved), 'attempt')
      await bench().eventually('the other attempt to be accepted', () => bench().accepted.length > 0)
      await bench().eventually('the cancelled stream to be gone', () => bench().open <= 1)
    })
    it('rejects with whatever the reason is', async () => {
      const { resolved } = await bench().listen('b')
      for (const reason of ['a string', { no: 'error' }, undefined]) {
        const controller = new AbortController()
        const pending = bench().attempt('a', resolved, { signal: controller.signal })
        controller.abort(reason)
        assert.equal(await bench().rejection(pending, 'attempt'), controller.signal.reason, 'it did not reject with signal.reason as it is')
      }
    })
    it('works in every phase', async () => {
      const { resolved } = await bench().listen('b')
      const phases = new Set<string>()
      await bench().settles(bench().attempt('a', resolved, { progress: (phase) => phases.add(phase) }), 'attempt')
      bench().cutAll()
      for (const wanted of phases) {
        const reason = new Error(`changed my mind in ${wanted}`)
        const controller = new AbortController()
        const progress = (phase: string): void => {
          if (phase === wanted) controller.abort(reason)
        }
        const outcome = await settled(bench(), bench().attempt('a', resolved, { signal: controller.signal, progress }))
        // A race within the strategy may have been over without this phase.
        if (controller.signal.aborted)
          assert.equal(outcome, reason, `cancelled in the phase ${wanted}, it did not reject with signal.reason`)
        else (outcome as ByteLine).cut()
      }
      await onlyOneStays(resolved)
    })
    it('works some turns after the beginning, unless the attempt was quicker', async () => {
      const { resolved } = await bench().listen('b')
      for (const turns of [1, 2, 4, 8]) {
        const reason = new Error('changed my mind')
        const controller = new AbortController()
        let open: ByteLine | undefined
        const pending = bench()
          .attempt('a', resolved, { signal: controller.signal })
          .then((line) => {
            open = line
            return line
          })
        const outcome = settled(bench(), pending)
        for (let turn = 0; turn < turns; turn++) await nextTurn()
        const before = open
        controller.abort(reason)
        if (before === undefined) assert.equal(await outcome, reason, 'it did not reject with signal.reason')
        else before.cut()
      }
      await onlyOneStays(resolved)
    })
    it('ends one of several attempts only', async () => {
      const { resolved } = await bench().listen('b')
      const controller = new AbortController()
      const reason = new Error('changed my mind')
      const cancelled = settled(bench(), bench().attempt('a', resolved, { signal: controller.signal }))
      const others = [bench().attempt('a', resolved), bench().attempt('a', resolved)]
      controller.abort(reason)
      assert.equal(await cancelled, reason, 'it did not reject with signal.reason')
      const lines = await bench().settles(Promise.all(others), 'the other attempts')
      for (const line of lines) line.send(Buffer.from('hello'))
      await bench().eventually('their bytes to arrive', () => bench().accepted.filter((line) => line.receivedBytes === 5).length === 2)
    })
    it('works twenty times in a row', async () => {
      const { resolved } = await bench().listen('b')
      for (let round = 0; round < 20; round++) {
        const controller = new AbortController()
        const pending = settled(bench(), bench().attempt('a', resolved, { signal: controller.signal }))
        if (round % 2 === 1) await nextTurn()
        controller.abort(new Error('changed my mind'))
        const outcome = await pending
        if (!(outcome instanceof Error)) (outcome as ByteLine).cut()
      }
      await onlyOneStays(resolved)
    })
    it('of an attempt that fails anyway gives the reason or the failure', async () => {
      const controller = new AbortController()
      const reason = new Error('changed my mind')
      const pending = bench().rejection(bench().attemptNobody('a', { signal: controller.signal }), 'attempt')
      await nextTurn()
      controller.abort(reason)
      const error = await pending
      if (error !== reason) coded(error)
    })
    it('comes too late for a stream that is open', async () => {
      const { resolved } = await bench().listen('b')
      const controller = new AbortController()
      const dialled = await bench().settles(bench().attempt('a', resolved, { signal: controller.signal }), 'attempt')
      const accepted = await bench().eventually('the stream to be accepted', () => bench().accepted[0])
      controller.abort(new Error('too late'))
      await bench().carries(dialled, accepted, 'still here')
      await bench().carries(accepted, dialled, 'me too')
    })
    it('is no longer listened for once the stream is open', async () => {
      const { resolved } = await bench().listen('b')
      const { signal } = new AbortController()
      await bench().settles(bench().attempt('a', resolved, { signal }), 'attempt')
      await nextTurn()
      assert.equal(
        getEventListeners(signal, 'abort').length,
        0,
        'listeners are left on the signal: remove them when the attempt is settled'
      )
    })
  })
}

/** What a promise settles with, either way. */
export async function settled(bench: TransportBench, promise: Promise<unknown>): Promise<unknown> {
  return await bench.settles(
    promise.catch((error: unknown) => error),
    'attempt'
  )
}

export function coded(error: unknown): void {
  assert.ok(error instanceof Error, 'what was thrown is no error')
  assert.match(errorCode(error) ?? '', /^ERR_[A-Z0-9_]+$/, `the error has no code: ${error.message}`)
}
