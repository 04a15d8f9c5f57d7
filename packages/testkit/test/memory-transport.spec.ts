import { describeTransportStrategy } from '@kithmesh/testkit'
import { transportHarness } from './memory-transports.ts'

describeTransportStrategy('memory', transportHarness())
describeTransportStrategy('memory that only dials', transportHarness({ listens: false }))
