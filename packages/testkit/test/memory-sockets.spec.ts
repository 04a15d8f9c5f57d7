import { describeSocketFactory } from '@kithmesh/testkit'
import { byteHarness, messageHarness } from './memory-sockets.ts'

describeSocketFactory('memory', byteHarness())
describeSocketFactory('memory', messageHarness())
