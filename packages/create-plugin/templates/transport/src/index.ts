import { defineTransport, TRANSPORT_CONTRACT_VERSION, type TransportFactory } from '@kithmesh/core/plugin'
import { checkOptions, type __Name__Options } from './options.ts'
import { __Name__Strategy, capabilities } from './strategy.ts'

export { __factory__Errors } from './errors.ts'
export type { __Name__Options } from './options.ts'

/**
 * Connects to devices through an HTTP proxy.
 *
 * @example
 * createPeerDiscovery({ peerGroupId, localPeerId, providers: [dnssd()], transports: [direct(), __factory__({ proxy: 'http://proxy.example:3128' })] })
 */
export function __factory__(options: __Name__Options): TransportFactory {
  const checked = checkOptions(options)
  return defineTransport({
    name: '__name__',
    contractVersion: TRANSPORT_CONTRACT_VERSION,
    capabilities,
    create: (context) => new __Name__Strategy(context, checked)
  })
}
