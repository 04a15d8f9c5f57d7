import { defineProvider, PROVIDER_CONTRACT_VERSION, type ProviderFactory } from '@kithmesh/core/plugin'
import { checkOptions, type SharedFolderOptions } from './options.ts'
import { SharedFolderProvider } from './provider.ts'

export { sharedFolderErrors } from './errors.ts'
export type { SharedFolderOptions } from './options.ts'

/**
 * Peers that see one folder find each other there.
 *
 * @example
 * createPeerDiscovery({ peerGroupId, localPeerId, providers: [sharedFolder({ directory: '/mnt/team/peers' })], transports: [direct()] })
 */
export function sharedFolder(options: SharedFolderOptions): ProviderFactory {
  const checked = checkOptions(options)
  return defineProvider({
    name: 'SharedFolder',
    contractVersion: PROVIDER_CONTRACT_VERSION,
    capabilities: {
      publishes: true,
      metadata: true,
      metadataUpdates: true,
      reportsDisappearance: true,
      suppliesSocketFactory: false,
      incomingConnections: false
    },
    create: (context) => new SharedFolderProvider(context, checked)
  })
}
