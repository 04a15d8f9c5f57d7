import { type Clock, type Logger, unlessAborted } from '@kithmesh/core/plugin'
import { bleErrors } from '../errors.ts'
import { GattTunnel, type TunnelLine } from '../gatt/tunnel.ts'
import type { CharacteristicLike } from '../library/noble-like.ts'
import type { DeviceLink } from './device-link.ts'
import { type DeviceService, GattClient } from './gatt-client.ts'
import { wholeValueBytes } from './gatt-values.ts'
import { type MetadataListener, MetadataNews } from './metadata-news.ts'

export interface LinkSessionOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly requestMs: number
}

/** What one link is used for beyond L2CAP: reading, being told of changes, and streams through the stream characteristic. */
export class LinkSession {
  readonly gatt: GattClient
  readonly #link: DeviceLink
  readonly #options: LinkSessionOptions
  readonly #news = new Map<CharacteristicLike, MetadataNews>()
  #tunnel: Promise<GattTunnel> | undefined

  constructor(link: DeviceLink, options: LinkSessionOptions) {
    this.#link = link
    this.#options = options
    this.gatt = new GattClient(link, options)
  }

  /** Follows the metadata. @returns ends it; @throws as {@link GattClient.subscribe} */
  watch(service: DeviceService, listener: MetadataListener, signal: AbortSignal): Promise<() => void> {
    const { metadata } = service
    if (metadata === undefined) {
      const { id } = this.#link
      return Promise.reject(bleErrors.create('ERR_BLE_GATT', `${id} has no metadata characteristic`, { details: { id } }))
    }
    let news = this.#news.get(metadata)
    if (news === undefined) this.#news.set(metadata, (news = new MetadataNews(this.gatt, service, metadata)))
    return news.add(listener, signal)
  }

  /** The tunnel for streams on this link, made when it is first needed. @throws as {@link GattClient.subscribe} */
  tunnel(characteristic: CharacteristicLike, signal: AbortSignal): Promise<GattTunnel> {
    const made = (this.#tunnel ??= this.#makeTunnel(characteristic))
    return unlessAborted(signal, made)
  }

  async #makeTunnel(characteristic: CharacteristicLike): Promise<GattTunnel> {
    const { clock, logger } = this.#options
    const end = (error: Error): void => {
      characteristic.removeListener('data', onData)
      endListening()
      this.#tunnel = undefined
      tunnel.closed(error)
    }
    const line: TunnelLine = nobleLine(this.#link, characteristic, (error) => {
      end(error)
      this.gatt.unsubscribe(characteristic)
      this.#link.retire()
    })
    const tunnel = new GattTunnel({ line, clock, logger })
    const onData = (value: Buffer, isNotification: boolean): void => {
      if (isNotification) tunnel.receive(value)
    }
    characteristic.on('data', onData)
    const endListening = this.#link.onClosed(end)
    try {
      await this.gatt.subscribe(characteristic, 'its streams', new AbortController().signal)
      return tunnel
    } catch (error) {
      end(error as Error)
      throw error
    }
  }
}

/** Writes without response. The library does not tell how far they have come, so that only the credits of the streams hold them back. */
function nobleLine(link: DeviceLink, characteristic: CharacteristicLike, failed: (error: Error) => void): TunnelLine {
  return {
    get maxBytes() {
      return wholeValueBytes(link.peripheral.mtu)
    },
    send(value) {
      if (!link.usable) return true
      try {
        characteristic.write(value, true)
      } catch (error) {
        failed(bleErrors.create('ERR_BLE_GATT', `${link.id} cannot be written to`, { cause: error, details: { id: link.id } }))
      }
      return true
    },
    fail: failed
  }
}
