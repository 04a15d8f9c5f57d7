import { setMaxListeners } from 'node:events'
import { type Clock, waitFor } from '@kithmesh/core/plugin'
import { bleErrors } from '../errors.ts'
import { METADATA_CHARACTERISTIC, PORT_CHARACTERISTIC, STREAM_CHARACTERISTIC } from '../gatt/uuids.ts'
import type { CharacteristicLike, ServiceLike } from '../library/noble-like.ts'
import type { DeviceLink } from './device-link.ts'
import { checkMetadata, decodePort } from './gatt-values.ts'
import { Turns } from './turns.ts'

/** Things that may wait for each other on one link. */
const MAX_WAITING = 32
/** Services of a device that are looked into when it is not known which one is meant. */
const MAX_SERVICES = 8

const WANTED = [PORT_CHARACTERISTIC, METADATA_CHARACTERISTIC, STREAM_CHARACTERISTIC].map((uuid) => uuid.replaceAll('-', ''))

/** What a device has of the service. */
export interface DeviceService {
  readonly port: CharacteristicLike | undefined
  readonly metadata: CharacteristicLike | undefined
  readonly stream: CharacteristicLike | undefined
}

export interface GattClientOptions {
  readonly clock: Clock
  /** For each request, however many packets it takes. */
  readonly requestMs: number
}

/**
 * Reads from a device over a link. One request at a time; each has a deadline, and a device that lets one pass is asked nothing more on this
 * link, as the library would wait for that answer for ever, and the link is retired (Core Specification, vol. 3, part F, §3.3.3 says the same).
 */
export class GattClient {
  readonly #link: DeviceLink
  readonly #options: GattClientOptions
  readonly #turns = new Turns(MAX_WAITING)
  readonly #discoveries = new Turns(MAX_WAITING)
  readonly #services = new Map<string, Promise<DeviceService>>()
  readonly #never = new AbortController().signal
  #silent: Error | undefined

