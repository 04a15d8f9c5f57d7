import type { ProviderFactory } from '@kithmesh/core'
import { createIdentity } from '@kithmesh/identity'
import type { Identity } from '@kithmesh/identity'
import { mqtt } from '@kithmesh/provider-mqtt'
import type { MqttOptions } from '@kithmesh/provider-mqtt'
import { describePeerDiscoveryProvider } from '@kithmesh/testkit'
import { EmbeddedBroker } from './support/embedded-broker.ts'

/** Machines have an identity each, the same ones in every test: the suite uses fewer than 30. */
const identities: readonly Identity[] = await Promise.all(
  Array.from({ length: 30 }, (_value, index) => createIdentity({ commonName: `host-${index + 1}` }))
)

const variants: Readonly<Record<string, Partial<MqttOptions>>> = {
  mqtt: {},
  'mqtt with a group key': { groupKey: Buffer.alloc(16, 7) }
}

for (const [label, options] of Object.entries(variants)) {
  const factoryOf = (brokers: MqttOptions['brokers'], identity: Identity): ProviderFactory => {
    const factory = mqtt({ brokers, identity, ...options })
    // A device is its certificate: the suite's own peer ids belong to nobody.
    return { ...factory, create: (context) => factory.create({ ...context, localPeerId: identity.peerId }) }
  }
  describePeerDiscoveryProvider(label, {
    factory: factoryOf(['mqtt://127.0.0.1'], identities[0] as Identity),
    async create() {
      const broker = await EmbeddedBroker.start()
      const hosts: string[] = []
      return {
        factoryFor(host) {
          if (!hosts.includes(host)) hosts.push(host)
          return factoryOf([broker.url], identities[hosts.indexOf(host)] as Identity)
        },
        [Symbol.asyncDispose]: () => broker.kill()
      }
    }
  })
}
