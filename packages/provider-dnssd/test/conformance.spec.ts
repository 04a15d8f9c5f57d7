import { describePeerDiscoveryProvider, fastClock } from '@kithmesh/testkit'
import type { ProviderFactory } from '@kithmesh/core'
import { dnssd } from '@kithmesh/provider-dnssd'
import { nextPort } from './support/ports.ts'

// A medium of its own is a UDP port of its own on loopback; machines are factories, so each has its own sockets.
// The clock runs faster, since every publication spends a second on probing.
describePeerDiscoveryProvider('dnssd', {
  factory: dnssd(),
  async create() {
    const port = nextPort()
    const clock = fastClock(8)
    return {
      factoryFor(): ProviderFactory {
        const factory = dnssd({ interfaces: ['127.0.0.1'], port })
        return { ...factory, create: (context) => factory.create({ ...context, clock }) }
      },
      async [Symbol.asyncDispose]() {}
    }
  }
})