  constructor(link: DeviceLink, options: GattClientOptions) {
    this.#link = link
    this.#options = options
    setMaxListeners(0, this.#never)
  }

  get link(): DeviceLink {
    return this.#link
  }

  /** It did not answer, and will not be asked again on this link. */
  get silent(): boolean {
    return this.#silent !== undefined
  }

  /**
   * Finds the service, once for each link.
   * @param uuid without dashes; undefined where it is not known, for the first service that has a port
   * @throws ERR_BLE_NO_SERVICE, ERR_BLE_GATT, ERR_BLE_TIMEOUT, ERR_BLE_LINK_LOST, the signal's reason
   */
  async service(uuid: string | undefined, signal: AbortSignal): Promise<DeviceService> {
    const key = uuid ?? ''
    let found = this.#services.get(key)
    if (found === undefined) {
      found = this.#discover(uuid)
      this.#services.set(key, found)
      found.catch(() => {
        this.#services.delete(key)
      })
    }
    const shared = found
    return await waitFor<DeviceService>(signal, (resolve, reject) => {
      shared.then(resolve, reject)
      return undefined
    })
  }

  async #discover(uuid: string | undefined): Promise<DeviceService> {
    const { id, peripheral } = this.#link
    // One after the other as a whole: the library forgets the services it has found when it looks for them again.
    const endTurn = await this.#discoveries.take(this.#never)
    try {
      const services = await this.#request<readonly ServiceLike[]>('its services', this.#never, (done) => {
        peripheral.discoverServices(uuid === undefined ? [] : [uuid], done)
      })
      const candidates = services.filter((service) => uuid === undefined || service.uuid === uuid)
      for (const candidate of candidates.slice(0, MAX_SERVICES)) {
        const found = await this.#characteristics(candidate)
        if (uuid !== undefined || found.port !== undefined) return found
      }
    } finally {
      endTurn()
    }
    throw bleErrors.create('ERR_BLE_NO_SERVICE', `${id} does not have the service of the group`, { details: { id } })
  }

  /** @throws ERR_BLE_GATT, ERR_BLE_TIMEOUT, ERR_BLE_LINK_LOST, the signal's reason */
  async readPort({ port }: DeviceService, signal: AbortSignal): Promise<number> {
    return decodePort(this.#link.id, await this.#read(this.#present(port, 'port'), 'its port', signal))
  }

  /** @throws as {@link GattClient.readPort} */
  async readMetadata({ metadata }: DeviceService, signal: AbortSignal): Promise<Uint8Array> {
    return checkMetadata(this.#link.id, await this.#read(this.#present(metadata, 'metadata'), 'its metadata', signal))
  }

  /** Asks for notifications. @throws as {@link GattClient.readPort} */
  async subscribe(characteristic: CharacteristicLike, what: string, signal: AbortSignal): Promise<void> {
    if (!characteristic.properties.includes('notify')) {
      throw bleErrors.create('ERR_BLE_GATT', `${this.#link.id} does not notify of ${what}`, { details: { id: this.#link.id } })
    }
    await this.#request<unknown>(`the subscription to ${what}`, signal, (done) => {
      characteristic.subscribe((error) => {
        done(error, true)
      })
    })
  }

  /** Wants no more notifications, as far as the device can be told. */
  unsubscribe(characteristic: CharacteristicLike): void {
    if (!this.#link.usable || this.silent) return
    this.#request<unknown>('the end of a subscription', this.#never, (done) => {
      characteristic.unsubscribe((error) => {
        done(error, true)
      })
    }).catch(() => undefined)
  }

  async #characteristics(service: ServiceLike): Promise<DeviceService> {
    const found = await this.#request<readonly CharacteristicLike[]>('its characteristics', this.#never, (done) => {
      service.discoverCharacteristics(WANTED, done)
    })
    const [port, metadata, stream] = WANTED.map((uuid) => found.find((characteristic) => characteristic.uuid === uuid))
    const streams = ['writeWithoutResponse', 'notify'].every((property) => stream?.properties.includes(property) === true)
    return { port, metadata, stream: streams ? stream : undefined }
  }

  #present(characteristic: CharacteristicLike | undefined, what: string): CharacteristicLike {
    if (characteristic !== undefined) return characteristic
    const { id } = this.#link
    throw bleErrors.create('ERR_BLE_GATT', `${id} has the service of the group without its ${what} characteristic`, { details: { id } })
  }

  #read(characteristic: CharacteristicLike, what: string, signal: AbortSignal): Promise<Buffer> {
    return this.#request<Buffer>(what, signal, (done) => {
      characteristic.read(done)
    })
  }

  /** The caller may go away, the request stays until it is answered: another one in its place would get its answer. */
  async #request<T>(what: string, signal: AbortSignal, begin: (done: (error: unknown, value?: T) => void) => void): Promise<T> {
    const endTurn = await this.#turns.take(signal)
    const answer = this.#ask(what, begin).finally(endTurn)
    return await waitFor<T>(signal, (resolve, reject) => {
      answer.then(resolve, reject)
      return undefined
    })
  }

  async #ask<T>(what: string, begin: (done: (error: unknown, value?: T) => void) => void): Promise<T> {
    const { clock, requestMs } = this.#options
    const { id } = this.#link
    if (this.#silent !== undefined) throw this.#silent
    if (this.#link.closed !== undefined) throw this.#link.closed
    return await new Promise<T>((resolve, reject) => {
      const end = (settle: () => void): void => {
        endListening()
        cancelDeadline()
        settle()
      }
      const endListening = this.#link.onClosed((error) => {
        end(() => {
          reject(error)
        })
      })
      const cancelDeadline = clock.after(requestMs, () => {
        end(() => {
          const error = bleErrors.create('ERR_BLE_TIMEOUT', `${id} did not answer when asked for ${what}`, { details: { id } })
          this.#silent = unanswered(id, what, error)
          this.#link.retire()
          reject(error)
        })
      })
      try {
        begin((error, value) => {
          end(() => {
            if (error !== undefined && error !== null) reject(gattError(id, what, error))
            else if (value === undefined) reject(gattError(id, what, 'no value'))
            else resolve(value)
          })
        })
      } catch (error) {
        end(() => {
          reject(gattError(id, what, error))
        })
      }
    })
  }
}

function gattError(id: string, what: string, error: unknown): Error {
  const said = error instanceof Error ? error.message : String(error)
  return bleErrors.create('ERR_BLE_GATT', `${id} could not be asked for ${what}: ${said}`, { cause: error, details: { id } })
}

function unanswered(id: string, what: string, cause: unknown): Error {
  return bleErrors.create('ERR_BLE_GATT', `${id} still owes the answer to what was asked before: ${what}`, { cause, details: { id } })
}
