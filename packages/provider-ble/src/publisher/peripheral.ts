import { isKithmeshError, type Clock, type Logger } from '@kithmesh/core/plugin'
import { bleErrors } from '../errors.ts'
import { stateError } from '../library/library-errors.ts'
import type { LoadedBleno } from '../library/bleno-like.ts'
import { CentralSession, type CentralSessionOptions } from './central-session.ts'
import { characteristics, type CentralKey, type CharacteristicsOptions } from './characteristics.ts'

/** What an advertisement says. */
export interface AdvertisedData {
  readonly serviceUuid: string
  readonly displayName: string
  readonly advertisement: Buffer
  readonly scanResponse: Buffer
}

/** What an instance of the library is made for, and tells beyond what the library itself does, where that can be found out. */
export interface LoadHooks {
  readonly deviceName: string
  /** The controller refuses to advertise, and nobody had asked the library to begin. */
  readonly refused: () => void
  /** A notification was taken off the library's hands. */
  readonly notified: (connection: number) => void
}

export interface PeripheralOptions
  extends Pick<CentralSessionOptions, 'values' | 'openLine' | 'paced'>,
    Pick<CharacteristicsOptions, 'stream'> {
  readonly deviceName: string
  /** Makes the library's instance. */
  readonly load: (hooks: LoadHooks) => LoadedBleno
  readonly clock: Clock
  readonly logger: Logger
  /** How long the library may take for one thing. */
  readonly deadlineMs: number
  /** Whether it takes advertisements as bytes. */
  readonly advertisesBytes: boolean
  /** Centrals at a time. */
  readonly maxCentrals: number
  /** Ends the link to a device; without it the library is asked to, and takes a handle of 0 for none. */
  readonly disconnect?: ((id: string) => void) | undefined
  readonly accepted: (peripheral: Peripheral) => void
  readonly left: (peripheral: Peripheral) => void
  /** It should advertise, and the controller refused. */
  readonly refused: (peripheral: Peripheral) => void
  /** Bluetooth is no longer usable with it. */
  readonly failed: (peripheral: Peripheral, error: Error) => void
}

/** One instance of the library: it advertises, and serves the centrals that connected because of that. */
export class Peripheral {
  readonly #options: PeripheralOptions
  readonly #loaded: LoadedBleno
  readonly #sessions = new Map<CentralKey, CentralSession>()
  readonly #removers: (() => void)[] = []
  /** Settles what the library has not answered yet. */
  readonly #unanswered = new Set<(error: Error) => void>()
  /** Settles what has to do with advertising and has not been answered yet: an accepted central is an answer, too. */
  readonly #advertising = new Set<() => void>()
  #service = ''
  #advertised: AdvertisedData | undefined
  #stopping: Promise<void> | undefined
  #released = false

