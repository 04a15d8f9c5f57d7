import type { Duplex } from 'node:stream'
import type { Clock, Logger } from '@kithmesh/core/plugin'
import type { BlePublication, BlePublisher } from '../backend/contracts.ts'
import { bleErrors } from '../errors.ts'
import { advertisementData, scanResponseData } from '../gatt/advertising-data.ts'
import { checkMetadataLength } from '../gatt/longest-value.ts'
import { metadataTag } from '../gatt/tag.ts'
import type { ChannelListener, HciHost } from '../hci/hci-host.ts'
import { AcceptedStreams } from './accepted-streams.ts'
import type { LoadedBleno } from '../library/bleno-like.ts'
import { Peripheral, type AdvertisedData, type LoadHooks } from './peripheral.ts'
import { PeripheralPool } from './peripheral-pool.ts'
import { streamLines } from './stream-lines.ts'

export interface PublisherOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Makes a private instance of the library, not yet started. @throws what stands in the way */
  readonly load: (hooks: LoadHooks) => LoadedBleno
  /** Whether instances tell when notifications have left them. @default false */
  readonly paced?: boolean
  /** Told when Bluetooth was on and is no longer; it tries to publish again until it is stopped. */
  readonly failed?: (error: Error) => void
  /** Where L2CAP channels are accepted; undefined without them. */
  readonly listen?: HciHost['listen'] | undefined
  /** Ends the link to a device, where there is another way than the library's. */
  readonly disconnect?: (id: string) => void
  /** Keeps the link to a device while a stream goes through its stream characteristic. @returns ends that; undefined without a link */
  readonly hold?: (id: string) => (() => void) | undefined
  /** Whether the stream characteristic is offered: not where centrals cannot be told apart. @default true */
  readonly stream?: boolean
  /** Whether advertisements can be given as bytes: not on macOS. @default true */
  readonly advertisesBytes?: boolean
  /** Centrals at a time; with as many, advertising pauses. @default 16, as many as links of a host */
  readonly maxCentrals?: number
  /** Accepted streams at a time; more are closed at once. @default 64 */
  readonly maxStreams?: number
  /** How long the library may take for one thing, milliseconds. @default 5000 */
  readonly deadlineMs?: number
}

/** A publisher with the end of its life, which is its backend's business. */
export interface StoppablePublisher extends BlePublisher {
  /** Withdraws the publication, ends all streams that were accepted and all links. Idempotent; publishing again is possible. */
  stop(): Promise<void>
}

/** The state of one publication. */
interface Published {
  readonly publication: BlePublication
  readonly psm: number
  metadata: Uint8Array
}

/** Publishes over bleno (ble.md §4, §6). */
export function createPublisher(options: PublisherOptions): StoppablePublisher {
  return new Publisher(options)
}

class Publisher implements StoppablePublisher {
  readonly #options: PublisherOptions
  readonly #streams: AcceptedStreams
  readonly #pool: PeripheralPool
  /** Everything that talks to the library happens one after the other. */
  #turn: Promise<unknown> = Promise.resolve()
  #published: Published | undefined
  #listener: ChannelListener | undefined

  constructor(options: PublisherOptions) {
    const { clock, logger, load, stream = true, advertisesBytes = true, maxCentrals = 16, maxStreams = 64, deadlineMs = 5000 } = options
    this.#options = options
    this.#streams = new AcceptedStreams({ maxStreams, logger })
    const openLine = streamLines({
      clock,
      logger,
      accepts: () => this.#published !== undefined,
      accepted: (duplex, id) => {
        const release = id === undefined ? undefined : options.hold?.(id)
        if (release !== undefined) duplex.once('close', release)
        this.#accepted(duplex, id)
      }
    })
    this.#pool = new PeripheralPool({
      clock,
      logger,
      maxCentrals,
      failed: (error) => {
        this.#options.failed?.(error)
      },
      exclusively: (run) => this.#exclusively(run),
      data: () => (this.#published === undefined ? undefined : advertisedData(this.#published)),
      create: (handlers) =>
        new Peripheral({
          load,
          deviceName: this.#published?.publication.displayName ?? '',
          clock,
          logger,
          deadlineMs,
          advertisesBytes,
          stream,
          maxCentrals,
          openLine,
          paced: options.paced ?? false,
          disconnect: options.disconnect,
          values: () => this.#published,
          ...handlers
        })
    })
  }

  async publish(publication: BlePublication): Promise<void> {
    checkMetadataLength(publication.metadata.length)
    await this.#exclusively(async () => {
      await this.#withdraw()
      try {
        this.#listener = this.#options.listen?.({
          onChannel: (channel, link) => {
            this.#accepted(channel, link.peer.id)
          }
        })
        this.#published = { publication, psm: this.#listener?.psm ?? 0, metadata: Uint8Array.from(publication.metadata) }
        await this.#pool.arm()
      } catch (error) {
        await this.#withdraw()
        throw error
      }
    })
  }

  async updateMetadata(metadata: Uint8Array): Promise<void> {
    checkMetadataLength(metadata.length)
    await this.#exclusively(async () => {
      if (this.#published === undefined) throw bleErrors.create('ERR_BLE_PUBLISH', 'Nothing is published')
      this.#published.metadata = Uint8Array.from(metadata)
      for (const session of this.#pool.sessions()) session.metadataChanged()
      try {
        await this.#pool.arm()
      } catch (error) {
        if (this.#published === undefined) throw error
        // It is there to be read, and the pool goes on trying to advertise it.
      }
    })
  }

  async unpublish(): Promise<void> {
    await this.#exclusively(() => this.#withdraw())
  }

  async stop(): Promise<void> {
    this.#published = undefined
    this.#listener?.close()
    this.#listener = undefined
    this.#pool.release()
    this.#streams.end()
    await this.#exclusively(async () => {
      await this.#withdraw()
      this.#pool.release()
      this.#streams.end()
    })
  }

  async #withdraw(): Promise<void> {
    this.#published = undefined
    this.#listener?.close()
    this.#listener = undefined
    await this.#pool.disarm()
  }

  #accepted(stream: Duplex, id: string | undefined): void {
    this.#streams.accept(stream, id, this.#published?.publication.onStream)
  }

  #exclusively<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(run)
    this.#turn = result.catch(() => {})
    return result
  }
}

function advertisedData({ publication, psm, metadata }: Published): AdvertisedData {
  const { serviceUuid, displayName } = publication
  return {
    serviceUuid,
    displayName,
    advertisement: advertisementData(serviceUuid, metadataTag(psm, metadata)),
    scanResponse: scanResponseData(displayName)
  }
}
