import { describeTransportStrategy, fastClock, globalRunner } from '@kithmesh/testkit'
import type { NetworkRoute, ResolvedUrl } from '@kithmesh/core'
import { holePunch } from '@kithmesh/transport-holepunch'
import { systemClock } from '@kithmesh/core'
import { UNKNOWN, facts, route } from './support/networks.ts'

/** Both machines go by the clock of this one, and its waits take a third of their time. */
const exact = { now: () => systemClock.now(), uncertaintyMs: 0 }
const clock = fastClock(3)

/** Two machines on loopback: no NAT, no STUN server, nothing known. Both ends dial at once, and nobody listens. */
const ADDRESSES: Readonly<Record<string, string>> = { a: '127.0.0.2', b: '127.0.0.3' }

function loopbackRoute(host: string): NetworkRoute {
  return route({ localAddress: ADDRESSES[host] ?? '127.0.0.4', externalAddress: undefined, tcp: UNKNOWN })
}

function resolvedFor(host: string): ResolvedUrl {
  return { url: 'mqtt://peer', addresses: [], network: { routes: [loopbackRoute(host)], port: 0 } }
}

describeTransportStrategy(
  'tcp-hole-punch',
  {
    factory: holePunch(),
    settleMs: 30_000,
    create: async () => ({
      factoryFor: () => holePunch({ clock: exact }),
      context: (host, defaults) => ({ ...defaults, clock, network: { current: facts(loopbackRoute(host)), onChange: () => () => {} } }),
      resolved: (_listener, host) => resolvedFor(host),
      unreachable: () => resolvedFor('b'),
      unusable: () => ({ url: 'ws://peer.local:4984/db', addresses: ['127.0.0.3'] }),
      async [Symbol.asyncDispose]() {}
    })
  },
  globalRunner()
)
