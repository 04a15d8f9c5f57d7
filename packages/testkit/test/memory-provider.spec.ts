import type { ProviderCapabilities } from '@kithmesh/core'
import { describePeerDiscoveryProvider } from '@kithmesh/testkit'
import { memoryHarness } from './memory-harness.ts'

const reduced: Readonly<Record<string, Partial<ProviderCapabilities>>> = {
  'memory provider': {},
  'memory provider that cannot publish': { publishes: false, incomingConnections: false },
  'memory provider without metadata': { metadata: false, metadataUpdates: false },
  'memory provider without metadata updates': { metadataUpdates: false },
  'memory provider blind to departures': { reportsDisappearance: false },
  'memory provider with plain URLs': { suppliesSocketFactory: false, incomingConnections: false }
}

for (const [label, capabilities] of Object.entries(reduced)) describePeerDiscoveryProvider(label, memoryHarness({ capabilities }))
