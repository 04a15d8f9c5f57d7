import { describePeerDiscoveryProvider, describeSocketFactory, realClock, recordingContext } from '@kithmesh/testkit'
import type { RecordingContext } from '@kithmesh/testkit'
import type { ByteSocket, ByteSocketFactory, PeerDiscoveryProvider } from '@kithmesh/core'
import { VirtualAir } from '@kithmesh/testkit/ble'
import { ble } from '@kithmesh/provider-ble'
import type { BleLibrary } from '@kithmesh/provider-ble'

// Everything is real but the radio: unmodified libraries over hosts of ours, and a virtual air for each fixture.
const times = { ttlMs: 800, advertisingIntervalMs: 30 }

for (const library of ['abandonware', 'stoprocent'] as const) {
  describePeerDiscoveryProvider(`ble over ${library}`, {
    factory: ble({ library }),
    async create() {
      const air = new VirtualAir({ clock: realClock })
      return {
        factoryFor: () => ble({ adapter: air.controller(), library, ...times }),
        [Symbol.asyncDispose]: () => air.close()
      }
    }
  })

  describe(`sockets of ble over ${library}`, () => {
    const air = new VirtualAir({ clock: realClock })
    const dialling = device(air, library, 'a1')
    const listening = device(air, library, 'b2')
    // Adapters have links for a few devices only, and the suite has twenty listeners: all of them are on one device.
    const listeners: ((socket: ByteSocket) => void)[] = []
    before(() => dialling.provider.startBrowsing())
    after(async () => {
      await Promise.all([dialling.provider.shutdown(), listening.provider.shutdown()])
      await air.close()
    })
    listening.context.acceptIncoming = (_id, socket) => {
      listeners.at(-1)?.(socket)
      return listeners.length > 0
    }

    describeSocketFactory(`ble over ${library}`, {
      factory: dialling.provider.socketFactory() as ByteSocketFactory,
      async listen(accept) {
        listeners.push(accept)
        await listening.provider.startPublishing({ displayName: 'shop', port: 0, metadata: new Map() })
        return {
          url: `l2cap://${listening.id}:128`,
          async close() {
            const index = listeners.indexOf(accept)
            if (index >= 0) listeners.splice(index, 1)
            if (listeners.length === 0) await listening.provider.stopPublishing()
          }
        }
      }
    })
  })
}

function device(
  air: VirtualAir,
  library: BleLibrary,
  hex: string
): { readonly context: RecordingContext; readonly provider: PeerDiscoveryProvider; readonly id: string } {
  const controller = air.controller()
  const context = recordingContext({ peerGroupId: 'com.example.shop', localPeerId: hex.repeat(32) })
  const provider = ble({ adapter: controller, library, ...times }).create(context)
  return { context, provider, id: controller.address.id }
}
