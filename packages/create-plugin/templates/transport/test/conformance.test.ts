import * as runner from 'node:test'
import { describeTransportStrategy } from '@kithmesh/testkit'
import { transports } from './certify.ts'

for (const [label, harness] of Object.entries(transports)) describeTransportStrategy(label, harness, runner)
