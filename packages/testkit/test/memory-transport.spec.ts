import { describeTransportStrategy } from '@kithmesh/testkit'
import { callHarness } from './memory-call.ts'
import { transportHarness } from './memory-transports.ts'

describeTransportStrategy('memory', transportHarness())
describeTransportStrategy('memory that only dials', transportHarness({ listens: false }))
describeTransportStrategy('memory that is called back', callHarness())
