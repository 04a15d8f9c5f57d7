import type { ProviderFactory } from '@kithmesh/core'
import type { ProviderHarness } from '@kithmesh/testkit'
import { MemoryMedium, memoryProvider } from '@kithmesh/testkit/memory'
import type { MemoryProviderOptions } from '@kithmesh/testkit/memory'

/** The provider suite's harness over in-process media; `mutate` may break the factory. */
export function memoryHarness(
  options: MemoryProviderOptions = {},
  mutate: (factory: ProviderFactory, medium: MemoryMedium) => ProviderFactory = (factory) => factory,
  settleMs = 5000
): ProviderHarness {
  const shown = new MemoryMedium()
  return {
    factory: mutate(memoryProvider(shown, options), shown),
    settleMs,
    async create() {
      const medium = new MemoryMedium()
      return {
        factoryFor: (host) => mutate(memoryProvider(medium, { ...options, host }), medium),
        async announce(service) {
          const { id } = medium.announce({
            ...service,
            peerId: service.localPeerId,
            host: `foreign-${service.port}-${service.displayName}`
          })
          return {
            async updateMetadata(metadata) {
              medium.update(id, metadata)
            },
            async withdraw() {
              medium.withdraw(id)
            }
          }
        },
        async [Symbol.asyncDispose]() {}
      }
    }
  }
}
