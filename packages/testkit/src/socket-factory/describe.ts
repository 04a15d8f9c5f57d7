import { globalRunner, withTestLimit } from '../runner.ts'
import type { Runner } from '../runner.ts'
import { SocketBench } from './bench.ts'
import { endingChecks } from './ending-checks.ts'
import type { ByteSocketHarness, MessageSocketHarness } from './harness.ts'
import { openingChecks } from './opening-checks.ts'
import { transferChecks } from './transfer-checks.ts'

/**
 * Declares the conformance tests of the `SocketFactory` contract, for the framing the factory declares. Asymmetric checks run in both directions.
 * @param runner whose `describe`, `it` and hooks to use @default the globals
 *
 * @example
 * const medium = new MemoryMedium()
 * describeSocketFactory('memory', {
 *   factory: memorySocketFactory(medium),
 *   async listen (accept) {
 *     const listener = medium.listen('localhost', 0, accept)
 *     return { url: `memory://localhost:${listener.port}/`, async close () { listener.close() } }
 *   }
 * })
 */
export function describeSocketFactory(label: string, harness: ByteSocketHarness, runner?: Runner): void
export function describeSocketFactory(label: string, harness: MessageSocketHarness, runner?: Runner): void
export function describeSocketFactory(
  label: string,
  harness: ByteSocketHarness | MessageSocketHarness,
  runner: Runner = globalRunner()
): void {
  const { factory } = harness
  const limited = withTestLimit(runner, 5 * (harness.settleMs ?? 10_000))
  const { describe, beforeEach, afterEach } = limited

  describe(`${label}: socket factory (${factory.framing})`, () => {
    let current: SocketBench | undefined
    const bench = (): SocketBench => current as SocketBench
    beforeEach(() => {
      current = new SocketBench(harness)
    })
    afterEach(async () => {
      await current?.[Symbol.asyncDispose]()
      current = undefined
    })
    openingChecks(bench, limited, { schemes: factory.schemes, silent: harness.listenSilently !== undefined })
    transferChecks(bench, limited)
    endingChecks(bench, limited, factory.framing)
  })
}
