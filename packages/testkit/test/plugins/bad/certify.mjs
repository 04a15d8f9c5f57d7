import { MemoryMedium } from '@kithmesh/testkit/memory'
import { bad, timer } from './index.mjs'

clearInterval(timer)

export const providers = {
  bad: {
    factory: bad(new MemoryMedium(), 'localhost'),
    settleMs: 2000,
    async create() {
      const medium = new MemoryMedium()
      return { factoryFor: (host) => bad(medium, host), async [Symbol.asyncDispose]() {} }
    }
  }
}
