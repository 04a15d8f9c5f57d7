import type { Clock, NetworkFacts, NetworkRoute, NetworkView, PeerDiscoveryProvider, SignalingChannel } from '@kithmesh/core'
import { createIdentity } from '@kithmesh/identity'
import type { Identity } from '@kithmesh/identity'
import { mqtt } from '@kithmesh/provider-mqtt'
import type { MqttOptions } from '@kithmesh/provider-mqtt'
import { recordingContext } from '@kithmesh/testkit'
import type { RecordingContext } from '@kithmesh/testkit'

export const group = 'com.example.shop'

/** One device of a test. */
export interface TestDevice {
  readonly identity: Identity
  readonly peerId: string
  readonly provider: PeerDiscoveryProvider
  readonly context: RecordingContext
  readonly channel: SignalingChannel
  readonly network: TestNetwork
  publish(displayName: string, metadata?: Readonly<Record<string, string>>): Promise<void>
}

export interface DeviceOptions extends Partial<MqttOptions> {
  readonly brokers: MqttOptions['brokers']
  readonly peerGroupId?: string
  readonly clock?: Clock
  readonly kind?: 'ec' | 'rsa'
}

/** Devices that are shut down together. */
export class Devices {
  readonly #all: TestDevice[] = []

  async device({ peerGroupId = group, clock, kind, ...options }: DeviceOptions): Promise<TestDevice> {
    const identity = options.identity ?? (await createIdentity({ commonName: 'device', ...(kind === undefined ? {} : { kind }) }))
    const network = new TestNetwork()
    const context = recordingContext({ peerGroupId, localPeerId: identity.peerId, network, ...(clock === undefined ? {} : { clock }) })
    const provider = mqtt({ reconnectMs: 20, ...options, identity }).create(context)
    const channel = provider.signalingChannel?.()
    if (channel === undefined) throw new Error('there is no signalling channel')
    const device: TestDevice = {
      identity,
      peerId: identity.peerId,
      provider,
      context,
      channel,
      network,
      publish: (displayName, metadata = {}) =>
        provider.startPublishing({
          displayName,
          port: 4984,
          metadata: new Map(Object.entries(metadata).map(([key, value]) => [key, Buffer.from(value)]))
        })
    }
    this.#all.push(device)
    return device
  }

  /** One that publishes and browses. */
  async online(displayName: string, options: DeviceOptions): Promise<TestDevice> {
    const device = await this.device(options)
    await Promise.all([device.provider.startBrowsing(), device.publish(displayName)])
    return device
  }

  async shutdown(): Promise<void> {
    await Promise.all(this.#all.splice(0).map(({ provider }) => provider.shutdown()))
  }
}

/** A network that tests change. */
class TestNetwork implements NetworkView {
  #facts: NetworkFacts = { measuredAt: 0, routes: [route('192.0.2.1')] }
  readonly #observers = new Set<(facts: NetworkFacts) => void>()

  get current(): NetworkFacts {
    return this.#facts
  }

  onChange(changed: (facts: NetworkFacts) => void): () => void {
    this.#observers.add(changed)
    return () => {
      this.#observers.delete(changed)
    }
  }

  become(...routes: readonly NetworkRoute[]): void {
    this.#facts = { measuredAt: 0, routes }
    for (const changed of this.#observers) changed(this.#facts)
  }
}

const unknown = { mapping: 'unknown', filtering: 'unknown', ports: { kind: 'unknown' } } as const

export function route(localAddress: string, externalAddress?: string, tcp: NetworkRoute['tcp'] = unknown): NetworkRoute {
  return {
    interfaceIndex: 0,
    family: localAddress.includes(':') ? 6 : 4,
    localAddress,
    externalAddress,
    tcp,
    udp: unknown
  }
}

export const never = (): AbortSignal => new AbortController().signal
