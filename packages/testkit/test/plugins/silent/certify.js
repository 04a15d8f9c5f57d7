import { defineProvider, PROVIDER_CONTRACT_VERSION } from '@kithmesh/core/plugin'

/** Never says that it is online, and fails without a code. */
const factory = defineProvider({
  name: 'Silent',
  contractVersion: PROVIDER_CONTRACT_VERSION,
  capabilities: {
    publishes: false,
    metadata: false,
    metadataUpdates: false,
    reportsDisappearance: false,
    suppliesSocketFactory: false,
    incomingConnections: false
  },
  create: (context) => ({
    async startBrowsing() {
      context.statusChanged('browse', { state: 'starting' })
      context.statusChanged('browse', { state: 'starting' })
      context.logger.warn('no luck', { error: new Error('because') })
    },
    async stopBrowsing() {},
    async startPublishing() {},
    async stopPublishing() {},
    async updateMetadata() {},
    monitorMetadata() {},
    async resolveUrl() {
      throw new Error('whatever')
    },
    socketFactory() {},
    async shutdown() {}
  })
})

export const providers = {
  silent: { factory, settleMs: 500, create: async () => ({ factoryFor: () => factory, async [Symbol.asyncDispose]() {} }) }
}
