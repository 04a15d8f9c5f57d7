import type { Duplex } from 'node:stream'
import { METADATA_CHARACTERISTIC, PORT_CHARACTERISTIC, STREAM_CHARACTERISTIC, type HciAdapter, type HciHost } from '@kithmesh/provider-ble'
import { realClock, recordingLogger, type RecordingLogger } from '@kithmesh/testkit'
import { VirtualAir, type VirtualController } from '@kithmesh/testkit/ble'
import { createHciHost } from '../../dist/hci/create-hci-host.js'
import type { BleLibrary } from '../../dist/library/libraries.js'
import { loadBleno } from '../../dist/library/load-bleno.js'
import { createPublisher, type StoppablePublisher } from '../../dist/publisher/publisher.js'
import { peripheralStack } from '../../dist/publisher/peripheral-stack.js'
import { AttCentral } from './att-central.ts'
import { sharedAdapter } from './shared-adapter.ts'

const SERVICE = '6b2faab9-a7d1-57da-b22e-03bbcab4689a'

/** A publisher over an unmodified library on a virtual air, and centrals that say what they like. */
export interface PublishedAir {
  readonly air: VirtualAir
  readonly controller: VirtualController
  readonly host: HciHost
  readonly publisher: StoppablePublisher
  readonly logger: RecordingLogger
  readonly streams: { readonly stream: Duplex; readonly id: string | undefined }[]
  publish(metadata: Uint8Array, displayName?: string): Promise<void>
  /** A central, connected to the publisher. */
  central(): Promise<ReadingCentral>
  close(): Promise<void>
}

export interface ReadingCentral {
  readonly att: AttCentral
  readonly controller: VirtualController
  readonly handles: { readonly port: number; readonly metadata: number; readonly stream: number }
  readPort(): Promise<number>
  readMetadata(): Promise<Buffer>
  subscribe(handle: number): Promise<void>
}

export interface PublishedAirOptions {
  readonly l2cap?: boolean
  readonly maxCentrals?: number
  /** Of the publisher's controller. */
  readonly maxLinks?: number
  /** Puts something between the publisher and its controller. */
  readonly wrap?: (adapter: HciAdapter) => HciAdapter
}

export async function publishedAir(library: BleLibrary, options: PublishedAirOptions = {}): Promise<PublishedAir> {
  const { l2cap = true, maxCentrals = 8, wrap = (adapter) => adapter } = options
  const clock = realClock
  const logger = recordingLogger()
  const air = new VirtualAir({ clock })
  const controller = air.controller({ maxLinks: options.maxLinks ?? 16 })
  const host = createHciHost({ adapter: wrap(l2cap ? controller : sharedAdapter(controller)), clock, logger: logger.child('hci'), l2cap })
  await host.start()
  const streams: { readonly stream: Duplex; readonly id: string | undefined }[] = []
  const publisher = createPublisher({
    clock,
    logger,
    maxCentrals,
    paced: true,
    disconnect: (id) => host.linkTo(id)?.disconnect(),
    load: ({ deviceName, ...hooks }) =>
      loadBleno(library, peripheralStack(host.stack('peripheral'), { intervalMs: 20, ...hooks }), { logger, deviceName }),
    ...(l2cap && { listen: (wanted) => host.listen(wanted) })
  })
  const centrals: AttCentral[] = []
  return {
    air,
    controller,
    host,
    publisher,
    logger,
    streams,
    publish: (metadata, displayName = 'here') =>
      publisher.publish({
        serviceUuid: SERVICE,
        displayName,
        metadata,
        onStream: (stream, id) => {
          stream.on('error', () => {})
          streams.push({ stream, id })
        }
      }),
    async central() {
      const other = air.controller()
      const att = await AttCentral.open(other)
      centrals.push(att)
      await att.connect(controller.address.id)
      return await readingCentral(att, other)
    },
    async close() {
      await publisher.stop()
      await host.stop()
      for (const central of centrals) await central.close()
      await air.close()
    }
  }
}

async function readingCentral(att: AttCentral, controller: VirtualController): Promise<ReadingCentral> {
  await att.mtu(512)
  const values = await att.values()
  const handleOf = (uuid: string): number => values.get(uuid.replaceAll('-', '')) ?? 0
  const handles = {
    port: handleOf(PORT_CHARACTERISTIC),
    metadata: handleOf(METADATA_CHARACTERISTIC),
    stream: handleOf(STREAM_CHARACTERISTIC)
  }
  const read = async (handle: number): Promise<Buffer> => {
    const parts: Buffer[] = []
    for (let offset = 0; ; ) {
      const request = offset === 0 ? [0x0a, ...u16(handle)] : [0x0c, ...u16(handle), ...u16(offset)]
      const answer = await att.request(Buffer.from(request))
      if (answer[0] !== 0x0b && answer[0] !== 0x0d) throw new Error(`read failed: ${answer.toString('hex')}`)
      parts.push(answer.subarray(1))
      offset += answer.length - 1
      if (answer.length < 256) return Buffer.concat(parts)
    }
  }
  return {
    att,
    controller,
    handles,
    readPort: async () => (await read(handles.port)).readUInt16LE(0),
    readMetadata: () => read(handles.metadata),
    subscribe: async (handle) => {
      const answer = await att.request(Buffer.from([0x12, ...u16(handle + 1), 1, 0]))
      if (answer[0] !== 0x13) throw new Error(`subscription failed: ${answer.toString('hex')}`)
    }
  }
}

export function u16(value: number): [number, number] {
  return [value & 0xff, (value >> 8) & 0xff]
}
