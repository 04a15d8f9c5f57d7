// One device that is seen over the network and over Bluetooth is one device.
import { expect } from 'chai'
import { createPeerDiscovery } from '@kithmesh/core'
import { ble } from '@kithmesh/provider-ble'
import { dnssd } from '@kithmesh/provider-dnssd'
import { realClock } from '@kithmesh/testkit'
import { VirtualAir } from '@kithmesh/testkit/ble'
import { eventually } from '../../support/eventually.mjs'
import { libraries } from './radio.mjs'

const peerGroupId = 'com.example.shop'
const port = 20_000 + (process.pid % 10_000)

for (const library of libraries) {
  describe(`a device seen over DNS-SD and Bluetooth LE, with ${library}`, () => {
    let air
    const discoveries = []

    const make = (digit) => {
      const discovery = createPeerDiscovery({
        peerGroupId,
        localPeerId: digit.repeat(64),
        providers: [dnssd({ interfaces: ['127.0.0.1'], port, probe: false }), ble({ adapter: air.controller(), library, ttlMs: 2000 })]
      })
      discoveries.push(discovery)
      return discovery
    }

    beforeEach(() => {
      air = new VirtualAir({ clock: realClock })
    })
    afterEach(async () => {
      await Promise.all(discoveries.splice(0).map((discovery) => discovery.shutdown()))
      await air.close()
    })

    it('is one device with two sightings, and stays one when either goes', async () => {
      const [browsing, published] = [make('a'), make('b')]
      const seen = () => browsing.devices.map(({ id, peers }) => [id, peers.map(({ provider }) => provider).sort()])
      const becomes = (providers) =>
        eventually(`${providers} of one device`, () => expect(seen()).to.deep.equal([['b'.repeat(64), providers]]))
      const removed = []
      browsing.addObserver({ devicesChanged: (change) => removed.push(...change.removed) })
      await browsing.startBrowsing()
      await published.startPublishing({ displayName: 'shop', port: 4984 })
      await becomes(['BluetoothLE', 'DNS-SD'])
      expect(browsing.devices[0].displayName).to.equal('shop')
      await published.stopPublishing()
      await eventually('nobody', () => browsing.devices.length === 0)
      expect(removed).to.have.lengthOf(1)
      await published.startPublishing({ displayName: 'shop' }) // without a port only Bluetooth publishes
      await becomes(['BluetoothLE'])
      await published.startPublishing({ displayName: 'shop', port: 4984 })
      await becomes(['BluetoothLE', 'DNS-SD'])
      expect(removed).to.have.lengthOf(1)
    })
  })
}
