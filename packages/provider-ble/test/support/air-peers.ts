import type { Duplex } from 'node:stream'
import { type Clock, silentLogger } from '@kithmesh/core'
import { type ManualClock, eventually, realClock } from '@kithmesh/testkit'
import type { VirtualAir, VirtualController } from '@kithmesh/testkit/ble'
import type { NobleCentralOptions } from '../../dist/central/noble-central.js'
import { NobleCentral } from '../../dist/central/noble-central.js'
import { whenPoweredOn } from '../../dist/central/power.js'
import { GattTunnel } from '../../dist/gatt/tunnel.js'
import { METADATA_CHARACTERISTIC, PORT_CHARACTERISTIC, STREAM_CHARACTERISTIC } from '../../dist/gatt/uuids.js'
import { createHciHost } from '../../dist/hci/create-hci-host.js'
import type { HciHost } from '../../dist/hci/hci-host.js'
import type { CharacteristicDescription } from '../../dist/library/bleno-like.js'
import type { BleLibrary } from '../../dist/library/libraries.js'
import { loadBleno } from '../../dist/library/load-bleno.js'
import { loadNoble } from '../../dist/library/load-noble.js'
import type { LoadedNoble } from '../../dist/library/noble-like.js'

export const SERVICE = '6b2faab9-a7d1-57da-b22e-03bbcab4689a'

/** A device of the virtual air with unmodified libraries above a host of ours. */
export interface AirPeer {
  readonly id: string
  readonly controller: VirtualController
  readonly host: HciHost
  readonly loaded: LoadedNoble
  readonly central: NobleCentral
  stop(): Promise<void>
}

export interface Published {
  psm: number
  metadata: Buffer
  /** What the other side opened, at either place. */
  readonly streams: Duplex[]
  /** Sends a notification of the metadata to who has subscribed. */
  notify(value?: Buffer): void
  readonly subscribers: number
  /** Ends the library instance. */
  release(): void
}

/** A host on the air with a central. */
export async function airPeer(air: VirtualAir, library: BleLibrary, options: Partial<NobleCentralOptions> = {}): Promise<AirPeer> {
  const { clock = realClock } = options
  const controller = air.controller()
  const host = createHciHost({ adapter: controller, clock })
  await host.start()
  const loaded = loadNoble(library, host.stack('central'), { logger: silentLogger })
  const poweredOn = whenPoweredOn({ name: loaded.name, library: loaded.noble }, { clock, ms: 30_000, signal: new AbortController().signal })
  loaded.start()
  await poweredOn
  const central = new NobleCentral({ loaded, host, clock, logger: silentLogger, ...options })
  return {
    id: controller.address.id,
    controller,
    host,
    loaded,
    central,
    async stop() {
      await central.stop()
      loaded.release()
      await host.stop()
    }
  }
}

export interface PublishOptions {
  readonly service?: string
  readonly metadata?: Buffer
  /** Listens on L2CAP; without it the port says 0. @default true */
  readonly l2cap?: boolean
  /** What the port says, whatever is true. */
  readonly psm?: number
  readonly stream?: boolean
  readonly characteristics?: readonly CharacteristicDescription[]
  readonly tag?: number
  readonly name?: string
  readonly clock?: Clock
}

/** Publishes on a host as a device does: advertises, serves the characteristics and accepts streams. The centrals are one at a time. */
export async function publishOn(host: HciHost, library: BleLibrary, options: PublishOptions = {}): Promise<Published> {
  const { clock = realClock } = options
  const loaded = loadBleno(library, host.stack('peripheral'), { logger: silentLogger })
  const streams: Duplex[] = []
  const accept = (stream: Duplex): void => {
    stream.on('error', () => undefined)
    stream.pipe(stream)
    streams.push(stream)
  }
  const psm = options.psm ?? (options.l2cap === false ? 0 : host.listen({ onChannel: accept }).psm)
  const subscribers = new Map<number | undefined, (value: Buffer) => void>()
  const published: Published = {
    psm,
    metadata: options.metadata ?? Buffer.from('\x03a=1'),
    streams,
    notify: (value = published.metadata) => {
      for (const notify of subscribers.values()) notify(value)
    },
    get subscribers() {
      return subscribers.size
    },
    release: () => {
      loaded.release()
    }
  }
  loaded.start()
  await eventually('bleno to be on', () => loaded.bleno.state === 'poweredOn')
  const answer =
    (value: () => Buffer): NonNullable<CharacteristicDescription['onRead']> =>
    (_connection, offset, reply) => {
      reply(offset > value().length ? 7 : 0, value().subarray(offset))
    }
  const tunnels = new Map<number | undefined, GattTunnel>()
  const streamCharacteristic: CharacteristicDescription = {
    uuid: STREAM_CHARACTERISTIC,
    properties: ['writeWithoutResponse', 'notify'],
    onSubscribe: (connection, maxValueSize, notify) => {
      const line = {
        maxBytes: maxValueSize,
        send: (value: Buffer): boolean => {
          notify(value)
          return true
        },
        fail: (): void => undefined
      }
      tunnels.set(connection, new GattTunnel({ line, clock, logger: silentLogger, onStream: accept }))
    },
    onUnsubscribe: (connection) => {
      tunnels.get(connection)?.closed(new Error('unsubscribed'))
      tunnels.delete(connection)
    },
    onWrite: (connection, data, _offset, _withoutResponse, reply) => {
      tunnels.get(connection)?.receive(data)
      reply(0)
    }
  }
  const characteristics = options.characteristics ?? [
    { uuid: PORT_CHARACTERISTIC, properties: ['read'], onRead: answer(() => Buffer.of(published.psm & 0xff, published.psm >> 8)) },
    {
      uuid: METADATA_CHARACTERISTIC,
      properties: ['read', 'notify'],
      onRead: answer(() => published.metadata),
      onSubscribe: (connection, _size, notify) => subscribers.set(connection, notify),
      onUnsubscribe: (connection) => subscribers.delete(connection)
    },
    ...(options.stream === true ? [streamCharacteristic] : [])
  ]
  const service = options.service ?? SERVICE
  await new Promise<void>((resolve) => {
    loaded.bleno.setServices([loaded.service(service, characteristics)], () => {
      resolve()
    })
  })
  const uuid = Buffer.from(service.replaceAll('-', ''), 'hex').reverse()
  const tag = options.tag === undefined ? Buffer.alloc(0) : Buffer.alloc(8, 0)
  if (options.tag !== undefined) {
    tag.set([7, 0xff, 0xff, 0xff])
    tag.writeUInt32LE(options.tag, 4)
  }
  const advertisement = Buffer.concat([Buffer.of(2, 1, 6, 17, 7), uuid, tag])
  const name = Buffer.from(options.name ?? 'device')
  const advertise = (): Promise<void> =>
    new Promise((resolve) => {
      loaded.bleno.startAdvertisingWithEIRData(advertisement, Buffer.concat([Buffer.of(name.length + 1, 9), name]), () => {
        resolve()
      })
    })
  await advertise()
  return published
}

/** Moves the time on until something is there; each step lets one turn of the event loop pass. */
export async function pass<T>(clock: ManualClock, what: string, promise: Promise<T>): Promise<T> {
  let settled = false
  promise.then(
    () => (settled = true),
    () => (settled = true)
  )
  const end = clock.monotonic() + 30_000
  while (!settled) {
    if (clock.monotonic() > end) throw new Error(`${what} has not come to an end`)
    await clock.advance(1)
  }
  return promise
}
