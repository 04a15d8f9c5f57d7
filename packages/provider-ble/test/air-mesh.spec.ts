import type { Duplex } from 'node:stream'
import { expect } from 'chai'
import type { ByteSocketFactory, PeerDiscoveryProvider } from '@kithmesh/core'
import { ble } from '@kithmesh/provider-ble'
import type { BleOptions } from '@kithmesh/provider-ble'
import { eventually, realClock, recordingContext } from '@kithmesh/testkit'
import type { RecordingContext } from '@kithmesh/testkit'
import { VirtualAir, seededRandom } from '@kithmesh/testkit/ble'
import type { VirtualController } from '@kithmesh/testkit/ble'

const withinMs = 30_000

/** A device that browses, publishes, and echoes what streams carry. */
interface MeshDevice {
  readonly id: string
  readonly controller: VirtualController
  readonly context: RecordingContext
  readonly provider: PeerDiscoveryProvider
}

// Many devices in one process, as a mesh has them: everybody finds everybody, and both sides connect at once.
for (const library of ['abandonware', 'stoprocent'] as const) {
  describe(`many devices over ${library} on one air`, function () {
    this.timeout(3 * withinMs)
    let air: VirtualAir
    let devices: MeshDevice[] = []

    const make = (options: Partial<BleOptions> = {}): MeshDevice => {
      const controller = air.controller()
      const context = recordingContext({ peerGroupId: 'com.example.shop', localPeerId: controller.address.id.padEnd(64, '0') })
      context.acceptIncoming = (_id, socket) => {
        socket.on('error', () => {})
        socket.pipe(socket)
        return true
      }
      const provider = ble({ adapter: controller, library, ttlMs: 1500, advertisingIntervalMs: 50, maxCentrals: 16, ...options }).create(
        context
      )
      const made = { id: controller.address.id, controller, context, provider }
      devices.push(made)
      return made
    }
    const start = async ({ provider, id }: MeshDevice): Promise<void> => {
      await Promise.all([
        provider.startBrowsing(),
        provider.startPublishing({ displayName: id, port: 0, metadata: new Map([['id', Buffer.from(id)]]) })
      ])
    }
    const others = (device: MeshDevice): MeshDevice[] => devices.filter((other) => other !== device)
    const sees = (device: MeshDevice): string[] => [...device.context.peers.keys()].sort()
    const allFound = (): Promise<unknown> =>
      eventually(
        'everybody to find everybody, with their metadata',
        () =>
          devices.every(
            (device) =>
              sees(device).join() ===
                others(device)
                  .map(({ id }) => `ble:${id}`)
                  .sort()
                  .join() &&
              others(device).every(
                ({ id }) => Buffer.from(device.context.peers.get(`ble:${id}`)?.metadata.get('id') ?? []).toString() === id
              )
          ),
        { withinMs }
      )

    beforeEach(() => {
      air = new VirtualAir({ clock: realClock, random: seededRandom() })
    })
    afterEach(async () => {
      const used = devices.splice(0)
      await Promise.all(used.map(({ provider }) => provider.shutdown()))
      await air.close()
      devices = []
      for (const { id, controller } of used) expect(controller.violations, `what the host of ${id} did wrong`).to.deep.equal([])
    })

    for (const count of [2, 5, 12])
      it(`connects ${count} devices, each with each, from both sides at once, over one link for each two`, async () => {
        for (let index = 0; index < count; index++) make()
        await Promise.all(devices.map(start))
        await allFound()
        const streams = await Promise.all(devices.flatMap((device) => others(device).map((other) => echoed(device, other))))
        expect(streams).to.have.lengthOf(count * (count - 1))
        for (const { id, controller } of devices) {
          const linked = controller.links.map(({ peer }) => peer.id)
          expect(new Set(linked).size, `links of ${id}`).to.equal(linked.length)
          expect(linked).to.have.lengthOf(count - 1)
        }
        for (const stream of streams) stream.destroy()
      })

    it('connects devices where a fifth of all packets is lost and every third connection fails at first', async () => {
      air.setLoss({ advertising: 0.2, data: 0.2 })
      air.failConnections({ rate: 0.33 })
      for (let index = 0; index < 4; index++) make()
      await Promise.all(devices.map(start))
      await allFound()
      const streams = await Promise.all(devices.flatMap((device) => others(device).map((other) => echoed(device, other))))
      for (const stream of streams) stream.destroy()
    })

    it('notices who leaves and who comes, again and again', async () => {
      for (let index = 0; index < 4; index++) make()
      await Promise.all(devices.map(start))
      await allFound()
      for (let round = 0; round < 3; round++) {
        const leaver = devices[round % devices.length] as MeshDevice
        if (round === 1) {
          // Pulled out: nobody says goodbye, and both modes fail until it is back.
          leaver.controller.unplug()
          await eventually(
            'it to notice',
            () => leaver.context.status('browse') === 'failed' && leaver.context.status('publish') === 'failed'
          )
        } else await leaver.provider.shutdown()
        await eventually('everybody else to notice', () => others(leaver).every((other) => !sees(other).includes(`ble:${leaver.id}`)), {
          withinMs
        })
        if (round === 1) leaver.controller.plugIn()
        else {
          devices.splice(devices.indexOf(leaver), 1)
          make()
        }
        await start(round === 1 ? leaver : (devices.at(-1) as MeshDevice))
        await allFound()
        await Promise.all(devices.map((device) => echoed(device, others(device)[0] as MeshDevice).then((stream) => stream.destroy())))
      }
    })
  })
}

/** Opens a stream as an application would, sends through it, and resolves when all has come back. */
async function echoed({ provider }: MeshDevice, to: MeshDevice): Promise<Duplex> {
  const { signal } = new AbortController()
  const { url } = await provider.resolveUrl(`ble:${to.id}`, { signal })
  const stream = await (provider.socketFactory() as ByteSocketFactory).open(url, { signal })
  stream.on('error', () => {})
  const sent = Buffer.from(`to ${to.id} `.repeat(200))
  const received: Buffer[] = []
  stream.on('data', (chunk: Buffer) => received.push(chunk))
  stream.write(sent)
  await eventually(`the echo of ${to.id}`, () => Buffer.concat(received).equals(sent), { withinMs })
  return stream
}
