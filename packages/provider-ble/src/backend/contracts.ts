import type { Duplex } from 'node:stream'
import type { Clock, Logger } from '@kithmesh/core/plugin'

/** What makes Bluetooth work here: a library over a controller of our own, or over the operating system. Several exist behind this. */
export interface BleBackend {
  /** For people and logs: `abandonware on hci0`. */
  readonly description: string
  readonly capabilities: BleBackendCapabilities
  /**
   * Loads the library and takes the adapter into use; resolves once Bluetooth is on. Idempotent, restartable, also after `lost`.
   * @param lost called once when Bluetooth is switched off or the adapter vanishes after a successful start; everything was ended before
   * @throws ERR_BLE_NOT_INSTALLED, ERR_BLE_NO_ADAPTER, ERR_BLE_NOT_PERMITTED, ERR_BLE_POWERED_OFF, ERR_BLE_ADAPTER_BUSY,
   * ERR_BLE_ADAPTER_FAILED, ERR_BLE_UNSUPPORTED
   */
  start(lost: (error: Error) => void): Promise<void>
  /** Ends scanning, publication and all streams, and gives everything back. Idempotent. */
  stop(): Promise<void>
  /** Usable between `start` and `stop`. */
  readonly central: BleCentral
  /** Undefined where this platform cannot publish. */
  readonly publisher: BlePublisher | undefined
}

export interface BleBackendCapabilities {
  readonly publishes: boolean
  /** Opens and accepts L2CAP channels; without it only streams through the stream characteristic. */
  readonly l2cap: boolean
}

export interface BleBackendContext {
  readonly clock: Clock
  readonly logger: Logger
}

export type BleBackendFactory = (context: BleBackendContext) => BleBackend

/** One advertisement of a device that publishes the service. */
export interface Advertisement {
  /** The device as the platform names it: its address in twelve hex digits, or a UUID on macOS. Lowercase, fit for the host of a URL. */
  readonly id: string
  /** From the scan response, where it has been heard. */
  readonly displayName: string | undefined
  /** dBm; 127 when unknown. */
  readonly rssi: number
  readonly connectable: boolean
  /**
   * A number that changes with what can be read from the device, see `metadataTag`. Undefined when the device does not advertise one, as
   * those that know only the seed.
   */
  readonly tag: number | undefined
}

/** What a device's characteristics say. */
export interface DeviceRecord {
  /** PSM of its L2CAP channel; 0 when it offers none. */
  readonly psm: number
  /** The TXT record as it was read; at most 512 bytes. */
  readonly metadata: Uint8Array
  /** It has the stream characteristic. */
  readonly stream: boolean
}

/**
 * The side that looks for others and connects to them. Links are its business: one connection attempt at a time, attempts repeated where the
 * controller failed in a transient way (0x3e), a link in use shared by all that need it and kept a moment for the next, one that the other
 * side opened used where that is possible (0x0b). All operations have deadlines of their own.
 */
export interface BleCentral {
  /** Reports every advertisement heard, repeatedly. One scan at a time. Pauses by itself while connections are made. */
  startScan(serviceUuid: string, onAdvertisement: (advertisement: Advertisement) => void): Promise<void>
  stopScan(): Promise<void>
  /** @throws ERR_BLE_CONNECT, ERR_BLE_NO_SERVICE, ERR_BLE_GATT, ERR_BLE_TIMEOUT, ERR_BLE_LINK_LOST; the signal's reason */
  read(id: string, options: { readonly signal: AbortSignal }): Promise<DeviceRecord>
  /**
   * Subscribes to the metadata. Keeps a link as long as it lasts.
   * @returns ends the subscription; `ended` is not called then
   * @throws as {@link BleCentral.read}
   */
  watch(
    id: string,
    handlers: { metadata(bytes: Uint8Array): void; ended(error: Error): void },
    options: { readonly signal: AbortSignal }
  ): Promise<() => void>
  /**
   * Opens a stream to a device: an L2CAP channel to the PSM, or through the stream characteristic when the PSM is 0, when this side has no
   * L2CAP, or when the channel is refused as unsupported or does not open.
   * @throws as {@link BleCentral.read}; ERR_BLE_CHANNEL_REFUSED; ERR_BLE_NO_STREAM when the device offers none that this side can open
   */
  openStream(id: string, psm: number, options: { readonly signal: AbortSignal }): Promise<Duplex>
}

/** The side that is found and connected to. One publication at a time. */
export interface BlePublisher {
  /** Advertises and serves the characteristics. @throws ERR_BLE_METADATA when the metadata is longer than 512 bytes; ERR_BLE_PUBLISH */
  publish(options: BlePublication): Promise<void>
  /** @throws ERR_BLE_METADATA, ERR_BLE_PUBLISH */
  updateMetadata(metadata: Uint8Array): Promise<void>
  /** Withdraws it; streams that were accepted live on. Idempotent. */
  unpublish(): Promise<void>
}

export interface BlePublication {
  readonly serviceUuid: string
  readonly displayName: string
  /** The TXT record, at most 512 bytes. */
  readonly metadata: Uint8Array
  /** A device opened a stream, which belongs to the callee. `id` as in {@link Advertisement}, where the platform tells. */
  readonly onStream: (stream: Duplex, id: string | undefined) => void
}
