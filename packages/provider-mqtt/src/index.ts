/**
 * Discovery and signalling over MQTT: devices that know nothing but a group and a broker find each other and pass small, sealed messages,
 * wherever they are. Any broker of MQTT 3.1.1 or 5 will do, and several at once are better.
 *
 * @example
 * ```ts
 * import { createPeerDiscovery } from '@kithmesh/core'
 * import { createIdentity } from '@kithmesh/identity'
 * import { mqtt } from '@kithmesh/provider-mqtt'
 *
 * const identity = await createIdentity({ commonName: 'shop' })
 * const discovery = createPeerDiscovery({
 *   peerGroupId: 'com.example.shop',
 *   localPeerId: identity.peerId,
 *   providers: [mqtt({ brokers: ['mqtt://127.0.0.1'], identity, groupKey: 'correct horse battery staple' })],
 *   transports: []
 * })
 * discovery.addObserver({ devicesChanged: ({ added }) => { console.log(added.map(({ displayName }) => displayName)) } })
 * await discovery.start({ publish: { displayName: 'Shop', port: 4984 } })
 * ```
 *
 * @packageDocumentation
 */
import { PROVIDER_CONTRACT_VERSION } from '@kithmesh/core'
import type { ProviderCapabilities, ProviderFactory } from '@kithmesh/core'
import { createSigner } from './identity-signature.ts'
import { checkOptions } from './options.ts'
import type { MqttOptions } from './options.ts'
import { MqttProvider } from './provider.ts'

export { mqttErrors } from './errors.ts'
export type { GroupKey } from './group.ts'
export type { BrokerOptions, BrokerStatus, MqttOptions } from './options.ts'
export { probeBroker } from './probe-broker.ts'
export type { BrokerProbe, ProbeBrokerOptions } from './probe-broker.ts'

const capabilities: Readonly<ProviderCapabilities> = Object.freeze({
  publishes: true,
  metadata: true,
  metadataUpdates: true,
  reportsDisappearance: true,
  suppliesSocketFactory: false,
  incomingConnections: false
})

/**
 * Discovery and signalling over MQTT brokers. Peers are devices of the group whose signed presence is on a broker; their id is
 * `mqtt:<peer id>`. The provider has a signalling channel, so that its peers can be reached by strategies that need one.
 *
 * @throws TypeError for options that cannot work; ERR_MQTT_TOO_LARGE when the identity's certificates do not fit into a presence
 */
export function mqtt(options: MqttOptions): ProviderFactory {
  const checked = checkOptions(options)
  const signer = createSigner(checked.identity)
  return Object.freeze<ProviderFactory>({
    name: 'MQTT',
    contractVersion: PROVIDER_CONTRACT_VERSION,
    capabilities,
    create(context) {
      if (context.localPeerId !== signer.peerId) throw new TypeError('The identity of mqtt() is not that of the discovery')
      return new MqttProvider(context, checked, signer)
    }
  })
}
