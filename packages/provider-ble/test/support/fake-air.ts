import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '@kithmesh/core'
import { duplexPair } from '@kithmesh/testkit/memory'
import { bleErrors, metadataTag } from '@kithmesh/provider-ble'
import type {
  Advertisement,
  BleBackend,
  BleBackendFactory,
  BleCentral,
  BlePublication,
  BlePublisher,
  DeviceRecord
} from '@kithmesh/provider-ble'

interface Scan {
  readonly id: string
  readonly serviceUuid: string
  readonly onAdvertisement: (advertisement: Advertisement) => void
}

/** A device on the air: what it advertises, and what reading from it and connecting to it does. */
export interface FakeDevice {
  readonly serviceUuid: string
  displayName: string | undefined
  rssi: number
  connectable: boolean
  tagged: boolean
  /** Whether it advertises at the moment. */
  advertising: boolean
  record: DeviceRecord
  /** Errors of the next reads, first to last; then they succeed. `hang` never settles by itself. */
  readonly readFailures: (Error | 'hang')[]
  reads: number
  /** Undefined refuses streams. */
  accept: ((stream: Duplex, from: string) => void) | undefined
  readonly watchers: Set<{ metadata(bytes: Uint8Array): void; ended(error: Error): void }>
}

/** A tiny world of BLE devices in memory, for tests of what is above a backend. Everybody hears everybody else. */
export class FakeAir {
  readonly devices = new Map<string, FakeDevice>()
  readonly #scans = new Set<Scan>()
  readonly #intervalMs: number
  #next = 1
  /** Streams do not open as long as this is true. */
  slowStreams = false

  /** @param intervalMs advertising interval; Infinity when only {@link advertise} is to advertise */
  constructor(intervalMs = Infinity) {
    this.#intervalMs = intervalMs
  }

  newId(): string {
    return `c0ffee${(this.#next++).toString(16).padStart(6, '0')}`
  }

  /** Puts a device on the air that only knows what it is told here. */
  add(serviceUuid: string, device: Partial<FakeDevice> = {}, id = this.newId()): FakeDevice & { readonly id: string } {
    const added = {
      id,
      serviceUuid,
      displayName: `device ${id}`,
      rssi: -50,
      connectable: true,
      tagged: true,
      advertising: true,
      record: { psm: 0x80, metadata: Buffer.of(0), stream: true },
      readFailures: [],
      reads: 0,
      accept: undefined,
      watchers: new Set<never>(),
      ...device
    }
    this.devices.set(id, added)
    return added
  }

  /** Everybody who advertises, or one device, advertises once. */
  advertise(only?: string, to: readonly Scan[] = [...this.#scans]): void {
    for (const [id, device] of this.devices) {
      if (!device.advertising || (only !== undefined && only !== id)) continue
      const { displayName, rssi, connectable, tagged, record, serviceUuid } = device
      for (const scan of to) {
        if (scan.id === id || scan.serviceUuid !== serviceUuid) continue
        scan.onAdvertisement({ id, displayName, rssi, connectable, tag: tagged ? metadataTag(record.psm, record.metadata) : undefined })
      }
    }
  }

  scan(scan: Scan, clock: Clock): () => void {
    this.#scans.add(scan)
    const heard = (): void => {
      this.advertise(undefined, [scan])
    }
    const cancel = this.#intervalMs === Infinity ? () => {} : clock.every(this.#intervalMs, heard)
    return () => {
      cancel()
      this.#scans.delete(scan)
    }
  }
}

/** What a test sees of one backend, and does to it. */
export class FakeAdapter {
  readonly id: string
  readonly factory: BleBackendFactory
  /** Errors of the next starts, first to last. `hang` never settles by itself. */
  readonly startFailures: (Error | 'hang')[] = []
  publishes = true
  /** Whether what it publishes has a tag, see `metadataTag`. */
  tagged = true
  starts = 0
  stops = 0
  running = false
  scanning = false
  published: BlePublication | undefined
  #lost: ((error: Error) => void) | undefined
  readonly #air: FakeAir
  readonly #streams = new Set<Duplex>()
  #endScan: (() => void) | undefined

  constructor(air: FakeAir) {
    this.#air = air
    this.id = air.newId()
    this.factory = ({ clock }) => this.#backend(clock)
  }

