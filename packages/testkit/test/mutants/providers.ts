import { setImmediate as nextTurn } from 'node:timers/promises'
import { coreErrors } from '@kithmesh/core'
import type { PeerDiscoveryProvider, PeerSighting, ProviderCapabilities, ProviderContext, ProviderFactory } from '@kithmesh/core'
import { duplexPair } from '@kithmesh/testkit/memory'

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
const findsItself: ProviderMutation = (factory) =>
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
const confusesGroups = mutant(
  () => ({}),
  (context) => ({ peerGroupId: context.peerGroupId.replaceAll('.', '-') })
)

/** Says that it has stopped browsing and goes on. */
const goesOnBrowsing = mutant((inner, context) => ({
  async stopBrowsing() {
    context.statusChanged('browse', { state: 'offline' })
  },
  async startBrowsing() {
    await inner.startBrowsing()
    context.statusChanged('browse', { state: 'online' })
  }
}))

/** Reports online with every call of startBrowsing. */
const startsTwice = mutant((inner, context) => {
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
const leavesWithoutGoodbye = mutant((inner) => ({ shutdown: () => inner.stopBrowsing() }))

/** Resolves whatever the signal says. */
const ignoresSignal = mutant((inner) => ({ resolveUrl: (id) => inner.resolveUrl(id, { signal: new AbortController().signal }) }))

/** Keeps sockets open that nobody wanted. */
const keepsRefusedSockets = mutant(
  () => ({}),
  (context) => ({
    incomingConnection(id, socket) {
      context.incomingConnection(id, socket)
      return true
    }
  })
)

/** Takes new metadata and does not publish it. */
const swallowsMetadata = mutant(() => ({ async updateMetadata() {} }))

/** Declares that it cannot publish, but then does as if. */
const pretendsToPublish = mutant(() => ({ async startPublishing() {} }))

/** Mistakes a repeated stop for an error. */
const refusesSecondStop = mutant((inner) => {
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

const ignore = (): void => {}

/** Changes the sightings that a provider reports. */
const finding = (change: (sighting: PeerSighting, context: ProviderContext) => PeerSighting | undefined): ProviderMutation =>
  mutant(
    () => ({}),
    (context) => ({
      peersFound(sightings) {
        const changed = sightings.flatMap((sighting) => change(sighting, context) ?? [])
        if (changed.length > 0) context.peersFound(changed)
      },
      metadataChanged(id, metadata) {
        context.metadataChanged(id, change({ id, displayName: '', metadata }, context)?.metadata ?? metadata)
      }
    })
  )

const withMetadata = (change: (metadata: Map<string, Uint8Array>) => unknown): ProviderMutation =>
  finding((sighting) => ({ ...sighting, metadata: change(new Map(sighting.metadata)) as Map<string, Uint8Array> }))

/** Has a timer from the beginning of browsing on, and for ever, but for the end of the test. */
const leavesTimer: ProviderMutation = mutant((inner) => ({
  async startBrowsing() {
    setTimeout(ignore, 1500)
    await inner.startBrowsing()
  }
}))

export interface ProviderMutant {
  readonly mutate: ProviderMutation
  readonly capabilities?: Partial<ProviderCapabilities>
  /** A check that must catch it. */
  readonly caughtBy: string
}

/** Providers that are broken in one place each, by what is wrong with them. */
export const providerMutants: Readonly<Record<string, ProviderMutant>> = {
  'has capabilities that change': {
    mutate: (factory) => ({ ...factory, capabilities: { ...factory.capabilities } }),
    caughtBy: 'factory > has a name, the contract version and frozen capabilities'
  },
  'reports before it was asked to do anything': {
    mutate: (factory) => ({
      ...factory,
      create(context) {
        context.statusChanged('browse', { state: 'offline' })
        return factory.create(context)
      }
    }),
    caughtBy: 'factory > creates providers that do nothing by themselves'
  },
  'starts twice': { mutate: startsTwice, caughtBy: 'browse lifecycle > starts once when started twice' },
  'cannot be stopped twice': { mutate: refusesSecondStop, caughtBy: 'publish lifecycle > stops once when stopped twice' },
  'leaves without a goodbye': { mutate: leavesWithoutGoodbye, caughtBy: 'shutdown > works when publishing' },
  'withdraws nothing on shutdown': { mutate: leavesWithoutGoodbye, caughtBy: 'publishing > withdraws the publication on shutdown' },
  'goes on browsing': { mutate: goesOnBrowsing, caughtBy: 'stopBrowsing > reports nothing afterwards' },
  'ends its publication when it stops browsing': {
    mutate: mutant((inner) => ({
      async stopBrowsing() {
        await inner.stopBrowsing()
        await inner.stopPublishing()
      }
    })),
    caughtBy: 'stopBrowsing > does not end the publication'
  },
  'finds only what comes later': {
    mutate: (factory) =>
      ({
        ...factory,
        create(context) {
          let deaf = true
          const provider = factory.create(
            Object.assign(Object.create(context) as ProviderContext, {
              peersFound: (sightings: readonly PeerSighting[]) => {
                if (!deaf) context.peersFound(sightings)
              }
            })
          )
          const start = provider.startBrowsing.bind(provider)
          provider.startBrowsing = async () => {
            deaf = true
            await start()
            await nextTurn()
            await nextTurn()
            deaf = false
          }
          return provider
        }
      }) satisfies ProviderFactory,
    caughtBy: 'finding > finds a service that was there before'
  },
  'takes namesakes for one': {
    mutate: finding((sighting) => ({ ...sighting, id: sighting.displayName })),
    caughtBy: 'finding > tells apart services of the same name'
  },
  'writes names in ASCII': {
    mutate: finding((sighting) => ({ ...sighting, displayName: sighting.displayName.replace(/[^ -~]/g, '?') })),
    caughtBy: 'finding > keeps non-ASCII and dotted names'
  },
  'confuses groups': { mutate: confusesGroups, caughtBy: 'groups > finds only services of its own group' },
  'finds itself': { mutate: findsItself, caughtBy: 'publishing > never finds itself (publish first)' },
  'pretends to publish': {
    mutate: pretendsToPublish,
    capabilities: { publishes: false, incomingConnections: false },
    caughtBy: 'without publishing > rejects startPublishing with ERR_PD_UNSUPPORTED'
  },
  'never loses a peer': {
    mutate: mutant(
      () => ({}),
      () => ({ peersLost: ignore })
    ),
    caughtBy: 'disappearance > notices a withdrawn service'
  },
  'loses all peers with one': {
    mutate: (factory) => {
      const ids = new Set<string>()
      return mutant(
        () => ({}),
        (context) => ({
          peersFound(sightings) {
            for (const { id } of sightings) ids.add(id)
            context.peersFound(sightings)
          },
          peersLost() {
            context.peersLost([...ids])
          }
        })
      )(factory)
    },
    caughtBy: 'disappearance > notices one of two namesakes leaving, and keeps the other'
  },
  'takes metadata for text': {
    mutate: withMetadata((metadata) => new Map([...metadata].map(([key, value]) => [key, Buffer.from(Buffer.from(value).toString())]))),
    caughtBy: 'metadata > carries every byte value'
  },
  'drops empty values': {
    mutate: withMetadata((metadata) => new Map([...metadata].filter(([, value]) => value.length > 0))),
    caughtBy: 'metadata > carries an empty value'
  },
  'cuts values at an equals sign': {
    mutate: withMetadata(
      (metadata) =>
        new Map(
          [...metadata].map(([key, value]) => [key, Buffer.from(Buffer.from(value).toString('latin1').split('=')[0] ?? '', 'latin1')])
        )
    ),
    caughtBy: 'metadata > carries an equals sign in a value'
  },
  'keeps metadata in an object': {
    mutate: withMetadata((metadata) => {
      const object: Record<string, Uint8Array> = {}
      for (const [key, value] of metadata) object[key] = value
      return new Map(Object.entries(object))
    }),
    caughtBy: 'metadata > carries keys that mean something to JavaScript'
  },
  'reads the metadata of its publisher later': {
    mutate: mutant((inner) => ({
      async startPublishing(options) {
        await nextTurn()
        await inner.startPublishing(options)
      }
    })),
    caughtBy: 'reports > show what was published, whatever the publisher does with its map'
  },
  'reads new metadata later': {
    mutate: mutant((inner) => ({
      async updateMetadata(metadata) {
        await nextTurn()
        await inner.updateMetadata(metadata)
      }
    })),
    caughtBy: 'reports > show what it was changed to, whatever the publisher does with that map'
  },
  'swallows new metadata': { mutate: swallowsMetadata, caughtBy: 'metadata > arrives at the last of several quick changes' },
  'loses a peer for a moment when its metadata change': {
    mutate: mutant(
      () => ({}),
      (context) => ({
        metadataChanged(id, metadata) {
          context.peersLost([id])
          context.peersFound([{ id, displayName: 'shop', metadata }])
        }
      })
    ),
    caughtBy: 'metadata > notices changes of a monitored peer, in order, while it stays online'
  },
  'resolves whatever the signal says': {
    mutate: ignoresSignal,
    caughtBy: 'resolveUrl > rejects with the reason of a signal that has aborted'
  },
  'resolves to a port of its own': {
    mutate: mutant((inner) => ({
      async resolveUrl(id, options) {
        const resolved = await inner.resolveUrl(id, options)
        return { ...resolved, url: resolved.url.replace(/:\d+/, ':4984') }
      }
    })),
    capabilities: { suppliesSocketFactory: false, incomingConnections: false },
    caughtBy: 'resolveUrl > gives a URL with scheme and host that the socket factory understands'
  },
  'resolves what it never saw': {
    mutate: mutant((inner) => ({
      resolveUrl: (id, options) =>
        id === 'nobody' ? Promise.resolve({ url: 'memory://nobody:1/', addresses: [] }) : inner.resolveUrl(id, options)
    })),
    caughtBy: 'resolveUrl > rejects an unknown id with a code when browsing'
  },
  'has no socket factory until it browses': {
    mutate: mutant((inner) => {
      let browsing = false
      return {
        async startBrowsing() {
          browsing = true
          await inner.startBrowsing()
        },
        socketFactory: () => (browsing ? inner.socketFactory() : undefined)
      }
    }),
    caughtBy: 'socket factory > is there when new'
  },
  'keeps refused sockets': { mutate: keepsRefusedSockets, caughtBy: 'incoming connections > are destroyed when nobody wants them' },
  'reports connections that it does not declare': {
    mutate: mutant((inner, context) => ({
      async startPublishing(options) {
        await inner.startPublishing(options)
        const [socket, other] = duplexPair()
        for (const half of [socket, other]) half.on('error', ignore)
        context.incomingConnection(undefined, socket)
        socket.destroy()
      }
    })),
    capabilities: { incomingConnections: false },
    caughtBy: 'incoming connections > are never reported'
  },
  'forgets a start that comes while it stops': {
    mutate: mutant((inner, context) => {
      let stopping = false
      return {
        async startPublishing(options) {
          if (stopping) context.statusChanged('publish', { state: 'online' })
          else await inner.startPublishing(options)
        },
        async stopPublishing() {
          stopping = true
          await inner.stopPublishing()
          stopping = false
        }
      }
    }),
    caughtBy: 'calls that cross > is found when it publishes again while it stops'
  },
  'waits on shutdown for a resolution that waits for it': {
    mutate: mutant((inner) => {
      const pending = new Set<unknown>()
      return {
        async resolveUrl(id, options) {
          pending.add(options)
          await nextTurn()
          return await inner.resolveUrl(id, options)
        },
        async shutdown() {
          if (pending.size > 0) await new Promise<never>(ignore)
          await inner.shutdown()
        }
      }
    }),
    caughtBy: 'calls that cross > settles a resolveUrl that shutdown comes across'
  },
  'loses what it never found': {
    mutate: mutant(
      () => ({}),
      (context) => ({
        peersLost(ids) {
          context.peersLost([...ids, 'somebody'])
        }
      })
    ),
    caughtBy: 'reports > lose only what was found'
  },
  'reports metadata as an object': {
    mutate: finding((sighting) => ({ ...sighting, metadata: Object.fromEntries(sighting.metadata ?? []) as never })),
    caughtBy: 'reports > are of whole sightings'
  },
  'names a service anew each time': {
    mutate: mutant(
      (inner, context) => {
        void context
        return { startBrowsing: () => inner.startBrowsing() }
      },
      (context) => {
        let count = 0
        return {
          peersFound(sightings) {
            count++
            context.peersFound(sightings.map((sighting) => ({ ...sighting, id: `${sighting.id} ${count}` })))
          }
        }
      }
    ),
    caughtBy: 'reports > name the same service by the same id again'
  },
  'fails without a hint': {
    mutate: mutant((inner) => ({
      resolveUrl: (id, options) =>
        inner.resolveUrl(id, options).catch((error: unknown) => {
          throw options.signal.aborted ? error : Object.assign(new Error('it did not work'), { code: 'ERR_PD_RESOLVE_FAILED' })
        })
    })),
    caughtBy: 'errors > of resolveUrl say what happened, with a hint'
  },
  'goes on listening to the signal': {
    mutate: mutant((inner) => ({
      resolveUrl(id, options) {
        options.signal.addEventListener('abort', ignore)
        return inner.resolveUrl(id, options)
      }
    })),
    caughtBy: 'nothing is left behind > on the signal of resolveUrl'
  },
  'leaves a timer': { mutate: leavesTimer, caughtBy: 'nothing is left behind > by a provider that was shut down' }
}
