import { waitFor } from '@kithmesh/core/plugin'
import type { CharacteristicLike } from '../library/noble-like.ts'
import type { DeviceService, GattClient } from './gatt-client.ts'
import { checkMetadata, isWhole } from './gatt-values.ts'

export interface MetadataListener {
  metadata(bytes: Uint8Array): void
  ended(error: Error): void
}

/**
 * Tells what a device's metadata becomes, to all that want to know. A notification that may have been cut is only taken as a sign to read
 * again (ble.md §6.9); however many come, one read is on its way and one more follows.
 */
export class MetadataNews {
  readonly #gatt: GattClient
  readonly #service: DeviceService
  readonly #listeners = new Set<MetadataListener>()
  readonly #characteristic: CharacteristicLike
  readonly #never = new AbortController().signal
  #subscribed: Promise<void> | undefined
  #endListening: (() => void) | undefined
  #reading = false
  #again = false

  /** @param service has a metadata characteristic */
  constructor(gatt: GattClient, service: DeviceService, characteristic: CharacteristicLike) {
    this.#gatt = gatt
    this.#service = service
    this.#characteristic = characteristic
  }

  /**
   * Adds a listener, which is told the present value first.
   * @returns removes it
   * @throws as {@link GattClient.subscribe}
   */
  async add(listener: MetadataListener, signal: AbortSignal): Promise<() => void> {
    const subscribed = (this.#subscribed ??= this.#subscribe())
    await waitFor<void>(signal, (resolve, reject) => {
      subscribed.then(resolve, reject)
      return undefined
    })
    listener.metadata(await this.#gatt.readMetadata(this.#service, signal))
    this.#listeners.add(listener)
    const endListening = this.#gatt.link.onClosed((error) => {
      if (this.#listeners.delete(listener)) listener.ended(error)
    })
    return () => {
      endListening()
      if (this.#listeners.delete(listener) && this.#listeners.size === 0) this.#unsubscribe()
    }
  }

  async #subscribe(): Promise<void> {
    this.#characteristic.on('data', this.#onData)
    this.#endListening = this.#gatt.link.onClosed(() => {
      this.#characteristic.removeListener('data', this.#onData)
    })
    try {
      await this.#gatt.subscribe(this.#characteristic, 'its metadata', this.#never)
    } catch (error) {
      this.#forget()
      throw error
    }
  }

  #unsubscribe(): void {
    this.#forget()
    this.#gatt.unsubscribe(this.#characteristic)
  }

  #forget(): void {
    this.#subscribed = undefined
    this.#characteristic.removeListener('data', this.#onData)
    this.#endListening?.()
  }

  readonly #onData = (value: Buffer, isNotification: boolean): void => {
    if (!isNotification || this.#listeners.size === 0) return
    // What is being read may be older than this, or newer: reading once more tells.
    if (isWhole(value, this.#gatt.link.peripheral.mtu) && !this.#reading) this.#tell(value)
    else void this.#read()
  }

  async #read(): Promise<void> {
    this.#again = true
    if (this.#reading) return
    this.#reading = true
    try {
      while (this.#again && this.#listeners.size > 0) {
        this.#again = false
        const value = await this.#gatt.readMetadata(this.#service, this.#never)
        if (!this.#again) this.#tell(value)
      }
    } catch (error) {
      const listeners = [...this.#listeners]
      this.#listeners.clear()
      this.#unsubscribe()
      for (const listener of listeners) listener.ended(error as Error)
    } finally {
      this.#reading = false
    }
  }

  #tell(value: Uint8Array): void {
    const bytes = checkMetadata(this.#gatt.link.id, value)
    for (const listener of [...this.#listeners]) listener.metadata(bytes)
  }
}