  /** @throws what keeps the library from being loaded */
  constructor(options: PeripheralOptions) {
    this.#options = options
    this.#loaded = options.load({
      deviceName: options.deviceName,
      refused: () => {
        // Who asks is told in the answer.
        if (this.#released || this.#advertised === undefined) return
        this.#advertised = undefined
        options.refused(this)
      },
      notified: (connection) => {
        this.#sessions.get(this.#loaded.manyCentrals ? connection : undefined)?.notified()
      }
    })
  }

  get sessions(): Iterable<CentralSession> {
    return this.#sessions.values()
  }

  /** Centrals that are connected, as far as is known. */
  get centrals(): number {
    return this.#sessions.size
  }

  /** It serves several centrals, and advertises on while they are connected. */
  get manyCentrals(): boolean {
    return this.#loaded.manyCentrals
  }

  /** Resolves once the adapter is on. @throws ERR_BLE_POWERED_OFF, ERR_BLE_NOT_PERMITTED, ERR_BLE_UNSUPPORTED, ERR_BLE_PUBLISH */
  async start(): Promise<void> {
    const { accepted, left } = this.#options
    const loaded = this.#loaded
    const keyOf = (address: string, connection: CentralKey): CentralKey => (loaded.manyCentrals ? (connection ?? address) : undefined)
    this.#on('accept', (address: string, connection: CentralKey) => {
      this.#open(keyOf(address, connection), deviceId(address))
      for (const settle of [...this.#advertising]) settle()
      accepted(this)
    })
    this.#on('disconnect', (address: string, connection: CentralKey) => {
      this.#drop(keyOf(address, connection))
      left(this)
    })
    for (const event of ['advertisingStartError', 'servicesSetError']) {
      this.#on(event, (cause: unknown) => {
        this.#rejectUnanswered(refusal('The adapter refused to publish', cause))
      })
    }
    await this.#ask('Bluetooth did not come on', (answer) => {
      let up = false
      const told = (state: string): void => {
        const error = stateError(loaded.name, state)
        if (state === 'poweredOn') {
          up = true
          answer()
        } else if (!up && error !== undefined) answer(error)
        else if (up)
          this.#options.failed(this, error ?? bleErrors.create('ERR_BLE_ADAPTER_FAILED', `${loaded.name} says that Bluetooth is ${state}`))
      }
      this.#on('stateChange', told)
      loaded.start()
      if (!up && loaded.bleno.state !== 'unknown') told(loaded.bleno.state)
    })
  }

  /** Serves this service, and no other any more. @throws ERR_BLE_PUBLISH */
  async serve(serviceUuid: string): Promise<void> {
    if (this.#service === serviceUuid) return
    const { stream, logger } = this.#options
    const loaded = this.#loaded
    const service = loaded.service(serviceUuid, characteristics({ stream, logger, session: (key) => this.#session(key) }))
    await this.#ask('The service was not set', (answer) => {
      loaded.bleno.setServices([service], answer)
    })
    this.#service = serviceUuid
  }

  /** Begins to advertise, or changes what is advertised. @throws ERR_BLE_PUBLISH */
  async advertise(data: AdvertisedData): Promise<void> {
    const { advertisesBytes } = this.#options
    const { bleno } = this.#loaded
    // The libraries take the answer to one for the answer to the other.
    await this.#stopping?.catch(() => {})
    if (this.#advertised !== undefined) {
      if (saysSame(this.#advertised, data, advertisesBytes)) return
      // CoreBluetooth does not answer who begins again.
      if (!advertisesBytes) await this.stopAdvertising()
    }
    this.#advertised = undefined
    await this.#ask('Advertising did not begin', (answer) => {
      this.#advertising.add(answer)
      if (advertisesBytes) bleno.startAdvertisingWithEIRData(data.advertisement, data.scanResponse, answer)
      else bleno.startAdvertising(data.displayName, [data.serviceUuid], answer)
    }).finally(() => {
      this.#advertising.clear()
    })
    // A central may have been accepted meanwhile, and advertising was ended because of that.
    if (this.#stopping === undefined) this.#advertised = data
  }

  /** @throws ERR_BLE_PUBLISH */
  async stopAdvertising(): Promise<void> {
    this.#advertised = undefined
    if (!this.#options.advertisesBytes) {
      // CoreBluetooth is done at once, and one of the libraries does not tell.
      this.#loaded.bleno.stopAdvertising()
      return
    }
    this.#stopping ??= this.#ask('Advertising did not end', (answer) => {
      this.#loaded.bleno.stopAdvertising(() => {
        answer()
      })
    }).finally(() => {
      this.#stopping = undefined
    })
    await this.#stopping
  }

  /** Something else has ended advertising: it is begun anew next time. */
  advertisingEnded(): void {
    this.#advertised = undefined
  }

  /** Ends its links and takes it out of use. Idempotent. */
  release(): void {
    if (this.#released) return
    this.#released = true
    for (const remove of this.#removers.splice(0)) remove()
    for (const key of [...this.#sessions.keys()]) this.#drop(key)
    this.#rejectUnanswered(bleErrors.create('ERR_BLE_SHUT_DOWN', 'Bluetooth was stopped'))
    this.#loaded.release()
  }

  #session(key: CentralKey): CentralSession | undefined {
    return this.#sessions.get(key) ?? this.#open(key, typeof key === 'string' ? deviceId(key) : undefined)
  }

  /** A new session for this key, if there is room: one that nobody uses makes some, as not every platform tells of an end. */
  #open(key: CentralKey, id: string | undefined): CentralSession | undefined {
    this.#drop(key)
    if (this.#released) return undefined
    const { values, openLine, clock, paced, logger, maxCentrals } = this.#options
    if (this.#sessions.size >= maxCentrals) {
      const idle = [...this.#sessions].find(([, session]) => !session.inUse)
      if (idle === undefined) return undefined
      this.#drop(idle[0])
    }
    const disconnect = (): void => {
      this.#disconnect(key, id)
    }
    const session = new CentralSession({ id, values, openLine, clock, paced, disconnect, logger })
    this.#sessions.set(key, session)
    return session
  }

  #drop(key: CentralKey): void {
    const session = this.#sessions.get(key)
    this.#sessions.delete(key)
    session?.ended()
  }

  #disconnect(key: CentralKey, id: string | undefined): void {
    if (this.#released) return
    const { disconnect, logger } = this.#options
    try {
      if (disconnect !== undefined && id !== undefined) disconnect(id)
      else this.#loaded.bleno.disconnect(key as number | undefined)
    } catch (error) {
      logger.debug('A central could not be disconnected', { central: key, error })
    }
  }

  #on(event: string, listener: (...parameters: never[]) => void): void {
    const { bleno } = this.#loaded
    this.#removers.push(() => {
      bleno.removeListener(event, listener)
    })
    bleno.on(event as 'accept', listener as (address: string, connection?: number) => void)
  }

  #rejectUnanswered(error: Error): void {
    for (const reject of [...this.#unanswered]) reject(error)
  }

  /** Asks the library for something and waits for its answer, which may never come (ble.md §6.5). */
  #ask(what: string, run: (answer: (error?: unknown) => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const { clock, deadlineMs } = this.#options
      const settle = (error?: Error): void => {
        cancel()
        this.#unanswered.delete(settle)
        if (error === undefined) resolve()
        else reject(error)
      }
      const cancel = clock.after(deadlineMs, () => {
        settle(bleErrors.create('ERR_BLE_PUBLISH', `${what} within ${deadlineMs} ms`))
      })
      if (this.#released) {
        settle(bleErrors.create('ERR_BLE_SHUT_DOWN', 'Bluetooth was stopped'))
        return
      }
      this.#unanswered.add(settle)
      try {
        run((error) => {
          settle(error === undefined || error === null ? undefined : refusal(what, error))
        })
      } catch (error) {
        settle(refusal(what, error))
      }
    })
  }
}

/** As `Advertisement.id`. */
function deviceId(address: string): string {
  return address.toLowerCase().replaceAll(':', '')
}

function saysSame(one: AdvertisedData, other: AdvertisedData, asBytes: boolean): boolean {
  if (asBytes) return one.advertisement.equals(other.advertisement) && one.scanResponse.equals(other.scanResponse)
  return one.serviceUuid === other.serviceUuid && one.displayName === other.displayName
}

function refusal(what: string, cause: unknown): Error {
  if (isKithmeshError(cause)) return cause
  return bleErrors.create('ERR_BLE_PUBLISH', `${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
}
