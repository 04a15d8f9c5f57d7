import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { silentLogger } from '@kithmesh/core'
import type { BleBackend } from '@kithmesh/provider-ble'
import { type ManualClock, manualClock } from '@kithmesh/testkit'
import { VirtualAir, type VirtualController } from '@kithmesh/testkit/ble'
import { expect } from 'chai'
import { hciBackend } from '../dist/backend/hci-backend.js'
import { pass } from './support/air-peers.ts'
import { sharedAdapter } from './support/shared-adapter.ts'

const service = '6b2faab9-a7d1-57da-b22e-03bbcab4689a'
const { signal } = new AbortController()

interface Device {
  readonly id: string
  readonly controller: VirtualController
  readonly backend: BleBackend
  readonly streams: Duplex[]
}

for (const library of ['abandonware', 'stoprocent'] as const) {
  describe(`streams on which nothing is said, ${library}`, () => {
    let clock: ManualClock
    let air: VirtualAir
    let devices: Device[]

    beforeEach(() => {
      clock = manualClock()
      air = new VirtualAir({ clock })
      devices = []
    })

    afterEach(async () => {
      await pass(clock, 'the stop', Promise.all(devices.map(({ backend }) => backend.stop())))
      expect(devices.flatMap(({ controller }) => controller.violations)).to.deep.equal([])
      await air.close()
    })

    async function device(l2cap: boolean): Promise<Device> {
      const controller = air.controller()
      const adapter = l2cap ? controller : sharedAdapter(controller)
      const backend = hciBackend({ adapter, library, l2cap })({ clock, logger: silentLogger })
      const streams: Duplex[] = []
      const made = { id: controller.address.id, controller, backend, streams }
      devices.push(made)
      await pass(
        clock,
        'the start',
        backend.start(() => {})
      )
      const onStream = (stream: Duplex): void => {
        streams.push(stream.on('error', () => {}))
        stream.pipe(stream)
      }
      const publication = { serviceUuid: service, displayName: 'one', metadata: Buffer.of(0), onStream }
      await pass(clock, 'publishing', backend.publisher!.publish(publication))
      return made
    }

    async function found(by: Device, other: Device): Promise<void> {
      await pass(
        clock,
        'finding',
        new Promise<void>((resolve, reject) => {
          by.backend.central.startScan(service, ({ id }) => (id === other.id ? resolve() : undefined)).catch(reject)
        })
      )
      await pass(clock, 'the end of the scan', by.backend.central.stopScan())
    }

    it('live on when the side that made the link wants nothing of it any more', async () => {
      const [here, there] = [await device(true), await device(false)]
      await found(there, here)
      await found(here, there)
      await pass(clock, 'reading', here.backend.central.read(there.id, { signal }))
      expect(here.controller.links.length).to.equal(1)
      const stream = await pass(clock, 'the stream', there.backend.central.openStream(here.id, 0x80, { signal }))
      stream.on('error', () => {})
      expect(here.controller.links.length, 'there is one link').to.equal(1)
      await clock.advance(60_000)
      stream.write('still there')
      expect(String(await pass(clock, 'the echo', once(stream, 'data')))).to.equal('still there')
      stream.destroy()
      await clock.advance(10_000)
      expect(here.controller.links, 'it ends when it is of no use').to.deep.equal([])
    })
  })
}
