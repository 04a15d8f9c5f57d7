import { describePeerDiscoveryProvider, describeSocketFactory, recordingContext } from '@kithmesh/testkit'
import type { ByteSocketFactory, PeerDiscoveryProvider } from '@kithmesh/core'
import { ble } from '@kithmesh/provider-ble'
import { FakeAdapter, FakeAir } from './support/fake-air.ts'

const intervalMs = 20
const ttlMs = 500

for (const tagged of [true, false]) {
  describePeerDiscoveryProvider(`ble over a backend in memory, ${tagged ? 'with tags' : 'without tags'}`, {
    factory: ble({ backend: new FakeAdapter(new FakeAir()).factory }),
    async create() {
      const air = new FakeAir(intervalMs)
      return {
        factoryFor() {
          const adapter = new FakeAdapter(air)
          adapter.tagged = tagged
          return ble({ backend: adapter.factory, ttlMs })
        },
        async [Symbol.asyncDispose]() {}
      }
    }
  })
}

describe('sockets of ble over a backend in memory', () => {
  const air = new FakeAir()
  const providers: PeerDiscoveryProvider[] = []
  const contextOf = (hex: string): ReturnType<typeof recordingContext> =>
    recordingContext({ peerGroupId: 'com.example.shop', localPeerId: hex.repeat(32) })
  const dialling = ble({ backend: new FakeAdapter(air).factory }).create(contextOf('a1'))
  before(() => dialling.startBrowsing())
  after(async () => {
    await Promise.all([dialling, ...providers.splice(0)].map((provider) => provider.shutdown()))
  })

  describeSocketFactory('ble over a backend in memory', {
    factory: dialling.socketFactory() as ByteSocketFactory,
    async listen(accept) {
      const adapter = new FakeAdapter(air)
      const context = contextOf('b2')
      const provider = ble({ backend: adapter.factory }).create(context)
      providers.push(provider)
      context.acceptIncoming = (_id, socket) => {
        accept(socket)
        return true
      }
      await provider.startPublishing({ displayName: 'shop', port: 4984, metadata: new Map() })
      return { url: `l2cap://${adapter.id}:128`, close: () => provider.stopPublishing() }
    }
  })
})
