import * as runner from 'node:test'
import { describePeerDiscoveryProvider } from '@kithmesh/testkit'
import { providers } from './certify.ts'

for (const [label, harness] of Object.entries(providers)) describePeerDiscoveryProvider(label, harness, runner)
