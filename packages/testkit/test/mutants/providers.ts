import { coreErrors } from '@kithmesh/core'
import type { PeerDiscoveryProvider, ProviderContext, ProviderFactory } from '@kithmesh/core'

/** Breaks a correct provider in one place. */
export type ProviderMutation = (factory: ProviderFactory) => ProviderFactory

function mutant(
  change: (provider: PeerDiscoveryProvider, context: ProviderContext) => Partial<PeerDiscoveryProvider>,
  see: (context: ProviderContext) => Partial<ProviderContext> = () => ({})
): ProviderMutation {
  return (factory) => ({
    ...factory,
    create(context) {
      const inner = factory.create(Object.assign(Object.create(context) as ProviderContext, see(context)))
      return {
        startBrowsing: () => inner.startBrowsing(),
        stopBrowsing: () => inner.stopBrowsing(),
        startPublishing: (options) => inner.startPublishing(options),
        stopPublishing: () => inner.stopPublishing(),
        updateMetadata: (metadata) => inner.updateMetadata(metadata),
        monitorMetadata: (id, on) => {
          inner.monitorMetadata(id, on)
        },
        resolveUrl: (id, options) => inner.resolveUrl(id, options),
        socketFactory: () => inner.socketFactory(),
        shutdown: () => inner.shutdown(),
        ...change(inner, context)
      }
    }
  })
}

/** Does not recognise its own service. */
export const findsItself: ProviderMutation = (factory) =>
  mutant((inner, context) => {
    const publisher = factory.create(
      Object.assign(Object.create(context) as ProviderContext, { localPeerId: [...context.localPeerId].reverse().join('') })
    )
    return {
      startPublishing: (options) => publisher.startPublishing(options),
      stopPublishing: () => publisher.stopPublishing(),
      updateMetadata: (metadata) => publisher.updateMetadata(metadata),
      async shutdown() {
        await Promise.all([inner.shutdown(), publisher.shutdown()])
      }
    }
  })(factory)

/** Squeezes dots out of group ids, as a protocol without them may be tempted to. */
export const confusesGroups = mutant(
  () => ({}),
  (context) => ({ peerGroupId: context.peerGroupId.replaceAll('.', '-') })
)

/** Says that it has stopped browsing and goes on. */
export const goesOnBrowsing = mutant((inner, context) => ({
  async stopBrowsing() {
    context.statusChanged('browse', { state: 'offline' })
  },
  async startBrowsing() {
    await inner.startBrowsing()
    context.statusChanged('browse', { state: 'online' })
  }
}))

/** Reports online with every call of startBrowsing. */
export const startsTwice = mutant((inner, context) => {
  let starts = 0
  return {
    async startBrowsing() {
      await inner.startBrowsing()
      if (++starts > 1) context.statusChanged('browse', { state: 'online' })
    },
    async stopBrowsing() {
      starts = 0
      await inner.stopBrowsing()
    }
  }
})

/** Shuts down without withdrawing its service. */
export const leavesWithoutGoodbye = mutant((inner) => ({ shutdown: () => inner.stopBrowsing() }))

/** Resolves whatever the signal says. */
export const ignoresSignal = mutant((inner) => ({ resolveUrl: (id) => inner.resolveUrl(id, { signal: new AbortController().signal }) }))

/** Keeps sockets open that nobody wanted. */
export const keepsRefusedSockets = mutant(
  () => ({}),
  (context) => ({
    incomingConnection(id, socket) {
      context.incomingConnection(id, socket)
      return true
    }
  })
)

/** Takes new metadata and does not publish it. */
export const swallowsMetadata = mutant(() => ({ async updateMetadata() {} }))

/** Declares that it cannot publish, but then does as if. */
export const pretendsToPublish = mutant(() => ({ async startPublishing() {} }))

/** Mistakes a repeated stop for an error. */
export const refusesSecondStop = mutant((inner) => {
  let stopped = false
  return {
    async startPublishing(options) {
      stopped = false
      await inner.startPublishing(options)
    },
    async stopPublishing() {
      if (stopped) throw coreErrors.create('ERR_PD_NOT_PUBLISHING', 'not publishing')
      await inner.stopPublishing()
      stopped = true
    }
  }
})
