import { describePeerDiscoveryProvider } from '@kithmesh/testkit'
import type { ProviderHarness, Runner } from '@kithmesh/testkit'
import { memoryHarness } from './memory-harness.ts'
import { providerMutants } from './mutants/providers.ts'
import { describeMutants } from './mutants/score.ts'

/** How long the suite waits in vain for what a mutant never does. */
const settleMs = 300

const suite = (harness: ProviderHarness) => (runner: Runner) => {
  describePeerDiscoveryProvider('mutant', harness, runner)
}

describeMutants(
  'providers',
  Object.fromEntries(
    Object.entries(providerMutants).map(([name, { caughtBy, mutate, capabilities = {} }]) => [
      name,
      { caughtBy, suite: suite(memoryHarness({ capabilities }, mutate, settleMs)) }
    ])
  ),
  [suite(memoryHarness()), suite(memoryHarness({ capabilities: { publishes: false, incomingConnections: false } }))]
)