  /** Bluetooth is switched off. */
  lose(error: Error = bleErrors.create('ERR_BLE_POWERED_OFF', 'Bluetooth was switched off')): void {
    const lost = this.#lost
    this.#end()
    lost?.(error)
  }

  #backend(clock: Clock): BleBackend {
    const adapter = this
    const central = this.#central(clock)
    const publisher = this.#publisher()
    return {
      description: 'a fake adapter',
      capabilities: { publishes: true, l2cap: true },
      central,
      get publisher() {
        return adapter.publishes ? publisher : undefined
      },
      start: async (lost) => {
        await nextTurn()
        adapter.starts++
        const failure = adapter.startFailures.shift()
        if (failure === 'hang') await new Promise(() => {})
        if (failure !== undefined) throw failure as Error
        adapter.running = true
        adapter.#lost = lost
      },
      stop: async () => {
        adapter.stops++
        await nextTurn()
        adapter.#end()
      }
    }
  }

  #end(): void {
    this.#endScan?.()
    this.#endScan = undefined
    this.#lost = undefined
    this.#unpublish()
    this.running = false
    this.scanning = false
    for (const stream of this.#streams) stream.destroy(bleErrors.create('ERR_BLE_LINK_LOST', 'The adapter is gone'))
  }

  #device(id: string): FakeDevice {
    const device = this.#air.devices.get(id)
    if (!this.running) throw bleErrors.create('ERR_BLE_SHUT_DOWN', 'Not started')
    if (device === undefined) throw bleErrors.create('ERR_BLE_CONNECT', `No device ${id}`)
    return device
  }

  #central(clock: Clock): BleCentral {
    return {
      startScan: async (serviceUuid, onAdvertisement) => {
        this.#endScan?.()
        this.#endScan = this.#air.scan({ id: this.id, serviceUuid, onAdvertisement }, clock)
        this.scanning = true
      },
      stopScan: async () => {
        this.#endScan?.()
        this.#endScan = undefined
        this.scanning = false
      },
      read: async (id, { signal }) => {
        await nextTurn()
        signal.throwIfAborted()
        const device = this.#device(id)
        device.reads++
        const failure = device.readFailures.shift()
        if (failure === 'hang') await hang(signal)
        if (failure !== undefined) throw failure as Error
        await nextTurn()
        return device.record
      },
      watch: async (id, handlers, { signal }) => {
        await nextTurn()
        signal.throwIfAborted()
        const { watchers, record } = this.#device(id)
        watchers.add(handlers)
        handlers.metadata(record.metadata)
        return () => {
          watchers.delete(handlers)
        }
      },
      openStream: async (id, psm, { signal }) => {
        do await nextTurn()
        while (this.#air.slowStreams && !signal.aborted)
        signal.throwIfAborted()
        const { accept, record } = this.#device(id)
        if (accept === undefined || psm !== record.psm)
          throw bleErrors.create('ERR_BLE_CHANNEL_REFUSED', 'Refused', { details: { result: 2 } })
        const [dialled, accepted] = duplexPair()
        this.#streams.add(dialled.once('close', () => this.#streams.delete(dialled)))
        setImmediate(() => {
          accept(accepted, this.id)
        })
        return dialled
      }
    }
  }

  #publisher(): BlePublisher {
    return {
      publish: async (publication) => {
        await nextTurn()
        this.published = publication
        const { serviceUuid, displayName, metadata, onStream } = publication
        const accept = (stream: Duplex, from: string): void => {
          this.#streams.add(stream.once('close', () => this.#streams.delete(stream)))
          onStream(stream, from)
        }
        this.#air.add(serviceUuid, { displayName, tagged: this.tagged, record: { psm: 0x80, metadata, stream: true }, accept }, this.id)
      },
      updateMetadata: async (metadata) => {
        await nextTurn()
        const device = this.#device(this.id)
        device.record = { ...device.record, metadata }
        for (const watcher of device.watchers) watcher.metadata(metadata)
      },
      unpublish: async () => {
        await nextTurn()
        this.#unpublish()
      }
    }
  }

  #unpublish(): void {
    const device = this.#air.devices.get(this.id)
    this.#air.devices.delete(this.id)
    this.published = undefined
    for (const watcher of device?.watchers ?? []) watcher.ended(bleErrors.create('ERR_BLE_LINK_LOST', 'The device is gone'))
  }
}

function hang(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => {
      reject(signal.reason as Error)
    })
  })
}
