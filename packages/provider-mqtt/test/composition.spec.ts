import { PassThrough } from 'node:stream'
import { TRANSPORT_CONTRACT_VERSION, createPeerDiscovery } from '@kithmesh/core'
import type { ConnectTarget, PeerDiscovery, TransportContext, TransportFactory } from '@kithmesh/core'
import { createIdentity } from '@kithmesh/identity'
import { mqtt } from '@kithmesh/provider-mqtt'
import { eventually } from '@kithmesh/testkit'
import { expect } from 'chai'
import { EmbeddedBroker } from './support/embedded-broker.ts'

/** A transport that connects to nobody, and shows what strategies are given. */
class Probe {
  context: TransportContext | undefined
  target: ConnectTarget | undefined

  readonly factory: TransportFactory = {
    name: 'probe',
    contractVersion: TRANSPORT_CONTRACT_VERSION,
    capabilities: Object.freeze({ listens: false, relayed: false }),
    create: (context) => {
      this.context = context
      return {
        name: 'probe',
        capabilities: { listens: false, relayed: false },
        assess: () => ({ usable: true, rank: 0 }),
        attempt: async (target) => {
          this.target = target
          return new PassThrough()
        },
        shutdown: async () => {}
      }
    }
  }
}

describe('in a discovery', () => {
  let broker: EmbeddedBroker
  const running: PeerDiscovery[] = []

  beforeEach(async () => {
    broker = await EmbeddedBroker.start()
  })
  afterEach(async () => {
    await Promise.all(running.splice(0).map((discovery) => discovery.shutdown()))
    await broker.kill()
  })

  const open = async (displayName: string): Promise<{ discovery: PeerDiscovery; probe: Probe; peerId: string }> => {
    const identity = await createIdentity({ commonName: displayName })
    const probe = new Probe()
    const discovery = createPeerDiscovery({
      peerGroupId: 'com.example.shop',
      localPeerId: identity.peerId,
      providers: [mqtt({ brokers: [broker.url], identity })],
      transports: [probe.factory]
    })
    running.push(discovery)
    await discovery.start({ publish: { displayName, port: 4984 } })
    return { discovery, probe, peerId: identity.peerId }
  }

  it('devices have their peer ids, strategies have the network of the other and reach it', async () => {
    const [a, b] = await Promise.all([open('a'), open('b')])
    const device = await eventually('the other device', () => a.discovery.devices.find(({ id }) => id === b.peerId))
    expect(device?.displayName).to.equal('b')
    await a.discovery.connect(b.peerId).then(({ socket }) => socket.destroy())
    expect(a.probe.target?.device.id).to.equal(b.peerId)
    expect(a.probe.target?.resolved.network?.port).to.equal(4984)
    const signaling = a.probe.context?.signaling
    expect(signaling?.reaches(b.peerId)).to.equal(true)
    const signal = new AbortController().signal
    expect(await signaling?.request(b.peerId, 'echo', { text: 'hello' }, { signal })).to.deep.equal({ text: 'hello' })
    b.probe.context?.signaling.handle('reverse-connect', (from, body) => ({ from, ...body }))
    expect(await signaling?.request(b.peerId, 'reverse-connect', { port: 1 }, { signal })).to.deep.equal({ from: a.peerId, port: 1 })
  })
})
