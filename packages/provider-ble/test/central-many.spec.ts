import { randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import type { Duplex } from 'node:stream'
import { expect } from 'chai'
import { errorCode, silentLogger } from '@kithmesh/core'
import { type ManualClock, eventually, manualClock } from '@kithmesh/testkit'
import { VirtualAir } from '@kithmesh/testkit/ble'
import type { BleLibrary } from '../dist/library/libraries.js'
import { loadBleno } from '../dist/library/load-bleno.js'
import { createPublisher } from '../dist/publisher/publisher.js'
import { type AirPeer, SERVICE, airPeer, pass } from './support/air-peers.ts'

const DEVICES = 6
const { signal } = new AbortController()
setMaxListeners(0, signal)

interface Device extends AirPeer {
  readonly accepted: Duplex[]
  readonly metadata: Buffer
}

for (const library of ['abandonware', 'stoprocent'] as const) {
  describe(`${DEVICES} devices at once over ${library}`, () => {
    /** Time passes with what happens: however busy the machine is, nobody waits too long for an answer. */
    let clock: ManualClock
    let air: VirtualAir
    let devices: Device[]

    beforeEach(async () => {
      clock = manualClock()
      air = new VirtualAir({ clock })
      devices = await pass(clock, 'the start', Promise.all(Array.from({ length: DEVICES }, () => device(air, library, clock))))
    })
    afterEach(async () => {
      await pass(clock, 'the stop', Promise.all(devices.map((each) => each.stop())))
      for (const { controller } of devices) expect(controller.violations).to.deep.equal([])
      await air.close()
    })

    it('find each other, read each other and open streams to each other', async () => {
      const all = Promise.all(
        devices.map(async (own) => {
          const heard = new Set<string>()
          await own.central.startScan(SERVICE, ({ id }) => heard.add(id))
          await eventually('all to be heard', () => heard.size === DEVICES - 1)
          await Promise.all(
            devices
              .filter(({ id }) => id !== own.id)
              .map(async (other) => {
                const record = await own.central.read(other.id, { signal })
                expect(Buffer.from(record.metadata)).to.deep.equal(other.metadata)
                const stream = await own.central.openStream(other.id, record.psm, { signal })
                stream.on('error', () => undefined)
                const bytes = randomBytes(4000)
                const back = new Promise<Buffer>((resolve) => {
                  const parts: Buffer[] = []
                  stream.on('data', (part: Buffer) => {
                    parts.push(part)
                    const whole = Buffer.concat(parts)
                    if (whole.length >= bytes.length) resolve(whole)
                  })
                })
                stream.write(bytes)
                expect((await back).equals(bytes)).to.equal(true)
              })
          )
        })
      )
      await pass(clock, 'everything', all)
      // One link for each pair, whatever each of them wanted.
      const links = devices.reduce((sum, { controller }) => sum + controller.links.length, 0)
      expect(links).to.equal(DEVICES * (DEVICES - 1))
      expect(devices.map(({ accepted }) => accepted.length)).to.deep.equal(devices.map(() => DEVICES - 1))
    })

    it('do not mind that one of them is pulled out while it is read by all', async () => {
      const [gone, ...rest] = devices as [Device, ...Device[]]
      const fates = rest.map((own) =>
        own.central.read(gone.id, { signal }).then(
          () => 'read',
          (error: unknown) => errorCode(error)
        )
      )
      await pass(
        clock,
        'a connection',
        eventually('one to be connected', () => gone.controller.links.length > 0)
      )
      gone.controller.unplug()
      for (const fate of await pass(clock, 'the end of all', Promise.all(fates))) {
        expect(fate).to.be.oneOf(['read', 'ERR_BLE_LINK_LOST', 'ERR_BLE_TIMEOUT', 'ERR_BLE_CONNECT'])
      }
      const [first, second] = rest as [Device, Device]
      const record = await pass(clock, 'another reading', first.central.read(second.id, { signal }))
      expect(Buffer.from(record.metadata)).to.deep.equal(second.metadata)
    })
  })
}

async function device(air: VirtualAir, library: BleLibrary, clock: ManualClock): Promise<Device> {
  const peer = await airPeer(air, library, { supervisionMs: 500, clock })
  const { host } = peer
  const publisher = createPublisher({
    clock,
    logger: silentLogger,
    load: () => loadBleno(library, host.stack('peripheral'), { logger: silentLogger }),
    listen: (options) => host.listen(options)
  })
  const accepted: Duplex[] = []
  const metadata = randomBytes(200)
  await publisher.publish({
    serviceUuid: SERVICE,
    displayName: peer.id,
    metadata,
    onStream: (stream) => {
      stream.on('error', () => undefined)
      stream.pipe(stream)
      accepted.push(stream)
    }
  })
  return {
    ...peer,
    accepted,
    metadata,
    stop: async () => {
      await peer.central.stop()
      await publisher.stop()
      await peer.stop()
    }
  }
}
