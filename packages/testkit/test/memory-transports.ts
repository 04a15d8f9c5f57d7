import type { TransportFactory, TransportStrategy } from '@kithmesh/core'
import type { TransportHarness } from '@kithmesh/testkit'
import { MemoryMedium, memoryTransport } from '@kithmesh/testkit/memory'

/** Two machines on an in-process medium; `mutate` may break their strategies. */
export function transportHarness(
  options: {
    readonly listens?: boolean
    readonly mutate?: (strategy: TransportStrategy, medium: MemoryMedium) => TransportStrategy
    readonly mutateFactory?: (factory: TransportFactory) => TransportFactory
    readonly settleMs?: number
  } = {}
): TransportHarness {
  const { listens = true, mutate = (strategy) => strategy, mutateFactory = (factory) => factory, settleMs = 5000 } = options
  const on = (medium: MemoryMedium, host: string): TransportFactory => {
    const factory = memoryTransport(medium, { host })
    const capabilities = Object.freeze({ ...factory.capabilities, listens })
    return mutateFactory({
      ...factory,
      capabilities,
      create(context) {
        const { listen, ...strategy } = factory.create(context)
        return mutate({ ...strategy, capabilities, ...(listens && listen !== undefined ? { listen } : {}) }, medium)
      }
    })
  }
  return {
    factory: on(new MemoryMedium(), 'a'),
    settleMs,
    async create() {
      const medium = new MemoryMedium()
      return {
        factoryFor: (host) => on(medium, host),
        resolved: (listener, host) => ({ url: `memory://${host}:${listener.port}/`, addresses: [] }),
        async listen(host, accept) {
          const listener = medium.listen(host, 0, accept)
          return {
            resolved: { url: `memory://${host}:${listener.port}/`, addresses: [] },
            async close() {
              listener.close()
            }
          }
        },
        unreachable: () => ({ url: 'memory://b:1/', addresses: [] }),
        unusable: () => ({ url: 'carrier-pigeon://b/', addresses: [] }),
        async [Symbol.asyncDispose]() {}
      }
    }
  }
}
