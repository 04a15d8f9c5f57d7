import type { ProviderFactory } from './contracts/provider.ts'
import type { TransportFactory } from './contracts/transport.ts'

/**
 * Makes a provider factory immutable and gives its literal the right type; plugins return what this returns.
 * Nothing is checked here: `createPeerDiscovery` does, so that a plugin built against another version fails where it is used.
 *
 * @example
 * export function pigeon (options: PigeonOptions = {}): ProviderFactory {
 *   return defineProvider({ name: 'pigeon', contractVersion: PROVIDER_CONTRACT_VERSION, capabilities, create: (context) => new PigeonProvider(context, options) })
 * }
 */
export function defineProvider(factory: ProviderFactory): ProviderFactory {
  return Object.freeze({ ...factory, capabilities: Object.freeze({ ...factory.capabilities }) })
}

/** The same for transport strategies. */
export function defineTransport(factory: TransportFactory): TransportFactory {
  return Object.freeze({ ...factory, capabilities: Object.freeze({ ...factory.capabilities }) })
}
