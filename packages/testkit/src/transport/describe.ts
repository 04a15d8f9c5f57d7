import assert from 'node:assert/strict'
import { explaining } from '../explain.ts'
import { globalRunner, needing, withTestLimit } from '../runner.ts'
import type { Runner } from '../runner.ts'
import { assessChecks, factoryChecks } from './assess-checks.ts'
import { attemptChecks } from './attempt-checks.ts'
import { TransportBench } from './bench.ts'
import type { TransportHarness } from './harness.ts'
import { listenerChecks, strangerChecks } from './listener-checks.ts'
import { shutdownChecks } from './shutdown-checks.ts'
import { streamChecks, transferChecks } from './stream-checks.ts'

/**
 * Declares the conformance tests of the `TransportStrategy` contract. Every test gets a fresh network of two machines, and what concerns
 * the streams is run from A to B and from B to A.
 * @param runner whose `describe`, `it` and hooks to use @default the globals
 */
export function describeTransportStrategy(label: string, harness: TransportHarness, runner: Runner = globalRunner()): void {
  const { factory } = harness
  const { capabilities } = factory
  let current: TransportBench | undefined
  const limited = explaining(withTestLimit(runner, 5 * (harness.settleMs ?? 15_000)), () => current?.account() ?? [])
  const { describe, it, beforeEach, afterEach } = limited

  describe(`${label}: transport strategy`, () => {
    const bench = (): TransportBench => current as TransportBench
    beforeEach(async () => {
      current = await TransportBench.create(harness)
    })
    afterEach(async () => {
      await current?.[Symbol.asyncDispose]()
      current = undefined
    })

    factoryChecks(bench, limited, factory)
    assessChecks(bench, limited)
    attemptChecks(bench, limited)
    for (const [from, to] of [
      ['a', 'b'],
      ['b', 'a']
    ] as const)
      streamChecks(bench, limited, from, to)
    transferChecks(bench, limited)
    listenerChecks(bench, needing(limited, capabilities.listens, 'the strategy has no passive side'))
    if (!capabilities.listens) {
      describe('without a passive side', () => {
        it('has no listen()', () => {
          assert.equal(bench().strategy('a').listen, undefined)
        })
        it('lets each machine dial all the same', async () => {
          for (const from of ['a', 'b'] as const) {
            const { dialled, accepted } = await bench().connect(from)
            await bench().carries(dialled, accepted, 'ping')
          }
        })
      })
    }
    strangerChecks(bench, limited)
    shutdownChecks(bench, limited)
  })
}
