import assert from 'node:assert/strict'
import { PROVIDER_CONTRACT_VERSION } from '@kithmesh/core'
import { explaining } from '../explain.ts'
import { globalRunner, withTestLimit } from '../runner.ts'
import type { Runner } from '../runner.ts'
import { ProviderBench } from './bench.ts'
import { connectionChecks } from './connection-checks.ts'
import { discoveryChecks } from './discovery-checks.ts'
import type { ProviderHarness } from './harness.ts'
import { lifecycleChecks } from './lifecycle-checks.ts'
import { metadataChecks } from './metadata-checks.ts'
import { robustnessChecks } from './robustness-checks.ts'

/**
 * Declares the conformance tests of the `PeerDiscoveryProvider` contract. Every test gets a fresh medium with as many
 * providers of the subject's factory as it needs. Capabilities come from `harness.factory`; an absent one selects tests
 * that the provider indeed refuses or stays silent.
 * @param runner whose `describe`, `it` and hooks to use @default the globals
 *
 * @example
 * describePeerDiscoveryProvider('memory', {
 *   factory: memoryProvider(new MemoryMedium()),
 *   async create () {
 *     const medium = new MemoryMedium()
 *     return { factoryFor: (host) => memoryProvider(medium, { host }), async [Symbol.asyncDispose] () {} }
 *   }
 * })
 */
export function describePeerDiscoveryProvider(label: string, harness: ProviderHarness, runner: Runner = globalRunner()): void {
  const { factory } = harness
  const { capabilities } = factory
  let current: ProviderBench | undefined
  const limited = explaining(withTestLimit(runner, 10 * (harness.settleMs ?? 10_000)), () => current?.account() ?? [])
  const { describe, it, beforeEach, afterEach } = limited

  describe(`${label}: peer discovery provider`, () => {
    const bench = (): ProviderBench => current as ProviderBench
    beforeEach(async () => {
      current = await ProviderBench.create(harness)
    })
    afterEach(async () => {
      await current?.[Symbol.asyncDispose]()
      current = undefined
    })

    describe('factory', () => {
      it('has a name, the contract version and frozen capabilities', () => {
        assert.match(factory.name, /\S/, 'the factory has no name')
        assert.equal(
          factory.contractVersion,
          PROVIDER_CONTRACT_VERSION,
          `contractVersion is ${factory.contractVersion}: set it to PROVIDER_CONTRACT_VERSION of @kithmesh/core/plugin`
        )
        assert.ok(Object.isFrozen(capabilities), 'capabilities are not frozen: make the factory with defineProvider')
        for (const name of [
          'publishes',
          'metadata',
          'metadataUpdates',
          'reportsDisappearance',
          'suppliesSocketFactory',
          'incomingConnections'
        ] as const) {
          assert.equal(typeof capabilities[name], 'boolean', `the capability ${name} is neither true nor false`)
        }
      })
      it('is the same on every machine', () => {
        const other = bench().factoryFor('host-0')
        assert.equal(other.name, factory.name, 'factoryFor of the fixture makes factories of another name than harness.factory')
        assert.deepEqual(
          other.capabilities,
          capabilities,
          'factoryFor of the fixture makes factories with other capabilities than harness.factory'
        )
      })
      it('creates providers that do nothing by themselves', async () => {
        await bench().service('shop')
        const idle = bench().subject()
        await bench().finds(await bench().browser(), 'shop')
        assert.deepEqual(idle.context.events, [], 'create() reported something, and nothing was started')
      })
    })
    lifecycleChecks(bench, limited, capabilities.publishes)
    discoveryChecks(bench, limited, capabilities)
    metadataChecks(bench, limited, capabilities)
    connectionChecks(bench, limited, capabilities)
    robustnessChecks(bench, limited, capabilities)
  })
}
